import {
  type ChurnSpec,
  drawTrial,
  type FlowReport,
  runChurn,
  runTrials,
  type TrialColumns,
  type TrialSpec,
} from '../../lab/index.ts';
import { parseVariant } from '../../maglev/variants/index.ts';

/** A piece of work for a thread: plain data in, plain data out. */
export type LabJob =
  | { readonly kind: 'trials'; readonly spec: TrialSpec; readonly from: number; readonly to: number }
  | { readonly kind: 'build'; readonly spec: TrialSpec }
  | { readonly kind: 'churn'; readonly spec: ChurnSpec; readonly tables: boolean };

export type LabResult =
  | { readonly kind: 'trials'; readonly columns: TrialColumns }
  | { readonly kind: 'build'; readonly milliseconds: number }
  | { readonly kind: 'churn'; readonly report: FlowReport };

/** How many units of progress a job is worth. */
export const unitsOf = (job: LabJob): number =>
  job.kind === 'trials' ? job.to - job.from : job.kind === 'churn' ? 1 : 0;

const BUILDS = 7;

export function perform(job: LabJob): LabResult {
  if (job.kind === 'trials') return { kind: 'trials', columns: runTrials(job.spec, job.from, job.to) };
  if (job.kind === 'build') return { kind: 'build', milliseconds: timeBuild(job.spec) };
  const report = runChurn(job.spec);
  const { tables, ...rest } = report;
  return { kind: 'churn', report: job.tables && tables !== undefined ? report : rest };
}

/** The median time of one table, after a first build that lets the compiler warm up. */
function timeBuild(spec: TrialSpec): number {
  const variant = parseVariant(spec.variant);
  const { before } = drawTrial(spec, 0);
  const times = Array.from({ length: BUILDS + 1 }, () => {
    const start = performance.now();
    variant.build(before, { tableSize: spec.tableSize });
    return performance.now() - start;
  });
  return times.slice(1).sort((a, b) => a - b)[BUILDS >> 1]!;
}
