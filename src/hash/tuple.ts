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

export function hashTuple4(saddr: number, sport: number, dport: number, protocol: number, seed: number): number {
  const iv = (seed + ARITY_3_IV) | 0;
  return jhashFinal((bswap(saddr) + iv) | 0, (portWord(sport, dport) + iv) | 0, (protocol + iv) | 0);
}

/** `w0..w3` are the client address, most significant word first. */
export const hashTuple6 = (
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  sport: number,
  dport: number,
  protocol: number,
  seed: number,
): number => hash6(w0 | 0, w1 | 0, w2 | 0, w3 | 0, sport, dport, protocol, seed | 0) >>> 0;

/**
 * On signed words: too large to be inlined, and V8 passes a signed word as it is but an unsigned one from 2^31 up as an object on the heap
 * (48 ns per hash instead of 13).
 */
function hash6(
  w0: number,
  w1: number,
  w2: number,
  w3: number,
  sport: number,
  dport: number,
  protocol: number,
  seed: number,
): number {
  let a = bswap(w0);
  let b = bswap(w1);
  let c = bswap(w2);
  // The mixing step, twice.
  a = (a - c) ^ rol(c, 4);
  c = (c + b) | 0;
  b = (b - a) ^ rol(a, 6);
  a = (a + c) | 0;
  c = (c - b) ^ rol(b, 8);
  b = (b + a) | 0;
  a = (a - c) ^ rol(c, 16);
  c = (c + b) | 0;
  b = (b - a) ^ rol(a, 19);
  a = (a + c) | 0;
  c = (c - b) ^ rol(b, 4);
  b = (b + a) | 0;
  a = (a + bswap(w3)) | 0;
  b = (b + portWord(sport, dport)) | 0;
  c = (c + protocol) | 0;
  a = (a - c) ^ rol(c, 4);
  c = (c + b) | 0;
  b = (b - a) ^ rol(a, 6);
  a = (a + c) | 0;
  c = (c - b) ^ rol(b, 8);
  b = (b + a) | 0;
  a = (a - c) ^ rol(c, 16);
  c = (c + b) | 0;
  b = (b - a) ^ rol(a, 19);
  a = (a + c) | 0;
  c = (c - b) ^ rol(b, 4);
  b = (b + a) | 0;
  return jhashFinal((a + seed) | 0, b, c) | 0;
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
