import { type Family, wordsOf } from '../../src/net/address.ts';
import { csumAdd, csumBytes, csumFold, l4ChecksumOffset } from '../../src/net/checksum.ts';
import { ETH, EtherType, ICMP, IPV4, IPV6, TCP, UDP } from '../../src/net/headers.ts';
import { destinationOffset, PacketBuffer, sourceOffset } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';
import { Protocol } from '../../src/net/protocol.ts';

export interface Flow {
  readonly family: Family;
  readonly protocol: number;
  readonly saddr: readonly number[];
  readonly daddr: readonly number[];
  readonly sport: number;
  readonly dport: number;
}

const L4_BYTES: Readonly<Record<number, number>> = {
  [Protocol.TCP]: TCP.SIZE,
  [Protocol.UDP]: UDP.SIZE,
  [Protocol.ICMP]: ICMP.SIZE,
  [Protocol.ICMPV6]: ICMP.SIZE,
};

/** A frame with valid checksums. ICMP: an echo with the type in `dport`'s place and the id in `sport`'s. */
export function frameOf(flow: Flow, payload: Uint8Array, tcpFlags = 0x10): Uint8Array {
  const { family, protocol, saddr, daddr, sport, dport } = flow;
  const l3 = ETH.SIZE;
  const l4 = l3 + (family === 4 ? IPV4.SIZE : IPV6.SIZE);
  const l4Bytes = L4_BYTES[protocol]! + payload.length;
  const packet = new PacketBuffer();
  packet.load(new Uint8Array(l4 + l4Bytes));
  packet.setU16(ETH.TYPE, family === 4 ? EtherType.IPV4 : EtherType.IPV6);
  packet.setAddress(l3 + sourceOffset(family), wordsOf(family), saddr, 0);
  packet.setAddress(l3 + destinationOffset(family), wordsOf(family), daddr, 0);
  if (family === 4) {
    packet.setU8(l3, 0x45);
    packet.setU16(l3 + IPV4.TOTAL_LENGTH, IPV4.SIZE + l4Bytes);
    packet.setU8(l3 + IPV4.TTL, 64);
    packet.setU8(l3 + IPV4.PROTOCOL, protocol);
  } else {
    packet.setU8(l3, 0x60);
    packet.setU16(l3 + IPV6.PAYLOAD_LENGTH, l4Bytes);
    packet.setU8(l3 + IPV6.NEXT_HEADER, protocol);
    packet.setU8(l3 + IPV6.HOP_LIMIT, 64);
  }
  packet.put(l4 + L4_BYTES[protocol]!, payload);
  if (protocol === Protocol.TCP || protocol === Protocol.UDP) {
    packet.setU16(l4, sport);
    packet.setU16(l4 + 2, dport);
    if (protocol === Protocol.UDP) packet.setU16(l4 + UDP.LENGTH, l4Bytes);
    else packet.setU16(l4 + TCP.DATA_OFFSET, 0x5000 | tcpFlags);
  } else {
    packet.setU8(l4 + ICMP.TYPE, dport);
    packet.setU16(l4 + ICMP.ID, sport);
  }
  fixChecksums(packet);
  return packet.copy();
}

/** Computes the IP and L4 checksums anew, slowly. */
export function fixChecksums(packet: PacketBuffer): void {
  const headers = new Headers();
  if (readHeaders(packet, headers) !== 0) throw new Error('not an IP frame');
  const { family, l3, l4, protocol } = headers;
  if (family === 4) {
    packet.setU16(l3 + IPV4.CHECKSUM, 0);
    packet.setU16(l3 + IPV4.CHECKSUM, csumFold(csumBytes(packet.bytes, packet.head + l3, IPV4.SIZE)));
  }
  const at = l4 + (protocol === Protocol.ICMP ? ICMP.CHECKSUM : l4ChecksumOffset(protocol));
  const length = packet.length - l4;
  const w = wordsOf(family);
  packet.setU16(at, 0);
  let sum = csumBytes(packet.bytes, packet.head + l4, length);
  if (protocol !== Protocol.ICMP) {
    sum = csumAdd(sum, csumBytes(packet.bytes, packet.head + l3 + sourceOffset(family), 8 * w));
    sum = csumAdd(sum, protocol + length);
  }
  const checksum = csumFold(sum);
  packet.setU16(at, protocol === Protocol.UDP && checksum === 0 ? 0xffff : checksum);
}
