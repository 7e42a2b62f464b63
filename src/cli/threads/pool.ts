import { setImmediate } from 'node:timers/promises';
import { Thread } from './thread.ts';

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
  count: number,
  { signal, done, worker }: PoolOptions<Job, Result>,
): Promise<void> {
  const threads = Array.from({ length: count }, () => new Thread<Job, Result>(worker));
  let next = 0;
  const work = async (thread: Thread<Job, Result>): Promise<void> => {
    while (next < jobs.length) {
      const index = next++;
      done(index, await thread.ask(jobs[index]!));
    }
  };
  try {
    await new Promise<void>((resolve, reject) => {
      signal?.addEventListener('abort', () => resolve(), { once: true });
      Promise.all(threads.map(work)).then(() => resolve(), reject);
    });
  } finally {
    await Promise.all(threads.map((thread) => thread.close()));
  }
}
