import { MaglevTables, type TableBackend } from '../src/k8s/maglev-tables.ts';
import { ScopedAddress } from '../src/k8s/model.ts';
import { buildLookupTable, DEFAULT_HASH_SEED, type MaglevBackend } from '../src/maglev/index.ts';
import { parseAddress, parseServiceProtocol } from '../src/net/index.ts';
import { type Benchmark, seeded } from './measure.ts';

/** Seeded backends of which no two share an address. */
export function maglevBackends(count: number, weighted = false, seed = count): MaglevBackend[] {
  const next = seeded(seed);
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

/** One of a service's backends gives way to another, and to and fro; the table is filled anew, as the control plane does it. */
function rebuild(tableSize: number, count: number): Benchmark {
  const all = maglevBackends(count + 1).map(({ id, address, port, protocol }): TableBackend => {
    const at = new ScopedAddress(parseAddress(address as string), port, parseServiceProtocol(protocol), 0);
    return { id, at, weight: 100 };
  });
  const sets = [all.slice(0, -1), all.slice(1)];
  const tables = new MaglevTables(tableSize, DEFAULT_HASH_SEED);
  const service = {};
  return {
    name: `maglev.rebuild.${tableSize}.${count}`,
    operations: 2,
    run: () => {
      let sum = 0;
      for (const set of sets) sum += tables.acquire(service, set).table[0]!;
      return sum;
    },
  };
}

/** Whole table builds: checking, hashing, sorting and filling. */
function build(tableSize: number, name: string, sets: readonly (readonly MaglevBackend[])[]): Benchmark {
  const builds = Math.max(1, Math.round(40_000 / tableSize));
  let turn = 0;
  return {
    name: `maglev.build.${name}`,
    operations: builds,
    run: () => {
      let sum = 0;
      for (let i = 0; i < builds; i++) sum += buildLookupTable(sets[turn++ % sets.length]!, { tableSize })[i]!;
      return sum;
    },
  };
}

/**
 * Tables of the same backends again and again, as such figures are usually taken: the processor's branch predictor learns them by heart. `fresh`
 * has many sets of backends take turns, so that it cannot.
 */
export function maglevBenchmarks(): Benchmark[] {
  const builds = [false, true].flatMap((weighted) =>
    CASES.map(([size, count]) =>
      build(size, `${weighted ? 'weighted.' : ''}${size}.${count}`, [maglevBackends(count, weighted)]),
    ),
  );
  const fresh = Array.from({ length: 20 }, (_, i) => maglevBackends(100, false, 100 + i));
  return [...builds, build(16381, 'fresh.16381.100', fresh), rebuild(16381, 100)];
}
