/**
 * A seeded source of u32 words: the same seed gives the same words, on every machine. For simulations, not for secrets.
 * (Mulberry32: a 32-bit counter and a mixing function.)
 */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t ^= t + Math.imul(t ^ (t >>> 7), 61 | t);
    return (t ^ (t >>> 14)) >>> 0;
  };
}
