import { mul64High } from './u64.ts';

/** XXH64 (docs/hashing.md) in two 32-bit halves. `out` receives the high and the low half. */

const P1 = [0x9e3779b1, 0x85ebca87] as const;
const P2 = [0xc2b2ae3d, 0x27d4eb4f] as const;
const P3 = [0x165667b1, 0x9e3779f9] as const;
const P4 = [0x85ebca77, 0xc2b2ae63] as const;
const P5 = [0x27d4eb2f, 0x165667c5] as const;

type Prime = readonly [number, number];

/** The value at work. Module-level numbers: one hash at a time, nothing allocated. */
let hi = 0;
let lo = 0;

function set(high: number, low: number): void {
  hi = high | 0;
  lo = low | 0;
}

function add(high: number, low: number): void {
  const sum = (lo >>> 0) + (low >>> 0);
  hi = (hi + high + (sum > 0xffffffff ? 1 : 0)) | 0;
  lo = sum | 0;
}

function multiply(by: Prime): void {
  hi = mul64High(hi, lo, by[0], by[1]) | 0;
  lo = Math.imul(lo, by[1]);
}

/** Rotates left by 1..31. */
function rotate(bits: number): void {
  const high = (hi << bits) | (lo >>> (32 - bits));
  lo = (lo << bits) | (hi >>> (32 - bits));
  hi = high;
}

const word = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** round(accumulator, lane): into the value at work. */
function round(accHi: number, accLo: number, laneHi: number, laneLo: number): void {
  set(laneHi, laneLo);
  multiply(P2);
  add(accHi, accLo);
  rotate(31);
  multiply(P1);
}

const lanes = new Int32Array(8);

function startLanes(seed: number): void {
  const start = (index: number, primes: readonly Prime[]): void => {
    set(0, seed);
    for (const prime of primes) add(prime[0], prime[1]);
    lanes[2 * index] = hi;
    lanes[2 * index + 1] = lo;
  };
  start(0, [P1, P2]);
  start(1, [P2]);
  start(2, []);
  set(0, seed);
  // Minus P1: plus its two's complement.
  add(~P1[0], ~P1[1]);
  add(0, 1);
  lanes[6] = hi;
  lanes[7] = lo;
}

/** The four accumulators of an input of 32 bytes or more, merged into the value at work. */
function mergeLanes(): void {
  const turns = [1, 7, 12, 18];
  let [sumHi, sumLo] = [0, 0];
  for (let i = 0; i < 4; i++) {
    set(lanes[2 * i]!, lanes[2 * i + 1]!);
    rotate(turns[i]!);
    add(sumHi, sumLo);
    [sumHi, sumLo] = [hi, lo];
  }
  for (let i = 0; i < 4; i++) {
    round(0, 0, lanes[2 * i]!, lanes[2 * i + 1]!);
    set(hi ^ sumHi, lo ^ sumLo);
    multiply(P1);
    add(P4[0], P4[1]);
    [sumHi, sumLo] = [hi, lo];
  }
}

/**
 * Hashes bytes.
 * @param seed 0..2^32-1
 * @param out at least two words: the high and the low half
 */
export function xxh64(bytes: Uint8Array, seed: number, out: Uint32Array): void {
  const { length } = bytes;
  let at = 0;
  if (length >= 32) {
    startLanes(seed);
    for (; at + 32 <= length; at += 32) {
      for (let i = 0; i < 4; i++) {
        round(lanes[2 * i]!, lanes[2 * i + 1]!, word(bytes, at + 8 * i + 4), word(bytes, at + 8 * i));
        lanes[2 * i] = hi;
        lanes[2 * i + 1] = lo;
      }
    }
    mergeLanes();
  } else {
    set(0, seed);
    add(P5[0], P5[1]);
  }
  add(0, length);
  for (; at + 8 <= length; at += 8) {
    const [accHi, accLo] = [hi, lo];
    round(0, 0, word(bytes, at + 4), word(bytes, at));
    set(hi ^ accHi, lo ^ accLo);
    rotate(27);
    multiply(P1);
    add(P4[0], P4[1]);
  }
  if (at + 4 <= length) {
    const [accHi, accLo] = [hi, lo];
    set(0, word(bytes, at));
    multiply(P1);
    set(hi ^ accHi, lo ^ accLo);
    rotate(23);
    multiply(P2);
    add(P3[0], P3[1]);
    at += 4;
  }
  for (; at < length; at++) {
    const [accHi, accLo] = [hi, lo];
    set(0, bytes[at]!);
    multiply(P5);
    set(hi ^ accHi, lo ^ accLo);
    rotate(11);
    multiply(P1);
  }
  set(hi, lo ^ (hi >>> 1)); // x ^= x >> 33
  multiply(P2);
  set(hi ^ (hi >>> 29), lo ^ ((lo >>> 29) | (hi << 3))); // x ^= x >> 29
  multiply(P3);
  set(hi, lo ^ hi); // x ^= x >> 32
  out[0] = hi;
  out[1] = lo;
}
