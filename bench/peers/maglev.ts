import { buildLookupTable } from '../../src/maglev/index.ts';
import { maglevBackends } from '../maglev.ts';
import { type Benchmark, lazy } from '../measure.ts';
import { naiveMaglevTable } from './naive-maglev.ts';

/** Larger ones would need gigabytes for the matrix. */
const CASES: readonly (readonly [size: number, backends: number])[] = [
  [16381, 10],
  [16381, 100],
];

export function maglevPeers(): Benchmark[] {
  return CASES.flatMap(([tableSize, count]) => {
    const backends = lazy(() => {
      const set = maglevBackends(count);
      const [table, naive] = [buildLookupTable(set, { tableSize }), naiveMaglevTable(set, tableSize)];
      if (table.some((owner, slot) => owner !== naive[slot])) throw new Error(`tables of ${count} backends differ`);
      return set;
    });
    const label = `${tableSize}.${count}`;
    return [
      {
        name: `peers.maglev.lbtwin.${label}`,
        operations: 1,
        run: () => buildLookupTable(backends(), { tableSize })[0]!,
      },
      { name: `peers.maglev.naive.${label}`, operations: 1, run: () => naiveMaglevTable(backends(), tableSize)[0]! },
    ];
  });
}
