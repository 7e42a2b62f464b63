import { describe, expect, it } from 'vitest';
import {
  type DatapathInput,
  type Family,
  type Hook,
  type Node,
  parseAddress,
  Protocol,
  ServiceFlag,
  TcpFlag,
  tupleOf,
  TupleFlag,
  type Verdict,
} from '../../src/index.ts';
import { BACKEND_PORT, frame, LOCAL_ID, makeNode, PORT, WORLD } from './world.ts';

/** Situations that the recordings do not have, by what the programs are known to do. */
const FAMILIES: Family[] = [4, 6];

function receive(node: Node, hook: Hook, bytes: Uint8Array, options: object = {}): Verdict {
  return node.receive(hook, bytes, { now: 1000, random: () => 7, ...options });
}

/** A copy with some bytes replaced. */
function changed(bytes: Uint8Array, changes: Readonly<Record<number, number>>): Uint8Array {
  const copy = bytes.slice();
  for (const [at, value] of Object.entries(changes)) copy[Number(at)] = value;
  return copy;
}

/** A UDP datagram's fragments: the first, and one of the later ones. */
function fragments(family: Family, source: string, destination: string, ports = {}): [Uint8Array, Uint8Array] {
  const udp = frame(source, destination, { protocol: Protocol.UDP, id: 77, length: family === 4 ? 60 : 80, ...ports });
  if (family === 4) return [changed(udp, { 20: 0x20 }), changed(udp, { 21: 3 })];
  const header = (offset: number): Uint8Array => {
    const bytes = [Protocol.UDP, 0, offset >>> 8, offset & 0xff, 0, 0, 0, 77];
    return changed(Uint8Array.from([...udp.subarray(0, 54), ...bytes, ...udp.subarray(54)]), { 20: 44 });
  };
  return [header(1), header(24)];
}

const tracked = (node: Node, family: Family): number => [...node.tables.of(family).fragments.entries()].length;
const metric = (node: Node, name: string): string[] =>
  [...node.metrics.entries()].filter((m) => m.name === name).map((m) => `${m.direction} ${m.packets}`);

describe('fragments by Geneve', () => {
  const geneve: DatapathInput = { mode: 'dsr', dsrDispatch: 'geneve' };

  it.each([
    [4, 'xdp', 2],
    [4, 'fromNetdev', 1],
    [6, 'xdp', 2],
    [6, 'fromNetdev', 2],
  ] as const)('IPv%i, %s: the first one is remembered %i times', (family, hook, entries) => {
    const node = makeNode({ backends: [1], options: geneve });
    const [first, later] = fragments(family, WORLD[family].client, WORLD[family].frontend);
    expect(receive(node, hook, first).drop).toBeUndefined();
    expect(tracked(node, family)).toBe(entries);
    expect(receive(node, hook, later).drop).toBeUndefined();
  });

  it('a later one that is not known under its new address is dropped on its way out', () => {
    const node = makeNode({ backends: [1], options: geneve });
    const [first, later] = fragments(4, WORLD[4].client, WORLD[4].frontend);
    receive(node, 'fromNetdev', first);
    expect(receive(node, 'xdp', later).drop).toMatchObject({ name: 'FRAG_NOT_FOUND', direction: 'egress' });
  });

  it('a backend without a tunnel endpoint: IPv4 in XDP has read the ports again by then', () => {
    for (const [family, hook, entries] of [
      [4, 'xdp', 2],
      [4, 'fromNetdev', 1],
      [6, 'xdp', 1],
    ] as const) {
      const node = makeNode({ backends: [1], options: geneve });
      const address = parseAddress(WORLD[family].remote[0]);
      node.tables.of(family).ipCache.delete({ address, bits: family === 4 ? 32 : 128 });
      const [first] = fragments(family, WORLD[family].client, WORLD[family].frontend);
      expect(receive(node, hook, first).drop?.name).toBe('NO_TUNNEL_ENDPOINT');
      expect(tracked(node, family)).toBe(entries);
    }
  });
});

describe('fragments by SNAT', () => {
  it.each(FAMILIES)('are read again before the TTL is looked at, IPv%i', (family) => {
    const last = (bytes: Uint8Array): Uint8Array => changed(bytes, { [family === 4 ? 22 : 21]: 1 });
    const node = makeNode({ backends: [1] });
    const [first, later] = fragments(family, WORLD[family].client, WORLD[family].frontend);
    expect(receive(node, 'xdp', last(first)).drop?.name).toBe('TTL_EXCEEDED');
    expect(tracked(node, family)).toBe(2);
    for (const [key] of [...node.tables.of(family).fragments.entries()].slice(1)) {
      node.tables.of(family).fragments.delete(key);
    }
    expect(receive(node, 'xdp', last(later)).drop).toMatchObject({ name: 'FRAG_NOT_FOUND', direction: 'egress' });
  });

  it('at a pod, one that nobody knows is not counted', () => {
    const node = makeNode({ options: { socketLb: 'off' } });
    const [, later] = fragments(4, WORLD[4].local, WORLD[4].client);
    const endpoint = node.tables.v4.endpoints.get(parseAddress(WORLD[4].local))!;
    for (const [hook, bytes] of [
      ['fromContainer', later],
      ['toContainer', fragments(4, WORLD[4].client, WORLD[4].local)[1]],
    ] as const) {
      const pod = { endpoint, ipv4: parseAddress(WORLD[4].local) };
      expect(receive(node, hook, bytes, { pod }).drop?.name).toBe('FRAG_NOT_FOUND');
      expect(metric(node, 'FRAG_PACKET')).toEqual([]);
    }
  });
});

describe('affinity', () => {
  it('is not there where it is off', () => {
    const world = { flags: ServiceFlag.AFFINITY, affinityTimeout: 100 };
    for (const sessionAffinity of [true, false]) {
      const node = makeNode({ ...world, options: { sessionAffinity } });
      receive(node, 'xdp', frame(WORLD[4].client, WORLD[4].frontend));
      expect([...node.lb.v4.affinity.entries()]).toHaveLength(sessionAffinity ? 1 : 0);
    }
  });
});

/** An outer IPv4 packet by Geneve, in it a frame. */
function wrapped(inside: Uint8Array, changes: Readonly<Record<number, number>> = {}): Uint8Array {
  const length = 20 + 8 + 8 + inside.length;
  const outer = frame('198.51.100.1', WORLD[4].node, { protocol: Protocol.UDP, sport: 5555, dport: 6081, length });
  outer.set([0, 0, 0x65, 0x58, 0, 0, 2, 0], 42);
  outer.set(inside, 50);
  return changed(outer, { 40: 0, 41: 0, ...changes });
}

describe('a request that comes encapsulated, DSR by Geneve', () => {
  const inside = frame(WORLD[4].client, WORLD[4].frontend);
  const xdp = (mode: 'dsr' | 'hybrid', bytes: Uint8Array): Verdict =>
    receive(makeNode({ options: { mode, dsrDispatch: 'geneve', acceleration: 'native' } }), 'xdp', bytes);

  it('is not balanced by what is inside', () => {
    expect(xdp('dsr', wrapped(inside))).toMatchObject({ action: 'XDP_PASS', transfer: 1 });
    expect(xdp('dsr', wrapped(frame(WORLD[4].client, WORLD[4].frontend, { protocol: Protocol.ICMP })))).toMatchObject({
      action: 'XDP_PASS',
      transfer: 1,
    });
  });

  it('cut short it is INVALID, but for its ports where it is not looked into', () => {
    for (const length of [34 + 3, 34 + 7, 42 + 7, 50 + 14 + 19]) {
      expect(xdp('dsr', wrapped(inside).slice(0, length)).drop).toMatchObject({
        name: 'INVALID',
        direction: 'ingress',
      });
    }
    expect(xdp('hybrid', wrapped(inside).slice(0, 34 + 3)).drop?.name).toBe('CT_INVALID_HDR');
    expect(xdp('hybrid', wrapped(inside).slice(0, 34 + 7))).toMatchObject({ action: 'XDP_PASS' });
    // Half an Ethernet header inside: not looked into.
    expect(xdp('dsr', wrapped(inside).slice(0, 50 + 13))).toMatchObject({ action: 'XDP_PASS' });
  });

  it('a fragment inside counts as one', () => {
    const [first, later] = fragments(4, WORLD[4].client, WORLD[4].frontend);
    expect(xdp('dsr', wrapped(later)).drop?.name).toBe('FRAG_NOT_FOUND');
    expect(xdp('dsr', wrapped(first))).toMatchObject({ action: 'XDP_PASS' });
  });

  it('a service at the inner address and the tunnel’s port cannot be decided', () => {
    const options: DatapathInput = { mode: 'dsr', dsrDispatch: 'geneve' };
    const node = makeNode({ options });
    const entries = [...node.lb.v4.services.entries()];
    for (const [key, value] of entries) node.lb.v4.services.set({ ...key, port: 6081 }, value);
    expect(() => receive(node, 'xdp', wrapped(inside))).toThrow(expect.objectContaining({ code: 'not-modelled' }));
    expect(receive(node, 'fromNetdev', wrapped(inside)).action).toBe('TC_ACT_OK');
  });
});

describe('DSR information in tunnel metadata', () => {
  const option = [1, 0x4b, 0x81, 2, 192, 0, 2, 10, 0, 80, 0, 0];
  const overlay = (tunnelOptions: number[]): Verdict => {
    const node = makeNode({ backends: [], options: { mode: 'dsr', dsrDispatch: 'geneve' } });
    const bytes = frame(WORLD[4].client, WORLD[4].local, { dport: BACKEND_PORT });
    const verdict = receive(node, 'fromOverlay', bytes, { tunnelOptions: Uint8Array.from(tunnelOptions) });
    return { ...verdict, mark: [...node.v4.nat.entries()].length };
  };

  it('is read if it is all there is; more than the program has room for it is not given', () => {
    expect(overlay(option)).toMatchObject({ action: 'TC_ACT_REDIRECT', mark: 1 });
    expect(overlay([...option, 1, 2, 3, 0])).toMatchObject({ action: 'TC_ACT_REDIRECT', mark: 0 });
    expect(overlay([])).toMatchObject({ action: 'TC_ACT_REDIRECT', mark: 0 });
    // Too short to have a port.
    expect(overlay(option.slice(0, 8)).drop?.name).toBe('INVALID');
  });
});

/** A mapping of an earlier flow: `port` of the node belongs to the client's flow to the first backend. */
function mapped(family: Family, options: DatapathInput, needsCt = false): { node: Node; reply: Uint8Array } {
  const node = makeNode({ options });
  const names = WORLD[family];
  const [client, own, remote] = [names.client, names.node, names.remote[0]].map((text) => parseAddress(text));
  const { nat } = node.of(family);
  const out = tupleOf(client!, remote!, 40000, BACKEND_PORT, Protocol.TCP, TupleFlag.OUT);
  const back = tupleOf(remote!, own!, BACKEND_PORT, 50000, Protocol.TCP, TupleFlag.IN);
  nat.put(out, own!.words, 0, 50000, needsCt, 900);
  nat.put(back, client!.words, 0, 40000, needsCt, 900);
  const reply = frame(names.remote[0], names.node, { sport: BACKEND_PORT, dport: 50000, tcpFlags: TcpFlag.ACK });
  return { node, reply };
}

describe.each(FAMILIES)('reverse SNAT without a node-port entry, IPv%i', (family) => {
  it('pure DSR undoes it as well, for what came before', () => {
    const { node, reply } = mapped(family, { mode: 'dsr' });
    const verdict = receive(node, 'xdp', reply);
    expect(verdict).toMatchObject({ action: 'XDP_PASS', transfer: 5 });
    expect(receive(mapped(family, { mode: 'dsr' }).node, 'fromNetdev', reply)).toMatchObject({ mark: 0x300 });
  });

  it('ICMP echoes are translated back only where the family is masqueraded', () => {
    const names = WORLD[family];
    const [client, own, remote] = [names.client, names.node, names.remote[0]].map((text) => parseAddress(text));
    const protocol = family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
    const reply = frame(names.remote[0], names.node, { protocol, sport: 50000, echoReply: true });
    const told = [true, false].map((on) => {
      const masquerade = family === 4 ? { ipv4Masquerade: on } : { ipv6Masquerade: on };
      const node = makeNode({ options: { bpfMasquerade: true, ...masquerade } });
      node
        .of(family)
        .nat.put(tupleOf(remote!, own!, 0, 50000, protocol, TupleFlag.IN), client!.words, 0, 7, false, 900);
      return receive(node, 'xdp', reply).transfer;
    });
    expect(told).toEqual([5, 1]);
  });

  it('tc takes XDP’s word for it where there are tunnels', () => {
    for (const [options, mark] of [
      [{}, 0],
      [{ mode: 'dsr' }, 0],
      [{ tunnel: 'vxlan' }, 0x300],
      [{ mode: 'hybrid', dsrDispatch: 'geneve' }, 0x300],
    ] as [DatapathInput, number][]) {
      const { node, reply } = mapped(family, { acceleration: 'native', ...options });
      const passed = receive(node, 'xdp', reply);
      expect(passed.transfer).toBe(5);
      const verdict = receive(node, 'fromNetdev', passed.frame!, { transfer: passed.transfer });
      expect(verdict).toMatchObject({ action: 'TC_ACT_OK', mark });
    }
  });
});

describe.each(FAMILIES)('a reply to a pod of another node, IPv%i', (family) => {
  const names = WORLD[family];
  const tunnel: DatapathInput = { tunnel: 'vxlan' };

  /** The client is a pod behind the tunnel; its request went to a backend on a third node. */
  function asked(hook: 'xdp' | 'fromNetdev'): { node: Node; reply: Uint8Array } {
    const node = makeNode({ backends: [1], options: tunnel });
    const address = parseAddress(names.client);
    const entry = { identity: 4712, tunnelEndpoint: parseAddress('10.0.0.9') };
    node.tables.of(family).ipCache.set({ address, bits: family === 4 ? 32 : 128 }, entry);
    receive(node, hook, frame(names.client, names.frontend));
    const port = [...node.of(family).nat.entries()].find((e) => e.flags === 0)!.toPort;
    const tcpFlags = TcpFlag.SYN | TcpFlag.ACK;
    const reply = frame(names.remote[0], names.router, { sport: BACKEND_PORT, dport: port, tcpFlags });
    return { node, reply };
  }

  it('goes by the tunnel, from a remote node', () => {
    const { node, reply } = asked('fromNetdev');
    const verdict = receive(node, 'fromNetdev', reply);
    expect(verdict).toMatchObject({
      action: 'TC_ACT_REDIRECT',
      redirect: { ifindex: 7 },
      tunnel: { vni: 6, remote: '10.0.0.9' },
      mark: 0x300,
    });
    expect(verdict.frame!.slice(-20, -16)).toEqual(Uint8Array.of(0, PORT, 40000 >>> 8, 40000 & 0xff));
  });

  it('XDP writes the tunnel’s headers, with the route of the other node', () => {
    const { node, reply } = asked('xdp');
    const verdict = receive(node, 'xdp', reply);
    expect(verdict).toMatchObject({ action: 'XDP_TX', route: { source: '10.0.0.1', destination: '10.0.0.9' } });
    const { frame: out } = verdict;
    expect([out![14 + 8], out![42 + 6]]).toEqual([64, 6]);
    expect(out!.length).toBe(reply.length + 50);
  });
});

describe('leaving the node', () => {
  it('a packet whose source is translated already is not looked at', () => {
    const bad = changed(frame(WORLD[6].node, WORLD[6].client), { 20: 59 });
    expect(receive(makeNode(), 'toNetdev', bad).drop?.name).toBe('INVALID_EXTHDR');
    expect(receive(makeNode(), 'toNetdev', bad, { mark: 0x300 })).toMatchObject({ action: 'TC_ACT_OK', mark: 0x300 });
  });

  it.each(FAMILIES)('fragments of the node’s own flows are counted by both lookups, IPv%i', (family) => {
    const names = WORLD[family];
    const node = makeNode();
    const ports = { sport: 50000, dport: 9 };
    const [first, later] = fragments(family, names.node, names.client, ports);
    expect(receive(node, 'toNetdev', first)).toMatchObject({ action: 'TC_ACT_OK', mark: 0x300 });
    expect(metric(node, 'FRAG_PACKET')).toEqual(['egress 1']);
    expect(receive(node, 'toNetdev', later)).toMatchObject({ action: 'TC_ACT_OK', mark: 0x300 });
    expect(metric(node, 'FRAG_PACKET')).toEqual(['egress 2']);
    const [answer] = fragments(family, names.client, names.node, { sport: 9, dport: 50000 });
    receive(node, 'xdp', answer);
    // Of the host's own entry, and of the node-port entry that there is not.
    expect(metric(node, 'FRAG_PACKET')).toEqual(['ingress 2', 'egress 2']);
    // Ports that are left alone ask nobody.
    receive(node, 'toNetdev', fragments(family, names.node, names.client, { sport: 50, dport: 9 })[0]);
    expect(metric(node, 'FRAG_PACKET')).toEqual(['ingress 2', 'egress 2']);
  });

  it('an ICMP error about SCTP is UNKNOWN_L4 where SCTP is off', () => {
    const error = (sctp: boolean): Verdict => {
      const node = makeNode({ options: { bpfMasquerade: true, sctp } });
      const inside = frame(WORLD[4].client, WORLD[4].local, { protocol: Protocol.SCTP }).subarray(14);
      const icmp = frame(WORLD[4].local, WORLD[4].client, { protocol: Protocol.ICMP, length: 28 + inside.length });
      icmp.set(inside, 42);
      return receive(node, 'toNetdev', changed(icmp, { 34: 3, 35: 3 }));
    };
    expect(error(true)).toMatchObject({ action: 'TC_ACT_OK', mark: 0 });
    expect(error(false).drop).toMatchObject({ name: 'UNKNOWN_L4', direction: 'egress' });
  });
});

describe('ICMP cut short', () => {
  it('without its type, ICMPv6 is INVALID in tc; IPv4 and XDP do not look', () => {
    const six = frame(WORLD[6].client, WORLD[6].node, { protocol: Protocol.ICMPV6 });
    expect(receive(makeNode(), 'fromNetdev', six.slice(0, 54)).drop).toMatchObject({
      name: 'INVALID',
      direction: 'ingress',
    });
    expect(receive(makeNode(), 'fromNetdev', six.slice(0, 55)).action).toBe('TC_ACT_OK');
    expect(receive(makeNode(), 'xdp', six.slice(0, 54)).action).toBe('XDP_PASS');
    const four = frame(WORLD[4].client, WORLD[4].node, { protocol: Protocol.ICMP });
    expect(receive(makeNode(), 'fromNetdev', four.slice(0, 34)).action).toBe('TC_ACT_OK');
  });

  it('conntrack needs the type, and of echoes the id', () => {
    const pod = frame(WORLD[4].local, WORLD[4].client, { protocol: Protocol.ICMP });
    const drop = (type: number, length: number): string | undefined => {
      const bytes = changed(pod, { 34: type }).slice(0, 34 + length);
      return receive(makeNode({ options: { bpfMasquerade: true } }), 'toNetdev', bytes).drop?.name;
    };
    expect([drop(8, 8), drop(8, 5), drop(0, 5), drop(3, 0)]).toEqual([
      undefined,
      'CT_INVALID_HDR',
      'CT_INVALID_HDR',
      'CT_INVALID_HDR',
    ]);
    // Past conntrack it is source NAT that wants the whole header.
    expect([drop(3, 1), drop(3, 7)]).toEqual(['INVALID', 'INVALID']);
  });
});

describe('L7 services from outside', () => {
  const world = (options: DatapathInput): Node => {
    const node = makeNode({ flags: 0x0400, backends: [LOCAL_ID], options });
    for (const [key, value] of node.lb.v4.services.entries()) {
      if (key.slot === 0) node.lb.v4.services.set(key, { ...value, union: 0x1234, count: 0 });
    }
    return node;
  };
  const request = frame(WORLD[4].client, WORLD[4].frontend);

  it('go to the kernel with the mark of the proxy, in tc; without L7 load balancing the flag says nothing', () => {
    const node = world({ l7: true });
    const passed = receive(node, 'xdp', request);
    expect(passed).toMatchObject({ action: 'XDP_PASS' });
    expect(passed.transfer).toBeUndefined();
    // The port lies in the union in network order, and in the mark too.
    expect(receive(node, 'fromNetdev', request)).toMatchObject({ action: 'TC_ACT_OK', mark: 0x1234_0200 });
    expect([...node.v4.conntrack.entries()]).toEqual([]);
    const off = world({ noBackendResponse: 'drop' });
    expect(receive(off, 'fromNetdev', request).drop?.name).toBe('NO_SERVICE');
  });
});
