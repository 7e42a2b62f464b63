import type { Io } from '../io.ts';

/** One line on standard error while something long runs: how much is done, how fast, and how long it will take. */
export class Progress {
  private readonly io: Io;
  private readonly what: string;
  private readonly total: number;
  private readonly started = performance.now();
  private done = 0;
  private shown = 0;

  constructor(io: Io, what: string, total: number) {
    this.io = io;
    this.what = what;
    this.total = total;
  }

  add(units: number): void {
    this.done += units;
    const now = performance.now();
    if (!this.io.progress || now - this.shown < 200) return;
    this.shown = now;
    const seconds = (now - this.started) / 1000;
    const rate = this.done / Math.max(seconds, 0.001);
    const left = (this.total - this.done) / Math.max(rate, 0.001);
    this.io.warn(
      `\r\u001b[K${this.done} of ${this.total} ${this.what}, ${rate.toFixed(rate < 10 ? 1 : 0)}/s, ${left.toFixed(0)} s left (Ctrl-C prints what there is)`,
    );
  }

  end(): void {
    if (this.io.progress && this.shown > 0) this.io.warn('\r\u001b[K');
  }
}

/** Runs `work` with a signal that Ctrl-C fires; true if it did. A second Ctrl-C ends the process as usual. */
export async function interruptible(work: (signal: AbortSignal) => Promise<void>): Promise<boolean> {
  const controller = new AbortController();
  const stop = (): void => controller.abort();
  process.once('SIGINT', stop);
  try {
    await work(controller.signal);
  } finally {
    process.removeListener('SIGINT', stop);
  }
  return controller.signal.aborted;
}
