import { parentPort } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';
import { type LabJob, type LabResult, perform } from './perform.ts';

/** What a thread answers: the number of the job with its result, or with why there is none. */
export interface Answer {
  readonly index: number;
  readonly result?: LabResult;
  readonly error?: { readonly code?: string; readonly message: string };
}

/** Buffers that go over without being copied. */
function transferable(result: LabResult | undefined): ArrayBuffer[] {
  if (result?.kind !== 'trials') return [];
  const { changed, unavoidable, needless, imbalance } = result.columns;
  return [changed, unavoidable, needless, imbalance].map((column) => column.buffer as ArrayBuffer);
}

parentPort?.on('message', ({ index, job }: { index: number; job: LabJob }) => {
  let answer: Answer;
  try {
    answer = { index, result: perform(job) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    answer = { index, error: error instanceof LbtwinError ? { code: error.code, message } : { message } };
  }
  parentPort?.postMessage(answer, transferable(answer.result));
});
