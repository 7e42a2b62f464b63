/** A source of random 32-bit words: each call gives the next, 0..2^32-1. */
export type Random = () => number;

/** Spreads 32 bits over 32 bits, one to one. */
function mix(word: number): number {
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return (word ^ (word >>> 16)) >>> 0;
}

/**
 * The generator sfc32: 128 bits of state, equal seeds give equal sequences on every machine. `stream` numbers independent
 * sequences of one seed, so that trial 17 draws the same whoever runs it, and in whatever order.
 * @param seed and stream: any numbers whose low 32 bits are meant
 */
export function seededRandom(seed: number, stream = 0): Random {
  let a = mix(seed | 0);
  let b = mix((stream + 0x9e3779b9) | 0);
  let c = mix(a ^ Math.imul(b, 0x27d4eb2f));
  let counter = 1;
  const next = (): number => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + sum) | 0;
    return sum >>> 0;
  };
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** A whole number in 0..limit-1 (limit 1..2^32), without favouring any. */
export function below(random: Random, limit: number): number {
  const unfair = 0x1_0000_0000 - (0x1_0000_0000 % limit);
  let word = random();
  while (word >= unfair) word = random();
  return word % limit;
}

/** A fraction in [0, 1) of 32 random bits. */
export const fraction = (random: Random): number => random() / 0x1_0000_0000;

/** `count` different numbers of 0..limit-1, in the order drawn. */
export function sample(random: Random, limit: number, count: number): number[] {
  const order = Array.from({ length: limit }, (_, i) => i);
  for (let i = 0; i < count; i++) {
    const j = i + below(random, limit - i);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order.slice(0, count);
}
