import { copyAddress, type Family, formatWords, type IpAddress, storeAddress, wordsOf } from '../net/address.ts';

/*
 * The tuple that keys conntrack and NAT entries, as big-endian words in a typed array (docs/conntrack.md):
 *
 *   daddr (1 or 4 words) | saddr (1 or 4 words) | dport << 16 | sport | protocol << 8 | flags
 *
 * Three ways of filling it are in use; "source" and "destination" below are those of the packet:
 *
 * | layout  | saddr       | daddr       | sport            | dport            | where                                      |
 * |---------|-------------|-------------|------------------|------------------|--------------------------------------------|
 * | packet  | source      | destination | destination port | source port      | service lookup, conntrack reverse lookups  |
 * | forward | destination | source      | source port      | destination port | conntrack forward: `packet` reversed       |
 * | NAT     | source      | destination | source port      | destination port | NAT keys                                   |
 */

/** A tuple: 4 words for IPv4, 10 for IPv6. */
export type CtTuple = Uint32Array;

/** Tuple flags. OUT and IN are the direction; RELATED is or-ed to either; SERVICE stands alone. */
export const TupleFlag = { OUT: 0, IN: 1, RELATED: 2, SERVICE: 4 } as const;

/** Words of a tuple: 4 for IPv4, 10 for IPv6. */
export const tupleWords = (family: Family): number => 2 * wordsOf(family) + 2;

export const createTuple = (family: Family): CtTuple => new Uint32Array(tupleWords(family));

// Positions, for a family of `w` words per address: daddr 0, saddr w, ports 2w, protocol and flags 2w + 1.

/** Fills a tuple; `saddr[saddrAt ...]` and `daddr[daddrAt ...]` are addresses of `w` words. See `tupleOf` for `IpAddress`es. */
export function setTuple(
  tuple: CtTuple,
  w: number,
  saddr: ArrayLike<number>,
  saddrAt: number,
  daddr: ArrayLike<number>,
  daddrAt: number,
  sport: number,
  dport: number,
  protocol: number,
  flags: number,
): void {
  copyAddress(tuple, 0, daddr, daddrAt, w);
  copyAddress(tuple, w, saddr, saddrAt, w);
  tuple[2 * w] = (dport << 16) | sport;
  tuple[2 * w + 1] = (protocol << 8) | flags;
}

/** A tuple of addresses of one family. */
export function tupleOf(
  source: IpAddress,
  destination: IpAddress,
  sport: number,
  dport: number,
  protocol: number,
  flags: number,
): CtTuple {
  const tuple = createTuple(source.family);
  const w = wordsOf(source.family);
  storeAddress(tuple, 0, destination.words);
  storeAddress(tuple, w, source.words);
  setTuplePorts(tuple, w, sport, dport);
  tuple[2 * w + 1] = (protocol << 8) | flags;
  return tuple;
}

/** Copies a tuple word by word: for so few words much faster than the array's own `set`. */
export function copyTuple(to: CtTuple, from: CtTuple, w: number): void {
  copyAddress(to, 0, from, 0, w);
  copyAddress(to, w, from, w, w);
  to[2 * w] = from[2 * w]!;
  to[2 * w + 1] = from[2 * w + 1]!;
}

/** Swaps the addresses and the ports, in place; flags stay. */
export function reverseTuple(tuple: CtTuple, w: number): void {
  swapTupleAddresses(tuple, w);
  const ports = tuple[2 * w]!;
  tuple[2 * w] = (ports << 16) | (ports >>> 16);
}

function swapWords(tuple: CtTuple, i: number, j: number): void {
  const word = tuple[i]!;
  tuple[i] = tuple[j]!;
  tuple[j] = word;
}

/** Swaps the addresses only, in place: from NAT layout to conntrack's forward layout and back. */
export function swapTupleAddresses(tuple: CtTuple, w: number): void {
  swapWords(tuple, 0, w);
  if (w === 1) return;
  swapWords(tuple, 1, 5);
  swapWords(tuple, 2, 6);
  swapWords(tuple, 3, 7);
}

export const tupleSport = (tuple: CtTuple, w: number): number => tuple[2 * w]! & 0xffff;
export const tupleDport = (tuple: CtTuple, w: number): number => tuple[2 * w]! >>> 16;
export const tupleProtocol = (tuple: CtTuple, w: number): number => (tuple[2 * w + 1]! >>> 8) & 0xff;
export const tupleFlags = (tuple: CtTuple, w: number): number => tuple[2 * w + 1]! & 0xff;

export function setTuplePorts(tuple: CtTuple, w: number, sport: number, dport: number): void {
  tuple[2 * w] = (dport << 16) | sport;
}

export function setTupleFlags(tuple: CtTuple, w: number, flags: number): void {
  tuple[2 * w + 1] = (tuple[2 * w + 1]! & 0xff00) | flags;
}

/** A tuple for people and reports: addresses as text, the rest as numbers. */
export interface TupleView {
  readonly daddr: string;
  readonly saddr: string;
  readonly dport: number;
  readonly sport: number;
  readonly protocol: number;
  readonly flags: number;
}

/** The tuple in `words[at ...]` as a `TupleView`. */
export function viewTuple(family: Family, words: Uint32Array, at = 0): TupleView {
  const w = wordsOf(family);
  const ports = words[at + 2 * w]!;
  const last = words[at + 2 * w + 1]!;
  return {
    daddr: formatWords(family, words, at),
    saddr: formatWords(family, words, at + w),
    dport: ports >>> 16,
    sport: ports & 0xffff,
    protocol: (last >>> 8) & 0xff,
    flags: last & 0xff,
  };
}
