import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Conntrack, createTuple, CtDir, CtScope, CtState, lookupPacket } from '../../src/conntrack/index.ts';
import { Nat, PacketNat, readNatTuple, SnatTarget } from '../../src/nat/index.ts';
import { createNatTable } from '../../src/nat/nat.ts';
import { PacketBuffer } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';

/** Bytes that get past the Ethernet header often: an IP header start, then anything. */
const frames = fc
  .tuple(
    fc.constantFrom([0x08, 0x00], [0x86, 0xdd]),
    fc.constantFrom(0x40, 0x45, 0x46, 0x4f, 0x60),
    fc.constantFrom(1, 6, 17, 58, 132, 0, 44, 60),
    fc.uint8Array({ maxLength: 120 }),
  )
  .map(([type, first, protocol, rest]) => {
    const frame = Uint8Array.from([...Array.from({ length: 12 }, () => 2), ...type, first, ...rest]);
    const at = first === 0x60 ? 20 : 23;
    if (frame.length > at) frame[at] = protocol;
    return frame;
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
      expect(run(other, incoming, needsCt)).toEqual(run(packet, incoming, needsCt));
      expect(other.copy()).toEqual(packet.copy());
      expect(packet.bytes.subarray(packet.head + packet.length).every((byte) => byte === stale)).toBe(true);
      for (const family of [4, 6] as const) {
        expect(nats[family].table.size).toBeLessThanOrEqual(8);
        expect(cts[family].any.size).toBeLessThanOrEqual(8);
      }
    }),
    { numRuns: 20 * (fc.readConfigureGlobal().numRuns ?? 100) },
  );
});
