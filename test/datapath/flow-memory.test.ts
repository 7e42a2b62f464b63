import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import {
  type DatapathInput,
  type Family,
  FibResult,
  Headers,
  type Hook,
  type Node,
  NodeTables,
  PacketBuffer,
  parseAddress,
  parseCidr,
  parseMac,
  type PodInterface,
  Protocol,
  readHeaders,
  Scope,
  ServiceFlag,
  TcpFlag,
  u64,
  type Verdict,
} from '../../src/index.ts';
import { destinationOffset, sourceOffset } from '../../src/net/packet-buffer.ts';
import {
  BACKEND_PORT,
  backendId,
  frame,
  GATEWAY,
  LOCAL_ID,
  makeNode,
  mulberry,
  NODE_MAC,
  POD_MAC,
  PORT,
  WORLD,
} from './world.ts';

/*
 * The law of the memory: a node that has one and a node that makes all its lookups (it is traced, which memory leaves alone) answer
 * every packet alike and hold the same entries, whatever happens to their maps between packets. The tables are small, so that an
 * order of uses that differs shows by other evictions.
 */

const POD: PodInterface = {
  endpoint: { id: 5, ifindex: 12, mac: POD_MAC, nodeMac: NODE_MAC, host: false, identity: 70_000 },
  ipv4: parseAddress(WORLD[4].local),
  ipv6: parseAddress(WORLD[6].local),
  netnsCookie: u64(99),
};

const OTHER_POD: PodInterface = { ...POD, endpoint: { ...POD.endpoint, identity: 70_001 } };
const OTHER_MAC = parseMac('02:00:00:00:00:09');
const MACS = [GATEWAY, OTHER_MAC];

interface PacketOp {
  readonly op: 'packet';
  readonly from: 'client' | 'neighbour' | 'pod' | 'answer';
  readonly hook: Hook;
  readonly family: Family;
  readonly protocol: number;
  readonly flow: number;
  readonly frontend: 'frontend' | 'other' | 'empty';
  readonly tcpFlags: number;
  readonly ttl: number;
  readonly mac: number;
  readonly checksum: number;
  readonly length: number;
  /** More fragments follow, or this is one of them. */
  readonly fragment: 'no' | 'first' | 'later';
  /** The pod of another security identity that has come to the address. */
  readonly otherPod: boolean;
}

interface ChangeOp {
  readonly op: 'change';
  readonly what: (typeof CHANGES)[number];
  readonly family: Family;
  readonly which: number;
}

interface TimeOp {
  readonly op: 'time';
  readonly seconds: number;
}

type Op = PacketOp | ChangeOp | TimeOp;

const CHANGES = [
  'backendState',
  'backendGone',
  'backendBack',
  'backendMoved',
  'service',
  'sourceRange',
  'route',
  'routeGone',
  'endpoint',
  'endpointGone',
  'reverseNat',
  'ipCache',
  'ipCacheBack',
  'gc',
  'clearConntrack',
  'clearNat',
  'neighbours',
] as const;

const family = fc.constantFrom<Family>(4, 6);

const packetOp: fc.Arbitrary<PacketOp> = fc.record({
  op: fc.constant('packet' as const),
  from: fc.constantFrom('client', 'client', 'client', 'neighbour', 'pod', 'pod', 'answer', 'answer'),
  hook: fc.constantFrom<Hook>('xdp', 'xdp', 'xdp', 'fromNetdev'),
  family,
  protocol: fc.constantFrom(Protocol.TCP, Protocol.TCP, Protocol.TCP, Protocol.UDP),
  flow: fc.constantFrom(0, 0, 0, 1, 2),
  frontend: fc.constantFrom('frontend', 'frontend', 'frontend', 'other', 'empty'),
  tcpFlags: fc.constantFrom(
    TcpFlag.ACK,
    TcpFlag.ACK,
    TcpFlag.ACK,
    TcpFlag.ACK,
    TcpFlag.ACK | TcpFlag.PSH,
    TcpFlag.SYN,
    TcpFlag.FIN | TcpFlag.ACK,
    TcpFlag.RST,
  ),
  ttl: fc.constantFrom(64, 64, 64, 3, 2, 1),
  mac: fc.constantFrom(0, 0, 0, 1),
  checksum: fc.constantFrom(-1, -1, -1, 0, 0xffff, 0x1234),
  length: fc.constantFrom(0, 0, 200),
  fragment: fc.constantFrom('no', 'no', 'first', 'later'),
  otherPod: fc.boolean(),
});

/** Packets of open connections, most of which are alike. */
const usualOp: fc.Arbitrary<PacketOp> = fc
  .tuple(
    packetOp,
    fc.constantFrom<PacketOp['from']>('client', 'client', 'pod', 'answer'),
    fc.constantFrom(TcpFlag.ACK, TcpFlag.ACK, TcpFlag.ACK, TcpFlag.SYN),
  )
  .map(([op, from, tcpFlags]) => ({
    ...op,
    from,
    hook: 'xdp',
    frontend: 'frontend',
    tcpFlags,
    ttl: 64,
    mac: op.mac,
    checksum: -1,
    fragment: 'no',
    otherPod: false,
  }));

const changeOp: fc.Arbitrary<ChangeOp> = fc.record({
  op: fc.constant('change' as const),
  what: fc.constantFrom(...CHANGES),
  family,
  which: fc.integer({ min: 0, max: 2 }),
});

const timeOp: fc.Arbitrary<TimeOp> = fc.record({
  op: fc.constant('time' as const),
  seconds: fc.constantFrom(0.25, 1, 6, 100, 9000),
});

/** Runs of one packet again and again, with something in between. */
const ops = fc
  .array(
    fc.oneof(
      { arbitrary: fc.tuple(usualOp, fc.integer({ min: 1, max: 9 })), weight: 20 },
      { arbitrary: fc.tuple(packetOp, fc.integer({ min: 1, max: 2 })), weight: 6 },
      { arbitrary: fc.tuple(changeOp, fc.constant(1)), weight: 2 },
      { arbitrary: fc.tuple(timeOp, fc.constant(1)), weight: 1 },
    ),
    { minLength: 1, maxLength: 60, size: 'max' },
  )
  .map((runs) => runs.flatMap(([op, times]): Op[] => Array.from({ length: times }, () => op)));

const OPTIONS: DatapathInput[] = [
  {},
  { algorithm: 'random' },
  { mode: 'dsr' },
  { mode: 'hybrid' },
  { mode: 'dsr', dsrDispatch: 'geneve' },
  { tunnel: 'vxlan' },
  { tunnel: 'vxlan', bpfMasquerade: true },
  { hostRouting: true, bpfMasquerade: true },
  { endpointRoutes: true },
];

class Side {
  readonly node: Node;
  readonly traced: boolean;
  readonly random = mulberry(7);
  now = 1000;
  last: Verdict | undefined;

  constructor(options: DatapathInput, size: number, traced: boolean, affinityTimeout: number) {
    this.traced = traced;
    this.node = makeNode({
      input: { tables: new NodeTables({ neighbours: 2 }) },
      backends: [1, 2, LOCAL_ID],
      affinityTimeout,
      flags: affinityTimeout === 0 ? 0 : ServiceFlag.AFFINITY,
      options: {
        socketLb: 'off',
        natMaxEntries: size,
        ...options,
        conntrack: { tcpMaxEntries: size, anyMaxEntries: size, accounting: size % 2 === 0, reportFlags: 0xff },
      },
    });
    // Through the tunnel nothing is remembered, beside it all is.
    if (size % 2 === 1)
      for (const family of [4, 6] as const) this.change({ op: 'change', what: 'ipCache', family, which: 0 });
  }

  packet(op: PacketOp): Verdict {
    const bytes = op.from === 'answer' ? this.#answer(op) : request(op);
    const hook = op.from === 'pod' ? 'fromContainer' : op.hook;
    const verdict = this.node.receive(hook, bytes, {
      now: this.now,
      random: this.random,
      ...(op.from === 'pod' ? { pod: op.otherPod ? OTHER_POD : POD } : {}),
      ...(this.traced ? { trace: { event: () => {} } } : {}),
    });
    if (verdict.frame !== undefined && op.from !== 'answer') this.last = verdict;
    return verdict;
  }

  /** What the receiver of the last packet that went on sends back. */
  #answer(op: PacketOp): Uint8Array {
    if (this.last?.frame === undefined) return request(op);
    const bytes = turnedRound(this.last.frame);
    return disturbed(bytes, op);
  }

  change({ what, family, which }: ChangeOp): void {
    const { node } = this;
    const names = WORLD[family];
    const maps = node.lb.of(family);
    const tables = node.tables.of(family);
    const id = backendId(family, which + 1);
    const address = [...names.remote, names.local][which]!;
    const host = { bits: family === 4 ? 32 : 128, address: parseAddress(address) };
    const backend = { address: parseAddress(address), port: BACKEND_PORT, protocol: 0, clusterId: 0, zone: 0 };
    switch (what) {
      case 'backendState':
        maps.backends.set(id, { ...backend, state: 1 });
        return;
      case 'backendGone':
        maps.backends.delete(id);
        return;
      case 'backendBack':
        maps.backends.set(id, { ...backend, state: 0 });
        return;
      case 'backendMoved':
        maps.backends.set(id, { ...backend, port: 9090, state: 0 });
        return;
      case 'service': {
        const service = parseAddress(names[which === 0 ? 'frontend' : 'other']);
        const key = { address: service, port: PORT, protocol: 0, scope: Scope.EXTERNAL, slot: 0 };
        const value = maps.services.get(key)!;
        maps.services.set(key, { ...value, flags: value.flags ^ ServiceFlag.ROUTABLE });
        return;
      }
      case 'sourceRange': {
        const service = parseAddress(names.frontend);
        const key = { address: service, port: PORT, protocol: 0, scope: Scope.EXTERNAL, slot: 0 };
        const value = maps.services.get(key)!;
        if ((value.flags & ServiceFlag.SOURCE_RANGE) === 0) {
          maps.services.set(key, { ...value, flags: value.flags | ServiceFlag.SOURCE_RANGE });
        }
        const cidr = parseCidr(which === 0 ? names.all : `${names.client}/${family === 4 ? 32 : 128}`);
        if (which === 2) maps.sourceRanges.delete({ revNatIndex: value.revNatIndex, cidr });
        else maps.sourceRanges.add({ revNatIndex: value.revNatIndex, cidr });
        return;
      }
      case 'route':
        tables.routes.set(which === 2 ? host : parseCidr(names.all), {
          result: which === 1 ? FibResult.NO_NEIGHBOUR : FibResult.SUCCESS,
          ifindex: 2 + which,
          dmac: OTHER_MAC,
          smac: NODE_MAC,
        });
        return;
      case 'routeGone':
        tables.routes.delete(which === 0 ? parseCidr(names.all) : host);
        return;
      case 'endpoint':
        tables.endpoints.set(parseAddress(address), { ...POD.endpoint, mac: OTHER_MAC, host: which === 1 });
        return;
      case 'endpointGone':
        tables.endpoints.delete(parseAddress(address));
        return;
      case 'reverseNat':
        if (which === 2) maps.reverseNat.delete(family === 4 ? 1 : 101);
        else maps.reverseNat.set(family === 4 ? 1 : 101, { address: parseAddress(names.other), port: 81 + which });
        return;
      case 'ipCache':
      case 'ipCacheBack':
        tables.ipCache.set(host, {
          identity: 5,
          tunnelEndpoint: parseAddress('10.0.0.3'),
          skipTunnel: what === 'ipCache',
        });
        return;
      case 'gc':
        node.of(family).conntrack.gc(Math.floor(this.now));
        return;
      case 'clearConntrack':
        node.of(family).conntrack.tcp.clear();
        return;
      case 'clearNat':
        node.of(family).nat.table.clear();
        return;
      case 'neighbours':
        tables.neighbours.clear();
    }
  }

  /** All that later packets can meet. */
  state(): unknown {
    return ([4, 6] as const).map((f) => ({
      conntrack: [...this.node.of(f).conntrack.entries()],
      nat: [...this.node.of(f).nat.entries()],
      neighbours: [...this.node.tables.of(f).neighbours.entries()],
      affinity: [...this.node.lb.of(f).affinity.entries()],
      metrics: [...this.node.metrics.entries()],
    }));
  }

  get hits(): number {
    return this.node.v4.memory.hits + this.node.v6.memory.hits;
  }
}

function request(op: PacketOp): Uint8Array {
  const names = WORLD[op.family];
  const source = op.from === 'pod' ? names.local : op.from === 'neighbour' ? names.remote[0] : names.client;
  const { protocol, tcpFlags, ttl } = op;
  const size = op.family === 4 ? 40 : 60;
  const spec = { protocol, tcpFlags, ttl, sport: 40_000 + op.flow, length: op.length === 0 ? size : op.length };
  return disturbed(frame(source, names[op.frontend], spec), op);
}

/** Another MAC address, TTL and checksum; a wrong one has to stay as wrong as it was. */
function disturbed(bytes: Uint8Array, op: PacketOp): Uint8Array {
  const { packet, headers } = parsed(bytes);
  const mac = MACS[op.mac]!;
  packet.setU32(6, mac.high);
  packet.setU16(10, mac.low);
  packet.setU8(headers.l3 + (headers.family === 4 ? 8 : 7), op.ttl);
  if (headers.family === 4 && op.fragment !== 'no')
    packet.setU16(headers.l3 + 6, op.fragment === 'first' ? 0x2000 : 0x2001);
  if (op.checksum >= 0) {
    const at = headers.protocol === Protocol.UDP ? 6 : 16;
    if (packet.has(headers.l4 + at, 2)) packet.setU16(headers.l4 + at, op.checksum);
    if (headers.family === 4) packet.setU16(headers.l3 + 10, op.checksum);
  }
  return packet.copy();
}

function turnedRound(bytes: Uint8Array): Uint8Array {
  const { packet, headers } = parsed(bytes);
  const { family, l3, l4 } = headers;
  const w = family === 4 ? 1 : 4;
  const words = new Uint32Array(8);
  packet.address(l3 + sourceOffset(family), w, words, 0);
  packet.address(l3 + destinationOffset(family), w, words, 4);
  packet.setAddress(l3 + sourceOffset(family), w, words, 4);
  packet.setAddress(l3 + destinationOffset(family), w, words, 0);
  if (packet.has(l4, 4)) {
    const ports = packet.u32(l4);
    packet.setU32(l4, (ports << 16) | (ports >>> 16));
  }
  return packet.copy();
}

function parsed(bytes: Uint8Array): { packet: PacketBuffer; headers: Headers } {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(bytes);
  readHeaders(packet, headers);
  return { packet, headers };
}

/** Both sides through the same packets and changes; how many packets the one with the memory had known after each step. */
function compare(list: readonly Op[], options: DatapathInput, size: number, affinity: number): number[] {
  const sides = [true, false].map((traced) => new Side(options, size, traced, affinity));
  const [reference, remembering] = sides as [Side, Side];
  const hits = list.map((op) => {
    if (op.op === 'time') for (const side of sides) side.now += op.seconds;
    else if (op.op === 'change') for (const side of sides) side.change(op);
    else expect(remembering.packet(op)).toEqual(reference.packet(op));
    return remembering.hits;
  });
  expect(remembering.state()).toEqual(reference.state());
  expect(reference.hits).toBe(0);
  return hits;
}

const ACK: PacketOp = {
  op: 'packet',
  from: 'client',
  hook: 'xdp',
  family: 4,
  protocol: Protocol.TCP,
  flow: 0,
  frontend: 'frontend',
  tcpFlags: TcpFlag.ACK,
  ttl: 64,
  mac: 0,
  checksum: -1,
  length: 0,
  fragment: 'no',
  otherPod: false,
};
const SYN: PacketOp = { ...ACK, tcpFlags: TcpFlag.SYN };
const ANSWER: PacketOp = { ...ACK, from: 'answer' };
const changed = (what: ChangeOp['what'], which: number): ChangeOp => ({ op: 'change', what, family: 4, which });
/** All backends are remote. */
const REMOTE: ChangeOp[] = ([4, 6] as const).map((f) => ({ op: 'change', what: 'endpointGone', family: f, which: 2 }));
const known = (list: readonly Op[], options: DatapathInput = {}, size = 64): number[] =>
  compare([...REMOTE, ...list], options, size, 0).slice(REMOTE.length);

describe('flow memory', () => {
  let packets = 0;
  let hits = 0;

  it('changes no answer and no entry', () => {
    fc.assert(
      fc.property(
        ops,
        fc.constantFrom(...OPTIONS),
        fc.constantFrom(7, 8, 15, 64, 65),
        fc.constantFrom(0, 0, 0, 50),
        (list, options, size, affinity) => {
          hits += compare(list, options, size, affinity).at(-1)!;
          packets += list.filter(({ op }) => op === 'packet').length;
        },
      ),
      { numRuns: Number(process.env['FC_RUNS'] ?? 150) },
    );
  });

  it.each([4, 6] as const)('knows requests and replies from the second on, IPv%d', (family) => {
    const [syn, ack, answer] = [SYN, ACK, ANSWER].map((op) => ({ ...op, family }));
    expect(known([syn!, ack!, ack!, ack!, answer!, answer!, answer!])).toEqual([0, 0, 1, 2, 2, 3, 4]);
    const pod = { ...ack!, from: 'pod' as const };
    expect(known([{ ...pod, tcpFlags: TcpFlag.SYN }, pod, pod, pod])).toEqual([0, 0, 1, 2]);
    expect(known([syn!, syn!, syn!, ack!, ack!], { mode: 'dsr' })).toEqual([0, 0, 1, 1, 2]);
    // Another length of a packet with an option is not the same.
    expect(known([syn!, syn!, syn!, { ...syn!, length: 100 }], { mode: 'dsr' })).toEqual([0, 0, 1, 1]);
  });

  it('notices what changes', () => {
    const open = [SYN, ACK, ACK];
    expect(known([...open, changed('sourceRange', 1), ACK, ACK, changed('sourceRange', 2), ACK])).toEqual([
      0, 0, 1, 1, 1, 2, 2, 2,
    ]);
    // The flag is there already; the ranges alone decide.
    expect(known([changed('sourceRange', 1), ...open, changed('sourceRange', 2), ACK]).at(-1)).toBe(1);
    const tunnelled = [0, 1, 2].map((which) => changed('ipCacheBack', which));
    expect(known([...open, ...tunnelled, ACK, ACK], { tunnel: 'vxlan' }, 65).at(-1)).toBe(1);
    const places = [0, 1, 2].map((which) => changed('endpoint', which));
    known([...open, changed('route', 0), ACK]);
    known([
      ...open,
      ...places,
      ACK,
      ACK,
      ...places,
      ACK,
      ACK,
      changed('route', 2),
      changed('route', 0),
      ACK,
      changed('route', 0),
      ACK,
    ]);
    const replies = [ANSWER, ANSWER, ANSWER];
    expect(known([...open, ...replies, changed('reverseNat', 0), ...replies]).at(-1)).toBe(5);
    // The kernel has no neighbour, the map has: the client has moved to another MAC address.
    known([...open, changed('route', 1), ...replies, { ...ACK, mac: 1 }, ...replies]);
    known([...open, { ...ACK, mac: 1 }, ACK, changed('route', 1), ...replies]);
  });

  it('notices another backend of a flow that begins anew', () => {
    const fin = { ...ACK, tcpFlags: TcpFlag.FIN };
    const again = [SYN, ACK, ACK, ACK, fin, fin, { op: 'time', seconds: 9000 } as const];
    const list = [...again, ...again, ...again, ...again];
    known(list, { algorithm: 'random' });
    known(list, { algorithm: 'random', mode: 'dsr' });
  });

  // Otherwise the law above says nothing.
  afterAll(() => expect(hits / packets).toBeGreaterThan(0.05));
});
