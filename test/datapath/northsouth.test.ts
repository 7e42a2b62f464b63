import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  csumBytes,
  csumFold,
  type Family,
  formatWords,
  Headers,
  ipv4Checksum,
  l4ChecksumOffset,
  type Node,
  PacketBuffer,
  parseAddress,
  Protocol,
  pseudoHeaderSum,
  readHeaders,
  ServiceFlag,
  TcpFlag,
  type TraceEvent,
  type Verdict,
  wordsOf,
} from '../../src/index.ts';
import { BACKEND_PORT, backendId, frame, LOCAL_ID, makeNode, mulberry, PORT, WORLD } from './world.ts';

interface Flow {
  source: string;
  destination: string;
  sport: number;
  dport: number;
  ttl: number;
  protocol: number;
}

function parse(bytes: Uint8Array): { packet: PacketBuffer; headers: Headers } {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(bytes);
  expect(readHeaders(packet, headers)).toBe(0);
  return { packet, headers };
}

function flowOf(bytes: Uint8Array): Flow {
  const { packet, headers } = parse(bytes);
  const { family, l3, l4 } = headers;
  const words = new Uint32Array(8);
  packet.address(l3 + (family === 4 ? 12 : 8), wordsOf(family), words, 0);
  packet.address(l3 + (family === 4 ? 16 : 24), wordsOf(family), words, wordsOf(family));
  return {
    source: formatWords(family, words),
    destination: formatWords(family, words, wordsOf(family)),
    sport: packet.u16(l4),
    dport: packet.u16(l4 + 2),
    ttl: packet.u8(l3 + (family === 4 ? 8 : 7)),
    protocol: headers.protocol,
  };
}

/** Both checksums are those of a full computation; a UDP checksum of zero means none. */
function expectChecksums(bytes: Uint8Array): void {
  const { packet, headers } = parse(bytes);
  const { family, l3, l4, protocol } = headers;
  if (family === 4) expect(packet.u16(l3 + 10)).toBe(ipv4Checksum(packet, l3, headers.headerLength));
  const at = l4ChecksumOffset(protocol);
  if (at < 0) return;
  const found = packet.u16(l4 + at);
  if (protocol === Protocol.UDP && found === 0) return;
  packet.setU16(l4 + at, 0);
  const size = packet.length - l4;
  const addresses = 4 * wordsOf(family);
  const pseudo = pseudoHeaderSum(
    packet.bytes,
    packet.head + l3 + (family === 4 ? 12 : 8),
    2 * addresses,
    protocol,
    size,
  );
  const full = csumFold(csumBytes(packet.bytes, packet.head + l4, size, pseudo));
  expect(found % 0xffff).toBe(full % 0xffff);
}

const replyTo = (bytes: Uint8Array, tcpFlags: number): Uint8Array => {
  const { source, destination, sport, dport, protocol } = flowOf(bytes);
  return frame(destination, source, { sport: dport, dport: sport, protocol, tcpFlags });
};

const family = fc.constantFrom<Family>(4, 6);
const protocol = fc.constantFrom<number>(Protocol.TCP, Protocol.UDP);
const port = fc.integer({ min: 0, max: 65535 });
const hook = fc.constantFrom<'xdp' | 'fromNetdev'>('xdp', 'fromNetdev');

describe('SNAT', () => {
  it('a reply to a forwarded request is the request turned around', () => {
    fc.assert(
      fc.property(family, protocol, port, hook, fc.nat(), (family, protocol, sport, hook, seed) => {
        const node = makeNode();
        const names = WORLD[family];
        const random = mulberry(seed);
        const request = frame(names.client, names.frontend, { sport, protocol });
        const sent = node.receive(hook, request, { now: 1000, random });
        expect(sent.action).toBe(hook === 'xdp' ? 'XDP_TX' : 'TC_ACT_REDIRECT');
        const out = flowOf(sent.frame!);
        expect(names.remote).toContain(out.destination);
        expect(out).toMatchObject({ source: names.node, dport: BACKEND_PORT, ttl: 63 });
        expect(out.sport).toBeGreaterThanOrEqual(32768);
        expectChecksums(sent.frame!);
        const back = node.receive(hook, replyTo(sent.frame!, TcpFlag.SYN | TcpFlag.ACK), { now: 1001, random });
        expect(flowOf(back.frame!)).toEqual({
          source: names.frontend,
          destination: names.client,
          sport: PORT,
          dport: sport,
          ttl: 63,
          protocol,
        });
        expectChecksums(back.frame!);
      }),
    );
  });

  it('no two live mappings share a reverse key, and every reverse key leads back', () => {
    fc.assert(
      fc.property(family, fc.array(port, { minLength: 1, maxLength: 60 }), fc.nat(), (family, ports, seed) => {
        const node = makeNode({ backends: [1] });
        const names = WORLD[family];
        const random = mulberry(seed);
        for (const [i, sport] of ports.entries()) {
          const client = family === 4 ? `203.0.113.${(i % 9) + 1}` : `2001:db8::${(i % 9) + 1}`;
          node.receive('xdp', frame(client, names.frontend, { sport, protocol: Protocol.UDP }), { now: 5, random });
        }
        const entries = [...node.of(family).nat.entries()];
        const forward = entries.filter((entry) => entry.flags === 0);
        const keys = forward.map((e) => `${e.protocol} ${e.daddr} ${e.dport} ${e.toAddr} ${e.toPort}`);
        expect(new Set(keys).size).toBe(keys.length);
        for (const entry of forward) {
          const back = entries.find((e) => e.flags === 1 && e.dport === entry.toPort && e.saddr === entry.daddr);
          expect(back).toMatchObject({ toAddr: entry.saddr, toPort: entry.sport });
        }
      }),
    );
  });

  it('two services that share backend and client port take each other their replies', () => {
    const node = makeNode({ backends: [1] });
    const names = WORLD[4];
    const options = { now: 10, random: mulberry(1) };
    const first = node.receive('xdp', frame(names.client, names.frontend), options);
    node.receive('xdp', frame(names.client, names.other), options);
    const reply = replyTo(first.frame!, TcpFlag.ACK);
    expect(flowOf(node.receive('xdp', reply, options).frame!).source).toBe(names.other);
    node.receive('xdp', frame(names.client, names.frontend, { tcpFlags: TcpFlag.ACK }), options);
    expect(flowOf(node.receive('xdp', reply, options).frame!).source).toBe(names.frontend);
  });

  it('a flow keeps its backend while that is active and no SYN meets a closing entry', () => {
    const step = fc.record({
      flags: fc.constantFrom(TcpFlag.ACK, TcpFlag.SYN, TcpFlag.PSH | TcpFlag.ACK),
      after: fc.nat(9000),
    });
    fc.assert(
      fc.property(family, port, fc.array(step, { maxLength: 20 }), (family, sport, steps) => {
        const node = makeNode({ backends: [1, 2, LOCAL_ID] });
        const names = WORLD[family];
        const random = mulberry(sport);
        let now = 100;
        const send = (tcpFlags: number): string =>
          flowOf(node.receive('xdp', frame(names.client, names.frontend, { sport, tcpFlags }), { now, random }).frame!)
            .destination;
        const backend = send(TcpFlag.SYN);
        for (const { flags, after } of steps) {
          now += after;
          node.lb.of(family).maglev.set(family === 4 ? 1 : 101, new Uint32Array(251).fill(backendId(family, 2)));
          expect(send(flags)).toBe(backend);
        }
      }),
    );
  });

  it('maps never exceed their sizes', () => {
    const node = makeNode({
      options: { natMaxEntries: 16, conntrack: { tcpMaxEntries: 8, anyMaxEntries: 8 } },
    });
    const random = mulberry(3);
    for (let i = 0; i < 500; i++) {
      const names = WORLD[i % 2 === 0 ? 4 : 6];
      node.receive('xdp', frame(names.client, names.frontend, { sport: i * 100 }), { now: i, random });
      expect(node.v4.nat.table.size).toBeLessThanOrEqual(16);
      expect(node.v6.conntrack.tcp.size).toBeLessThanOrEqual(8);
    }
    expect(node.v4.conntrack.tcp.evictions).toBeGreaterThan(0);
  });
});

describe('a local backend', () => {
  it('XDP passes the translated packet on, tc hands it to the pod, the reply leaves with the service address', () => {
    for (const [family, options] of [
      [4, {}],
      [6, {}],
      [4, { mode: 'dsr' }],
      [6, { mode: 'dsr' }],
    ] as const) {
      const node = makeNode({ backends: [LOCAL_ID], options });
      const names = WORLD[family];
      const passed = node.receive('xdp', frame(names.client, names.frontend), { now: 50 });
      expect(passed).toMatchObject({ action: 'XDP_PASS', transfer: 1 });
      const delivered = node.receive('fromNetdev', passed.frame!, { now: 50, transfer: passed.transfer! });
      expect(delivered).toMatchObject({ action: 'TC_ACT_REDIRECT', delivered: { id: 5 } });
      expect(flowOf(delivered.frame!)).toMatchObject({ destination: names.local, dport: BACKEND_PORT, ttl: 63 });
      const left = node.receive('toNetdev', replyTo(delivered.frame!, TcpFlag.SYN | TcpFlag.ACK), { now: 50 });
      expect(left).toMatchObject({ action: 'TC_ACT_OK', mark: 0x300 });
      expect(flowOf(left.frame!)).toMatchObject({ source: names.frontend, sport: PORT, destination: names.client });
      expectChecksums(left.frame!);
    }
  });

  it('a reply that is routed to another device is sent there untranslated', () => {
    const node = makeNode({ backends: [LOCAL_ID] });
    const { client, frontend, local } = WORLD[4];
    node.receive('xdp', frame(client, frontend), { now: 50 });
    const reply = frame(local, client, { sport: BACKEND_PORT, dport: 40000, tcpFlags: TcpFlag.ACK });
    const before = [...node.v4.conntrack.entries()];
    const verdict = node.receive('toNetdev', reply, { now: 60, ifindex: 9 });
    expect(verdict).toMatchObject({ action: 'TC_ACT_REDIRECT', redirect: { kind: 'redirect', ifindex: 2 } });
    expect(verdict.frame!.subarray(14)).toEqual(reply.subarray(14));
    expect([...node.v4.conntrack.entries()]).toEqual(before);
  });
});

/** The balancer's and the backend's node of a DSR flow; the pod runs on the second. */
function dsrPair(family: Family, options: object): { balancer: Node; backend: Node } {
  const balancer = makeNode({ backends: [1], options });
  const backend = makeNode({ backends: [], options });
  const names = WORLD[family];
  const endpoint = [...backend.tables.of(family).endpoints.entries()][0]![1];
  backend.tables.of(family).endpoints.set(parseAddress(names.remote[0]), endpoint);
  return { balancer, backend };
}

describe('DSR', () => {
  it('what one node inserts the other reads: the pod answers the client from the service address', () => {
    fc.assert(
      fc.property(family, protocol, port, hook, (family, protocol, sport, hook) => {
        const { balancer, backend } = dsrPair(family, { mode: 'dsr' });
        const names = WORLD[family];
        const sent = balancer.receive(hook, frame(names.client, names.frontend, { sport, protocol }), { now: 9 });
        expect(balancer.of(family).nat.table.size).toBe(0);
        const got = backend.receive('fromNetdev', sent.frame!, { now: 9 });
        expect(got).toMatchObject({ action: 'TC_ACT_REDIRECT', delivered: { id: 5 } });
        expectChecksums(got.frame!);
        const reply = frame(names.remote[0], names.client, { sport: BACKEND_PORT, dport: sport, protocol });
        const left = backend.receive('toNetdev', reply, { now: 9 });
        expect(flowOf(left.frame!)).toMatchObject({ source: names.frontend, sport: PORT });
        expectChecksums(left.frame!);
      }),
    );
  });

  it('later packets of a TCP connection carry nothing and are still known', () => {
    const { balancer, backend } = dsrPair(4, { mode: 'dsr' });
    const { client, frontend } = WORLD[4];
    const run = (tcpFlags: number): Verdict => {
      const sent = balancer.receive('xdp', frame(client, frontend, { tcpFlags }), { now: 1 });
      return backend.receive('fromNetdev', sent.frame!, { now: 1 });
    };
    expect(run(TcpFlag.SYN).frame).toHaveLength(14 + 20 + 8 + 20);
    expect(run(TcpFlag.ACK).frame).toHaveLength(14 + 20 + 20);
    expect([...backend.v4.conntrack.entries()][0]).toMatchObject({ dsrInternal: true, packets: 0, seenNonSyn: true });
  });

  it('a new SYN without the option: the old mark stays, unless the defect is off', () => {
    for (const dsrStaleMark of [true, false]) {
      const { balancer, backend } = dsrPair(4, { mode: 'dsr', defects: { dsrStaleMark } });
      const { client, frontend, remote } = WORLD[4];
      const sent = balancer.receive('xdp', frame(client, frontend), { now: 1 });
      backend.receive('fromNetdev', sent.frame!, { now: 1 });
      backend.receive('fromNetdev', frame(client, remote[0], { dport: BACKEND_PORT }), { now: 2 });
      const reply = frame(remote[0], client, { sport: BACKEND_PORT, dport: 40000, tcpFlags: TcpFlag.ACK });
      const source = flowOf(backend.receive('toNetdev', reply, { now: 3 }).frame!).source;
      expect(source).toBe(dsrStaleMark ? frontend : remote[0]);
    }
  });

  it('IPIP before a packet with IP options: the outer length is right only with the defect off', () => {
    for (const ipip4OuterOptions of [true, false]) {
      const options = {
        mode: 'dsr',
        dsrDispatch: 'ipip',
        acceleration: 'native',
        defects: { ipip4OuterOptions },
      } as const;
      const node = makeNode({ backends: [1], options });
      const plain = frame(WORLD[4].client, WORLD[4].frontend);
      const withOption = Uint8Array.from([...plain.subarray(0, 34), 1, 1, 1, 1, ...plain.subarray(34)]);
      withOption[14] = 0x46;
      withOption[17] = withOption[17]! + 4;
      const out = node.receive('xdp', withOption, { now: 1 }).frame!;
      expect(out[14]).toBe(ipip4OuterOptions ? 0x46 : 0x45);
      expect(out[23]).toBe(4);
    }
  });

  it('too big: answered with the MTU that is left; the answer quotes the service', () => {
    for (const family of [4, 6] as const) {
      const node = makeNode({ backends: [1], options: { mode: 'dsr' } });
      const names = WORLD[family];
      const verdict = node.receive(
        'xdp',
        frame(names.client, names.frontend, { protocol: Protocol.UDP, length: 1499 }),
        {
          now: 1,
        },
      );
      expect(verdict).toMatchObject({
        action: 'XDP_TX',
        drop: { name: 'FRAG_NEEDED', direction: 'egress', packetStillSent: true },
      });
      const { packet, headers } = parse(verdict.frame!);
      const mtu = family === 4 ? packet.u16(headers.l4 + 6) : packet.u32(headers.l4 + 4);
      expect(mtu).toBe(family === 4 ? 1492 : 1476);
      if (family === 6) expectChecksums(verdict.frame!);
      const inner = headers.l4 + 8;
      const words = new Uint32Array(4);
      packet.address(inner + (family === 4 ? 16 : 24), wordsOf(family), words, 0);
      expect(formatWords(family, words)).toBe(names.frontend);
    }
  });

  it('too big with IP options: quoted with the wrong port and checksum, unless the defect is off', () => {
    for (const dsrIcmp4Options of [true, false]) {
      const node = makeNode({ backends: [1], options: { mode: 'dsr', defects: { dsrIcmp4Options } } });
      const plain = frame(WORLD[4].client, WORLD[4].frontend, { protocol: Protocol.UDP, length: 1490 });
      const bytes = Uint8Array.from([...plain.subarray(0, 34), 1, 1, 1, 1, ...plain.subarray(34)]);
      bytes[14] = 0x46;
      new DataView(bytes.buffer).setUint16(16, 1494);
      const { packet, headers } = parse(node.receive('xdp', bytes, { now: 1 }).frame!);
      const inner = headers.l4 + 8;
      expect(packet.u16(inner + 10) === ipv4Checksum(packet, inner, 24)).toBe(!dsrIcmp4Options);
      expect(packet.u16(inner + 24 + 2)).toBe(dsrIcmp4Options ? BACKEND_PORT : PORT);
      expect(packet.u16(inner + 20 + 2)).toBe(dsrIcmp4Options ? PORT : 0x0101);
    }
  });

  it('too big for IPIP: quoted as sent to the backend and the port of the client, unless the defect is off', () => {
    for (const family of [4, 6] as const) {
      for (const dsrIcmpIpipService of [true, false]) {
        const options = {
          mode: 'dsr',
          dsrDispatch: 'ipip',
          acceleration: 'native',
          defects: { dsrIcmpIpipService },
        } as const;
        const node = makeNode({ backends: [1], options });
        const names = WORLD[family];
        const request = frame(names.client, names.frontend, { protocol: Protocol.UDP, length: 1499 });
        const { packet, headers } = parse(node.receive('xdp', request, { now: 1 }).frame!);
        const inner = headers.l4 + 8;
        const words = new Uint32Array(4);
        packet.address(inner + (family === 4 ? 16 : 24), wordsOf(family), words, 0);
        expect(formatWords(family, words)).toBe(dsrIcmpIpipService ? names.remote[0] : names.frontend);
        expect(packet.u16(inner + (family === 4 ? 20 : 40) + 2)).toBe(dsrIcmpIpipService ? 40000 : PORT);
      }
    }
  });
});

describe('answers and refusals', () => {
  it('no backend: ICMP port unreachable, or a drop', () => {
    for (const family of [4, 6] as const) {
      const names = WORLD[family];
      const request = frame(names.client, names.empty, { length: 300 });
      request.fill(0x5a, 150);
      for (const defect of [true, false]) {
        const node = makeNode({ options: { defects: { icmp6UnreachableChecksum: defect } } });
        const answer = node.receive('fromNetdev', request, { now: 1 });
        expect(flowOf(answer.frame!)).toMatchObject({ source: names.empty, destination: names.client, ttl: 64 });
        if (family === 6 && !defect) expectChecksums(answer.frame!);
        if (family === 6 && defect) expect(() => expectChecksums(answer.frame!)).toThrow();
      }
      const silent = makeNode({ options: { noBackendResponse: 'drop' } });
      expect(silent.receive('xdp', request, { now: 1 })).toMatchObject({
        action: 'XDP_DROP',
        drop: { name: 'NO_SERVICE', code: 158, direction: 'ingress' },
      });
      expect(silent.metrics.packets(158, 1)).toBe(1);
    }
  });

  it('without kube-proxy replacement, devices pass on what a service would have got, and nothing is remembered', () => {
    const node = makeNode({ options: { nodePort: false } });
    for (const hook of ['xdp', 'fromNetdev', 'toNetdev'] as const) {
      for (const family of [4, 6] as const) {
        const sent = frame(WORLD[family].client, WORLD[family].frontend);
        const verdict = node.receive(hook, sent, { now: 1 });
        expect(verdict).toMatchObject({ action: hook === 'xdp' ? 'XDP_PASS' : 'TC_ACT_OK' });
        expect(verdict.frame).toEqual(sent);
        expect(node.of(family).conntrack.tcp.size).toBe(0);
      }
    }
  });

  it('a ClusterIP from outside, a client outside the source ranges, a TTL used up', () => {
    const names = WORLD[4];
    const clusterIp = makeNode();
    for (const [key, value] of clusterIp.lb.v4.services.entries()) {
      clusterIp.lb.v4.services.set(key, { ...value, flags: value.flags & ~ServiceFlag.ROUTABLE });
    }
    expect(clusterIp.receive('xdp', frame(names.client, names.frontend), { now: 1 }).drop?.name).toBe('IS_CLUSTER_IP');
    const ranges = makeNode({ flags: ServiceFlag.SOURCE_RANGE });
    expect(ranges.receive('xdp', frame(names.client, names.frontend), { now: 1 }).drop?.name).toBe('NOT_IN_SRC_RANGE');
    for (const ttl of [0, 1]) {
      expect(makeNode().receive('xdp', frame(names.client, names.frontend, { ttl }), { now: 1 }).drop).toEqual({
        code: 196,
        name: 'TTL_EXCEEDED',
        direction: 'egress',
      });
      const answered = makeNode().receive('fromNetdev', frame(WORLD[6].client, WORLD[6].frontend, { ttl }), { now: 1 });
      expect(flowOf(answered.frame!)).toMatchObject({ source: WORLD[6].router, destination: WORLD[6].client });
      expectChecksums(answered.frame!);
    }
  });

  it('affinity: one client, one backend, whatever the port', () => {
    const node = makeNode({ flags: ServiceFlag.AFFINITY, affinityTimeout: 100 });
    const seen = new Set<string>();
    const random = mulberry(1);
    for (let sport = 1; sport < 60; sport++) {
      const verdict = node.receive('xdp', frame(WORLD[4].client, WORLD[4].frontend, { sport: sport * 1000 }), {
        now: sport,
        random,
      });
      seen.add(flowOf(verdict.frame!).destination);
    }
    expect(seen.size).toBe(1);
  });
});

describe('listening', () => {
  it('changes nothing, and tells the steps of a new flow in their order', () => {
    fc.assert(
      fc.property(family, protocol, port, hook, (family, protocol, sport, hook) => {
        const request = frame(WORLD[family].client, WORLD[family].frontend, { sport, protocol });
        const events: TraceEvent[] = [];
        const options = { now: 70, random: mulberry(sport) };
        const silent = makeNode();
        const heard = makeNode();
        const trace = { event: (event: TraceEvent): void => void events.push(event) };
        const verdict = heard.receive(hook, request, { now: 70, random: mulberry(sport), trace });
        expect(verdict).toEqual(silent.receive(hook, request, options));
        expect([...heard.of(family).nat.entries()]).toEqual([...silent.of(family).nat.entries()]);
        const kinds = events.map((e) =>
          'map' in e ? `${e.kind} ${e.map}` : 'what' in e ? `${e.kind} ${e.what}` : e.kind,
        );
        expect(kinds).toEqual(
          expect.arrayContaining([
            'lookup services',
            'update conntrack',
            'decision maglev',
            'update nat',
            'lookup routes',
            'update neighbours',
          ]),
        );
        expect(kinds.at(-1)).toBe('verdict');
      }),
      { numRuns: 20 },
    );
  });
});
