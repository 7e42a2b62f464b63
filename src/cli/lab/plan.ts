import {
  checkTrials,
  defaultTrials,
  isExhaustive,
  planReport,
  type PlanReport,
  type PlanRequest,
  type PlanSubject,
  planSize,
  type TrialColumns,
  type TrialSpec,
} from '../../lab/index.ts';
import type { Io } from '../io.ts';
import { type LabJob, unitsOf } from './perform.ts';
import { runLabJobs } from './pool.ts';
import { interruptible, Progress } from './progress.ts';

export interface PlanRun {
  readonly request: PlanRequest;
  readonly subject: PlanSubject;
  readonly sizes: readonly number[];
  /** Trials per size; by size unless given. */
  readonly trials?: number | undefined;
  readonly threads: number;
}

/** Trials that make about a tenth of a second. */
const batchOf = (tableSize: number): number => Math.max(1, Math.min(500, Math.round(2_000_000 / tableSize)));

interface Gathered {
  readonly columns: TrialColumns[];
  milliseconds?: number;
}

/** Runs the trials of all sizes, smallest first; what is done when it is stopped counts. */
export async function runPlan({ request, subject, sizes, trials, threads }: PlanRun, io: Io): Promise<PlanReport> {
  const { variant, backends, weights, churn, seed } = request;
  const specs = sizes.map((tableSize): TrialSpec => ({
    variant,
    tableSize,
    backends,
    churn,
    seed,
    ...(weights === undefined ? {} : { weights }),
    ...(request.of === undefined ? {} : { of: request.of }),
    ...(request.hashSeed === undefined ? {} : { hashSeed: request.hashSeed }),
  }));
  for (const spec of specs) checkTrials(spec);
  const wanted = (spec: TrialSpec): number =>
    isExhaustive(spec) ? spec.backends : (trials ?? defaultTrials(spec.tableSize));
  const jobs = specs.flatMap((spec) => jobsOf(spec, wanted(spec)));
  const gathered = new Map<number, Gathered>(sizes.map((size) => [size, { columns: [] }]));
  const progress = new Progress(
    io,
    'trials',
    jobs.reduce((sum, job) => sum + unitsOf(job), 0),
  );
  const partial = await interruptible((signal) =>
    runLabJobs(jobs, {
      threads,
      signal,
      done: (index, result) => {
        const job = jobs[index]!;
        if (job.kind === 'churn') return;
        const entry = gathered.get(job.spec.tableSize)!;
        if (result.kind === 'trials') entry.columns.push(result.columns);
        if (result.kind === 'build') entry.milliseconds = result.milliseconds;
        progress.add(unitsOf(job));
      },
    }),
  );
  progress.end();
  const measured = sizes
    .map((size) => ({ size, entry: gathered.get(size)! }))
    .filter(({ entry }) => entry.columns.length > 0)
    .map(({ size, entry }) => planSize(request, size, joined(entry.columns), entry.milliseconds));
  return planReport(request, measured, partial, subject);
}

function jobsOf(spec: TrialSpec, trials: number): LabJob[] {
  const batch = batchOf(spec.tableSize);
  const jobs: LabJob[] = [];
  for (let from = 0; from < trials; from += batch) {
    jobs.push({ kind: 'trials', spec, from, to: Math.min(trials, from + batch) });
  }
  return [...jobs, { kind: 'build', spec }];
}

function joined(parts: readonly TrialColumns[]): TrialColumns {
  const words = (key: 'changed' | 'unavoidable' | 'needless'): Uint32Array =>
    Uint32Array.from(parts.flatMap((part) => Array.from(part[key])));
  return {
    changed: words('changed'),
    unavoidable: words('unavoidable'),
    needless: words('needless'),
    imbalance: Float64Array.from(parts.flatMap((part) => Array.from(part.imbalance))),
  };
}
