import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { eastWestBenchmarks } from './east-west.ts';
import { labBenchmarks } from './lab.ts';
import { conntrackBenchmarks } from './conntrack.ts';
import { controlPlaneBenchmarks } from './control-plane.ts';
import { maglevBenchmarks } from './maglev.ts';
import { type Benchmark, measure, type Result } from './measure.ts';
import { northSouthBenchmarks } from './northsouth.ts';
import { policyBenchmarks } from './policy.ts';
import { readBenchmarks } from './read.ts';
import { selectBenchmarks } from './select.ts';

/** Every group of benchmarks; inputs are made only for groups that run. */
const GROUPS: Readonly<Record<string, () => Benchmark[]>> = {
  eastWest: eastWestBenchmarks,
  lab: labBenchmarks,
  conntrack: conntrackBenchmarks,
  'control plane': controlPlaneBenchmarks,
  maglev: maglevBenchmarks,
  policy: policyBenchmarks,
  read: readBenchmarks,
  select: selectBenchmarks,
  northsouth: northSouthBenchmarks,
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    filter: { type: 'string', default: '' },
  },
});

const text = (result: Result): string =>
  `${result.name.padEnd(36)} ${scaled(result.median).padStart(12)}  (${scaled(result.min)} .. ${scaled(result.max)})`;

function scaled(ns: number): string {
  if (ns >= 1e6) return `${(ns / 1e6).toPrecision(3)} ms`;
  return ns >= 1e3 ? `${(ns / 1e3).toPrecision(3)} us` : `${ns.toPrecision(3)} ns`;
}

const results: Result[] = [];
for (const make of Object.values(GROUPS)) {
  for (const benchmark of make()) {
    if (!benchmark.name.includes(values.filter)) continue;
    const result = measure(benchmark);
    results.push(result);
    if (!values.json) process.stdout.write(`${text(result)}\n`);
  }
}
const machine = `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}`;
if (values.json) {
  process.stdout.write(`${JSON.stringify({ machine, node: process.version, results }, undefined, 2)}\n`);
} else {
  process.stdout.write(`\n${machine}, Node ${process.version}; median (min .. max) per operation\n`);
}
