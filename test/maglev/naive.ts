import { offsetOf, type PreparedBackends, skipOf } from '../../src/maglev/index.ts';

/** The algorithm as it is told: whole permutations, counters as fractions of integers, no shortcut. */
export function naiveTable({ ids, hashes, weights }: PreparedBackends, size: number): number[] {
  const count = ids.length;
  const permutations = Array.from({ length: count }, (_, i) => {
    const [offset, skip] = [offsetOf(hashes, 4 * i, size), skipOf(hashes, 4 * i, size)];
    return Array.from({ length: size }, (_, k) => Number((BigInt(offset) + BigInt(k) * BigInt(skip)) % BigInt(size)));
  });
  const sum = weights.reduce((total, weight) => total + BigInt(weight), 0n);
  const weighted = sum / BigInt(count) > 1n;
  // Counters in units of 1/count, so that their integer part is a division.
  const counters = Array.from(weights, (weight) => BigInt(weight));
  const next = Array.from(ids, () => 0);
  const table: (number | undefined)[] = Array.from({ length: size });
  for (let n = 0; n < size; n++) {
    let i = n % count;
    if (weighted) {
      while (BigInt(n + 1) * BigInt(weights[i]!) < counters[i]! / BigInt(count)) i = (i + 1) % count;
      counters[i] = counters[i]! + sum * BigInt(count);
    }
    while (table[permutations[i]![next[i]!]!] !== undefined) next[i] = next[i]! + 1;
    table[permutations[i]![next[i]!]!] = ids[i]!;
  }
  return table as number[];
}
