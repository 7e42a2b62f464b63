import { availableParallelism, cpus, loadavg } from 'node:os';
import { packetTrace, replayPackets, ReplayThreads, replayTuples, type TraceFrame } from '../src/cli/replay/index.ts';
import { buildFrame, defineService, type Family, parseAddress, parseMac, Protocol, TcpFlag } from '../src/index.ts';
import { collectGarbage } from './heap.ts';
import { seeded } from './measure.ts';

/*
 * Wall time of a replay on one thread and on several, planning and start of threads included; the median of samples that other work hardly
 * disturbed. `node build/bench/replay.js [packets] [filter]`, the latter part of a name: `tuples`, `packets`, `v6`.
 */

const PACKETS = Number(process.argv[2] ?? 1_000_000);
const FILTER = process.argv[3] ?? '';
const ROWS = 20_000_000;
const FLOWS = 20_000;
/** The first is not counted. */
const REPETITIONS = 13;

function traceOf(family: Family): TraceFrame[] {
  const next = seeded(family);
  const [net, frontend] = family === 4 ? ['203.0.', '192.0.2.10'] : ['2001:db8:1::', '2001:db8::10'];
  const frames = Array.from({ length: FLOWS }, (_, i) => {
    const host = family === 4 ? `${(i >> 8) & 255}.${i & 255}` : (i + 1).toString(16);
    return buildFrame({
      protocol: Protocol.TCP,
      source: parseAddress(`${net}${host}`),
      destination: parseAddress(frontend),
      sport: 33_000 + (next() % 20_000),
      dport: 80,
      tcpFlags: TcpFlag.ACK,
      sourceMac: parseMac('02:00:00:00:00:01'),
      destinationMac: parseMac('02:00:00:00:00:02'),
    });
  });
  return Array.from({ length: PACKETS }, () => ({ frame: frames[next() % FLOWS]!, at: 1000 }));
}

/** Who does it: one thread, several that start and end with the call, several that stay from call to call. */
const CORES = availableParallelism();
const stay = new ReplayThreads();
const WAYS = [
  ['1 thread', 1],
  [`${CORES} threads, started and ended`, CORES],
  [`${CORES} threads that stay`, stay],
] as const;

/** Milliseconds that all cores, and this process, have worked. */
function worked(): { readonly all: number; readonly own: number } {
  const all = cpus().reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  const { user, system } = process.cpuUsage();
  return { all, own: (user + system) / 1000 };
}

interface Sample {
  readonly time: number;
  /** Other work took less than a tenth of a core; the system's clocks are as coarse as 10 ms. */
  readonly calm: boolean;
}

async function sample(run: () => Promise<Uint8Array>): Promise<Sample & { readonly result: Uint8Array }> {
  const before = worked();
  const start = performance.now();
  const result = await run();
  const time = performance.now() - start;
  const after = worked();
  const others = after.all - before.all - (after.own - before.own);
  return { time, calm: others < 0.1 * time + 20, result };
}

/** In turns, so that what else goes on meets all of them. What is told is of the calm samples, if there are any. */
async function timed(
  name: string,
  operations: number,
  run: (threads: number | ReplayThreads) => Promise<Uint8Array>,
  before: () => void = () => {},
): Promise<void> {
  if (!name.includes(FILTER)) return;
  const samples: Sample[][] = WAYS.map(() => []);
  for (let i = 0; i < REPETITIONS; i++) {
    let first: Uint8Array | undefined;
    for (const [way, [kind, threads]] of WAYS.entries()) {
      before();
      const { result, ...rest } = await sample(() => run(threads));
      if (i > 0) samples[way]!.push(rest);
      first ??= result;
      if (Buffer.compare(first, result) !== 0) throw new Error(`${name}, ${kind}: another result`);
    }
  }
  const counted = samples.map((all) => {
    const calm = all.filter((each) => each.calm);
    const times = (calm.length > 0 ? calm : all).map(({ time }) => time).sort((a, b) => a - b);
    return { times, median: times[times.length >> 1]!, calm: calm.length };
  });
  WAYS.forEach(([kind], way) => {
    const { times, median, calm } = counted[way]!;
    process.stdout.write(
      `${name}, ${kind}: ${median.toFixed(0)} ms (${times[0]!.toFixed(0)} .. ${times.at(-1)!.toFixed(0)}), ` +
        `${((median * 1e6) / operations).toPrecision(3)} ns each, ${(counted[0]!.median / median).toFixed(2)}x; ` +
        `calm: ${calm} of ${REPETITIONS - 1}\n`,
    );
  });
}

const bytesOf = ({ buffer }: { readonly buffer: ArrayBufferLike }, length: number): Uint8Array =>
  new Uint8Array(buffer, 0, length);

const service = defineService({
  frontend: '203.0.113.10:443/TCP',
  algorithm: 'maglev',
  backends: Array.from({ length: 100 }, (_, i) => ({ address: `10.1.0.${i + 1}`, port: 8443 })),
});
const random = seeded(1);
const columns = {
  family: 4 as const,
  saddr: new Uint32Array(new SharedArrayBuffer(4 * ROWS)),
  sport: new Uint16Array(new SharedArrayBuffer(2 * ROWS)),
};
for (let i = 0; i < ROWS; i++) {
  columns.saddr[i] = random();
  columns.sport[i] = random();
}
// Results of earlier samples are returned first: they are large, and fresh memory costs more the more of it was taken.
await timed(
  'tuples v4',
  ROWS,
  async (threads) => {
    const ids = await replayTuples(service, columns, { threads });
    return bytesOf(ids, ids.byteLength);
  },
  collectGarbage,
);
for (const family of [4, 6] as const) {
  const trace = packetTrace(traceOf(family));
  const source = { module: new URL('./replay-node.js', import.meta.url), data: { family } };
  // No frame grows, so that all lie where they lay in the trace.
  await timed(`packets v${family}`, PACKETS, async (threads) =>
    bytesOf((await replayPackets(source, 'xdp', trace, { threads })).bytes, trace.bytes.length),
  );
}
await stay.close();
process.stdout.write(`load average ${loadavg()[0]!.toFixed(1)} on ${CORES} cores, Node ${process.version}\n`);
