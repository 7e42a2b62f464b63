import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { Thread } from '../../../src/cli/threads/thread.ts';
import { testFiles } from '../../support/files.ts';

const { path: pathOf } = testFiles();
const program = pathToFileURL(pathOf('waiter.mjs'));

/** Waits as many milliseconds as it is told; 0 ends it, less is refused. */
const WAITER = `
import { setTimeout } from 'node:timers/promises';
import { LbtwinError } from './src/errors.ts';
import { serve } from './src/cli/threads/serve.ts';
serve(async (time) => {
  if (time === 0) process.exit();
  await setTimeout(time);
  if (time < 0) throw new LbtwinError('refused', 'no time');
  return time;
});`;

beforeAll(async () => {
  await build({
    stdin: { contents: WAITER, resolveDir: '.' },
    bundle: true,
    platform: 'node',
    format: 'esm',
    outfile: pathOf('waiter.mjs'),
  });
});

describe('a thread', () => {
  it('does one job after the other', async () => {
    const thread = new Thread<number, number>(program);
    const done: number[] = [];
    const jobs = [60, 1, 20].map(async (time) => done.push(await thread.ask(time)));
    await Promise.all(jobs);
    expect(done).toEqual([60, 1, 20]);
    await thread.close();
  });

  it('tells why there is no answer, and goes on', async () => {
    const thread = new Thread<number, number>(program);
    await expect(thread.ask(-1)).rejects.toThrow(expect.objectContaining({ code: 'refused', message: 'no time' }));
    expect(await thread.ask(1)).toBe(1);
    await thread.close();
  });

  it('answers no more when it has ended', async () => {
    const thread = new Thread<number, number>(program);
    const asked = [thread.ask(0), thread.ask(1)];
    for (const answer of asked) await expect(answer).rejects.toThrow('the thread has ended');
    await expect(thread.ask(1)).rejects.toThrow('the thread has ended');
    await thread.close();
  });
});
