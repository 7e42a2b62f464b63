import type { Family } from '../net/address.ts';
import { jhashFinal } from './jhash.ts';

/**
 * The datapath's hash of a flow (docs/hashing.md): client address, client port, service port and protocol under a seed. The
 * service's address does not enter. Addresses are big-endian words; the datapath hashes the words as they lie in memory of a
 * little-endian host, hence the byte swaps. Ports are host-order numbers. One function for each family because the two hashes
 * are different formulas in the datapath, too.
 */

const rol = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** Two rotations, which V8 has as one instruction each, and two masks. */
const bswap = (word: number): number => (rol(word, 8) & 0x00ff00ff) | (rol(word, 24) & 0xff00ff00);

const bswap16 = (port: number): number => ((port & 0xff) << 8) | ((port >>> 8) & 0xff);

const portWord = (sport: number, dport: number): number => (bswap16(dport) << 16) | bswap16(sport);

const ARITY_3_IV = (0xdeadbeef + 12) | 0;

export const hashTuple4 = (saddr: number, sport: number, dport: number, protocol: number, seed: number): number =>
  hashSwapped4(bswap(saddr), sport, dport, protocol, seed);

/** The same for an address whose bytes are swapped already: read with `SWAPPED`. */
export function hashSwapped4(saddr: number, sport: number, dport: number, protocol: number, seed: number): number {
  const iv = (seed + ARITY_3_IV) | 0;
  return jhashFinal((saddr + iv) | 0, (portWord(sport, dport) + iv) | 0, (protocol + iv) | 0);
}

/** The argument of a DataView's readers that makes them swap the bytes of words that lie there as the host has them: one instruction. */
export const SWAPPED: boolean = new Uint8Array(Uint32Array.of(1).buffer)[0] === 0;

/**
 * The same for many IPv6 flows to one service: to `out[i]` the hash, as a signed word, of the flow with the client address in
 * words `4 * (from + i)...` of `saddr` and the client port in `sport[from + i]`, and-ed with `portMask`. A loop, since V8 does not put so much code into its
 * callers: called for each flow it takes twice as long.
 * @param protocol by flow, or `fixed` for all
 */
export function hashTuples6(
  saddr: DataView,
  sport: Uint16Array,
  from: number,
  count: number,
  portMask: number,
  dport: number,
  protocol: Uint8Array | undefined,
  fixed: number,
  seed: number,
  out: Int32Array,
): void {
  const upper = bswap16(dport) << 16;
  for (let i = 0, row = from, at = 16 * from; i < count; i++, row++, at += 16) {
    let a = saddr.getInt32(at, SWAPPED);
    let b = saddr.getInt32(at + 4, SWAPPED);
    let c = saddr.getInt32(at + 8, SWAPPED);
    // The mixing step, twice.
    a = ((a - c) | 0) ^ rol(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rol(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rol(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rol(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rol(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rol(b, 4);
    b = (b + a) | 0;
    a = (a + saddr.getInt32(at + 12, SWAPPED)) | 0;
    b = (b + (upper | bswap16(sport[row]! & portMask))) | 0;
    c = (c + (protocol === undefined ? fixed : protocol[row]!)) | 0;
    a = ((a - c) | 0) ^ rol(c, 4);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rol(a, 6);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rol(b, 8);
    b = (b + a) | 0;
    a = ((a - c) | 0) ^ rol(c, 16);
    c = (c + b) | 0;
    b = ((b - a) | 0) ^ rol(a, 19);
    a = (a + c) | 0;
    c = ((c - b) | 0) ^ rol(b, 4);
    b = (b + a) | 0;
    out[i] = jhashFinal((a + seed) | 0, b, c);
  }
}

// One flow: a batch of one.
const address = new Uint32Array(4);
const addressView = new DataView(address.buffer);
const port = new Uint16Array(1);
const hash = new Int32Array(1);

/** `w0..w3` are the client address, most significant word first. */
export function hashTuple6(
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  sport: number,
  dport: number,
  protocol: number,
  seed: number,
): number {
  address[0] = w0;
  address[1] = w1;
  address[2] = w2;
  address[3] = w3;
  port[0] = sport;
  hashTuples6(addressView, port, 0, 1, 0xffff, dport, undefined, protocol, seed | 0, hash);
  return hash[0]! >>> 0;
}

/** Either family; `saddr[at..]` holds one word or four. */
export const hashTuple = (
  family: Family,
  saddr: ArrayLike<number>,
  at: number,
  sport: number,
  dport: number,
  protocol: number,
  seed: number,
): number =>
  family === 4
    ? hashTuple4(saddr[at]!, sport, dport, protocol, seed)
    : hashTuple6(saddr[at]!, saddr[at + 1]!, saddr[at + 2]!, saddr[at + 3]!, sport, dport, protocol, seed);
