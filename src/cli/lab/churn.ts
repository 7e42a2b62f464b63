import { churnResult, type ChurnResult, type ChurnSpec, type FlowReport } from '../../lab/index.ts';
import type { Io } from '../io.ts';
import type { LabJob } from './perform.ts';
import { runLabJobs } from './pool.ts';
import { interruptible, Progress } from './progress.ts';

export interface ChurnRun {
  /** One for each algorithm. */
  readonly specs: readonly ChurnSpec[];
  /** Repetitions, each of its own seed. */
  readonly trials: number;
  readonly threads: number;
  /** Whether the pictures need the tables of the first runs. */
  readonly tables: boolean;
}

/** Seeds of repetitions: the first is the seed itself. */
const seedOf = (seed: number, trial: number): number => (seed + Math.imul(trial, 0x9e3779b1)) >>> 0;

/** Runs every algorithm `trials` times; what is done when it is stopped counts. */
export async function runChurns(
  { specs, trials, threads, tables }: ChurnRun,
  io: Io,
): Promise<{ results: ChurnResult[]; partial: boolean }> {
  const jobs = Array.from({ length: trials }, (_, trial) =>
    specs.map((spec): LabJob => ({
      kind: 'churn',
      spec: { ...spec, seed: seedOf(spec.seed, trial) },
      tables: tables && trial === 0,
    })),
  ).flat();
  const reports: (FlowReport | undefined)[] = jobs.map(() => undefined);
  const progress = new Progress(io, 'runs', jobs.length);
  const partial = await interruptible((signal) =>
    runLabJobs(jobs, {
      threads,
      signal,
      done: (index, result) => {
        if (result.kind === 'churn') reports[index] = result.report;
        progress.add(1);
      },
    }),
  );
  progress.end();
  const results = specs.flatMap((_, s) => {
    const runs = reports.filter((report, i): report is FlowReport => i % specs.length === s && report !== undefined);
    return runs.length === 0 ? [] : [churnResult(runs)];
  });
  return { results, partial };
}
