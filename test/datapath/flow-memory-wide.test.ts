import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { buildFrame, type DatapathInput, parseAddress, parseCidr, Protocol, TcpFlag } from '../../src/index.ts';
import { ops, worlds } from './flow-memory-ops.ts';
import { type Change, compareWide, type Packet, Side, type World } from './flow-memory-wide.ts';
import { GATEWAY, makeNode, mulberry, NODE_MAC, WORLD } from './world.ts';

const world = (options: DatapathInput): World => ({
  options,
  size: 64,
  shares: 'maps',
  neighbours: true,
  tunnelled: false,
  service: 0,
  start: 1000,
  seed: 0,
});

/** From port 40,000 of the client to port 81 of the first pod, where a service is that has the pod for its backend. */
const REQUEST: Packet = {
  op: 'packet',
  family: 4,
  hook: 0,
  protocol: 0,
  source: 0,
  sport: 3,
  destination: 4,
  dport: 1,
  flags: 0,
  ttl: 0,
  length: 0,
  altered: 0,
  given: 0,
  pod: 0,
  node: 0,
  flow: false,
};

describe('flow memory, with all hooks and options', () => {
  let packets = 0;
  let hits = 0;

  it('changes no answer and no word of the tables', () => {
    fc.assert(
      fc.property(worlds, ops, (given, list) => {
        const told = compareWide(given, list);
        hits += told.hits;
        packets += told.packets;
      }),
      { numRuns: Number(process.env['FC_RUNS'] ?? 200) },
    );
  });

  // Otherwise the law says nothing.
  afterAll(() => expect(hits / packets).toBeGreaterThan(0.05));

  it.each([4, 6] as const)('knows a checksum that only its steps change, IPv%d', (family) => {
    // The address becomes itself; only the port is another one. 0xffff becomes 0 all the same.
    const request = { ...REQUEST, family };
    expect(compareWide(world({}), [request, request, request, { ...request, altered: 8 }]).hits).toBe(2);
  });

  it.each([4, 6] as const)('lets no packet pass two hops with a TTL of 2, IPv%d', (family) => {
    // The second pod's connection to the first one's port 40,000 goes to a proxy, and so does what looks like its reply.
    const opening = { ...REQUEST, family, hook: 2, source: 5, sport: 2, destination: 4, dport: 3, pod: 1 };
    const reply = { ...REQUEST, family, hook: 2, source: 4, sport: 3, destination: 5, dport: 1 };
    const list = [opening, reply, reply, reply, { ...reply, ttl: 1 }, { ...reply, ttl: 2 }];
    expect(compareWide(world({ l7: true, socketLb: 'off' }), list).hits).toBe(2);
  });

  const NO_LOCAL_BACKEND: Change = { op: 'change', family: 4, node: 0, what: 5, which: 0 };
  const IPIP = { mode: 'dsr', dsrDispatch: 'ipip' } as const;
  const request: Packet = { ...REQUEST, destination: 1, dport: 0 };
  /** Every value of every way of altering, of which these are all about checksums and fields of the IP header. */
  const altered = Array.from({ length: 32 }, (_, i) =>
    [1, 2].map((how) => ({ ...request, altered: how + 8 * i })),
  ).flat();

  it.each([4, 6] as const)('puts an outer header like that of its own packet in front, IPv%d', (family) => {
    const list = [
      NO_LOCAL_BACKEND,
      request,
      request,
      request,
      { ...request, ttl: 5 },
      { ...request, ttl: 1 },
      ...altered,
    ];
    const { hits } = compareWide(
      world(IPIP),
      list.map((op) => ({ ...op, family })),
    );
    // The hop limit of IPv6 is in the word that has the length.
    expect(hits).toBeGreaterThan(family === 4 ? 35 : 25);
  });

  it('leaves an outer checksum that is computed anew to the program', () => {
    const list = [NO_LOCAL_BACKEND, request, request, request, ...altered];
    expect(compareWide(world({ ...IPIP, defects: { ipip4OuterOptions: false } }), list).hits).toBe(0);
    expect(compareWide(world({ ...IPIP, defects: { ipip4OuterOptions: true } }), list).hits).toBeGreaterThan(35);
  });

  it.each([
    [4, 'opt', 2, 0xfffc],
    [4, 'ipip', 2, 0xfff0],
    [6, 'ipip', 4, 0xfff0],
  ] as const)('learns nothing of a length that overflows, IPv%d, %s', (family, dsrDispatch, at, length) => {
    const { client, frontend } = WORLD[family];
    const spec = { protocol: Protocol.UDP, sport: 40_000, dport: 80, sourceMac: GATEWAY, destinationMac: NODE_MAC };
    const frame = buildFrame({ ...spec, source: parseAddress(client), destination: parseAddress(frontend) });
    const long = frame.slice();
    new DataView(long.buffer).setUint16(14 + at, length);
    const [told, wanted] = [{}, { trace: { event: () => {} } }].map((more) => {
      const options = { mode: 'dsr', dsrDispatch, acceleration: 'native', dsrIcmpErrors: false } as const;
      const node = makeNode({ options, backends: [1] });
      return [long, long, long, frame, frame].map((bytes) => node.receive('xdp', bytes, { now: 9, ...more }).frame);
    });
    expect(told).toEqual(wanted);
  });

  it('takes no bits of a caller for its own', () => {
    const syn = { ...REQUEST, hook: 1, destination: 1, dport: 0, flags: 1 };
    const list = [NO_LOCAL_BACKEND, syn, syn, syn, { ...syn, flags: 0, given: 3 }];
    expect(compareWide(world({ mode: 'dsr' }), list).hits).toBe(1);
  });

  it('notices a skip entry, and a dump that is loaded over a mapping', () => {
    const change = { op: 'change', family: 4, node: 0 } as const;
    const toItself = { ...REQUEST, hook: 2, source: 4 };
    const pods = { localRedirect: true, socketLb: 'off' } as const;
    const skip = { ...change, what: 7, which: 1 };
    expect(compareWide(world(pods), [NO_LOCAL_BACKEND, toItself, toItself, toItself, skip, toItself]).hits).toBe(1);
    const loaded = { ...change, what: 11, which: 4 };
    expect(compareWide(world({}), [NO_LOCAL_BACKEND, request, request, request, loaded, request]).hits).toBe(1);
  });

  it('is the same for more flows than it has room for at first, before its rest and in it', () => {
    const sides = [true, false].map((traced) => new Side({ ...world({}), size: 65_536 }, traced));
    const random = mulberry(1);
    const source = parseAddress(WORLD[4].client);
    const destination = parseAddress(WORLD[4].frontend);
    const hits: number[] = [];
    for (let i = 0; i < 16_000; i++) {
      const sport = 40_000 + (random() % 1000);
      const flow = { protocol: Protocol.TCP, source, destination, tcpFlags: TcpFlag.ACK, sport, dport: 80 };
      const [wanted, told] = sides.map((side) => {
        // Whatever was learned is forgotten, so often that it does not pay.
        if (i % 500 === 0) side.nodes[0]!.tables.v4.ipCache.set(parseCidr('10.9.0.0/16'), { identity: 9 });
        const { context } = side.runners[0]!;
        const trace = side.traced ? { trace: { event: () => {} } } : {};
        const act = side.runners[0]!.run('xdp', flow, { now: 1000 + (i >> 10), ...trace });
        return [act, side.runners[0]!.sport, side.runners[0]!.destination[0], context.redirectIfindex];
      });
      if (wanted!.join() !== told!.join()) expect(told, `packet ${i}`).toEqual(wanted);
      if (i % 4000 === 3999) hits.push(sides[1]!.hits);
    }
    for (const [i, words] of [...sides[1]!.words()].entries())
      expect(isDeepStrictEqual(words, [...sides[0]!.words()][i])).toBe(true);
    expect(hits[0]).toBeGreaterThan(100);
    expect(hits[3]).toBe(hits[2]);
  });
});
