/**
 * Measures how many slots the removal of one backend moves needlessly, for each (table size, backends), and writes the data that
 * `lbtwin/testing` compares others with: `node build/bench/envelope/measure.js [table size...]`.
 * Seeded; equal seeds give equal data on every machine. About twenty minutes of one core for all sizes.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { quantile, quantileRanks, runTrials, summarize } from '../../src/lab/index.ts';
import { TABLE_SIZES } from '../../src/maglev/index.ts';

const FILE = 'src/lab/envelope-data.ts';
const SEED = 20250529;
const BACKENDS = [2, 3, 5, 10, 16, 25, 40, 64, 100, 160, 250, 400, 640, 1000];

type Row = [number, number, number, number, number, number, number, number, number];

const trialsFor = (tableSize: number): number => (tableSize > 20_000 ? 1000 : 10_000);

function measure(tableSize: number, backends: number): Row {
  const trials = trialsFor(tableSize);
  const spec = { variant: 'cilium', tableSize, backends, churn: { kind: 'remove', count: 1 }, seed: SEED } as const;
  const slots = runTrials(spec, 0, trials).needless;
  const { mean, standardDeviation, p50, max } = summarize(slots);
  const sorted = slots.sort();
  const p99 = sorted[Math.min(trials - 1, quantileRanks(trials, 0.99)[1])]!;
  const share = (value: number): number => Number((value / tableSize).toPrecision(6));
  return [tableSize, backends, trials, share(mean), share(standardDeviation), p50, p99, quantile(sorted, 0.999), max];
}

const old = /^ {2}\[.*\],$/gm;
const wanted = process.argv.slice(2).map(Number);
const rows = (readFileSync(FILE, 'utf8').match(old) ?? [])
  .map((line) => JSON.parse(line.trim().slice(0, -1)) as Row)
  .filter(([size]) => wanted.length > 0 && !wanted.includes(size));
for (const tableSize of TABLE_SIZES) {
  if (wanted.length > 0 && !wanted.includes(tableSize)) continue;
  for (const backends of BACKENDS.filter((count) => 2 * count <= tableSize)) {
    const row = measure(tableSize, backends);
    rows.push(row);
    process.stderr.write(`${row.join(' ')}\n`);
  }
}
rows.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
writeFileSync(
  FILE,
  `/* Written by bench/envelope/measure.ts; not to be edited. */

export const ENVELOPE_SEED = ${SEED};

/** Table size, backends, trials; mean and standard deviation as shares of the table; p50, upper end of p99, p999, max in slots. */
export const ENVELOPE_CELLS: readonly (readonly [
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
  number,
])[] = [
${rows.map((row) => `  [${row.join(', ')}],`).join('\n')}
];
`,
);
