/**
 * Jenkins' lookup3 hash as Linux has it, on unsigned 32-bit words (docs/hashing.md). Every argument may be any number whose
 * low 32 bits are meant; results are 0..2^32-1.
 */

const GOLDEN = 0xdeadbeef;

const rol = (word: number, bits: number): number => (word << bits) | (word >>> (32 - bits));

/** The final mixing of three words; the third is the hash. */
export function jhashFinal(a: number, b: number, c: number): number {
  c = ((c ^ b) - rol(b, 14)) | 0;
  a = ((a ^ c) - rol(c, 11)) | 0;
  b = ((b ^ a) - rol(a, 25)) | 0;
  c = ((c ^ b) - rol(b, 16)) | 0;
  a = ((a ^ c) - rol(c, 4)) | 0;
  b = ((b ^ a) - rol(a, 14)) | 0;
  c = ((c ^ b) - rol(b, 24)) | 0;
  return c >>> 0;
}

const jhashWords = (a: number, b: number, c: number, initval: number): number =>
  jhashFinal((a + initval) | 0, (b + initval) | 0, (c + initval) | 0);

export const jhash3Words = (a: number, b: number, c: number, initval: number): number =>
  jhashWords(a, b, c, (initval + GOLDEN + 12) | 0);

export const jhash2Words = (a: number, b: number, initval: number): number =>
  jhashWords(a, b, 0, (initval + GOLDEN + 8) | 0);

export const jhash1Word = (a: number, initval: number): number => jhashWords(a, 0, 0, (initval + GOLDEN + 4) | 0);

/** Hashes a byte string of any length, in blocks of three little-endian words. */
export function jhashBytes(bytes: Uint8Array, initval: number): number {
  let a = (GOLDEN + bytes.length + initval) | 0;
  let b = a;
  let c = a;
  let at = 0;
  let left = bytes.length;
  if (left === 0) return c >>> 0;
  for (; left > 12; left -= 12, at += 12) {
    a = (a + word(bytes, at)) | 0;
    b = (b + word(bytes, at + 4)) | 0;
    c = (c + word(bytes, at + 8)) | 0;
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
  }
  return jhashFinal((a + word(bytes, at)) | 0, (b + word(bytes, at + 4)) | 0, (c + word(bytes, at + 8)) | 0);
}

/** The little-endian word at `at`; bytes past the end count as zero. */
const word = (bytes: Uint8Array, at: number): number =>
  (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16) | ((bytes[at + 3] ?? 0) << 24);
