/** 64-bit arithmetic on two 32-bit halves. Halves may come signed or unsigned; results are unsigned. */

/** The high 32 bits of the 64-bit product of two u32; every partial product below stays under 2^32. */
export function mulHigh(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const w1 = (Math.imul(a1, b0) + (Math.imul(a0, b0) >>> 16)) >>> 0;
  const w2 = ((w1 & 0xffff) + Math.imul(a0, b1)) >>> 0;
  return (Math.imul(a1, b1) + (w1 >>> 16) + (w2 >>> 16)) >>> 0;
}

/** High half of (hi:lo) * (bhi:blo) modulo 2^64; the low half is `Math.imul(lo, blo)`. */
export const mul64High = (hi: number, lo: number, bhi: number, blo: number): number =>
  (mulHigh(lo, blo) + Math.imul(hi, blo) + Math.imul(lo, bhi)) >>> 0;

/** (hi:lo) modulo `m`, exact for m up to 2^32: sixteen bits at a time stay below 2^48. */
export function mod64(hi: number, lo: number, m: number): number {
  let rest = (hi >>> 0) % m;
  rest = (rest * 0x10000 + (lo >>> 16)) % m;
  return (rest * 0x10000 + (lo & 0xffff)) % m;
}
