import { availableParallelism } from 'node:os';
import { LbtwinError } from '../../errors.ts';
import { Thread } from '../threads/thread.ts';
import type { ReplayJob, ReplayResult } from './perform.ts';

const WORKER = new URL('./worker.js', import.meta.url);
const MAX_THREADS = 256;

/** A thread beside the caller's. */
export type ReplayThread = Thread<ReplayJob, ReplayResult>;

export interface ReplayThreadsOptions {
  /** How many, the caller's own included, 1..256; one per core if absent. 1 works in the caller's alone. */
  readonly threads?: number;
  /** The program of a thread; the one of this package unless given. */
  readonly worker?: URL;
}

/**
 * Threads that stay for the next replay, with what they have loaded and compiled; replays take turns. They do not keep the process from
 * ending.
 */
export class ReplayThreads {
  readonly #others: readonly ReplayThread[];
  #last: Promise<unknown> = Promise.resolve();

  /** @throws LbtwinError `invalid-threads` */
  constructor({ threads = availableParallelism(), worker = WORKER }: ReplayThreadsOptions = {}) {
    if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
      throw new LbtwinError('invalid-threads', `${String(threads)} is no number of threads`, {
        path: ['threads'],
        allowed: `1..${MAX_THREADS}`,
      });
    }
    this.#others = Array.from({ length: threads - 1 }, () => new Thread(worker));
  }

  /** Gives the threads to `work`, once all that was given them before is done. */
  use<Result>(work: (others: readonly ReplayThread[]) => Promise<Result>): Promise<Result> {
    const turn = this.#last.then(() => work(this.#others));
    this.#last = turn.catch(() => {});
    return turn;
  }

  /** Ends the threads; replays under way have no answer then. */
  async close(): Promise<void> {
    await Promise.all(this.#others.map((thread) => thread.close()));
  }
}

export interface ThreadOptions extends Omit<ReplayThreadsOptions, 'threads'> {
  /** How many, see `ReplayThreadsOptions`: these start and end with the call. Or some that stay. */
  readonly threads?: number | ReplayThreads;
}

/** @throws LbtwinError `invalid-threads` */
export async function withThreads<Result>(
  { threads, worker }: ThreadOptions,
  work: (others: readonly ReplayThread[]) => Promise<Result>,
): Promise<Result> {
  if (threads instanceof ReplayThreads) return threads.use(work);
  const own = new ReplayThreads({
    ...(threads === undefined ? {} : { threads }),
    ...(worker === undefined ? {} : { worker }),
  });
  try {
    return await own.use(work);
  } finally {
    await own.close();
  }
}
