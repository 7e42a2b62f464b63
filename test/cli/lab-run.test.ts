import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Io } from '../../src/cli/io.ts';
import type { LabJob, LabResult } from '../../src/cli/lab/perform.ts';
import { runLabJobs } from '../../src/cli/lab/pool.ts';
import { Progress } from '../../src/cli/lab/progress.ts';
import type { TrialSpec } from '../../src/lab/index.ts';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const spec: TrialSpec = {
  variant: 'cilium',
  tableSize: 251,
  backends: 10,
  churn: { kind: 'remove', count: 1 },
  seed: 1,
};

const jobs: LabJob[] = Array.from({ length: 12 }, (_, i) => ({ kind: 'trials', spec, from: 5 * i, to: 5 * i + 5 }));

describe('jobs in threads', () => {
  // A thread runs JavaScript: the worker is bundled as a build would emit it.
  const outfile = testFiles().path('worker.mjs');
  beforeAll(async () => {
    await build({ entryPoints: ['src/cli/lab/worker.ts'], bundle: true, platform: 'node', format: 'esm', outfile });
  });

  const run = async (list: readonly LabJob[], threads: number): Promise<(LabResult | undefined)[]> => {
    const results: (LabResult | undefined)[] = list.map(() => undefined);
    await runLabJobs(list, {
      threads,
      signal: new AbortController().signal,
      done: (index, result) => (results[index] = result),
      worker: pathToFileURL(outfile),
    });
    return results;
  };

  it('give the same answers, however many', async () => {
    const one = await run(jobs, 1);
    expect(one.every((result) => result?.kind === 'trials')).toBe(true);
    expect(await run(jobs, 3)).toEqual(one);
  });

  it('tell their errors', async () => {
    const wrong: LabJob = { kind: 'trials', spec: { ...spec, variant: 'nginx' }, from: 0, to: 1 };
    await expect(run([wrong, ...jobs], 2)).rejects.toThrow(expect.objectContaining({ code: 'unknown-variant' }));
    await expect(run([wrong], 1)).rejects.toThrow(expect.objectContaining({ code: 'unknown-variant' }));
  });

  it('stop when told to, and keep what is done', async () => {
    const controller = new AbortController();
    let finished = 0;
    const many = Array.from({ length: 100_000 }, () => jobs[0]!);
    await runLabJobs(many, {
      threads: 2,
      signal: controller.signal,
      done: () => ++finished === 20 && controller.abort(),
      worker: pathToFileURL(outfile),
    });
    expect(finished).toBeGreaterThanOrEqual(20);
    expect(finished).toBeLessThan(1000);
  });
});

describe('Ctrl-C', () => {
  it('prints what there is, marked partial', async () => {
    const running = runCli(
      'maglev plan --backends 10 --table-size 251 --trials 9000000 --threads 1 -o json'.split(' '),
    );
    // Once the run listens, and has had time for some trials.
    const listeners = process.listenerCount('SIGINT');
    while (process.listenerCount('SIGINT') === listeners) await setTimeout(10);
    await setTimeout(200);
    process.emit('SIGINT');
    const { code, out } = await running;
    const report = JSON.parse(out) as { partial: boolean; sizes: { needless: { trials: number } }[] };
    expect(code).toBe(1);
    expect(report.partial).toBe(true);
    expect(report.sizes[0]!.needless.trials).toBeGreaterThan(0);
    expect(report.sizes[0]!.needless.trials).toBeLessThan(9_000_000);
  });
});

describe('progress', () => {
  const lines: string[] = [];
  const io: Io = {
    write: () => undefined,
    warn: (text) => void lines.push(text),
    stdin: async () => new Uint8Array(),
    color: false,
    progress: true,
    columns: 80,
  };

  it('tells how much is done, how fast and how long it takes, on a terminal alone', () => {
    const progress = new Progress(io, 'trials', 100);
    progress.add(10);
    progress.end();
    expect(lines.join('')).toMatch(/10 of 100 trials, \d+\/s, \d+ s left/);
    lines.length = 0;
    const quiet = new Progress({ ...io, progress: false }, 'trials', 100);
    quiet.add(10);
    quiet.end();
    expect(lines).toEqual([]);
  });
});
