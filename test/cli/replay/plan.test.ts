import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Groups } from '../../../src/cli/replay/groups.ts';
import { packetTrace, type PacketTrace, type TraceFrame } from '../../../src/cli/replay/index.ts';
import { CHUNK, rowsOf, sharedPlan, shareOut } from '../../../src/cli/replay/plan.ts';
import { Planner } from '../../../src/cli/replay/planner.ts';
import { restlessClients } from '../../../src/cli/replay/restless.ts';
import { sharedChunks } from '../../../src/cli/threads/chunks.ts';
import { buildFrame, type Family, parseAddress, parseMac, Protocol, TcpFlag } from '../../../src/index.ts';
import makeNode, { NAMES } from './node.ts';
import { requests } from './traffic.ts';

const node = makeNode();
const ETH = 14;

const SHAPES = ['plain', 'first fragment', 'later fragment', 'options', 'short', 'error', 'no IP'] as const;

interface Packet {
  readonly family: Family;
  readonly shape: (typeof SHAPES)[number];
  readonly protocol: number;
  readonly source: string;
  readonly destination: string;
  readonly sport: number;
  readonly dport: number;
  readonly mac: number;
}

const headerOf = (family: Family): number => ETH + (family === 4 ? 20 : 40);

/** Four bytes of IPv4 options that do nothing, or eight of IPv6 destination options. */
function withOptions(frame: Uint8Array, family: Family): Uint8Array {
  const options = family === 4 ? [1, 1, 1, 1] : [frame[ETH + 6]!, 0, 1, 4, 0, 0, 0, 0];
  const longer = Uint8Array.of(...frame.subarray(0, headerOf(family)), ...options, ...frame.subarray(headerOf(family)));
  if (family === 4) longer[ETH] = 0x46;
  else longer[ETH + 6] = 60;
  return longer;
}

function asFragment(frame: Uint8Array, family: Family, later: boolean): Uint8Array {
  const [high, low] = later ? [0, 8] : [0, 0];
  if (family === 4) {
    const fragment = frame.slice();
    fragment[ETH + 6] = 0x20 | high;
    fragment[ETH + 7] = low;
    return fragment;
  }
  const header = [frame[ETH + 6]!, 0, high, low | 1, 0, 0, 0, 7];
  const longer = Uint8Array.of(...frame.subarray(0, headerOf(family)), ...header, ...frame.subarray(headerOf(family)));
  longer[ETH + 6] = 44;
  return longer;
}

/** A router's ICMP error that quotes the packet. */
function errorAbout(frame: Uint8Array, family: Family): Uint8Array {
  const quoted = frame.subarray(ETH);
  const error = buildFrame({
    protocol: Protocol.ICMP,
    source: parseAddress(family === 4 ? '198.51.100.1' : '2001:db8:ff::1'),
    destination: parseAddress(NAMES[family].node),
    length: headerOf(family) - ETH + 8 + quoted.length,
  });
  error[headerOf(family)] = family === 4 ? 3 : 1;
  error.set(quoted, headerOf(family) + 8);
  return error;
}

function frameOf({ family, shape, protocol, source, destination, sport, dport, mac }: Packet): Uint8Array {
  const frame = buildFrame({
    protocol,
    source: parseAddress(source),
    destination: parseAddress(destination),
    sport,
    dport,
    tcpFlags: TcpFlag.ACK,
    sourceMac: parseMac(`02:00:00:00:00:0${mac}`),
  });
  if (shape === 'options') return withOptions(frame, family);
  if (shape === 'first fragment' || shape === 'later fragment')
    return asFragment(frame, family, shape === 'later fragment');
  if (shape === 'short') return frame.subarray(0, headerOf(family) + 2);
  if (shape === 'error') return errorAbout(frame, family);
  if (shape === 'no IP') frame[12] = 0x81;
  return frame;
}

const traceOf = (packets: readonly Packet[]): PacketTrace =>
  packetTrace(packets.map((packet) => ({ frame: frameOf(packet), at: 1 })));

/** Frames of equal groups have equal numbers, which are those of their first frames. */
function canonical(groups: Groups, keys: ArrayLike<number>): number[] {
  const firsts = new Map<number, number>();
  return Array.from(keys, (key, i) => {
    const group = groups.find(key);
    if (!firsts.has(group)) firsts.set(group, i);
    return firsts.get(group)!;
  });
}

function together(trace: PacketTrace): number[] {
  const keys = new Int32Array(trace.times.length);
  const planner = new Planner(node, restlessClients(trace));
  planner.read(trace, 0, keys.length, keys);
  return canonical(planner.groups, keys);
}

/** Each frame by a planner that has seen no other. */
function oneByOne(trace: PacketTrace): number[] {
  const groups = new Groups();
  const restless = restlessClients(trace);
  const keys = Array.from(trace.times, (_, i) => {
    const own = new Int32Array(trace.times.length);
    const planner = new Planner(node, restless);
    planner.read(trace, i, i + 1, own);
    return groups.absorb(planner.groups.columns())[own[i]!]!;
  });
  return canonical(groups, keys);
}

/** Mostly flows that have groups of their own, as they are of clients of their own or of a Maglev service, and some of what joins groups. */
const packets = fc.constantFrom<Family>(4, 6).chain((family): fc.Arbitrary<Packet> => {
  const { client, frontend, backend, node: own } = NAMES[family];
  const clients = fc.integer({ min: 1, max: 9 }).map((i) => `${client}${i}`);
  const seldom = fc.constantFrom(`${frontend}2`, `${frontend}3`, `${backend}1`, `${backend}2`, own);
  const often = { weight: 12 };
  const ends = fc.oneof({ ...often, arbitrary: clients }, { weight: 1, arbitrary: seldom });
  return fc.record({
    family: fc.constant(family),
    shape: fc.oneof(
      { weight: 30, arbitrary: fc.constant('plain' as const) },
      { weight: 1, arbitrary: fc.constantFrom(...SHAPES) },
    ),
    protocol: fc.constantFrom(Protocol.TCP, Protocol.TCP, Protocol.UDP, Protocol.SCTP),
    source: ends,
    destination: fc.oneof({ ...often, arbitrary: fc.constant(`${frontend}1`) }, { weight: 2, arbitrary: ends }),
    sport: fc.constantFrom(33_000, 33_001, 33_002),
    dport: fc.constantFrom(80, 80, 80, 8080),
    mac: fc.oneof({ weight: 60, arbitrary: fc.constant(1) }, { weight: 1, arbitrary: fc.constant(2) }),
  });
});

const plain: Packet = {
  family: 4,
  shape: 'plain',
  protocol: Protocol.TCP,
  source: '203.0.113.1',
  destination: '192.0.2.1',
  sport: 33_000,
  dport: 80,
  mac: 1,
};

describe('groups', () => {
  it('of a flow seen before are what they would be if it were new', () => {
    fc.assert(
      fc.property(fc.array(packets, { maxLength: 20 }), (all) => {
        const trace = traceOf(all);
        expect(together(trace)).toEqual(oneByOne(trace));
      }),
    );
  });

  /** Flows of one client that go to different backends, until something joins them. */
  const flows = Array.from({ length: 12 }, (_, i) => ({ ...plain, sport: 33_000 + i }));
  const groupsOf = (...all: Packet[]): number[] => together(traceOf(all));

  it('are those of backends', () => {
    const groups = groupsOf(...flows, ...flows);
    expect(new Set(groups).size).toBeGreaterThan(2);
    expect(groups.slice(12)).toEqual(groups.slice(0, 12));
  });

  it('know ports behind options', () => {
    const groups = groupsOf(...flows, ...flows.map((flow) => ({ ...flow, shape: 'options' as const })));
    expect(groups.slice(12)).toEqual(groups.slice(0, 12));
  });

  it.each(['first fragment', 'later fragment', 'short'] as const)(
    'are one for all backends with a frame of shape %s',
    (shape) => {
      const groups = groupsOf(...flows, { ...plain, shape });
      expect(new Set(groups).size).toBe(1);
    },
  );

  it('of an ICMP error are those of what it quotes', () => {
    const [first, other] = [flows[0]!, flows.find((_, i) => groupsOf(...flows)[i] !== 0)!];
    const groups = groupsOf(first, other, { ...first, shape: 'error' }, { ...other, shape: 'error' });
    // One router reports on both, so they hang together.
    expect(new Set(groups).size).toBe(1);
    expect(groupsOf(first, other, { ...first, shape: 'error' })).toEqual([0, 1, 0]);
  });

  it('are one for a client with several MAC addresses', () => {
    expect(new Set(groupsOf(...flows, { ...plain, mac: 2 })).size).toBe(1);
    const elsewhere = { ...plain, source: '203.0.113.9', mac: 2 };
    expect(groupsOf(...flows, elsewhere).slice(0, 12)).toEqual(groupsOf(...flows));
  });
});

describe('shards', () => {
  const flow = (i: number): TraceFrame => ({
    frame: frameOf({ ...plain, source: `100.64.${i >> 8}.${i & 255}`, destination: `100.65.${i >> 8}.${i & 255}` }),
    at: 1,
  });
  const small = Array.from({ length: 3000 }, (_, i) => flow(i));
  // Fifteen flows of a chunk have the same number of frames as those of the other.
  const equal = Array.from({ length: 2 * CHUNK }, (_, i) =>
    flow(i % CHUNK < 15 * 546 ? (i % 15) + (i < CHUNK ? 0 : 15) : 99),
  );
  const TRACES = {
    'small groups and large ones': [...small, ...requests(2 * CHUNK, 3, 1, false), ...small],
    'equal groups': equal,
  };

  function shards(trace: PacketTrace, readers: number, count: number): number[][] {
    const frames = trace.times.length;
    const plan = sharedPlan(frames, sharedChunks(readers));
    const planners = Array.from({ length: readers }, () => new Planner(node, restlessClients(trace)));
    for (let chunk = 0; chunk < plan.readers.length; chunk++) {
      const reader = (plan.readers[chunk] = (chunk + 1) % readers);
      planners[reader]!.read(trace, chunk * CHUNK, Math.min(frames, (chunk + 1) * CHUNK), plan.keys);
    }
    const [own, ...others] = planners.map(({ groups }) => groups);
    const found = others.map((groups) => groups.columns());
    const shared = shareOut(own!, found, plan, count);
    const rows = new Uint32Array(CHUNK);
    const all = Array.from({ length: count }, (_, shard) =>
      Array.from(plan.readers, (_reader, chunk) => [
        ...rows.subarray(0, rowsOf(chunk, frames, { shards: shared, shard }, rows)),
      ]).flat(),
    );
    expect(Array.from(shared.loads)).toEqual(all.map(({ length }) => length));
    return all;
  }

  it.each([
    ['small groups and large ones', 2],
    ['small groups and large ones', 3],
    ['equal groups', 2],
    ['equal groups', 3],
  ] as const)('of %s are the same whoever read the trace, and about equal: %i', (kind, count) => {
    const frames = TRACES[kind];
    const trace = packetTrace(frames);
    const alone = shards(trace, 1, count);
    expect(shards(trace, 2, count)).toEqual(alone);
    expect(shards(trace, 3, count)).toEqual(alone);
    expect(alone.flat().sort((a, b) => a - b)).toEqual(frames.map((_, i) => i));
    for (const { length } of alone) expect(Math.abs(length - frames.length / count)).toBeLessThan(frames.length / 20);
  });
});
