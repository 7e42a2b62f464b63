import { availableParallelism, loadavg } from 'node:os';
import { packetTrace, replayPackets, replayTuples, type TraceFrame } from '../src/cli/replay/index.ts';
import { buildFrame, defineService, type Family, parseAddress, parseMac, Protocol, TcpFlag } from '../src/index.ts';
import { seeded } from './measure.ts';

/* Wall time of a replay on one thread and on several, start of threads and planning included. `node build/bench/replay.js [packets]` */

const PACKETS = Number(process.argv[2] ?? 1_000_000);
const ROWS = 20_000_000;
const FLOWS = 20_000;
const REPETITIONS = 5;

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

async function timed(name: string, operations: number, run: (threads: number) => Promise<unknown>): Promise<void> {
  let single = 0;
  for (let threads = 1; threads <= availableParallelism(); threads *= 2) {
    const times: number[] = [];
    for (let i = 0; i < REPETITIONS; i++) {
      const start = performance.now();
      await run(threads);
      times.push(performance.now() - start);
    }
    times.sort((a, b) => a - b);
    const median = times[REPETITIONS >> 1]!;
    if (threads === 1) single = median;
    const range = `${times[0]!.toFixed(0)} .. ${times.at(-1)!.toFixed(0)}`;
    const each = `${((median * 1e6) / operations).toPrecision(3)} ns each`;
    process.stdout.write(
      `${name} ${threads} thread(s): ${median.toFixed(0)} ms (${range}), ${each}, ${(single / median).toFixed(2)}x\n`,
    );
  }
}

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
await timed('tuples v4', ROWS, (threads) => replayTuples(service, columns, { threads }));
for (const family of [4, 6] as const) {
  const trace = packetTrace(traceOf(family));
  const source = { module: new URL('./replay-node.js', import.meta.url), data: { family } };
  await timed(`packets v${family}`, PACKETS, (threads) => replayPackets(source, 'xdp', trace, { threads }));
}
process.stdout.write(
  `load average ${loadavg()[0]!.toFixed(1)} on ${availableParallelism()} cores, Node ${process.version}\n`,
);
