import { parentPort } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';

/** What a thread answers: the number of the job with its result, or with why there is none. */
export type Answer<Result> =
  | { readonly index: number; readonly result: Result }
  | { readonly index: number; readonly error: { readonly code?: string; readonly message: string } };

/**
 * Makes this thread do the jobs that `runJobs` gives it.
 * @param transferable buffers of a result that go over without being copied
 */
export function serve<Job, Result>(
  perform: (job: Job) => Result | Promise<Result>,
  transferable: (result: Result) => ArrayBuffer[] = () => [],
): void {
  parentPort?.on('message', async ({ index, job }: { index: number; job: Job }) => {
    try {
      const result = await perform(job);
      parentPort?.postMessage({ index, result } satisfies Answer<Result>, transferable(result));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const told = error instanceof LbtwinError ? { code: error.code, message } : { message };
      parentPort?.postMessage({ index, error: told } satisfies Answer<Result>, []);
    }
  });
}
