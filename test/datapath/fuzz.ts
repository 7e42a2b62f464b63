import { expect } from 'vitest';
import {
  type DatapathInput,
  type Hook,
  HookContext,
  type Node,
  parseAddress,
  type PodInterface,
  Protocol,
} from '../../src/index.ts';
import {
  type FrameOptions,
  frame,
  GuardedBuffer,
  LOCAL_ID,
  makeNode,
  mulberry,
  NODE_MAC,
  POD_MAC,
  WORLD,
} from './world.ts';

/** Nodes of every build, with maps so small that they are full most of the time. */
const BUILDS: readonly DatapathInput[] = [
  {},
  { bpfMasquerade: true, sctp: true },
  { tunnel: 'vxlan', noBackendResponse: 'drop' },
  { ipv4Fragments: false, ipv6Fragments: false, protocolDifferentiation: false, hostRouting: false },
  { mode: 'dsr' },
  { mode: 'dsr', bpfMasquerade: true, defects: { dsrStaleMark: false, dsrIcmp4Options: false } },
  { mode: 'hybrid', dsrDispatch: 'ipip', acceleration: 'native' },
  { mode: 'dsr', dsrDispatch: 'geneve', tunnel: 'geneve' },
  { socketLb: 'off', endpointRoutes: true, localRedirect: true, sipVerification: false, sctp: true },
  { mode: 'annotation', dsrDispatch: 'opt', defects: { natIcmp4ShortTcp: false, natIcmp6EmbeddedOffset: false } },
];

const HOOKS: readonly Hook[] = [
  'xdp',
  'fromNetdev',
  'toNetdev',
  'fromOverlay',
  'fromContainer',
  'toContainer',
  'podPolicy',
];

/** The pod of the node. */
const POD: PodInterface = {
  endpoint: { id: 5, ifindex: 12, mac: POD_MAC, nodeMac: NODE_MAC, host: false, identity: 4711 },
  ipv4: parseAddress(WORLD[4].local),
  ipv6: parseAddress(WORLD[6].local),
};
const ACTIONS = /^(XDP_(PASS|DROP|TX|REDIRECT)|TC_ACT_(OK|SHOT|REDIRECT))$/;
const SIZE = 32;

const makeNodes = (): Node[] =>
  BUILDS.map((build) =>
    makeNode({
      backends: [1, 2, LOCAL_ID],
      options: { ...build, natMaxEntries: SIZE, conntrack: { tcpMaxEntries: SIZE, anyMaxEntries: SIZE } },
    }),
  );

const PROTOCOLS = [Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ICMP];

type Random = () => number;

const oneOf = <T>(random: Random, list: readonly T[]): T => list[random() % list.length]!;

/** A frame that means something to the node: requests, replies of pods here and elsewhere, and other pairs of its addresses. */
function sensible(random: Random): Uint8Array {
  const names = WORLD[random() % 2 === 0 ? 4 : 6];
  const options: FrameOptions = {
    protocol: oneOf(random, PROTOCOLS),
    tcpFlags: oneOf(random, [2, 16, 18, 17, 4, random() & 0xff]),
    echoReply: random() % 2 === 0,
    ttl: oneOf(random, [64, 64, 64, 2, 1, 0]),
    length: oneOf(random, [0, 48, 100, 1400, 1499]),
    id: random() & 7,
  };
  const client = oneOf(random, [40000, 40001, 500]);
  const kind = random() % 16;
  if (kind < 7) {
    return frame(names.client, oneOf(random, [names.frontend, names.frontend, names.other, names.empty]), {
      ...options,
      sport: client,
      dport: 80,
    });
  }
  if (kind < 10) {
    const from = oneOf(random, names.remote);
    return frame(from, oneOf(random, [names.node, names.router]), { ...options, sport: 8080, dport: client });
  }
  if (kind < 12) return frame(names.local, names.client, { ...options, sport: 8080, dport: client });
  if (kind < 14) {
    return frame(names.local, oneOf(random, [names.frontend, names.empty]), { ...options, sport: client, dport: 80 });
  }
  const addresses = [names.client, names.frontend, names.node, names.router, names.local, ...names.remote];
  return frame(oneOf(random, addresses), oneOf(random, addresses), {
    ...options,
    sport: oneOf(random, [client, 8080, 80, random() & 0xffff]),
    dport: oneOf(random, [80, 8080, client, 6081, random() & 0xffff]),
  });
}

/** An ICMP error to the node that quotes a packet. */
function icmpError(random: Random): Uint8Array {
  const quoted = sensible(random).subarray(14, 14 + oneOf(random, [28, 40, 60, 80, 200]));
  const names = WORLD[quoted[0]! >>> 4 === 4 ? 4 : 6];
  const header = quoted[0]! >>> 4 === 4 ? 20 : 40;
  const bytes = frame(oneOf(random, names.remote), names.node, {
    protocol: Protocol.ICMP,
    length: header + 8 + quoted.length,
  });
  bytes[14 + header] = header === 20 ? oneOf(random, [3, 11]) : oneOf(random, [1, 2, 3]);
  bytes[15 + header] = random() % 5;
  bytes.set(quoted, 14 + header + 8);
  return bytes;
}

/** Any bytes, or a sensible frame with a few bytes changed, cut, or grown. */
function anyFrame(random: Random): Uint8Array {
  if (random() % 10 === 0) return Uint8Array.from({ length: random() % 120 }, () => random() & 0xff);
  let bytes = random() % 12 === 0 ? icmpError(random) : sensible(random);
  const kind = random() % 8;
  // The bytes that steer the programs lie in the headers; changing them is worth more than changing payload.
  for (let n = random() % 4; n > 0; n--) bytes[12 + (random() % Math.min(bytes.length - 12, 60))] = random() & 0xff;
  if (kind === 0) bytes = bytes.slice(0, random() % (bytes.length + 1));
  if (kind === 1) {
    const at = 34 + (random() % 24);
    const extra = Uint8Array.from({ length: 8 * (random() % 4) }, () => (random() % 3 === 0 ? 0 : random() & 0xff));
    bytes = Uint8Array.from([...bytes.subarray(0, at), ...extra, ...bytes.subarray(at)]);
  }
  return bytes;
}

/**
 * Runs `count` frames through all builds and hooks: nothing throws or reads beyond the frame, every answer is a verdict, maps
 * stay within their sizes.
 */
export function fuzz(count: number, seed: number): void {
  const random = mulberry(seed);
  const nodes = makeNodes();
  const guarded = new HookContext(new GuardedBuffer());
  let now = 1000;
  for (let i = 0; i < count; i++) {
    const node = nodes[i % nodes.length]!;
    const bytes = anyFrame(random);
    const hook = HOOKS[random() % HOOKS.length]!;
    if (random() % 16 === 0) now += random() % 100;
    const given = {
      now,
      random,
      transfer: random() % 20 === 0 ? random() & 5 : 0,
      mark: random() % 20 === 0 ? 0x300 : 0,
      pod: POD,
    };
    const tunnelOptions = bytes.subarray(0, random() % 32);
    const describe = (): string => `seed ${seed}, frame ${i}, ${hook}: ${Buffer.from(bytes).toString('hex')}`;
    try {
      if (i % 4 === 0) expect(node.receive(hook, bytes, { ...given, tunnelOptions }).action).toMatch(ACTIONS);
      else node.process(hook, bytes, { ...given, tunnelOptions }, guarded);
    } catch (error) {
      throw new Error(describe(), { cause: error });
    }
    const { conntrack, nat } = node.v4;
    if (conntrack.tcp.size > SIZE || conntrack.any.size > SIZE || nat.table.size > SIZE) throw new Error(describe());
  }
}
