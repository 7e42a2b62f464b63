import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type DatapathInput,
  type Family,
  formatWords,
  Headers,
  identityMark,
  identityOfMark,
  Node,
  PacketBuffer,
  parseAddress,
  type PodInterface,
  Protocol,
  readHeaders,
  ServiceFlag,
  TcpFlag,
  type TraceEvent,
  tupleOf,
  TupleFlag,
  u64,
  type Verdict,
} from '../../src/index.ts';
import { csumBytes, csumAdd, csumFold, pseudoHeaderSum } from '../../src/net/checksum.ts';
import { destinationOffset, sourceOffset } from '../../src/net/packet-buffer.ts';
import { frame, type FrameOptions, LOCAL_ID, makeNode, NODE_MAC, POD_MAC, WORLD, type WorldOptions } from './world.ts';

const IDENTITY = 70_000;

/** The pod of this node; it is also backend `LOCAL_ID`. */
const POD: PodInterface = {
  endpoint: { id: 5, ifindex: 12, mac: POD_MAC, nodeMac: NODE_MAC, host: false, identity: IDENTITY },
  ipv4: parseAddress(WORLD[4].local),
  ipv6: parseAddress(WORLD[6].local),
  netnsCookie: u64(99),
};
const FAMILIES: Family[] = [4, 6];

const podNode = (options: DatapathInput = {}, world: Omit<WorldOptions, 'options'> = {}): Node =>
  makeNode({ ...world, options: { socketLb: 'off', noBackendResponse: 'drop', ...options } });

/** Addresses and ports of a frame, `source>destination`. */
function ends(bytes: Uint8Array | undefined): string {
  if (bytes === undefined) return 'nothing';
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(bytes);
  readHeaders(packet, headers);
  const { family, l3, l4 } = headers;
  const words = new Uint32Array(4);
  const address = (offset: number): string => {
    packet.address(l3 + offset, family === 4 ? 1 : 4, words, 0);
    return formatWords(family, words);
  };
  const ports = headers.laterFragment ? ['-', '-'] : [packet.u16(l4), packet.u16(l4 + 2)];
  return `${address(sourceOffset(family))} ${ports[0]} > ${address(destinationOffset(family))} ${ports[1]}`;
}

/** Whether the L4 checksum of a whole TCP or UDP packet is right. */
function checksumIsRight(bytes: Uint8Array): boolean {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(bytes);
  readHeaders(packet, headers);
  const { family, l3, l4, protocol } = headers;
  const length = packet.length - l4;
  const addresses = packet.head + l3 + sourceOffset(family);
  const pseudo = pseudoHeaderSum(packet.bytes, addresses, family === 4 ? 8 : 32, protocol, length);
  return csumFold(csumAdd(csumBytes(packet.bytes, packet.head + l4, length), pseudo)) === 0;
}

/** Turns a frame round: what the other end answers. */
function answer(bytes: Uint8Array, options: FrameOptions = {}): Uint8Array {
  const [from, , to] = ends(bytes).split(/ (?:> )?/);
  const [, fromPort, , toPort] = ends(bytes).split(/ (?:> )?/);
  const tcpFlags = TcpFlag.SYN | TcpFlag.ACK;
  return frame(to!, from!, { sport: Number(toPort), dport: Number(fromPort), tcpFlags, ...options });
}

const send = (node: Node, bytes: Uint8Array, word = 0, trace?: { event(event: TraceEvent): void }): Verdict =>
  node.receive('fromContainer', bytes, {
    now: 1000,
    random: () => word,
    pod: POD,
    ifindex: 12,
    ...(trace === undefined ? {} : { trace }),
  });
const enter = (node: Node, bytes: Uint8Array, mark = 0): Verdict =>
  node.receive('toContainer', bytes, { now: 1000, pod: POD, ifindex: 12, mark });

describe.each(FAMILIES)('pods, IPv%i', (family) => {
  const names = WORLD[family];
  const request = frame(names.local, names.frontend);

  it('a request goes to a backend, its answer comes from the service', () => {
    const node = podNode();
    const out = send(node, request, 1);
    expect(out).toMatchObject({ action: 'TC_ACT_OK', mark: identityMark(IDENTITY) });
    expect(ends(out.frame)).toBe(`${names.local} 40000 > ${names.remote[1]} 8080`);
    expect(ends(enter(node, answer(out.frame!)).frame)).toBe(`${names.frontend} 80 > ${names.local} 40000`);
  });

  it('known flows keep their backend and draw nothing', () => {
    const node = podNode();
    const first = send(node, request, 1).frame!;
    expect(ends(send(node, request, 0).frame)).toBe(ends(first));
  });

  it('without a backend packets are dropped, or answered by ICMP', () => {
    const empty = frame(names.local, names.empty);
    expect(send(podNode(), empty).drop).toMatchObject({ name: 'NO_SERVICE', direction: 'egress' });
    const answered = send(podNode({ noBackendResponse: 'reject' }), empty);
    expect(answered).toMatchObject({ action: 'TC_ACT_REDIRECT', redirect: { ifindex: 12 } });
  });

  it('a source that is not the pod’s is INVALID_SIP, unless that is not checked', () => {
    const spoofed = frame(names.client, names.frontend);
    expect(send(podNode(), spoofed).drop?.name).toBe('INVALID_SIP');
    expect(send(podNode({ sipVerification: false }), spoofed).action).toBe('TC_ACT_OK');
  });

  it('with all sockets translated, packets to a service are left alone', () => {
    const out = send(podNode({ socketLb: 'full' }), request);
    expect(ends(out.frame)).toBe(`${names.local} 40000 > ${names.frontend} 80`);
  });

  it('ICMP to a service is not balanced', () => {
    const out = send(podNode(), frame(names.local, names.frontend, { protocol: Protocol.ICMP }));
    expect(out.action).toBe('TC_ACT_OK');
    expect(ends(out.frame)).toContain(`> ${names.frontend} `);
  });

  it('a packet without TTL left is dropped, or for IPv6 answered', () => {
    const out = send(podNode(), frame(names.local, names.frontend, { ttl: 1 }));
    if (family === 4) expect(out.drop?.name).toBe('TTL_EXCEEDED');
    else expect(out.action).toBe('TC_ACT_REDIRECT');
  });

  it('every random word names a slot, and only new flows draw', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0xffffffff }), fc.integer({ min: 1, max: 65535 }), (word, sport) => {
        const node = podNode();
        const bytes = frame(names.local, names.frontend, { sport });
        const out = send(node, bytes, word).frame!;
        expect(ends(out)).toBe(`${names.local} ${sport} > ${names.remote[word % 2]} 8080`);
        expect(checksumIsRight(out)).toBe(true);
        const back = enter(node, answer(out)).frame!;
        expect(ends(back)).toBe(`${names.frontend} 80 > ${names.local} ${sport}`);
        expect(checksumIsRight(back)).toBe(true);
      }),
    );
  });

  it('listening changes nothing, and ends with the verdict', () => {
    const events: TraceEvent[] = [];
    const heard = send(podNode(), request, 1, { event: (event) => void events.push(event) });
    expect(heard).toEqual(send(podNode(), request, 1));
    expect(events.map(({ kind }) => kind)).toContain('random');
    expect(events.at(-1)).toMatchObject({ kind: 'verdict', verdict: 'TC_ACT_OK' });
  });

  it('a pod that is its own backend reaches itself: by the loopback address, which IPv6 has not', () => {
    const node = podNode({}, { backends: [LOCAL_ID] });
    const out = send(node, request);
    expect(out.redirect?.ifindex).toBe(12);
    if (family === 6) {
      expect(ends(out.frame)).toBe(`${names.local} 40000 > ${names.local} 8080`);
      return;
    }
    expect(ends(out.frame)).toBe(`169.254.42.1 40000 > ${names.local} 8080`);
    const back = send(node, answer(out.frame!));
    expect(back.redirect?.ifindex).toBe(12);
    expect(ends(back.frame)).toBe(`${names.frontend} 80 > ${names.local} 40000`);
    expect(checksumIsRight(back.frame!)).toBe(true);
  });

  it('fragments follow the first one, both ways', () => {
    if (family === 6) return;
    const node = podNode();
    const whole = frame(names.local, names.frontend, { protocol: Protocol.UDP, length: 100, id: 7 });
    const piece = (offset: number, more: boolean): Uint8Array => {
      const bytes = whole.slice();
      new DataView(bytes.buffer).setUint16(20, (more ? 0x2000 : 0) | offset);
      return bytes;
    };
    expect(send(node, piece(3, false)).drop?.name).toBe('FRAG_NOT_FOUND');
    expect(ends(send(node, piece(0, true), 1).frame)).toBe(`${names.local} 40000 > ${names.remote[1]} 8080`);
    expect(ends(send(node, piece(3, false)).frame)).toBe(`${names.local} - > ${names.remote[1]} -`);
    expect(send(podNode({ ipv4Fragments: false }), piece(0, true)).drop?.name).toBe('FRAG_NOSUPPORT');
  });

  it('replies of a local backend to NodePort clients get the service’s address and leave by the device', () => {
    const node = podNode({}, { backends: [LOCAL_ID] });
    const arrived = node.receive('fromNetdev', frame(names.client, names.frontend), { now: 1000, random: () => 0 });
    expect(arrived.delivered?.ifindex).toBe(12);
    const entered = node.receive('podPolicy', arrived.frame!, { now: 1000, pod: POD });
    expect(entered.redirect?.ifindex).toBe(12);
    const back = send(node, answer(entered.frame!));
    expect(back).toMatchObject({ redirect: { ifindex: 2 }, mark: 0x300 });
    expect(ends(back.frame)).toBe(`${names.frontend} 80 > ${names.client} 40000`);
    // Without the entry that the request left at the device nobody knows the service.
    const entries = [...node.of(family).conntrack.entries()];
    for (const entry of entries) {
      if (entry.flags !== TupleFlag.OUT || entry.protocol !== Protocol.TCP) continue;
      const [from, to] = [parseAddress(entry.saddr), parseAddress(entry.daddr)];
      const key = tupleOf(from, to, entry.sport, entry.dport, entry.protocol, entry.flags);
      node.of(family).conntrack.tcp.delete(key);
    }
    const lost = send(node, answer(entered.frame!, { tcpFlags: TcpFlag.ACK }));
    expect(lost.drop).toMatchObject({ name: 'NAT_NO_MAPPING', direction: 'egress' });
  });

  it('pods of other nodes are reached by the overlay, with the identity as its key', () => {
    const out = send(podNode({ tunnel: 'vxlan' }), request);
    expect(out).toMatchObject({ action: 'TC_ACT_REDIRECT', redirect: { ifindex: 7 } });
    expect(out.tunnel).toMatchObject({ vni: IDENTITY, remote: names.tunnel });
  });
});

describe('what pods’ hooks are not for', () => {
  it('ARP is the kernel’s, other ethertypes are dropped', () => {
    const arp = new Uint8Array(42);
    arp.set([0x08, 0x06], 12);
    expect(send(podNode(), arp).action).toBe('TC_ACT_OK');
    expect(send(podNode(), new Uint8Array(42)).drop?.name).toBe('UNKNOWN_L3');
    expect(send(podNode({ ipv6: false }), frame(WORLD[6].local, WORLD[6].frontend)).drop?.name).toBe('UNKNOWN_L3');
  });

  it('a hook without its pod is an error', () => {
    const bytes = frame(WORLD[4].local, WORLD[4].frontend);
    expect(() => podNode().receive('fromContainer', bytes, { now: 1 })).toThrow(
      expect.objectContaining({ code: 'missing-pod', path: ['pod'] }),
    );
  });

  it('an L7 service goes to the kernel with the proxy’s mark, untouched', () => {
    const node = podNode({ l7: true }, { flags: ServiceFlag.L7_LOAD_BALANCER, affinityTimeout: 0x4d2a });
    const bytes = frame(WORLD[4].local, WORLD[4].frontend);
    expect(send(node, bytes)).toMatchObject({ action: 'TC_ACT_OK', mark: 0x4d2a0200, frame: bytes });
  });

  it('a configuration that cannot be is refused by name', () => {
    expect(() => new Node({ options: { socketLb: 'some' as 'full' } })).toThrow(
      expect.objectContaining({ code: 'invalid-option', path: ['socketLb'] }),
    );
  });
});

it('a mark holds a 24-bit identity', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffffff }), (identity) => {
      expect(identityOfMark(identityMark(identity))).toBe(identity);
    }),
  );
  expect(identityOfMark(0x200)).toBe(-1);
});
