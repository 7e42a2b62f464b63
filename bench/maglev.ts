import { buildLookupTable, type MaglevBackend } from '../src/maglev/index.ts';
import { type Benchmark, seeded } from './measure.ts';

/** Seeded backends of which no two share an address. */
export function maglevBackends(count: number, weighted = false): MaglevBackend[] {
  const next = seeded(count);
  return Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    address: `10.${(i >>> 8) & 255}.${i & 255}.${1 + (next() % 250)}`,
    port: 8080,
    protocol: 'TCP',
    weight: weighted ? 1 + (next() % 500) : 100,
  }));
}

const CASES: readonly (readonly [number, number])[] = [
  [1021, 10],
  [16381, 10],
  [16381, 100],
  [65521, 1000],
  [131071, 1000],
];

/** Whole table builds: checking, hashing, sorting and filling. */
export function maglevBenchmarks(): Benchmark[] {
  return [false, true].flatMap((weighted) =>
    CASES.map(([tableSize, count]) => {
      const set = maglevBackends(count, weighted);
      const builds = Math.max(1, Math.round(40_000 / tableSize));
      return {
        name: `maglev.build${weighted ? '.weighted' : ''}.${tableSize}.${count}`,
        operations: builds,
        run: () => {
          let sum = 0;
          for (let i = 0; i < builds; i++) sum += buildLookupTable(set, { tableSize })[i]!;
          return sum;
        },
      };
    }),
  );
}
