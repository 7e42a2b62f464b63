import type { Family } from './address.ts';
import { ETH, EtherType, IPV4, IPV6, IPV6_FRAGMENT, NextHeader, TcpFlag, TCP } from './headers.ts';
import type { PacketBuffer } from './packet-buffer.ts';

/** What `readHeaders` found. Everything but OK tells why there is no L4 offset. */
export const Parse = {
  OK: 0,
  /** Shorter than an Ethernet header, or neither IPv4 nor IPv6. */
  NOT_IP: 1,
  /** The IP header, or an extension header on the way, is not in the frame. */
  TRUNCATED: 2,
  /** More than three IPv6 extension headers, or next header 59. */
  BAD_EXTENSION: 3,
} as const;

export type ParseResult = (typeof Parse)[keyof typeof Parse];

/** Where things are in a frame; filled by `readHeaders`, reused from frame to frame. Offsets count from the frame's start. */
export class Headers {
  family: Family = 4;
  /** Offset of the IP header. */
  l3 = 0;
  /** Offset of the L4 header as IHL or the extension headers say; it may lie outside the frame. */
  l4 = 0;
  /** L4 protocol: after the extension headers for IPv6. */
  protocol = 0;
  /** Bytes of the IPv4 base header and options, or of the IPv6 base and extension headers. */
  headerLength = 0;
  /** A fragment, of whatever position: more fragments follow, or the offset is not zero. */
  fragment = false;
  /** A fragment other than the first: what is at `l4` is no L4 header. */
  laterFragment = false;
  /** Identification of the datagram: 16 bits for IPv4, 32 for IPv6; 0 if the packet is no fragment. */
  fragmentId = 0;
}

/** Extension headers that can be skipped; one more is an error. */
const MAX_EXTENSION_HEADERS = 3;

export function readHeaders(packet: PacketBuffer, headers: Headers): ParseResult {
  if (!packet.has(0, ETH.SIZE)) return Parse.NOT_IP;
  const type = packet.u16(ETH.TYPE);
  if (type === EtherType.IPV4) return readIpv4(packet, ETH.SIZE, headers);
  if (type === EtherType.IPV6) return readIpv6(packet, ETH.SIZE, headers);
  return Parse.NOT_IP;
}

/** Reads the IP headers of `family` at offset `l3`. Version, IHL, lengths and checksums are not judged: the datapath does not either. */
export function readIp(packet: PacketBuffer, l3: number, family: Family, headers: Headers): ParseResult {
  return family === 4 ? readIpv4(packet, l3, headers) : readIpv6(packet, l3, headers);
}

function readIpv4(packet: PacketBuffer, l3: number, headers: Headers): ParseResult {
  if (!packet.has(l3, IPV4.SIZE)) return Parse.TRUNCATED;
  const fragment = packet.u16(l3 + IPV4.FRAGMENT);
  headers.family = 4;
  headers.l3 = l3;
  headers.headerLength = (packet.u8(l3) & 0x0f) * 4;
  headers.l4 = l3 + headers.headerLength;
  headers.protocol = packet.u8(l3 + IPV4.PROTOCOL);
  headers.fragment = (fragment & (IPV4.MORE_FRAGMENTS | IPV4.OFFSET_MASK)) !== 0;
  headers.laterFragment = (fragment & IPV4.OFFSET_MASK) !== 0;
  headers.fragmentId = headers.fragment ? packet.u16(l3 + IPV4.ID) : 0;
  return Parse.OK;
}

function readIpv6(packet: PacketBuffer, l3: number, headers: Headers): ParseResult {
  if (!packet.has(l3, IPV6.SIZE)) return Parse.TRUNCATED;
  headers.family = 6;
  headers.l3 = l3;
  headers.fragment = false;
  headers.laterFragment = false;
  headers.fragmentId = 0;
  let next = packet.u8(l3 + IPV6.NEXT_HEADER);
  let length: number = IPV6.SIZE;
  for (let skipped = 0; ; skipped++) {
    if (next === NextHeader.NONE) return Parse.BAD_EXTENSION;
    if (!isExtensionHeader(next)) break;
    const at = l3 + length;
    if (!packet.has(at, 2)) return Parse.TRUNCATED;
    if (next === NextHeader.FRAGMENT) {
      if (!packet.has(at, IPV6_FRAGMENT.SIZE)) return Parse.TRUNCATED;
      const offset = packet.u16(at + IPV6_FRAGMENT.OFFSET);
      headers.laterFragment = (offset & IPV6_FRAGMENT.OFFSET_MASK) !== 0;
      headers.fragment = headers.laterFragment || (offset & IPV6_FRAGMENT.MORE_FRAGMENTS) !== 0;
      headers.fragmentId = headers.fragment ? packet.u32(at + IPV6_FRAGMENT.ID) : 0;
    }
    length += extensionHeaderLength(packet, next, at);
    next = packet.u8(at);
    if (skipped === MAX_EXTENSION_HEADERS) return Parse.BAD_EXTENSION;
  }
  headers.protocol = next;
  headers.headerLength = length;
  headers.l4 = l3 + length;
  return Parse.OK;
}

export const isExtensionHeader = (next: number): boolean =>
  next === NextHeader.HOP_BY_HOP ||
  next === NextHeader.ROUTING ||
  next === NextHeader.FRAGMENT ||
  next === NextHeader.AUTHENTICATION ||
  next === NextHeader.DESTINATION;

/** Bytes of the extension header of type `type` at offset `at`, whose first two bytes must be in the frame. */
export function extensionHeaderLength(packet: PacketBuffer, type: number, at: number): number {
  if (type === NextHeader.FRAGMENT) return IPV6_FRAGMENT.SIZE;
  const length = packet.u8(at + 1);
  return type === NextHeader.AUTHENTICATION ? (length + 2) * 4 : (length + 1) * 8;
}

/** The TCP flags at `l4`, or -1 if the byte is not in the frame. */
export function tcpFlags(packet: PacketBuffer, l4: number): number {
  return packet.has(l4 + TCP.FLAGS, 1) ? packet.u8(l4 + TCP.FLAGS) : -1;
}

/** `SA`, `AF`, ... : one letter per flag set, SYN first. */
export function formatTcpFlags(flags: number): string {
  let text = '';
  if ((flags & TcpFlag.SYN) !== 0) text += 'S';
  if ((flags & TcpFlag.ACK) !== 0) text += 'A';
  if ((flags & TcpFlag.PSH) !== 0) text += 'P';
  if ((flags & TcpFlag.FIN) !== 0) text += 'F';
  if ((flags & TcpFlag.RST) !== 0) text += 'R';
  if ((flags & TcpFlag.URG) !== 0) text += 'U';
  if ((flags & TcpFlag.ECE) !== 0) text += 'E';
  if ((flags & TcpFlag.CWR) !== 0) text += 'C';
  return text;
}
