import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Conntrack, createTuple, CtDir, CtScope, CtState, lookupPacket } from '../../src/conntrack/index.ts';
import { Nat, PacketNat, readNatTuple, SnatTarget } from '../../src/nat/index.ts';
import { createNatTable } from '../../src/nat/nat.ts';
import { PacketBuffer } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';

/** Bytes that get past the Ethernet header often: the start of an IP header, then anything, cut anywhere. */
const frames = fc
  .tuple(
    fc.constantFrom(4, 6),
    fc.constantFrom(5, 5, 5, 6, 15, 0),
    fc.constantFrom(1, 6, 17, 58, 132, 0, 44, 60),
    fc.uint8Array({ minLength: 140, maxLength: 140 }),
    fc.constantFrom(0, 3, 8, 11, 1, 2, 128, 129),
    fc.integer({ min: -2, max: 60 }),
  )
  .map(([family, ihl, protocol, bytes, icmpType, beyond]) => {
    bytes.set(family === 4 ? [0x08, 0x00, 0x40 | ihl] : [0x86, 0xdd, 0x60], 12);
    bytes[family === 4 ? 23 : 20] = protocol;
    // Unfragmented, mostly.
    if (family === 4 && bytes[0]! < 200) bytes.set([0, 0], 20);
    const l4 = family === 4 ? 14 + 4 * ihl : 54;
    if (protocol === 1 || protocol === 58) bytes.set([icmpType, 0], l4);
    return bytes.slice(0, l4 + beyond);
  });

it('no frame throws, is read beyond its end, or overfills a table', () => {
  const cts = {
    4: new Conntrack(4, { tcpMaxEntries: 8, anyMaxEntries: 8 }),
    6: new Conntrack(6, { anyMaxEntries: 8 }),
  };
  const natOf = (family: 4 | 6): Nat => new Nat(cts[family], createNatTable(family, 8));
  const nats = { 4: natOf(4), 6: natOf(6) };
  const packets = { 4: new PacketNat(nats[4]), 6: new PacketNat(nats[6]) };
  const headers = new Headers();
  const run = (packet: PacketBuffer, incoming: boolean, needsCt: boolean): number[] => {
    if (readHeaders(packet, headers) !== 0) return [];
    const { family } = headers;
    const tuple = createTuple(family);
    const status = lookupPacket(cts[family], packet, headers, tuple, CtDir.EGRESS, CtScope.BIDIR, new CtState(), 5);
    const read = readNatTuple(packet, headers, tuple);
    if (read !== 0) return [status, read];
    const target = new SnatTarget(family);
    target.needsCt = needsCt;
    target.fromLocalEndpoint = true;
    return [
      status,
      incoming
        ? packets[family].reverse(packet, headers, tuple, target, 5)
        : packets[family].forward(packet, headers, tuple, target, 5, () => 0x1234),
    ];
  };
  const keys = (): string[] =>
    [...nats[4].entries(), ...nats[6].entries()].map(
      ({ saddr, sport, daddr, dport }) => `${saddr} ${sport} ${daddr} ${dport}`,
    );
  fc.assert(
    fc.property(frames, fc.boolean(), fc.boolean(), fc.constantFrom(0, 0xff), (frame, incoming, needsCt, stale) => {
      const [packet, other] = [new PacketBuffer(), new PacketBuffer()];
      // What lies behind the frame must not matter: the same frame over other bytes gives the same, and they stay as they were.
      other.bytes.fill(stale ^ 0xff);
      packet.bytes.fill(stale);
      packet.load(frame);
      other.load(frame);
      // The first run may make entries; from then on the tables are the same for both.
      const first = new PacketBuffer();
      first.load(frame);
      run(first, incoming, needsCt);
      const entries = keys();
      expect(run(other, incoming, needsCt)).toEqual(run(packet, incoming, needsCt));
      expect(other.copy()).toEqual(packet.copy());
      expect(keys()).toEqual(entries);
      expect(packet.bytes.subarray(packet.head + packet.length).every((byte) => byte === stale)).toBe(true);
      for (const family of [4, 6] as const) {
        expect(nats[family].table.size).toBeLessThanOrEqual(8);
        expect(cts[family].any.size).toBeLessThanOrEqual(8);
      }
    }),
    { numRuns: 20 * (fc.readConfigureGlobal().numRuns ?? 100) },
  );
});
