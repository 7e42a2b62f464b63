import {
  buildFrame,
  type DatapathInput,
  type Family,
  FibResult,
  FlowRunner,
  HookContext,
  Node,
  parseAddress,
  parseCidr,
  parseMac,
  Protocol,
  Scope,
  ServiceFlag,
  TcpFlag,
} from '../src/index.ts';
import { type Benchmark, seeded } from './measure.ts';

const NAMES = {
  4: {
    node: '10.0.0.1',
    frontend: '192.0.2.10',
    absent: '192.0.2.99',
    client: '203.0.113.7',
    net: '10.2.0.',
    all: '0.0.0.0/0',
  },
  6: {
    node: 'fd00::1',
    frontend: '2001:db8::10',
    absent: '2001:db8::99',
    client: '2001:db8:1::7',
    net: 'fd02::',
    all: '::/0',
  },
} as const;

const BACKENDS = 10;
const FLOWS = 256;
const OPERATIONS = 20_000;

const GATEWAY = parseMac('02:00:00:00:00:01');
const NODE_MAC = parseMac('02:00:00:00:00:02');

/** A node with one service of ten remote backends behind a default route. */
export function makeNode(family: Family, options: DatapathInput): Node {
  const names = NAMES[family];
  const node = new Node({
    options: { algorithm: 'maglev', ...options },
    addresses: {
      ipv4: parseAddress(NAMES[4].node),
      ipv6: parseAddress(NAMES[6].node),
      mac: NODE_MAC,
      ifindex: 2,
    },
  });
  const maps = node.lb.of(family);
  const key = {
    address: parseAddress(names.frontend),
    port: 80,
    protocol: Protocol.TCP,
    scope: Scope.EXTERNAL,
    slot: 0,
  };
  const flags = ServiceFlag.LOAD_BALANCER | ServiceFlag.ROUTABLE;
  maps.services.set(key, { flags, union: 0, count: BACKENDS, revNatIndex: 1, qcount: 0 });
  maps.reverseNat.set(1, { address: key.address, port: 80 });
  for (let id = 1; id <= BACKENDS; id++) {
    const address = parseAddress(`${names.net}${id}`);
    maps.backends.set(id, { address, port: 8080, protocol: Protocol.TCP, state: 0, clusterId: 0, zone: 0 });
  }
  maps.maglev.set(
    1,
    Uint32Array.from({ length: 16381 }, (_, i) => (i % BACKENDS) + 1),
  );
  const route = { result: FibResult.SUCCESS, ifindex: 2, dmac: GATEWAY, smac: NODE_MAC };
  node.tables.of(family).routes.set(parseCidr(names.all), route);
  return node;
}

function frame(source: string, destination: string, sport: number, dport: number, tcpFlags: number): Uint8Array {
  return buildFrame({
    protocol: Protocol.TCP,
    source: parseAddress(source),
    destination: parseAddress(destination),
    sport,
    dport,
    tcpFlags,
    sourceMac: GATEWAY,
    destinationMac: NODE_MAC,
  });
}

/** Sends frames round and round through the XDP program. */
function cycle(name: string, node: Node, frames: readonly Uint8Array[]): Benchmark {
  const ctx = new HookContext();
  const options = { now: 1000, random: seeded(1) };
  return {
    name,
    operations: OPERATIONS,
    run: () => {
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) sum += node.process('xdp', frames[i % FLOWS]!, options, ctx);
      return sum;
    },
  };
}

const flows = <T>(make: (sport: number) => T): T[] => Array.from({ length: FLOWS }, (_, i) => make(33_000 + 7 * i));

/** Packets of open connections: the SYN and one ACK were sent before. */
function established(family: Family, name: string, options: DatapathInput, tcpFlags: number): Benchmark {
  const node = makeNode(family, options);
  const { client, frontend } = NAMES[family];
  const given = { now: 999, random: seeded(2) };
  for (const flags of [TcpFlag.SYN, TcpFlag.ACK]) {
    for (const bytes of flows((sport) => frame(client, frontend, sport, 80, flags))) node.process('xdp', bytes, given);
  }
  return cycle(
    `${name}.v${family}`,
    node,
    flows((sport) => frame(client, frontend, sport, 80, tcpFlags)),
  );
}

function replies(family: Family): Benchmark {
  const node = makeNode(family, {});
  const { client, frontend, node: own } = NAMES[family];
  const given = { now: 999, random: seeded(2) };
  const back = flows((sport) => {
    node.process('xdp', frame(client, frontend, sport, 80, TcpFlag.SYN), given);
    const mapping = [...node.of(family).nat.entries()].find((e) => e.flags === 0 && e.sport === sport)!;
    return frame(mapping.daddr, own, 8080, mapping.toPort, TcpFlag.ACK);
  });
  return cycle(`snat.reply.v${family}`, node, back);
}

/** New connections: client addresses never seen before, tables emptied before each round. */
function newFlows(family: Family): Benchmark {
  const node = makeNode(family, {});
  const { client, frontend } = NAMES[family];
  const bytes = frame(client, frontend, 40_000, 80, TcpFlag.SYN);
  const view = new DataView(bytes.buffer);
  const at = family === 4 ? 26 : 34;
  const ctx = new HookContext();
  const options = { now: 1000, random: seeded(3) };
  const { conntrack, nat } = node.of(family);
  return {
    name: `newflow.v${family}`,
    operations: OPERATIONS,
    run: () => {
      conntrack.tcp.clear();
      nat.table.clear();
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) {
        view.setUint32(at, 0x0b000000 + i);
        sum += node.process('xdp', bytes, options, ctx);
      }
      return sum;
    },
  };
}

function misses(family: Family): Benchmark {
  const { client, absent } = NAMES[family];
  return cycle(
    `miss.v${family}`,
    makeNode(family, {}),
    flows((sport) => frame(client, absent, sport, 80, TcpFlag.ACK)),
  );
}

/** The established path for callers that have flows, not bytes. */
function tuples(family: Family): Benchmark {
  const { client, frontend } = NAMES[family];
  const runner = new FlowRunner(makeNode(family, {}));
  const options = { now: 1000, random: seeded(4) };
  const all = flows((sport) => ({
    protocol: Protocol.TCP,
    source: parseAddress(client),
    destination: parseAddress(frontend),
    sport,
    dport: 80,
    tcpFlags: TcpFlag.ACK as number,
  }));
  return {
    name: `tuple.forward.v${family}`,
    operations: OPERATIONS,
    run: () => {
      let sum = 0;
      for (let i = 0; i < OPERATIONS; i++) {
        sum += runner.run('xdp', all[i % FLOWS]!, options);
        sum += runner.sport;
      }
      return sum;
    },
  };
}

const DSR = { mode: 'dsr' } as const;
const IPIP = { mode: 'dsr', dsrDispatch: 'ipip', acceleration: 'native' } as const;

/** Whole packets, bytes in and bytes out, through the XDP program. */
export function northSouthBenchmarks(): Benchmark[] {
  return ([4, 6] as const).flatMap((family) => [
    established(family, 'snat.forward', {}, TcpFlag.ACK),
    replies(family),
    // Only SYNs carry the option: these meet the entry that their own connection left.
    established(family, 'dsr.insert', DSR, TcpFlag.SYN),
    established(family, 'dsr.ipip', IPIP, TcpFlag.ACK),
    misses(family),
    tuples(family),
    newFlows(family),
  ]);
}
