import { LbtwinError } from '../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { mul64High } from '../hash/u64.ts';
import { HASH_WORDS, type MaglevBackend } from '../maglev/backend.ts';
import { DEFAULT_TABLE_SIZE } from '../maglev/sizes.ts';
import { type MaglevOptions, prepareBackends } from '../maglev/table.ts';
import { VARIANTS } from '../maglev/variants/index.ts';

/** A way to spread flows: by a table from slot to backend, or, without one, by lot. */
export interface Algorithm {
  readonly name: string;
  readonly title: string;
  /** Slot to backend id; absent for `random`, which draws a backend for each new connection. */
  readonly build?: (backends: readonly MaglevBackend[], options: MaglevOptions) => Uint32Array;
}

const mix = (word: number): number => {
  let h = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
};

const prepared = (
  backends: readonly MaglevBackend[],
  hashSeed = DEFAULT_HASH_SEED,
): ReturnType<typeof prepareBackends> => prepareBackends(backends, parseHashSeed(hashSeed).murmur);

/** Highest random weight: the backend with the largest mark for the slot has it. Weights stretch the marks. */
function rendezvous(
  backends: readonly MaglevBackend[],
  { tableSize = DEFAULT_TABLE_SIZE, hashSeed }: MaglevOptions,
): Uint32Array {
  const { ids, hashes, weights } = prepared(backends, hashSeed);
  const equal = weights.every((weight) => weight === weights[0]);
  const table = new Uint32Array(tableSize);
  for (let s = 0; s < tableSize; s++) {
    const key = mix(s + 1);
    let best = -Infinity;
    for (let i = 0; i < ids.length; i++) {
      const mark = mix(key ^ hashes[i * HASH_WORDS + 1]!);
      const score = equal ? mark : -weights[i]! / Math.log((mark + 0.5) / 0x1_0000_0000);
      if (score <= best) continue;
      best = score;
      table[s] = ids[i]!;
    }
  }
  return table;
}

const POINTS_PER_BACKEND = 160;

/** A ring of 160 points per backend (in the mean; by weight), as ketama has it: a slot belongs to the next point. */
function ring(
  backends: readonly MaglevBackend[],
  { tableSize = DEFAULT_TABLE_SIZE, hashSeed }: MaglevOptions,
): Uint32Array {
  const { ids, hashes, weights } = prepared(backends, hashSeed);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (total === 0) throw new LbtwinError('all-weights-zero', 'no backend has a weight, so nobody has a share');
  const points: [place: number, id: number][] = [];
  ids.forEach((id, i) => {
    const count = Math.round((POINTS_PER_BACKEND * ids.length * weights[i]!) / total);
    for (let p = 0; p < count; p++) points.push([mix(hashes[i * HASH_WORDS + 1]! ^ mix(p + 1)), id]);
  });
  points.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const table = new Uint32Array(tableSize);
  let next = 0;
  for (let s = 0; s < tableSize; s++) {
    const place = ((s + 0.5) / tableSize) * 0x1_0000_0000;
    while (next < points.length && points[next]![0] < place) next++;
    table[s] = points[next % points.length]![1];
  }
  return table;
}

/** Jump consistent hash of the slot over the backends in the order of their texts; it knows no weights. */
function jump(
  backends: readonly MaglevBackend[],
  { tableSize = DEFAULT_TABLE_SIZE, hashSeed }: MaglevOptions,
): Uint32Array {
  const { ids, weights } = prepared(backends, hashSeed);
  if (weights.some((weight) => weight !== weights[0])) {
    throw new LbtwinError('weights-unsupported', 'jump hashing knows no weights', { allowed: 'equal weights' });
  }
  return Uint32Array.from({ length: tableSize }, (_, s) => ids[jumpHash(mix(s + 1), mix(~s), ids.length)]!);
}

/** The bucket 0..buckets-1 of a 64-bit key in two halves (Lamping and Veach). */
export function jumpHash(high: number, low: number, buckets: number): number {
  let bucket = -1;
  let next = 0;
  while (next < buckets) {
    bucket = next;
    // key = key * 2862933555777941757 + 1
    high = mul64High(high, low, 0x27bb2ee6, 0x87b0b0fd);
    low = (Math.imul(low, 0x87b0b0fd) + 1) >>> 0;
    if (low === 0) high = (high + 1) >>> 0;
    next = Math.floor((bucket + 1) * (0x8000_0000 / ((high >>> 1) + 1)));
  }
  return bucket;
}

/** All that can be compared: the Maglev variants, chance, and three reference points. */
export const ALGORITHMS: Readonly<Record<string, Algorithm>> = Object.fromEntries(
  [
    { name: 'maglev', title: "Cilium's Maglev", build: VARIANTS['cilium']!.build },
    { name: 'random', title: 'Random choice, kept by conntrack' },
    { name: 'rendezvous', title: 'Rendezvous hashing', build: rendezvous },
    { name: 'ring', title: `Hash ring, ${POINTS_PER_BACKEND} points per backend`, build: ring },
    { name: 'jump', title: 'Jump consistent hash', build: jump },
    ...Object.values(VARIANTS).filter(({ name }) => name !== 'cilium'),
  ].map((algorithm): [string, Algorithm] => [algorithm.name, algorithm]),
);

/** The ones that a comparison shows unless told otherwise. */
export const DEFAULT_ALGORITHMS: readonly string[] = ['maglev', 'random', 'rendezvous', 'ring', 'jump'];

/** @throws LbtwinError `unknown-algorithm` */
export function parseAlgorithm(name: string): Algorithm {
  const algorithm = Object.hasOwn(ALGORITHMS, name) ? ALGORITHMS[name] : undefined;
  if (algorithm !== undefined) return algorithm;
  throw new LbtwinError('unknown-algorithm', `${JSON.stringify(name)} is not an algorithm`, {
    allowed: Object.keys(ALGORITHMS).join(', '),
  });
}
