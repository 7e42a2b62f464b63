import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildFrame,
  type DatapathInput,
  type FrameSpec,
  FlowRunner,
  formatAddress,
  parseAddress,
  Protocol,
  TcpFlag,
} from '../../src/index.ts';
import { backendId, GATEWAY, LOCAL_ID, makeNode, mulberry, NODE_MAC, WORLD } from './world.ts';

const builds: readonly DatapathInput[] = [
  {},
  { tunnel: 'vxlan' },
  { mode: 'dsr' },
  { mode: 'dsr', dsrDispatch: 'ipip', acceleration: 'native' },
  { mode: 'dsr', dsrDispatch: 'geneve' },
];

const flow = fc.record({
  family: fc.constantFrom<4 | 6>(4, 6),
  protocol: fc.constantFrom<number>(Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ICMP),
  sport: fc.nat(65535),
  dport: fc.constantFrom(80, 81),
  tcpFlags: fc.nat(255),
  length: fc.constantFrom(0, 100, 1490),
  ttl: fc.constantFrom(1, 2, 64),
});

describe('flows without bytes', () => {
  it('are decided as the packets they stand for: verdict, maps, counters and random words', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...builds),
        fc.constantFrom<'xdp' | 'fromNetdev'>('xdp', 'fromNetdev'),
        fc.array(flow, { minLength: 1, maxLength: 6 }),
        (options, hook, flows) => {
          const [bytes, tuples] = [
            makeNode({ options, backends: [1, LOCAL_ID] }),
            makeNode({ options, backends: [1, LOCAL_ID] }),
          ];
          const [left, right] = [mulberry(1), mulberry(1)];
          const runner = new FlowRunner(tuples);
          for (const { family, ...rest } of flows) {
            const spec: FrameSpec = {
              ...rest,
              source: parseAddress(WORLD[family].client),
              destination: parseAddress(WORLD[family].frontend),
              sourceMac: GATEWAY,
              destinationMac: NODE_MAC,
            };
            const act = bytes.process(hook, buildFrame(spec), { now: 9, random: left });
            expect(runner.run(hook, spec, { now: 9, random: right })).toBe(act);
          }
          expect(left()).toBe(right());
          for (const family of [4, 6] as const) {
            expect([...tuples.of(family).conntrack.entries()]).toEqual([...bytes.of(family).conntrack.entries()]);
            expect([...tuples.of(family).nat.entries()]).toEqual([...bytes.of(family).nat.entries()]);
          }
          expect([...tuples.metrics.entries()]).toEqual([...bytes.metrics.entries()]);
        },
      ),
    );
  });

  it('are the same when nothing is left to decide and no packet is made of them', () => {
    let hits = 0;
    const known = fc.record({
      op: fc.constantFrom('request', 'request', 'request', 'reply', 'reply', 'backend', 'gc', 'time'),
      family: fc.constantFrom<4 | 6>(4, 6),
      protocol: fc.constantFrom<number>(Protocol.TCP, Protocol.TCP, Protocol.UDP),
      sport: fc.constantFrom(40000, 40001),
      tcpFlags: fc.constantFrom<number>(TcpFlag.ACK, TcpFlag.ACK, TcpFlag.ACK, TcpFlag.SYN, TcpFlag.FIN),
      length: fc.constantFrom(0, 0, 1490),
      ttl: fc.constantFrom(1, 2, 64, 64, 64),
    });
    fc.assert(
      fc.property(fc.constantFrom(...builds), fc.array(known, { maxLength: 60, size: 'max' }), (options, steps) => {
        const sides = [true, false].map((traced) => {
          const node = makeNode({ options: { ...options, conntrack: { accounting: true } }, backends: [1, 2] });
          return { node, runner: new FlowRunner(node), random: mulberry(1), traced, now: 9 };
        });
        for (const { op, family, ...rest } of steps) {
          const told = sides.map((side) => {
            const { node, runner, traced, random } = side;
            const { backends } = node.lb.of(family);
            const id = backendId(family, 1);
            if (op === 'time') side.now += 7;
            else if (op === 'gc') node.of(family).conntrack.gc(side.now);
            else if (op === 'backend') backends.set(id, { ...backends.get(id)!, state: backends.get(id)!.state ^ 1 });
            else {
              const there = {
                source: parseAddress(WORLD[family].client),
                destination: parseAddress(WORLD[family].frontend),
              };
              let spec: FrameSpec = { ...rest, ...there, dport: 80, sourceMac: GATEWAY, destinationMac: NODE_MAC };
              if (op === 'reply' && runner.family === family) {
                const { source, destination, sport, dport } = runner.flow();
                spec = { ...spec, source: destination, destination: source, sport: dport, dport: sport };
              }
              const act = runner.run('xdp', spec, {
                now: side.now,
                random,
                ...(traced ? { trace: { event: () => {} } } : {}),
              });
              const { mark, transfer, redirectKind, redirectIfindex, fibLookups, fibIfindex, dropDirection } =
                runner.context;
              return {
                act,
                flow: runner.flow(),
                mark,
                transfer,
                redirectKind,
                redirectIfindex,
                fibLookups,
                fibIfindex,
                dropDirection,
              };
            }
            return undefined;
          });
          expect(told[1]).toEqual(told[0]);
        }
        const states = sides.map(({ node, random }) => [
          random(),
          ...([4, 6] as const).map((family) => [
            [...node.of(family).conntrack.entries()],
            [...node.of(family).nat.entries()],
            [...node.tables.of(family).neighbours.entries()],
          ]),
          [...node.metrics.entries()],
        ]);
        expect(states[1]).toEqual(states[0]);
        hits += sides[1]!.node.v4.memory.hits;
      }),
    );
    expect(hits).toBeGreaterThan(0);
  });

  it.each([4, 6] as const)('requests and replies are known from the second on, IPv%d', (family) => {
    const node = makeNode({ backends: [1] });
    const runner = new FlowRunner(node);
    const there = { source: parseAddress(WORLD[family].client), destination: parseAddress(WORLD[family].frontend) };
    const request = {
      protocol: Protocol.TCP as number,
      sport: 40000,
      dport: 80,
      tcpFlags: TcpFlag.ACK as number,
      ...there,
    };
    const hits = (flow: FrameSpec): number => {
      expect(runner.run('xdp', flow, { now: 9, random: mulberry(1) })).toBe(1);
      return node.of(family).memory.hits;
    };
    expect([{ ...request, tcpFlags: TcpFlag.SYN }, request, request, request].map(hits)).toEqual([0, 0, 1, 2]);
    const { source, destination, sport, dport } = runner.flow();
    const reply = { ...request, source: destination, destination: source, sport: dport, dport: sport };
    expect([reply, reply, reply].map(hits)).toEqual([2, 3, 4]);
    expect(runner.flow()).toMatchObject({
      source: there.destination,
      destination: there.source,
      sport: 80,
      dport: 40000,
    });
  });

  it.each([4, 6] as const)('what gets an option or an outer header is known up to the longest, IPv%d', (family) => {
    for (const dsrDispatch of ['opt', 'ipip'] as const) {
      const node = makeNode({ options: { mode: 'dsr', dsrDispatch, acceleration: 'native' }, backends: [1] });
      const runner = new FlowRunner(node);
      const { client, frontend } = WORLD[family];
      const flow = { protocol: Protocol.UDP, source: parseAddress(client), destination: parseAddress(frontend) };
      const made = [100, 100, 100, 60, 101, 100, 101].map((length) => {
        runner.context.packet.begin(0);
        expect(runner.run('xdp', { ...flow, sport: 40000, dport: 80, length }, { now: 9 })).toBe(1);
        expect(runner.context.inserted + runner.context.pushed).toBeGreaterThan(0);
        expect(runner.flow()).toMatchObject({ sport: 40000, dport: dsrDispatch === 'ipip' ? 80 : 8080 });
        return runner.context.packet.length > 0;
      });
      // A longer one might be too long.
      expect(made).toEqual([true, true, false, false, true, false, false]);
    }
  });

  it('tell what they have become, inside of encapsulations too', () => {
    for (const options of builds) {
      const node = makeNode({ options, backends: [1] });
      const runner = new FlowRunner(node);
      const { client, frontend, remote } = WORLD[4];
      const spec = { protocol: Protocol.UDP, sport: 40000, dport: 80 };
      const flow = { ...spec, source: parseAddress(client), destination: parseAddress(frontend) };
      expect(runner.run('xdp', flow, { now: 1 })).toBe(1);
      const out = runner.flow();
      const ipip = options.dsrDispatch === 'ipip';
      expect(formatAddress(out.destination)).toBe(ipip ? frontend : remote[0]);
      expect(out).toMatchObject({ protocol: Protocol.UDP, sport: 40000, dport: ipip ? 80 : 8080 });
    }
  });

  it('a service without backends answers with an ICMP error', () => {
    const runner = new FlowRunner(makeNode());
    const { client, empty } = WORLD[6];
    const flow = {
      protocol: Protocol.TCP,
      sport: 1,
      dport: 80,
      source: parseAddress(client),
      destination: parseAddress(empty),
    };
    runner.run('xdp', flow, { now: 1 });
    expect(formatAddress(runner.flow().destination)).toBe(client);
    expect(runner.flow()).toMatchObject({ protocol: Protocol.ICMPV6, sport: 0, dport: 0 });
  });
});
