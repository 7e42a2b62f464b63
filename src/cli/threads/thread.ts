import { Worker } from 'node:worker_threads';
import { LbtwinError } from '../../errors.ts';
import type { Answer } from './serve.ts';

interface Asked<Result> {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: Error) => void;
}

/**
 * A thread that does one job after the other; its program answers with `serve(perform)`. It starts at once, and keeps the process from ending
 * only while it has something to do.
 */
export class Thread<Job, Result> {
  readonly #worker: Worker;
  /** What it has not answered yet, in order. */
  #asked: Asked<Result>[] = [];
  /** Why there will be no more answers. */
  #ended: Error | undefined;

  constructor(program: URL) {
    this.#worker = new Worker(program);
    this.#worker.unref();
    this.#worker.on('error', (error) => this.#end(error));
    this.#worker.on('exit', () => this.#end(new Error('the thread has ended')));
    this.#worker.on('message', (answer: Answer<Result>) => {
      const asked = this.#asked.shift();
      if (this.#asked.length === 0) this.#worker.unref();
      if ('result' in answer) {
        asked?.resolve(answer.result);
        return;
      }
      const { code, message } = answer.error;
      asked?.reject(code === undefined ? new Error(message) : new LbtwinError(code, message));
    });
  }

  ask(job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(this.#ended);
        return;
      }
      this.#asked.push({ resolve, reject });
      this.#worker.ref();
      this.#worker.postMessage(job, []);
    });
  }

  /** Abandons what it was asked for: that has no answer then. */
  async close(): Promise<void> {
    this.#asked = [];
    await this.#worker.terminate();
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { reject } of this.#asked.splice(0)) reject(this.#ended);
  }
}
