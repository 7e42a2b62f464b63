import { parentPort } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';

/** What a thread answers to a job: its result, or why there is none. */
export type Answer<Result> =
  { readonly result: Result } | { readonly error: { readonly code?: string; readonly message: string } };

/**
 * Makes this thread do the jobs that it is asked for, one after the other.
 * @param transferable buffers of a result that go over without being copied
 */
export function serve<Job, Result>(
  perform: (job: Job) => Result | Promise<Result>,
  transferable: (result: Result) => ArrayBuffer[] = () => [],
): void {
  const answer = async (job: Job): Promise<void> => {
    try {
      const result = await perform(job);
      parentPort?.postMessage({ result } satisfies Answer<Result>, transferable(result));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const told = error instanceof LbtwinError ? { code: error.code, message } : { message };
      parentPort?.postMessage({ error: told } satisfies Answer<Result>, []);
    }
  };
  // A job may come while the one before it waits for something.
  let last = Promise.resolve();
  parentPort?.on('message', (job: Job) => (last = last.then(() => answer(job))));
}
