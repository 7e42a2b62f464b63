import fc from 'fast-check';
import { type DatapathInput, type Family, parseCidr } from '../../src/index.ts';
import {
  GIVEN,
  HOOKS,
  type Change,
  type Onward,
  type Op,
  type Packet,
  PORTS,
  type Time,
  type World,
} from './flow-memory-wide.ts';
import { SERVICE_FLAGS, WRITES } from './flow-memory-world.ts';

/** Places in the list of addresses. */
const CLIENT = 0;
const FRONTEND = 1;
const OTHER = 2;
const POD_A_AT = 4;
const POD_B_AT = 5;

const some = (weights: Readonly<Record<number, number>>): fc.Arbitrary<number> =>
  fc.oneof(...Object.entries(weights).map(([value, weight]) => ({ arbitrary: fc.constant(Number(value)), weight })));
const below = (count: number): fc.Arbitrary<number> => fc.nat(count - 1);

const flag = fc.boolean();
const rarely = some({ 0: 4, 1: 1 }).map((chosen) => chosen === 1);

const family = fc.constantFrom<Family>(4, 6);
const node = some({ 0: 9, 1: 2 });
const altered = fc.oneof({ arbitrary: fc.constant(0), weight: 9 }, { arbitrary: fc.nat(4095), weight: 1 });

const anyPacket: fc.Arbitrary<Packet> = fc.record({
  op: fc.constant('packet' as const),
  family,
  hook: below(HOOKS.length),
  protocol: some({ 0: 5, 1: 4, 2: 1, 3: 1 }),
  source: below(10),
  sport: below(PORTS.length),
  destination: below(10),
  dport: below(PORTS.length),
  flags: some({ 0: 8, 1: 3, 2: 2, 3: 1, 4: 1, 5: 1, 6: 1 }),
  ttl: some({ 0: 12, 1: 2, 2: 2, 3: 1, 4: 1, 5: 1 }),
  length: below(5),
  altered,
  given: fc.oneof({ arbitrary: fc.constant(0), weight: 8 }, { arbitrary: below(GIVEN.length), weight: 2 }),
  pod: some({ 0: 6, 1: 3, 2: 1 }),
  node,
  flow: some({ 0: 5, 1: 1 }).map((chosen) => chosen === 1),
});

const PAIRS: readonly Pick<Packet, 'source' | 'sport' | 'destination' | 'dport' | 'hook' | 'pod'>[] = [
  { hook: 0, source: CLIENT, sport: 3, destination: FRONTEND, dport: 0, pod: 0 },
  { hook: 0, source: CLIENT, sport: 4, destination: FRONTEND, dport: 0, pod: 0 },
  { hook: 1, source: CLIENT, sport: 3, destination: FRONTEND, dport: 0, pod: 0 },
  { hook: 0, source: CLIENT, sport: 3, destination: OTHER, dport: 0, pod: 0 },
  { hook: 0, source: CLIENT, sport: 3, destination: POD_A_AT, dport: 1, pod: 0 },
  { hook: 0, source: 6, sport: 3, destination: FRONTEND, dport: 0, pod: 0 },
  { hook: 2, source: POD_A_AT, sport: 3, destination: FRONTEND, dport: 0, pod: 0 },
  { hook: 2, source: POD_A_AT, sport: 3, destination: OTHER, dport: 1, pod: 0 },
  { hook: 2, source: POD_A_AT, sport: 3, destination: POD_A_AT, dport: 1, pod: 0 },
  { hook: 2, source: POD_B_AT, sport: 2, destination: POD_A_AT, dport: 3, pod: 1 },
  { hook: 2, source: POD_B_AT, sport: 2, destination: POD_B_AT, dport: 1, pod: 1 },
  { hook: 3, source: POD_A_AT, sport: 3, destination: CLIENT, dport: 3, pod: 0 },
  { hook: 3, source: 6, sport: 3, destination: 8, dport: 2, pod: 0 },
];

const usualPacket: fc.Arbitrary<Packet> = fc
  .tuple(anyPacket, fc.constantFrom(...PAIRS))
  .map(([packet, pair]) => ({ ...packet, ...pair, protocol: packet.protocol % 2 }));

const onward: fc.Arbitrary<Onward> = fc.record({
  op: fc.constant('onward' as const),
  hook: some({ 0: 6, 1: 4, 2: 2, 3: 3, 4: 1, 5: 1, 6: 2 }),
  answer: fc.boolean(),
  back: some({ 0: 6, 1: 2, 2: 1, 3: 1 }),
  flags: some({ 0: 8, 1: 1, 3: 2, 4: 1 }),
  altered,
  node,
  pod: below(3),
});

const reply: fc.Arbitrary<Onward> = onward.map((op) => ({
  ...op,
  hook: op.hook & 1,
  answer: true,
  back: op.back >> 1,
}));

const changes: fc.Arbitrary<Change> = fc.record({
  op: fc.constant('change' as const),
  what: below(WRITES.length),
  family,
  which: fc.nat(63),
  node,
});

const time: fc.Arbitrary<Time> = fc.record({
  op: fc.constant('time' as const),
  seconds: fc.constantFrom(0.25, 1, 6, 70, 9000, -3, -5000, 4_294_000_000),
});

type AnotherPacket = Pick<Packet, 'flags' | 'ttl' | 'length' | 'given' | 'altered' | 'node'> & {
  readonly flow: number;
  readonly otherPod: boolean;
};

/** Another packet of one of the flows of a run. */
const another: fc.Arbitrary<AnotherPacket> = fc.record({
  flow: some({ 0: 4, 1: 2, 2: 1 }),
  flags: some({ 0: 8, 1: 2, 2: 1, 3: 1, 4: 1 }),
  ttl: some({ 0: 12, 1: 2, 2: 1 }),
  length: some({ 1: 6, 0: 1, 3: 1 }),
  given: some({ 0: 20, 1: 1, 2: 1, 3: 1, 4: 1, 6: 1 }),
  /** The pod of another identity that came to the address. */
  otherPod: rarely,
  altered,
  node,
});

const ofFlow = (packet: Packet, { flow, otherPod, ...rest }: AnotherPacket): Packet => ({
  ...packet,
  ...rest,
  // A caller that has flows has all of them as flows, except for the third.
  flow: packet.flow && flow < 2,
  pod: otherPod && packet.pod === 0 ? 2 : packet.pod,
});

/** Few flows, each again and again, with something in between. */
export const ops: fc.Arbitrary<readonly Op[]> = fc
  .tuple(
    fc.array(usualPacket, { minLength: 3, maxLength: 3 }),
    fc.constantFrom<Family | undefined>(4, 6, 4, 6, undefined),
    fc.array(
      fc.tuple(
        fc.oneof(
          { arbitrary: another, weight: 30 },
          { arbitrary: fc.oneof(usualPacket, anyPacket), weight: 2 },
          { arbitrary: onward, weight: 5 },
          { arbitrary: reply, weight: 10 },
          { arbitrary: changes, weight: 2 },
          { arbitrary: time, weight: 1 },
        ),
        fc.integer({ min: 1, max: 4 }),
      ),
      { minLength: 1, maxLength: 50, size: 'max' },
    ),
  )
  .map(([flows, only, runs]) =>
    runs.flatMap(([run, times]): Op[] => {
      const drawn = 'op' in run ? run : ofFlow(flows[run.flow]!, run);
      const op = only === undefined || !('family' in drawn) ? drawn : { ...drawn, family: only };
      return Array.from({ length: op.op === 'packet' || op.op === 'onward' ? times : 1 }, () => op);
    }),
  );

const options: fc.Arbitrary<DatapathInput> = fc
  .record({
    mode: fc.constantFrom<NonNullable<DatapathInput['mode']>>('snat', 'snat', 'dsr', 'hybrid', 'annotation'),
    dsrDispatch: fc.constantFrom<NonNullable<DatapathInput['dsrDispatch']>>('opt', 'opt', 'ipip', 'geneve'),
    tunnel: fc.constantFrom<DatapathInput['tunnel']>(undefined, undefined, 'vxlan', 'geneve'),
    algorithm: fc.constantFrom<NonNullable<DatapathInput['algorithm']>>('random', 'maglev'),
    algorithmAnnotation: rarely,
    protocolDifferentiation: flag,
    hostRouting: flag,
    endpointRoutes: rarely,
    bpfMasquerade: flag,
    nodePort: flag,
    socketLb: fc.constantFrom<NonNullable<DatapathInput['socketLb']>>('off', 'off', 'hostns-only', 'full'),
    l7: flag,
    localRedirect: flag,
    sessionAffinity: flag,
    sipVerification: rarely,
    sctp: flag,
    ipv4Fragments: flag,
    ipv6Fragments: flag,
    noBackendResponse: fc.constantFrom<NonNullable<DatapathInput['noBackendResponse']>>('reject', 'drop'),
    dsrIcmpErrors: flag,
    mtu: fc.constantFrom(1500, 1300),
    snatPortRange: fc.constantFrom(
      { min: 32_768, max: 65_535 },
      { min: 32_768, max: 32_770 },
      { min: 6000, max: 6100 },
    ),
    nodePortRange: fc.constant({ min: 30_000, max: 32_767 }),
    rss4: fc.constantFrom(undefined, parseCidr('10.9.0.0/16')),
    directRoutingIfindex: fc.constantFrom(2, 9),
    defects: fc.record({ dsrStaleMark: flag, natIcmp4OuterChecksum: flag, ctRstClosesBoth: flag }),
    conntrack: fc.record({
      accounting: flag,
      reportFlags: fc.constantFrom(0xff, 0x07, 0),
      reportInterval: fc.constantFrom(5, 0),
      tcpTimeout: fc.constantFrom(8000, 20),
      serviceTcpGrace: fc.constantFrom(60, 0),
      ctRstClosesBoth: flag,
    }),
  })
  .map((drawn) => {
    // What no agent would start with.
    const tunnelled = drawn.tunnel !== undefined && drawn.mode !== 'snat';
    return tunnelled ? { ...drawn, dsrDispatch: 'geneve' as const, tunnel: 'geneve' as const } : drawn;
  });

export const worlds: fc.Arbitrary<World> = fc.record({
  options,
  size: fc.constantFrom(6, 9, 16, 64),
  shares: fc.constantFrom<World['shares']>('maps', 'conntrack', 'tables'),
  neighbours: rarely.map((not) => !not),
  tunnelled: flag,
  service: fc.oneof(
    { arbitrary: fc.constantFrom(0, 0, 0, 3), weight: 3 },
    { arbitrary: below(SERVICE_FLAGS.length), weight: 2 },
  ),
  start: fc.constantFrom(1000, 1000.5, 2, 0xffff_fff0),
  seed: fc.nat(1000),
});
