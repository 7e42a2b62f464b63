import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type PacketReplay,
  packetTrace,
  replayPackets,
  ReplayThreads,
  replayTuples,
  type TraceFrame,
} from '../../../src/cli/replay/index.ts';
import { seededRandom } from '../../../src/hash/random.ts';
import { defineService, packTuples, selectBackends, type ServiceSpec } from '../../../src/index.ts';
import { testFiles } from '../../support/files.ts';
import type { TestNode } from './node.ts';
import { errors, replies, requests } from './traffic.ts';

// A thread runs JavaScript: worker and node are bundled as a build would emit them.
const { path: pathOf } = testFiles();
const worker = pathToFileURL(pathOf('worker.mjs'));
const module = pathToFileURL(pathOf('node.mjs'));
beforeAll(async () => {
  const entryPoints = { worker: 'src/cli/replay/worker.ts', node: 'test/cli/replay/node.ts' };
  await build({
    entryPoints,
    bundle: true,
    platform: 'node',
    format: 'esm',
    outdir: pathOf('.'),
    outExtension: { '.js': '.mjs' },
  });
});

describe('tuples', () => {
  const random = seededRandom(5);
  const spec: ServiceSpec = {
    frontend: '203.0.113.10:443/ANY',
    algorithm: 'maglev',
    backends: Array.from({ length: 20 }, (_, i) => ({ address: `10.1.0.${i + 1}`, port: 8443 })),
  };
  const columns = packTuples(
    4,
    Array.from({ length: 1001 }, () => ({
      protocol: random() % 2 === 0 ? 6 : 17,
      saddr: random(),
      sport: random() & 0xffff,
      daddr: '203.0.113.10',
      dport: 443,
    })),
  );
  const rows = columns.sport.length;

  it.each([1, 2, 3])('Maglev on %i threads', async (threads) => {
    const service = defineService(spec);
    const expected = new Uint32Array(rows);
    selectBackends(service, columns, expected);
    expect([...(await replayTuples(service, columns, { threads, worker }))]).toEqual([...expected]);
  });

  it.each([1, 2, 3])('random on %i threads', async (threads) => {
    const service = defineService({ ...spec, algorithm: 'random' });
    const words = Uint32Array.from({ length: rows }, () => random());
    const expected = new Uint32Array(rows);
    let next = 0;
    selectBackends(service, columns, expected, () => words[next++]!);
    expect([...(await replayTuples(service, columns, { threads, worker, random: words }))]).toEqual([...expected]);
    await expect(replayTuples(service, columns, { threads, worker })).rejects.toThrow(
      expect.objectContaining({ code: 'random-required' }),
    );
  });

  it('Maglev for more rows than a thread takes at a time, again and again', async () => {
    const service = defineService({ ...spec, frontend: '203.0.113.10:443/TCP' });
    const many = { family: 4 as const, saddr: new Uint32Array(300_000), sport: new Uint16Array(300_000) };
    for (let i = 0; i < many.sport.length; i++) {
      many.saddr[i] = random();
      many.sport[i] = random();
    }
    const expected = new Uint32Array(many.sport.length);
    selectBackends(service, many, expected);
    const stay = new ReplayThreads({ threads: 3, worker });
    for (let i = 0; i < 5; i++) {
      const ids = await replayTuples(service, many, { threads: stay });
      expect(Buffer.compare(Buffer.from(ids.buffer), Buffer.from(expected.buffer))).toBe(0);
    }
    await stay.close();
  });

  it('says what is wrong', async () => {
    const service = defineService(spec);
    await expect(replayTuples(service, columns, { threads: 0, worker })).rejects.toThrow(
      expect.objectContaining({ code: 'invalid-threads' }),
    );
    await expect(replayTuples(service, { ...columns, family: 6 }, { threads: 2, worker })).rejects.toThrow(
      expect.objectContaining({ code: 'family-mismatch' }),
    );
  });
});

/** Everything of a replay but how it was done. */
function told({ act, ifindex, mark, starts, lengths, bytes, metrics }: PacketReplay): unknown {
  const frames = Array.from(act, (_, i) =>
    Buffer.from(bytes.slice(starts[i], starts[i]! + lengths[i]!)).toString('hex'),
  );
  return { act: [...act], ifindex: [...ifindex], mark: [...mark], frames, metrics };
}

const DSR: TestNode = { options: { mode: 'dsr' } };

describe('packets', () => {
  const run = (frames: readonly TraceFrame[], threads: number, data: TestNode = {}): Promise<PacketReplay> =>
    replayPackets({ module, data }, 'xdp', packetTrace(frames), { threads, worker, seed: 7 });

  /** Requests, then replies to what was forwarded, then requests again. */
  async function conversation(seed: number, odd: boolean, data: TestNode = {}): Promise<TraceFrame[]> {
    const first = requests(600, seed, 3, odd);
    const back = replies(await run(first, 1, data), 1010);
    const later = requests(300, seed + 1, 3, odd).map(({ frame, at }) => ({ frame, at: at + 20 }));
    return [...first, ...back, ...later];
  }

  it.each([
    [1, false],
    [2, false],
    [3, false],
    [4, true],
    [5, true],
  ])('are the same on several threads, seed %i, odd frames: %s', async (seed, odd) => {
    const frames = await conversation(seed, odd);
    const one = await run(frames, 1);
    // The trace does something: forwards, translates back, and passes.
    expect(new Set(one.act).size).toBeGreaterThan(1);
    for (const threads of [2, 3]) {
      const many = await run(frames, threads);
      expect(told(many)).toEqual(told(one));
      expect(many.sequential).toBeUndefined();
      if (!odd) expect(many.shards).toBe(threads);
    }
  });

  it('are the same by threads that stay, when these read parts of the trace and several replays are asked for at once', async () => {
    const first = await conversation(10, true);
    const [short, long] = [first, Array.from({ length: 30 }, () => first).flat()];
    const expected = [told(await run(long, 1)), told(await run(short, 1, DSR))];
    const stay = new ReplayThreads({ threads: 3, worker });
    const replay = (frames: readonly TraceFrame[], data: TestNode = {}): Promise<PacketReplay> =>
      replayPackets({ module, data }, 'xdp', packetTrace(frames), { threads: stay, seed: 7 });
    await replay(short);
    const results = await Promise.all([replay(long), replay(short, DSR), replay(long)]);
    expect(results.map(told)).toEqual([...expected, expected[0]]);
    expect(results.map(({ sequential }) => sequential)).toEqual([undefined, undefined, undefined]);
    const bare = replayPackets({ module: worker }, 'xdp', packetTrace(short), { threads: stay });
    await expect(bare).rejects.toThrow(expect.objectContaining({ code: 'invalid-node-source' }));
    expect(told(await replay(short, DSR))).toEqual(expected[1]);
    await stay.close();
    await expect(replay(short)).rejects.toThrow('the thread has ended');
  });

  it('with ICMP errors about them, which one router sends', async () => {
    const data: TestNode = { options: { bpfMasquerade: true } };
    const first = requests(600, 6, 3, false);
    const sent = await run(first, 1, data);
    const frames = [...first, ...replies(sent, 1010), ...errors(sent, 1020)];
    const one = await run(frames, 1, data);
    // Those that find their flow are translated.
    const translated = frames.filter(({ frame }, i) => {
      const out = one.bytes.subarray(one.starts[i], one.starts[i]! + one.lengths[i]!);
      return frame[23] === 1 && frame[34] === 3 && out.length > 0 && Buffer.compare(frame, out) !== 0;
    });
    expect(translated.length).toBeGreaterThan(10);
    for (const threads of [2, 3]) expect(told(await run(frames, threads, data))).toEqual(told(one));
  });

  it('by DSR, too', async () => {
    const frames = requests(600, 9, 3, false);
    const [one, two] = [await run(frames, 1, DSR), await run(frames, 2, DSR)];
    expect(told(two)).toEqual(told(one));
    expect(two.sequential).toBeUndefined();
  });

  it('are run by one thread where a map would have been full', async () => {
    const data: TestNode = { neighbours: 8 };
    const frames = await conversation(4, false, data);
    const [one, two] = [await run(frames, 1, data), await run(frames, 2, data)];
    expect(two.sequential).toBe('full-map');
    expect(told(two)).toEqual(told(one));
    await expect(run(frames, 2, { ...data, same: true })).rejects.toThrow(
      expect.objectContaining({ code: 'invalid-node-source' }),
    );
  });

  it('say what is wrong', async () => {
    const trace = packetTrace(requests(4, 1, 1, false));
    const source = { module };
    await expect(replayPackets(source, 'toContainer', trace, { threads: 2, worker })).rejects.toThrow(
      expect.objectContaining({ code: 'unknown-hook' }),
    );
    await expect(replayPackets({ module: worker }, 'xdp', trace, { threads: 2, worker })).rejects.toThrow(
      expect.objectContaining({ code: 'invalid-node-source' }),
    );
    const nowhere = pathToFileURL(pathOf('nowhere.mjs'));
    const lost = replayPackets({ module }, 'xdp', packetTrace(requests(40, 1, 1, false)), {
      threads: 2,
      worker: nowhere,
    });
    await expect(lost).rejects.toThrow(/nowhere/);
    expect(() => packetTrace([{ frame: new Uint8Array(60), at: -1 }])).toThrow(
      expect.objectContaining({ code: 'invalid-time' }),
    );
  });
});
