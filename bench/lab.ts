import { drawTrial, runChurn, runTrials } from '../src/lab/index.ts';
import { buildLookupTable, compareTables } from '../src/maglev/index.ts';
import type { Benchmark } from './measure.ts';

/** The lab: what a plan and a churn run are made of. */
export function labBenchmarks(): Benchmark[] {
  const spec = {
    variant: 'cilium',
    tableSize: 16381,
    backends: 100,
    churn: { kind: 'remove', count: 1 },
    seed: 1,
  } as const;
  const { before, after } = drawTrial(spec, 0);
  const tables = [buildLookupTable(before, spec), buildLookupTable(after, spec)] as const;
  const rolling = { kind: 'rolling', surge: { count: 6 }, unavailable: { count: 0 } } as const;
  const flows = { algorithm: 'maglev', plan: rolling, backends: 100, flows: 1_000_000, seed: 1 } as const;
  return [
    {
      name: 'lab.trial.16381.100',
      operations: 50,
      run: () => runTrials(spec, 0, 50).needless[49]!,
    },
    { name: 'lab.compare.16381.100', operations: 20, run: () => repeat(20, () => compareTables(...tables).needless) },
    { name: 'lab.churn.1M.18steps', operations: 1, samples: 7, run: () => runChurn(flows).steps.length },
    {
      name: 'lab.churn.1M.18steps.half-tracked',
      operations: 1,
      samples: 5,
      run: () => runChurn({ ...flows, ctSize: 500_000 }).steps.length,
    },
  ];
}

function repeat(times: number, run: () => number): number {
  let sum = 0;
  for (let i = 0; i < times; i++) sum += run();
  return sum;
}
