import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/net/address.ts';
import { csumBytes, csumFold } from '../../src/net/checksum.ts';
import { buildFrame, type FrameSpec } from '../../src/net/frame.ts';
import { TcpFlag } from '../../src/net/headers.ts';
import { ethernetOf, readCapture, writeCapture } from '../../src/net/pcap.ts';
import { Protocol } from '../../src/net/protocol.ts';

const [a4, b4, a6, b6] = ['192.0.2.7', '203.0.113.10', '2001:db8::7', '2001:db8:1::10'].map((text) =>
  parseAddress(text),
) as [FrameSpec['source'], FrameSpec['source'], FrameSpec['source'], FrameSpec['source']];

describe('buildFrame', () => {
  const protocols = [Protocol.TCP, Protocol.UDP, Protocol.ICMP, Protocol.ICMPV6];
  it('has checksums that verify, whatever is in it', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(4, 6),
        fc.constantFrom(...protocols),
        fc.integer({ min: 0, max: 65535 }),
        fc.integer({ min: 0, max: 1500 }),
        (family, protocol, port, length) => {
          const [source, destination] = family === 4 ? [a4, b4] : [a6, b6];
          const bytes = buildFrame({ protocol, source, destination, sport: port, dport: 65535 - port, length });
          const ip = family === 4 ? 20 : 40;
          const l4 = bytes.length - 14 - ip;
          const number = bytes[family === 4 ? 23 : 20]!;
          if (family === 4) expect(csumFold(csumBytes(bytes, 14, 20))).toBe(0);
          const pseudo =
            number === Protocol.ICMP ? 0 : csumBytes(bytes, family === 4 ? 26 : 22, family === 4 ? 8 : 32, number + l4);
          expect(csumFold(csumBytes(bytes, 14 + ip, l4, pseudo))).toBe(0);
        },
      ),
    );
  });

  it('is what was asked for', () => {
    const tcp = buildFrame({
      protocol: Protocol.TCP,
      source: a4,
      destination: b4,
      sport: 40000,
      dport: 443,
      tcpFlags: TcpFlag.ACK,
      ttl: 3,
      id: 7,
      dontFragment: true,
      sourceMac: { high: 0x02000000, low: 1 },
      destinationMac: { high: 0x02000000, low: 2 },
    });
    const hex = Buffer.from(tcp).toString('hex');
    expect(hex.slice(0, 48)).toBe('020000000002020000000001080045000028000740000306');
    expect(hex.slice(52, 100)).toBe('c0000207cb00710a9c4001bb00000000000000005010ffff');
    const echo = buildFrame({ protocol: Protocol.ICMPV6, source: a6, destination: b6, sport: 5, echoReply: true });
    expect([echo[20], echo[54], echo[59]]).toEqual([58, 129, 5]);
  });

  it('refuses what it cannot make', () => {
    expect(() => buildFrame({ protocol: 47, source: a4, destination: b4 })).toThrow(
      expect.objectContaining({ code: 'unknown-protocol' }),
    );
    expect(() => buildFrame({ protocol: 6, source: a4, destination: b6 })).toThrow(
      expect.objectContaining({ code: 'family-mismatch' }),
    );
    expect(() => buildFrame({ protocol: 6, source: a4, destination: b4, length: 65536 })).toThrow(
      expect.objectContaining({ code: 'packet-too-long' }),
    );
  });
});

describe('captures', () => {
  const frame = buildFrame({ protocol: Protocol.UDP, source: a4, destination: b4, sport: 1, dport: 2, length: 61 });

  it('what is written is read back: times, interfaces, bytes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 33 }),
        fc.integer({ min: 0, max: 999_999_999 }),
        (seconds, nanoseconds) => {
          const file = writeCapture(
            ['node-a eth0', 'pod'],
            [{ interfaceId: 1, seconds, nanoseconds, bytes: frame, comment: 'hop 1' }],
          );
          expect(readCapture(file)).toEqual([
            { seconds, nanoseconds, interfaceId: 1, linkType: 1, bytes: frame, wireLength: frame.length },
          ]);
        },
      ),
    );
  });

  const classic = (little: boolean, nano: boolean, linkType: number, bytes: Uint8Array): Uint8Array => {
    const file = Buffer.alloc(24 + 16 + bytes.length);
    const u32 = (value: number, at: number): number =>
      little ? file.writeUInt32LE(value, at) : file.writeUInt32BE(value, at);
    u32(nano ? 0xa1b23c4d : 0xa1b2c3d4, 0);
    u32(65535, 16);
    u32(linkType, 20);
    [1_700_000_000, 250_000, bytes.length, bytes.length + 4].forEach((value, i) => u32(value, 24 + 4 * i));
    file.set(bytes, 40);
    return file;
  };

  it.each([
    [true, false],
    [true, true],
    [false, false],
    [false, true],
  ])('classic pcap, little endian %s, nanoseconds %s', (little, nano) => {
    const [record] = readCapture(classic(little, nano, 1, frame));
    expect(record).toMatchObject({
      seconds: 1_700_000_000,
      nanoseconds: nano ? 250_000 : 250_000_000,
      wireLength: frame.length + 4,
    });
    expect(Buffer.from(record!.bytes)).toEqual(Buffer.from(frame));
  });

  it('frames without an Ethernet header get one', () => {
    const ip = frame.subarray(14);
    for (const [linkType, header] of [
      [101, 0],
      [113, 16],
      [276, 20],
      [0, 4],
    ] as const) {
      const [record] = readCapture(classic(true, false, linkType, Buffer.concat([Buffer.alloc(header), ip])));
      expect(Buffer.from(ethernetOf(record!)!.subarray(12))).toEqual(Buffer.concat([Buffer.from([8, 0]), ip]));
    }
    const [other] = readCapture(classic(true, false, 105, frame));
    expect(ethernetOf(other!)).toBeUndefined();
  });

  it('never throws anything but its own errors, whatever the bytes', () => {
    const file = writeCapture(['a'], [{ interfaceId: 0, seconds: 1, bytes: frame }]);
    fc.assert(
      fc.property(
        fc.nat({ max: file.length }),
        fc.array(fc.tuple(fc.nat({ max: file.length - 1 }), fc.nat({ max: 255 }))),
        (cut, changes) => {
          const broken = file.slice();
          for (const [at, value] of changes) broken[at] = value;
          try {
            readCapture(broken.subarray(0, cut));
          } catch (error) {
            expect(['not-a-capture', 'truncated-capture']).toContain((error as { code?: string }).code);
          }
        },
      ),
      { numRuns: 500 },
    );
    expect(() => writeCapture(['a'], [{ interfaceId: 1, seconds: 1, bytes: frame }])).toThrow(
      expect.objectContaining({ code: 'unknown-interface' }),
    );
  });
});
