import { runJobs } from '../threads/pool.ts';
import { type LabJob, type LabResult, perform } from './perform.ts';

export interface LabRun {
  readonly threads: number;
  readonly signal: AbortSignal;
  readonly done: (index: number, result: LabResult) => void;
  /** The program of a thread; the one beside this file unless given. */
  readonly worker?: URL;
}

/** The lab's jobs on several threads; see `runJobs` of `threads`. */
export const runLabJobs = (jobs: readonly LabJob[], run: LabRun): Promise<void> =>
  runJobs<LabJob, LabResult>(jobs, { worker: new URL('./worker.js', import.meta.url), perform, ...run });
