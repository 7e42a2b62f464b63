import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { change, mergeRuns, readMedians, readRun, type Run } from './compare.ts';
import { eastWestBenchmarks } from './east-west.ts';
import { labBenchmarks } from './lab.ts';
import { conntrackBenchmarks } from './conntrack.ts';
import { controlPlaneBenchmarks } from './control-plane.ts';
import { gcBenchmarks } from './gc.ts';
import { growthBenchmarks, memoryReports } from './growth.ts';
import { maglevBenchmarks } from './maglev.ts';
import { type Benchmark, measure, type Report, type Result } from './measure.ts';
import { northSouthBenchmarks } from './northsouth.ts';
import { peerBenchmarks } from './peers/index.ts';
import { policyBenchmarks } from './policy.ts';
import { readBenchmarks } from './read.ts';
import { selectBenchmarks } from './select.ts';
import { scaled } from './text.ts';
import { renderTables, updateFiles } from './tables.ts';
import { startupBenchmarks } from './startup.ts';

/** Every group of benchmarks. A filter picks measurements, not groups: inputs of every group are made. */
const GROUPS: Readonly<Record<string, () => readonly (Benchmark | Report)[]>> = {
  eastWest: eastWestBenchmarks,
  lab: labBenchmarks,
  conntrack: conntrackBenchmarks,
  'control plane': controlPlaneBenchmarks,
  maglev: maglevBenchmarks,
  policy: policyBenchmarks,
  read: readBenchmarks,
  select: selectBenchmarks,
  northsouth: northSouthBenchmarks,
  growth: growthBenchmarks,
  memory: memoryReports,
  gc: gcBenchmarks,
  peers: peerBenchmarks,
  startup: startupBenchmarks,
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    filter: { type: 'string', default: '' },
    /** The output of an earlier `--json`: changes are shown beside the figures. */
    compare: { type: 'string' },
    /** The output of earlier `--json` runs in place of measuring. */
    from: { type: 'string', multiple: true },
    /** Writes the tables into README.md and docs/performance.md. */
    update: { type: 'boolean', default: false },
  },
});

const earlier = values.compare === undefined ? undefined : readMedians(values.compare);

function text(result: Result): string {
  const [median, min, max] = [result.median, result.min, result.max].map((value) => scaled(value, result.unit));
  const line = `${result.name.padEnd(40)} ${median!.padStart(12)}${result.samples > 1 ? `  (${min} .. ${max})` : ''}`;
  return earlier === undefined ? line : `${line.padEnd(78)} ${change(result, earlier.get(result.name)).padStart(10)}`;
}

async function measureAll(): Promise<Run> {
  const results: Result[] = [];
  for (const make of Object.values(GROUPS)) {
    for (const benchmark of make()) {
      if (!benchmark.name.includes(values.filter)) continue;
      for (const result of await ('run' in benchmark ? measure(benchmark) : benchmark.figures())) {
        results.push(result);
        if (!values.json) process.stdout.write(`${text(result)}\n`);
      }
    }
  }
  return { machine: `${cpus()[0]?.model ?? 'unknown'} x ${cpus().length}`, node: process.version, results };
}

function tellChanges(results: readonly Result[], before: ReadonlyMap<string, number>): void {
  process.stdout.write(
    `changes of the median against ${values.compare}; ~ if the earlier one lies within the samples now\n`,
  );
  const gone = [...before.keys()].filter(
    (name) => name.includes(values.filter) && !results.some((result) => result.name === name),
  );
  if (gone.length > 0) process.stdout.write(`not run any more: ${gone.join(', ')}\n`);
}

const run = values.from === undefined ? await measureAll() : mergeRuns(values.from.map(readRun));
const tables = renderTables(run);
if (values.json) {
  const results = run.results.map((result) => ({ ...result, before: earlier?.get(result.name) }));
  process.stdout.write(`${JSON.stringify({ ...run, results }, undefined, 2)}\n`);
} else {
  for (const table of tables.values()) process.stdout.write(`\n${table}\n`);
  if (earlier !== undefined) tellChanges(run.results, earlier);
}
if (values.update) updateFiles(['README.md', 'docs/performance.md'], tables);
