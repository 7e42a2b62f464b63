import {
  DEFAULT_HASH_SEED,
  type MaglevBackend,
  offsetOf,
  parseHashSeed,
  prepareBackends,
  skipOf,
} from '../../src/maglev/index.ts';

/**
 * The table as Maglev's paper puts it: for every backend its whole permutation of the slots, then turn by turn the next slot that is free.
 * The permutations are a matrix of backends times slots.
 */
export function naiveMaglevTable(backends: readonly MaglevBackend[], size: number): Uint32Array {
  const { murmur } = parseHashSeed(DEFAULT_HASH_SEED);
  const { ids, hashes } = prepareBackends(backends, murmur);
  const permutations = Array.from(ids, (_, backend) => {
    const offset = offsetOf(hashes, 4 * backend, size);
    const skip = skipOf(hashes, 4 * backend, size);
    return Array.from({ length: size }, (__, turn) => (offset + turn * skip) % size);
  });
  const next = permutations.map(() => 0);
  const owners = Array.from<number | undefined>({ length: size });
  for (let filled = 0; ;) {
    for (let backend = 0; backend < permutations.length; backend++) {
      let slot: number;
      do slot = permutations[backend]![next[backend]!++]!;
      while (owners[slot] !== undefined);
      owners[slot] = ids[backend]!;
      if (++filled === size) return Uint32Array.from(owners as number[]);
    }
  }
}
