import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Conntrack } from '../../src/conntrack/conntrack.ts';
import { createTuple } from '../../src/conntrack/tuple.ts';
import { Nat, type NatDefects, PacketNat, readNatTuple, SnatTarget } from '../../src/nat/index.ts';
import { createNatTable } from '../../src/nat/nat.ts';
import { type Family, wordsOf } from '../../src/net/address.ts';
import { Icmp6Type, IcmpType } from '../../src/net/headers.ts';
import { PacketBuffer } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';
import { Protocol } from '../../src/net/protocol.ts';
import { ALL_DEFECTS } from '../../src/node/defects.ts';
import { fixChecksums, type Flow, frameOf } from './frames.ts';

const NOT_NEEDED = -173;
const NO_MAPPING = -167;

const address = (family: Family, last: number): number[] =>
  family === 4 ? [0x0a000000 + last] : [0xfd000000, 0, 0, last];

function setup(family: Family, maxEntries = 4096): { nat: Nat; packets: PacketNat; target: SnatTarget } {
  const nat = new Nat(new Conntrack(family), createNatTable(family, maxEntries));
  const target = new SnatTarget(family);
  target.addr.set(address(family, 254));
  return { nat, packets: new PacketNat(nat), target };
}

/** A frame through NAT: the answer and the frame afterwards. */
function translate(
  { packets, target }: ReturnType<typeof setup>,
  frame: Uint8Array,
  direction: 'forward' | 'reverse',
  random: () => number,
): { ret: number; frame: Uint8Array } {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(frame);
  readHeaders(packet, headers);
  const tuple = createTuple(headers.family);
  readNatTuple(packet, headers, tuple);
  const ret =
    direction === 'forward'
      ? packets.forward(packet, headers, tuple, target, 100, random)
      : packets.reverse(packet, headers, tuple, target, 101);
  return { ret, frame: packet.copy() };
}

function recomputed(frame: Uint8Array): Uint8Array {
  const packet = new PacketBuffer();
  packet.load(frame);
  fixChecksums(packet);
  return packet.copy();
}

const flows = (family: Family): fc.Arbitrary<Flow> =>
  fc
    .record({
      protocol: fc.constantFrom(Protocol.TCP, Protocol.UDP, family === 4 ? Protocol.ICMP : Protocol.ICMPV6),
      client: fc.integer({ min: 1, max: 3 }),
      server: fc.integer({ min: 100, max: 101 }),
      sport: fc.integer({ min: 0, max: 65_535 }),
      dport: fc.constantFrom(80, 443),
    })
    .map(({ protocol, client, server, sport, dport }) => ({
      family,
      protocol,
      saddr: address(family, client),
      daddr: address(family, server),
      sport,
      dport: protocol === Protocol.TCP || protocol === Protocol.UDP ? dport : echo(family).request,
    }));

const echo = (family: Family): { request: number; reply: number } =>
  family === 4
    ? { request: IcmpType.ECHO_REQUEST, reply: IcmpType.ECHO_REPLY }
    : { request: Icmp6Type.ECHO_REQUEST, reply: Icmp6Type.ECHO_REPLY };

/** The reply to a frame as the remote side sends it. */
function replyTo(frame: Uint8Array, family: Family, payload: Uint8Array): Uint8Array {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(frame);
  readHeaders(packet, headers);
  const w = wordsOf(family);
  const tuple = createTuple(family);
  readNatTuple(packet, headers, tuple);
  const { l4, protocol } = headers;
  const ports = protocol === Protocol.TCP || protocol === Protocol.UDP;
  return frameOf(
    {
      family,
      protocol,
      saddr: [...tuple.subarray(0, w)],
      daddr: [...tuple.subarray(w, 2 * w)],
      sport: ports ? packet.u16(l4 + 2) : packet.u16(l4 + 4),
      dport: ports ? packet.u16(l4) : echo(family).reply,
    },
    payload,
  );
}

describe.each([4, 6] as const)('PacketNat, IPv%s', (family) => {
  it('the reply to a translated packet comes back to its sender, and checksums equal full recomputation', () => {
    fc.assert(
      fc.property(
        fc.array(flows(family), { minLength: 1, maxLength: 20, size: 'max' }),
        fc.uint8Array({ maxLength: 40 }),
        fc.infiniteStream(fc.nat(0xffff_ffff)),
        (list, payload, words) => {
          const all = setup(family);
          all.target.fromLocalEndpoint = true;
          const random = (): number => words.next().value;
          for (const flow of list) {
            const frame = frameOf(flow, payload);
            const out = translate(all, frame, 'forward', random);
            expect(out.ret).toBe(0);
            expect(out.frame).toEqual(recomputed(out.frame));
            const back = translate(all, replyTo(out.frame, family, payload), 'reverse', random);
            expect(back.ret).toBe(0);
            expect(back.frame).toEqual(replyTo(frame, family, payload));
          }
          const entries = [...all.nat.entries()];
          const reverse = entries.filter((entry) => entry.flags === 1);
          expect(reverse.length * 2).toBe(entries.length);
          expect(
            new Set(reverse.map((e) => JSON.stringify([e.saddr, e.sport, e.daddr, e.dport, e.protocol]))).size,
          ).toBe(reverse.length);
        },
      ),
    );
  });

  it('a packet sent again takes the same mapping, which stays as it was made', () => {
    const all = setup(family);
    all.target.fromLocalEndpoint = true;
    const flow = {
      family,
      protocol: Protocol.UDP,
      saddr: address(family, 1),
      daddr: address(family, 2),
      sport: 7,
      dport: 53,
    };
    const frame = frameOf(flow, new Uint8Array(0));
    const first = translate(all, frame, 'forward', () => 0x8000);
    const before = [...all.nat.entries()];
    expect(translate(all, frame, 'forward', () => 1).frame).toEqual(first.frame);
    expect([...all.nat.entries()]).toEqual(before);
  });

  it('a missing half of a pair is repaired from the other', () => {
    const all = setup(family);
    const flow = {
      family,
      protocol: Protocol.TCP,
      saddr: address(family, 1),
      daddr: address(family, 2),
      sport: 40_000,
      dport: 80,
    };
    const frame = frameOf(flow, new Uint8Array(0));
    const out = translate(all, frame, 'forward', () => 0);
    for (const flags of [1, 0]) {
      const { table } = all.nat;
      for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
        if ((table.rows[row * table.rowWords + table.keyWords - 1]! & 0xff) === flags) table.deleteRow(row);
      }
      expect(table.size).toBe(1);
      if (flags === 1) translate(all, frame, 'forward', () => 0);
      else translate(all, replyTo(out.frame, family, new Uint8Array(0)), 'reverse', () => 0);
      expect(table.size).toBe(2);
    }
  });

  it('leaves host ports below 32768 and unknown protocols alone', () => {
    const all = setup(family);
    const flow = {
      family,
      protocol: Protocol.TCP,
      saddr: address(family, 1),
      daddr: address(family, 2),
      sport: 32_767,
      dport: 80,
    };
    expect(translate(all, frameOf(flow, new Uint8Array(0)), 'forward', () => 0).ret).toBe(NOT_NEEDED);
    expect(translate(all, frameOf({ ...flow, sport: 32_768 }, new Uint8Array(0)), 'forward', () => 0).ret).toBe(0);
    expect(all.nat.table.size).toBe(2);
  });
});

describe('Nat at its limits', () => {
  const flowTuple = (client: number, sport: number): Uint32Array =>
    Uint32Array.of(0x0a000064, 0x0a000000 + client, (80 << 16) | sport, (Protocol.TCP << 8) | 0);

  it('gives up after 32 attempts, says so, and makes nothing: two of the four ports are never tried', () => {
    const { nat, target } = setup(4);
    target.setRange(40_000, 40_003);
    expect(nat.forward(flowTuple(1, 40_000), target, 0, 60, 1, () => 0)).toBe(0);
    expect(nat.forward(flowTuple(2, 40_000), target, 0, 60, 1, () => 0)).toBe(0);
    expect([nat.toPort, nat.fillUpSignals]).toEqual([40_002, 0]);
    const before = [...nat.entries()];
    let draws = 0;
    const random = (): number => draws++;
    expect(nat.forward(flowTuple(3, 40_000), target, 0, 60, 1, random)).toBe(NO_MAPPING);
    expect(draws).toBe(1);
    expect([nat.retries[0], nat.retries[2], nat.retries[32], nat.fillUpSignals, nat.extErr]).toEqual([1, 1, 1, 1, 0]);
    expect([...nat.entries()]).toEqual(before);
  });

  it('another remote address has ports of its own', () => {
    const { nat, target } = setup(4);
    target.setRange(40_000, 40_000);
    expect(nat.forward(flowTuple(1, 40_000), target, 0, 60, 1, () => 0)).toBe(0);
    expect(nat.forward(flowTuple(2, 40_000), target, 0, 60, 1, () => 0)).toBe(NO_MAPPING);
    const elsewhere = flowTuple(2, 40_000);
    elsewhere[0] = 0x0a000065;
    expect(nat.forward(elsewhere, target, 0, 60, 1, () => 0)).toBe(0);
  });

  it('never holds more entries than its size; the pairs left are the most recent', () => {
    const { nat, target } = setup(4, 16);
    for (let client = 1; client <= 100; client++) {
      expect(nat.forward(flowTuple(client, 40_000 + client), target, 0, 60, client, () => 0)).toBe(0);
      expect(nat.table.size).toBeLessThanOrEqual(16);
    }
    expect(new Set([...nat.entries()].map((entry) => entry.created))).toEqual(
      new Set([93, 94, 95, 96, 97, 98, 99, 100]),
    );
  });

  it('a full hash map refuses the second half of a pair, and the first is taken back', () => {
    const { nat, target } = setup(4);
    const full = new Nat(nat.conntrack, createNatTable(4, 3));
    Object.assign(full.table, { kind: 'hash' });
    expect(full.forward(flowTuple(1, 40_000), target, 0, 60, 1, () => 0)).toBe(0);
    expect(full.forward(flowTuple(2, 40_001), target, 0, 60, 1, () => 0)).toBe(NO_MAPPING);
    expect(full.extErr).toBe(-7);
    expect(full.table.size).toBe(2);
  });

  it('another target makes a new mapping and drops the old pair', () => {
    const { nat, target } = setup(4);
    nat.forward(flowTuple(1, 40_000), target, 0, 60, 1, () => 0);
    target.addr[0] = 0x0a0000fd;
    nat.forward(flowTuple(1, 40_000), target, 0, 60, 2, () => 0);
    expect([...nat.entries()].map(({ created, toAddr }) => [created, toAddr])).toEqual([
      [2, '10.0.0.1'],
      [2, '10.0.0.253'],
    ]);
  });

  it.each([
    [5, 4],
    [-1, 4],
    [0, 65_536],
    [1.5, 4],
  ])('refuses the port range %s-%s', (min, max) => {
    expect(() => new SnatTarget(4).setRange(min, max)).toThrow(expect.objectContaining({ code: 'invalid-port-range' }));
  });
});

describe('ICMP errors about translated packets', () => {
  const flow: Flow = {
    family: 4,
    protocol: Protocol.TCP,
    saddr: address(4, 1),
    daddr: address(4, 100),
    sport: 1000,
    dport: 80,
  };

  /** A destination unreachable from a router about `frame`, with `bytes` of its IP packet. */
  function errorAbout(frame: Uint8Array, bytes: number): Uint8Array {
    const router: Flow = {
      family: 4,
      protocol: Protocol.ICMP,
      saddr: [0x01020304],
      daddr: address(4, 254),
      sport: 0,
      dport: IcmpType.DEST_UNREACHABLE,
    };
    return frameOf(router, frame.subarray(14, 14 + bytes));
  }

  function run(bytes: number, defects: Partial<NatDefects>): { ret: number; frame: Uint8Array } {
    const all = setup(4);
    all.target.fromLocalEndpoint = true;
    const packets = new PacketNat(all.nat, { ...ALL_DEFECTS, ...defects });
    const out = translate(all, frameOf(flow, new Uint8Array(8)), 'forward', () => 0x1234);
    return translate({ ...all, packets }, errorAbout(out.frame, bytes), 'reverse', () => 0);
  }

  it('come back to the sender with the embedded packet as it was sent, and the outer checksum wrong', () => {
    const { ret, frame } = run(48, {});
    expect(ret).toBe(0);
    expect(frame.subarray(14 + 28)).toEqual(frameOf(flow, new Uint8Array(8)).subarray(14));
    expect([...frame.subarray(30, 34)]).toEqual([10, 0, 0, 1]);
    expect(frame).not.toEqual(recomputed(frame));
  });

  it('have a right outer checksum without the defect', () => {
    const { ret, frame } = run(48, { natIcmp4OuterChecksum: false });
    expect(ret).toBe(0);
    expect(frame).toEqual(recomputed(frame));
  });

  it('are dropped with only 8 bytes of TCP, unless that defect is off', () => {
    expect(run(28, {}).ret).toBe(-154);
    const { ret, frame } = run(28, { natIcmp4ShortTcp: false, natIcmp4OuterChecksum: false });
    expect(ret).toBe(0);
    expect(frame.subarray(14 + 28)).toEqual(frameOf(flow, new Uint8Array(8)).subarray(14, 14 + 28));
    expect(frame).toEqual(recomputed(frame));
  });

  it('IPv6: packet-too-big is translated only without the defect', () => {
    const flow6: Flow = { ...flow, family: 6, saddr: address(6, 1), daddr: address(6, 100) };
    for (const off of [false, true]) {
      const all = setup(6);
      all.target.fromLocalEndpoint = true;
      const packets = new PacketNat(all.nat, { ...ALL_DEFECTS, natIcmp6EmbeddedOffset: !off });
      const out = translate(all, frameOf(flow6, new Uint8Array(8)), 'forward', () => 0x1234);
      const error = frameOf(
        { ...flow6, protocol: Protocol.ICMPV6, daddr: address(6, 254), sport: 0, dport: Icmp6Type.PACKET_TOO_BIG },
        out.frame.subarray(14),
      );
      const { ret, frame } = translate({ ...all, packets }, error, 'reverse', () => 0);
      expect(ret).toBe(off ? 0 : NOT_NEEDED);
      if (off) expect(frame.subarray(14 + 48)).toEqual(frameOf(flow6, new Uint8Array(8)).subarray(14));
      expect(frame).toEqual(recomputed(frame));
    }
  });
});
