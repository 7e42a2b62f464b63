import { Node, type PodInterface, type ReceiveOptions } from '../src/datapath/index.ts';
import { LbMaps } from '../src/lb/index.ts';
import { buildFrame, type Family, Protocol, TcpFlag } from '../src/net/index.ts';
import { NodeTables, parseMac } from '../src/node/index.ts';
import { SocketCall, SocketLb } from '../src/socket/index.ts';
import { type Benchmark, seeded, shuffled } from './measure.ts';
import { addressOf, fillServices } from './services.ts';

const SERVICES = 10_000;
const SOCKETS = 100_000;
const FLOWS = 20_000;

/** All services that the socket and pod benchmarks have. */
const fill = (maps: LbMaps, family: Family): void => fillServices(maps, family, { services: SERVICES, backends: 3 });

function connectBenchmark(family: Family): Benchmark {
  const maps = new LbMaps();
  fill(maps, family);
  const lb = new SocketLb(maps, new NodeTables());
  const call = new SocketCall();
  const next = seeded(family);
  const words = Uint32Array.from({ length: SOCKETS }, next);
  // Which service each socket asks for, as the words of its address.
  const size = family === 4 ? 1 : 4;
  const asked = new Uint32Array(SOCKETS * size);
  words.forEach((word, socket) => asked.set(addressOf(family, 1, word % SERVICES).words, socket * size));
  let i = 0;
  call.family = family;
  call.netnsLow = 7;
  call.random = () => words[i]!;
  const run = (): number => {
    let sum = 0;
    for (i = 0; i < SOCKETS; i++) {
      for (let w = 0; w < size; w++) call.address[w] = asked[i * size + w]!;
      call.port = 80;
      call.cookieLow = i;
      lb.connect(call);
      sum += call.port;
    }
    return sum;
  };
  return { name: `connect.v${family}`, operations: SOCKETS, run };
}

const POD: PodInterface = {
  endpoint: {
    id: 1,
    ifindex: 101,
    identity: 4711,
    mac: parseMac('02:00:00:00:00:a1'),
    nodeMac: parseMac('02:00:00:00:00:a2'),
    host: false,
  },
  ipv4: addressOf(4, 3, 1),
  ipv6: addressOf(6, 3, 1),
};

/** Packets of a pod to services, at its interface: new flows, packets of known flows, and replies to them. */
function podBenchmarks(family: Family): Benchmark[] {
  const lb = new LbMaps();
  fill(lb, family);
  const node = new Node({ lb, options: { socketLb: 'off', conntrack: { accounting: true } } });
  const next = seeded(family);
  const options: ReceiveOptions = { now: 1000, random: next, pod: POD };
  const source = addressOf(family, 3, 1);
  const frame = (flow: number, tcpFlags: number): Uint8Array =>
    buildFrame({
      protocol: Protocol.TCP,
      source,
      destination: addressOf(family, 1, flow % SERVICES),
      sport: 1024 + (flow % 60_000),
      dport: 80,
      tcpFlags,
    });
  const requests = Array.from({ length: FLOWS }, (_, flow) => frame(flow, TcpFlag.ACK));
  // Frames as they leave go to the kernel; turned round they are what the backends answer.
  for (const request of requests) node.receive('fromContainer', request, options);
  const replies = requests.map((request) =>
    turnedRound(node.receive('fromContainer', request, options).frame!, family),
  );
  const [known, answers] = [shuffled(requests, next), shuffled(replies, next)];
  const all = (hook: 'fromContainer' | 'podPolicy', frames: readonly Uint8Array[]): number => {
    let sum = 0;
    for (const each of frames) sum += node.process(hook, each, options);
    return sum;
  };
  let round = 0;
  const fresh = (): number => {
    // Other source ports each time, so that each packet is the first of its flow.
    round = (round + 1) % 400;
    for (const request of requests) new DataView(request.buffer).setUint16(family === 4 ? 34 : 54, 1024 + 7 * round);
    return all('fromContainer', requests);
  };
  return [
    { name: `podegress.known.v${family}`, operations: FLOWS, run: () => all('fromContainer', known) },
    { name: `podegress.reply.v${family}`, operations: FLOWS, run: () => all('podPolicy', answers) },
    { name: `podegress.new.v${family}`, operations: FLOWS, run: fresh, samples: 9 },
  ];
}

/** Source and destination of a TCP frame swapped, ports too; checksums stay right. */
function turnedRound(frame: Uint8Array, family: Family): Uint8Array {
  const bytes = frame.slice();
  const [size, at, l4] = family === 4 ? [4, 26, 34] : [16, 22, 54];
  bytes.copyWithin(at, at + size, at + 2 * size);
  bytes.set(frame.subarray(at, at + size), at + size);
  bytes.set(frame.subarray(l4 + 2, l4 + 4), l4);
  bytes.set(frame.subarray(l4, l4 + 2), l4 + 2);
  return bytes;
}

/** Socket calls with 10,000 services and 100,000 reverse entries; packets at a pod's interface. */
export const eastWestBenchmarks = (): Benchmark[] => [
  connectBenchmark(4),
  connectBenchmark(6),
  ...podBenchmarks(4),
  ...podBenchmarks(6),
];
