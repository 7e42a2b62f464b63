/*
 * The two loops of every lookup. They take two words a turn: a turn costs as much as what is done in it, and four would be too much
 * code for V8 to put them into their callers. What the first answers is a number: V8 tests a boolean that comes from a call for
 * every kind of truth.
 */

export const SAME = 1;
const DIFFERENT = 0;

/** Whether `count` words are the same: `SAME` or `DIFFERENT`. */
export function sameWords(a: Uint32Array, aAt: number, b: Uint32Array, bAt: number, count: number): number {
  let i = 1;
  for (; i < count; i = (i + 2) | 0) {
    const at = (aAt + i) | 0;
    const other = (bAt + i) | 0;
    if (a[at - 1] !== b[other - 1] || a[at] !== b[other]) return DIFFERENT;
  }
  return i > count || a[aAt + i - 1] === b[bAt + i - 1] ? SAME : DIFFERENT;
}

/**
 * The hash of `count` words, a signed number. One multiplication per word, in two chains that the processor runs side by side, then a final mix.
 * Every step can be undone, so keys that differ in one word never share a hash.
 */
export function hashWords(key: Uint32Array, at: number, count: number): number {
  let h = 0;
  let g = 0;
  let i = 1;
  for (; i < count; i = (i + 2) | 0) {
    h = Math.imul(((h << 5) | (h >>> 27)) ^ key[at + i - 1]!, 0x9e3779b1);
    g = Math.imul(((g << 5) | (g >>> 27)) ^ key[at + i]!, 0x85ebca6b);
  }
  if (i === count) h = Math.imul(((h << 5) | (h >>> 27)) ^ key[at + i - 1]!, 0x9e3779b1);
  h = Math.imul((h ^ (h >>> 16)) + ((g << 16) | (g >>> 16)), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
