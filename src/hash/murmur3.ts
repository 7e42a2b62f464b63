import { mul64High } from './u64.ts';

/**
 * MurmurHash3 x64_128 with 64-bit values as two unsigned 32-bit halves: no BigInt, about twenty times faster. The 32-bit seed is
 * loaded into both 64-bit state words and blocks are read little-endian. `out` receives h1 high, h1 low, h2 high, h2 low.
 */

const C1_HI = 0x87c37b91;
const C1_LO = 0x114253d5;
const C2_HI = 0x4cf5ad43;
const C2_LO = 0x2745937f;

/** The state between blocks. Module-level numbers: one hash at a time, nothing allocated. */
let h1hi = 0;
let h1lo = 0;
let h2hi = 0;
let h2lo = 0;

/** Mixes k1 into h1: multiply by c1, rotate left 31, multiply by c2, xor. */
function mixK1(hi: number, lo: number): void {
  const mhi = mul64High(hi, lo, C1_HI, C1_LO);
  const mlo = Math.imul(lo, C1_LO);
  const rhi = (mhi << 31) | (mlo >>> 1);
  const rlo = ((mlo << 31) | (mhi >>> 1)) >>> 0;
  h1hi ^= mul64High(rhi, rlo, C2_HI, C2_LO);
  h1lo ^= Math.imul(rlo, C2_LO);
}

/** Mixes k2 into h2: multiply by c2, rotate left 33, multiply by c1, xor. */
function mixK2(hi: number, lo: number): void {
  const mhi = mul64High(hi, lo, C2_HI, C2_LO);
  const mlo = Math.imul(lo, C2_LO);
  const rhi = (mlo << 1) | (mhi >>> 31);
  const rlo = ((mhi << 1) | (mlo >>> 31)) >>> 0;
  h2hi ^= mul64High(rhi, rlo, C1_HI, C1_LO);
  h2lo ^= Math.imul(rlo, C1_LO);
}

/** (hi:lo) * 5 + add; fills the module's `p` pair. */
let phi = 0;
let plo = 0;
function times5Plus(hi: number, lo: number, add: number): void {
  const low = (lo >>> 0) * 5 + add;
  plo = low >>> 0;
  phi = (Math.imul(hi, 5) + Math.floor(low / 0x1_0000_0000)) >>> 0;
}

/** The finalisation mix of one 64-bit word, into the `p` pair. */
function fmix(hi: number, lo: number): void {
  lo = (lo ^ (hi >>> 1)) >>> 0; // x ^= x >> 33: only the low half changes
  let high = mul64High(hi, lo, 0xff51afd7, 0xed558ccd);
  lo = Math.imul(lo, 0xed558ccd) ^ (high >>> 1);
  const next = mul64High(high, lo >>> 0, 0xc4ceb9fe, 0x1a85ec53);
  lo = Math.imul(lo, 0x1a85ec53) ^ (next >>> 1);
  high = next;
  phi = high >>> 0;
  plo = lo >>> 0;
}

const readWord = (bytes: Uint8Array, at: number): number =>
  bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);

/** Up to four tail bytes from `at`, little-endian, stopping at `end`. */
function tailWord(bytes: Uint8Array, at: number, end: number): number {
  let word = 0;
  for (let i = at; i < end && i < at + 4; i++) word |= bytes[i]! << ((i - at) * 8);
  return word;
}

/**
 * Hashes `bytes[0, length)`.
 * @param seed any number whose low 32 bits are meant
 * @param out at least four words: h1 high, h1 low, h2 high, h2 low
 */
export function murmur3x64(bytes: Uint8Array, length: number, seed: number, out: Uint32Array): void {
  h1hi = 0;
  h2hi = 0;
  h1lo = seed | 0;
  h2lo = seed | 0;
  let at = 0;
  for (; at + 16 <= length; at += 16) {
    mixK1(readWord(bytes, at + 4), readWord(bytes, at));
    // h1 = rotl(h1, 27) + h2
    let lo = (((h1lo << 27) | (h1hi >>> 5)) >>> 0) + (h2lo >>> 0);
    let hi = ((h1hi << 27) | (h1lo >>> 5)) + h2hi + (lo > 0xffffffff ? 1 : 0);
    times5Plus(hi, lo, 0x52dce729);
    h1hi = phi;
    h1lo = plo;
    mixK2(readWord(bytes, at + 12), readWord(bytes, at + 8));
    // h2 = rotl(h2, 31) + h1
    lo = (((h2lo << 31) | (h2hi >>> 1)) >>> 0) + (h1lo >>> 0);
    hi = ((h2hi << 31) | (h2lo >>> 1)) + h1hi + (lo > 0xffffffff ? 1 : 0);
    times5Plus(hi, lo, 0x38495ab5);
    h2hi = phi;
    h2lo = plo;
  }
  if (length > at + 8) mixK2(tailWord(bytes, at + 12, length), tailWord(bytes, at + 8, length));
  if (length > at) mixK1(tailWord(bytes, at + 4, length), tailWord(bytes, at, length));
  h1lo ^= length;
  h2lo ^= length;
  addH2ToH1();
  addH1ToH2();
  fmix(h1hi, h1lo);
  h1hi = phi;
  h1lo = plo;
  fmix(h2hi, h2lo);
  h2hi = phi;
  h2lo = plo;
  addH2ToH1();
  addH1ToH2();
  out[0] = h1hi;
  out[1] = h1lo;
  out[2] = h2hi;
  out[3] = h2lo;
}

function addH2ToH1(): void {
  const lo = (h1lo >>> 0) + (h2lo >>> 0);
  h1hi = (h1hi + h2hi + (lo > 0xffffffff ? 1 : 0)) | 0;
  h1lo = lo | 0;
}

function addH1ToH2(): void {
  const lo = (h1lo >>> 0) + (h2lo >>> 0);
  h2hi = (h1hi + h2hi + (lo > 0xffffffff ? 1 : 0)) | 0;
  h2lo = lo | 0;
}
