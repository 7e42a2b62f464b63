import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  csumAdd,
  csumBytes,
  csumFold,
  csumSub,
  decrementTtl,
  Headers,
  IPV4,
  IPV6,
  ipv4Checksum,
  PacketBuffer,
  Parse,
  Protocol,
  pseudoHeaderSum,
  readHeaders,
  replaceEndpoint,
  replaceL4Checksum,
  Rewrite,
} from '../../src/net/index.ts';

const hex = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (byte) => parseInt(byte, 16));

const ETHERNET = '020000000002020000000001';
const TCP4 = `${ETHERNET}0800450000280000400040065acfcb0071190a1499d3e8427850000003e8000000005002faf070750000`;
const TCP6 =
  `${ETHERNET}86dd6000000000140640` +
  '20010db8000000000000000000000001' +
  'fd000000000000000000000000000002' +
  '0bb80050000003e8000000005002faf000000000';

function loaded(text: string): PacketBuffer {
  const packet = new PacketBuffer();
  packet.load(hex(text));
  return packet;
}

function read(text: string): [number, Headers] {
  const headers = new Headers();
  return [readHeaders(loaded(text), headers), headers];
}

describe('checksums', () => {
  it('sums of parts add up to the sum of the whole', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 600 }), fc.nat(300), (bytes, cut) => {
        const at = Math.min(cut * 2, bytes.length & ~1);
        const parts = csumAdd(csumBytes(bytes, 0, at), csumBytes(bytes, at, bytes.length - at));
        expect(csumFold(parts)).toBe(csumFold(csumBytes(bytes, 0, bytes.length)));
      }),
    );
  });

  it('subtraction undoes addition, up to the two forms of zero', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(word, word, (a, b) => {
        expect(csumFold(csumSub(csumAdd(a, b), b)) % 0xffff).toBe(csumFold(a) % 0xffff);
      }),
    );
  });

  it('the IPv4 checksum of a recorded header', () => {
    const packet = loaded(TCP4);
    expect(ipv4Checksum(packet, 14)).toBe(packet.u16(14 + IPV4.CHECKSUM));
  });

  it('an incremental change equals recomputation, for addresses, ports and TTL', () => {
    const word = fc.integer({ min: 0, max: 0xffffffff });
    fc.assert(
      fc.property(fc.constantFrom(TCP4, TCP6), fc.tuple(word, word, word, word), fc.nat(65535), (text, words, port) => {
        const packet = loaded(text);
        const headers = new Headers();
        readHeaders(packet, headers);
        const { family, l3, l4 } = headers;
        const addresses = family === 4 ? 4 : 16;
        const source = l3 + (family === 4 ? IPV4.SRC : IPV6.SRC);
        const full = (): number => {
          const copy = loaded('');
          copy.load(packet.copy());
          copy.setU16(l4 + 16, 0);
          const size = copy.length - l4;
          const sum = pseudoHeaderSum(copy.bytes, copy.head + source, 2 * addresses, Protocol.TCP, size);
          return csumFold(csumBytes(copy.bytes, copy.head + l4, size, sum));
        };
        packet.setU16(l4 + 16, full());
        const at = source - l3;
        const old = packet.u16(l4);
        expect(
          replaceEndpoint(packet, family, l3, at, Uint32Array.from(words), 0, l4, Protocol.TCP, 0, old, port),
        ).toBe(Rewrite.OK);
        expect(decrementTtl(packet, family, l3)).toBe(true);
        expect(packet.u16(l4 + 16) % 0xffff).toBe(full() % 0xffff);
        if (family === 4) expect(packet.u16(l3 + IPV4.CHECKSUM) % 0xffff).toBe(ipv4Checksum(packet, l3) % 0xffff);
      }),
    );
  });

  it('UDP: zero stays zero, and a result of zero becomes 0xffff', () => {
    const packet = loaded(`${'00'.repeat(14)}0001000200080000`);
    expect(replaceL4Checksum(packet, 14, Protocol.UDP, 0x1234)).toBe(true);
    expect(packet.u16(20)).toBe(0);
    packet.setU16(20, 0x0001);
    replaceL4Checksum(packet, 14, Protocol.UDP, 1);
    expect(packet.u16(20)).toBe(0xffff);
    packet.setU16(20, 0x0001);
    replaceL4Checksum(packet, 14, Protocol.ICMPV6, 1);
    expect(packet.u16(16)).not.toBe(0xffff);
  });

  it('a checksum field outside the frame is refused; SCTP ports cannot be changed', () => {
    const packet = loaded(TCP4.slice(0, 2 * (14 + 20 + 17)));
    expect(replaceL4Checksum(packet, 34, Protocol.TCP, 1)).toBe(false);
    for (const protocol of [Protocol.TCP, Protocol.SCTP]) {
      const result = replaceEndpoint(packet, 4, 14, IPV4.SRC, Uint32Array.of(1), 0, 34, protocol, 0, packet.u16(34), 1);
      expect(result).toBe(Rewrite.L4_CHECKSUM);
      // Address and IPv4 checksum are written by then, as in the kernel; the port is not.
      expect([packet.u32(14 + IPV4.SRC), packet.u16(34)]).toEqual([1, 0xe842]);
      expect(packet.u16(14 + IPV4.CHECKSUM)).toBe(ipv4Checksum(packet, 14));
    }
  });
});

describe('the packet buffer', () => {
  it('inserting and removing bytes are inverse, anywhere and beyond the headroom', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), fc.nat(1500), (frame, where, count) => {
        const packet = new PacketBuffer();
        packet.load(frame);
        const at = Math.min(where, frame.length);
        packet.insert(at, count);
        expect(packet.length).toBe(frame.length + count);
        expect(
          packet
            .copy()
            .slice(at, at + count)
            .every((byte) => byte === 0),
        ).toBe(true);
        packet.remove(at, count);
        expect(packet.copy()).toEqual(frame);
      }),
    );
  });

  it('resize cuts, and lengthens by zeros even over stale bytes', () => {
    const packet = new PacketBuffer();
    packet.load(Uint8Array.of(1, 2, 3, 4));
    packet.resize(2);
    packet.resize(5);
    expect([...packet.copy()]).toEqual([1, 2, 0, 0, 0]);
  });
});

describe('readHeaders', () => {
  it('IPv4: IHL moves the L4 offset without being judged', () => {
    expect(read(TCP4)[1]).toMatchObject({ family: 4, l3: 14, l4: 34, protocol: 6, fragment: false });
    expect(read(TCP4.replace('45000028', '41000028'))[1].l4).toBe(18);
    expect(read(TCP4.slice(0, 2 * 33))[0]).toBe(Parse.TRUNCATED);
    expect(read(TCP4.slice(0, 26))[0]).toBe(Parse.NOT_IP);
    expect(read(TCP4.replace('0800', '0806'))[0]).toBe(Parse.NOT_IP);
  });

  it('IPv4 fragments', () => {
    const [, first] = read(TCP4.replace('00004000', '04d22000'));
    expect(first).toMatchObject({ fragment: true, laterFragment: false, fragmentId: 1234 });
    const [, later] = read(TCP4.replace('00004000', '04d22003'));
    expect(later).toMatchObject({ fragment: true, laterFragment: true });
  });

  it('IPv6: up to three extension headers of their own lengths, no fourth, none after 59', () => {
    const chain = (first: string, ...headers: string[]): string =>
      TCP6.replace('0640', `${first}40`).replace('0bb80050', `${headers.join('')}0bb80050`);
    expect(read(TCP6)[1]).toMatchObject({ family: 6, l4: 54, protocol: 6 });
    const long = `3c01${'00'.repeat(14)}`;
    const fragment = '33000002000004d2';
    const authentication = `0601${'00'.repeat(10)}`;
    const [result, headers] = read(chain('00', long.replace('3c', '2c'), fragment, authentication));
    expect(result).toBe(Parse.OK);
    expect(headers).toMatchObject({ l4: 54 + 16 + 8 + 12, protocol: 6, fragment: false, fragmentId: 0 });
    expect(read(chain('2c', '0600000900000007'))[1]).toMatchObject({
      fragment: true,
      laterFragment: true,
      fragmentId: 7,
    });
    const empty = '3c00000000000000';
    expect(read(chain('3c', empty, empty, empty, empty.replace('3c', '06')))[0]).toBe(Parse.BAD_EXTENSION);
    expect(read(chain('3b'))[0]).toBe(Parse.BAD_EXTENSION);
    expect(read(TCP6.replace('0640', '0040').slice(0, 2 * 55))[0]).toBe(Parse.TRUNCATED);
  });
});
