import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';
import type { Answer } from './serve.ts';

export interface PoolOptions<Job, Result> {
  /** 1 works in this thread. */
  readonly threads: number;
  /** The program of a thread, which answers with `serve(perform)`. */
  readonly worker: URL;
  /** The same work in this thread. */
  readonly perform: (job: Job) => Result | Promise<Result>;
  /** Called with each result, in the order in which jobs finish. */
  readonly done: (index: number, result: Result) => void;
  /** Stops the run: jobs under way are abandoned, finished ones count. */
  readonly signal?: AbortSignal | undefined;
}

/** Runs jobs in their order on several threads; results do not depend on how many. Resolves early, and quietly, when stopped. */
export async function runJobs<Job, Result>(jobs: readonly Job[], options: PoolOptions<Job, Result>): Promise<void> {
  const threads = Math.min(options.threads, jobs.length);
  if (threads > 1) await inThreads(jobs, threads, options);
  else await inThisThread(jobs, options);
}

async function inThisThread<Job, Result>(jobs: readonly Job[], options: PoolOptions<Job, Result>): Promise<void> {
  for (const [index, job] of jobs.entries()) {
    // Lets signals and timers in between two jobs.
    await setImmediate();
    if (options.signal?.aborted === true) return;
    options.done(index, await options.perform(job));
  }
}

async function inThreads<Job, Result>(
  jobs: readonly Job[],
  threads: number,
  { signal, done, worker: program }: PoolOptions<Job, Result>,
): Promise<void> {
  const workers = Array.from({ length: threads }, () => new Worker(program));
  let next = 0;
  let left = jobs.length;
  try {
    await new Promise<void>((resolve, reject) => {
      const give = (worker: Worker): void => {
        if (next < jobs.length) worker.postMessage({ index: next, job: jobs[next++]! }, []);
      };
      signal?.addEventListener('abort', () => resolve(), { once: true });
      for (const worker of workers) {
        worker.on('error', reject);
        worker.on('message', (answer: Answer<Result>) => {
          if ('error' in answer) {
            const { code, message } = answer.error;
            reject(code === undefined ? new Error(message) : new LbtwinError(code, message));
            return;
          }
          done(answer.index, answer.result);
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
