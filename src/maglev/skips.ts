import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { HASH_WORDS, type MaglevBackend, skipOf } from './backend.ts';
import { checkTableSize, DEFAULT_TABLE_SIZE } from './sizes.ts';
import { type MaglevOptions, prepareBackends } from './table.ts';

/** Two backends whose lists run along each other: one's skip is plus or minus one, two or half times the other's. */
export interface RelatedSkips {
  readonly ids: readonly [number, number];
  readonly skips: readonly [number, number];
}

/**
 * Finds the pairs of backends with related skips (docs/maglev.md, "The tail"): they compete for the same slots in the same
 * order all along, and every bad case seen (many needless moves) had such a pair. The chance that there is one grows
 * with 3 N^2 / M.
 * @throws LbtwinError as `buildLookupTable`
 */
export function relatedSkips(
  backends: readonly MaglevBackend[],
  { tableSize = DEFAULT_TABLE_SIZE, hashSeed = DEFAULT_HASH_SEED }: MaglevOptions = {},
): RelatedSkips[] {
  const size = checkTableSize(tableSize);
  const { ids, hashes } = prepareBackends(backends, parseHashSeed(hashSeed).murmur);
  const skips = Array.from(ids, (_, i) => skipOf(hashes, i * HASH_WORDS, size));
  return relatedPairs(skips, size).map(([a, b]) => ({ ids: [ids[a]!, ids[b]!], skips: [skips[a]!, skips[b]!] }));
}

/** Pairs of indices (lower first) whose skips are related modulo the prime `size`. */
export function relatedPairs(skips: readonly number[], size: number): [number, number][] {
  const half = (size + 1) / 2;
  const seen = new Map<number, number[]>();
  const pairs: [number, number][] = [];
  skips.forEach((skip, i) => {
    const double = (2 * skip) % size;
    const halved = skip % 2 === 0 ? skip / 2 : (skip - 1) / 2 + half;
    const relatives = new Set([skip, size - skip, double, size - double, halved, size - halved]);
    for (const relative of relatives) for (const j of seen.get(relative) ?? []) pairs.push([j, i]);
    seen.set(skip, [...(seen.get(skip) ?? []), i]);
  });
  return pairs.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
}
