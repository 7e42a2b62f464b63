import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';
import { type LabJob, type LabResult, perform } from './perform.ts';
import type { Answer } from './worker.ts';

export interface PoolOptions {
  /** 1 works in this thread. */
  readonly threads: number;
  /** Stops the run: jobs under way are abandoned, finished ones count. */
  readonly signal: AbortSignal;
  /** Called with each result, in the order in which jobs finish. */
  readonly done: (index: number, result: LabResult) => void;
  /** The program of a thread; the one beside this file unless given. */
  readonly worker?: URL;
}

/** Runs jobs in their order on several threads; results do not depend on how many. Resolves early, and quietly, when stopped. */
export async function runJobs(jobs: readonly LabJob[], options: PoolOptions): Promise<void> {
  const threads = Math.min(options.threads, jobs.length);
  if (threads > 1) await inThreads(jobs, threads, options);
  else await inThisThread(jobs, options);
}

async function inThisThread(jobs: readonly LabJob[], { signal, done }: PoolOptions): Promise<void> {
  for (const [index, job] of jobs.entries()) {
    // Lets signals and timers in between two jobs.
    await setImmediate();
    if (signal.aborted) return;
    done(index, perform(job));
  }
}

async function inThreads(jobs: readonly LabJob[], threads: number, options: PoolOptions): Promise<void> {
  const { signal, done, worker: program = new URL('./worker.js', import.meta.url) } = options;
  const workers = Array.from({ length: threads }, () => new Worker(program));
  let next = 0;
  let left = jobs.length;
  try {
    await new Promise<void>((resolve, reject) => {
      const give = (worker: Worker): void => {
        if (next < jobs.length) worker.postMessage({ index: next, job: jobs[next++]! }, []);
      };
      signal.addEventListener('abort', () => resolve(), { once: true });
      for (const worker of workers) {
        worker.on('error', reject);
        worker.on('message', ({ index, result, error }: Answer) => {
          if (result === undefined) {
            reject(error?.code === undefined ? new Error(error?.message) : new LbtwinError(error.code, error.message));
            return;
          }
          done(index, result);
          if (--left === 0) resolve();
          else give(worker);
        });
        give(worker);
      }
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}
