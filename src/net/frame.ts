import { LbtwinError } from '../errors.ts';
import { type Family, type IpAddress, wordsOf } from './address.ts';
import { csumBytes, csumFold, l4ChecksumOffset } from './checksum.ts';
import { ETH, EtherType, ICMP, Icmp6Type, IcmpType, IPV4, IPV6, SCTP, TCP, TcpFlag, UDP } from './headers.ts';
import { Protocol } from './protocol.ts';

/** What a new frame is to be. Ports are host order; for ICMP `sport` is the echo's id. */
export interface FrameSpec {
  /** TCP, UDP, SCTP, ICMP or ICMPv6; ICMP of either family means that of the addresses. */
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sport?: number;
  readonly dport?: number;
  /** `TcpFlag` bits; SYN if absent. */
  readonly tcpFlags?: number;
  /** Echo reply instead of request. */
  readonly echoReply?: boolean;
  /** Length of the IP packet; what the headers need if absent or smaller. The payload is zeros. */
  readonly length?: number;
  /** 64 if absent. */
  readonly ttl?: number;
  /** IPv4 identification; 0 if absent. */
  readonly id?: number;
  /** Sets Don't Fragment (IPv4). */
  readonly dontFragment?: boolean;
  /** 48-bit addresses as two words, the first four bytes and the last two; zeros if absent. */
  readonly sourceMac?: { readonly high: number; readonly low: number };
  readonly destinationMac?: { readonly high: number; readonly low: number };
}

const HEADER: Readonly<Record<number, number>> = {
  [Protocol.TCP]: TCP.SIZE,
  [Protocol.UDP]: UDP.SIZE,
  [Protocol.SCTP]: SCTP.SIZE,
  [Protocol.ICMP]: ICMP.SIZE,
  [Protocol.ICMPV6]: ICMP.SIZE,
};

/** Bytes of a packet's IP and L4 headers; NaN for a protocol that no frame can be made for. */
export const headerLength = (protocol: number, family: Family): number =>
  (family === 4 ? IPV4.SIZE : IPV6.SIZE) + (HEADER[protocolOf(protocol, family)] ?? Number.NaN);

/**
 * An Ethernet frame with right lengths and checksums (SCTP's CRC is left zero: nothing on the way looks at it).
 * @throws LbtwinError `family-mismatch`, `unknown-protocol`, `packet-too-long`
 */
export function buildFrame(spec: FrameSpec): Uint8Array {
  const { source, destination } = spec;
  const { family } = source;
  if (destination.family !== family)
    throw new LbtwinError('family-mismatch', 'source and destination differ in family');
  const protocol = protocolOf(spec.protocol, family);
  const headerSize = HEADER[protocol];
  if (headerSize === undefined) {
    throw new LbtwinError('unknown-protocol', `no frame can be made for protocol ${protocol}`, {
      path: ['protocol'],
      allowed: 'TCP, UDP, SCTP, ICMP or ICMPv6',
    });
  }
  const ipSize = family === 4 ? IPV4.SIZE : IPV6.SIZE;
  const length = Math.max(spec.length ?? 0, ipSize + headerSize);
  if (length > 65535) throw new LbtwinError('packet-too-long', `${length} bytes`, { allowed: 'at most 65535' });
  const bytes = new Uint8Array(ETH.SIZE + length);
  const view = new DataView(bytes.buffer);
  writeEthernet(view, spec, family);
  if (family === 4) writeIpv4(view, spec, protocol, length);
  else writeIpv6(view, spec, protocol, length - ipSize);
  writeL4(view, spec, protocol, ETH.SIZE + ipSize, length - ipSize);
  finishChecksum(bytes, family, protocol, ETH.SIZE + ipSize, length - ipSize);
  return bytes;
}

/** ICMP and ICMPv6 name the same thing in the two families. */
export function protocolOf(protocol: number, family: Family): number {
  if (protocol === Protocol.ICMP || protocol === Protocol.ICMPV6) return family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
  return protocol;
}

function writeEthernet(view: DataView, spec: FrameSpec, family: Family): void {
  const none = { high: 0, low: 0 };
  const { sourceMac = none, destinationMac = none } = spec;
  view.setUint32(ETH.DST, destinationMac.high);
  view.setUint16(ETH.DST + 4, destinationMac.low);
  view.setUint32(ETH.SRC, sourceMac.high);
  view.setUint16(ETH.SRC + 4, sourceMac.low);
  view.setUint16(ETH.TYPE, family === 4 ? EtherType.IPV4 : EtherType.IPV6);
}

function writeIpv4(view: DataView, spec: FrameSpec, protocol: number, length: number): void {
  const at = ETH.SIZE;
  view.setUint8(at + IPV4.VERSION_IHL, 0x45);
  view.setUint16(at + IPV4.TOTAL_LENGTH, length);
  view.setUint16(at + IPV4.ID, spec.id ?? 0);
  view.setUint16(at + IPV4.FRAGMENT, spec.dontFragment === true ? IPV4.DONT_FRAGMENT : 0);
  view.setUint8(at + IPV4.TTL, spec.ttl ?? 64);
  view.setUint8(at + IPV4.PROTOCOL, protocol);
  view.setUint32(at + IPV4.SRC, spec.source.words[0]!);
  view.setUint32(at + IPV4.DST, spec.destination.words[0]!);
  const bytes = new Uint8Array(view.buffer);
  view.setUint16(at + IPV4.CHECKSUM, csumFold(csumBytes(bytes, at, IPV4.SIZE)));
}

function writeIpv6(view: DataView, spec: FrameSpec, protocol: number, payload: number): void {
  const at = ETH.SIZE;
  view.setUint8(at, 0x60);
  view.setUint16(at + IPV6.PAYLOAD_LENGTH, payload);
  view.setUint8(at + IPV6.NEXT_HEADER, protocol);
  view.setUint8(at + IPV6.HOP_LIMIT, spec.ttl ?? 64);
  for (let i = 0; i < wordsOf(6); i++) {
    view.setUint32(at + IPV6.SRC + 4 * i, spec.source.words[i]!);
    view.setUint32(at + IPV6.DST + 4 * i, spec.destination.words[i]!);
  }
}

function writeL4(view: DataView, spec: FrameSpec, protocol: number, at: number, length: number): void {
  const { sport = 0, dport = 0 } = spec;
  if (protocol === Protocol.ICMP || protocol === Protocol.ICMPV6) {
    const v4 = protocol === Protocol.ICMP;
    const request = v4 ? IcmpType.ECHO_REQUEST : Icmp6Type.ECHO_REQUEST;
    const reply = v4 ? IcmpType.ECHO_REPLY : Icmp6Type.ECHO_REPLY;
    view.setUint8(at + ICMP.TYPE, spec.echoReply === true ? reply : request);
    view.setUint16(at + ICMP.ID, sport);
    view.setUint16(at + ICMP.SEQUENCE, 1);
    return;
  }
  // All three have their ports first.
  view.setUint16(at + TCP.SRC_PORT, sport);
  view.setUint16(at + TCP.DST_PORT, dport);
  if (protocol === Protocol.TCP) {
    view.setUint8(at + TCP.DATA_OFFSET, (TCP.SIZE / 4) << 4);
    view.setUint8(at + TCP.FLAGS, spec.tcpFlags ?? TcpFlag.SYN);
    view.setUint16(at + TCP.FLAGS + 1, 0xffff);
  } else if (protocol === Protocol.UDP) {
    view.setUint16(at + UDP.LENGTH, length);
  }
}

/** Fills in the L4 checksum over header, payload and, where it is covered, the pseudo header. */
function finishChecksum(bytes: Uint8Array, family: Family, protocol: number, at: number, length: number): void {
  const offset = protocol === Protocol.ICMP ? ICMP.CHECKSUM : l4ChecksumOffset(protocol);
  if (offset < 0) return;
  const addresses = ETH.SIZE + (family === 4 ? IPV4.SRC : IPV6.SRC);
  const pseudo = protocol === Protocol.ICMP ? 0 : csumBytes(bytes, addresses, 8 * wordsOf(family), protocol + length);
  const sum = csumFold(csumBytes(bytes, at, length, pseudo));
  // A UDP checksum of zero means none: all ones stand for it.
  const field = sum === 0 && protocol === Protocol.UDP ? 0xffff : sum;
  bytes[at + offset] = field >>> 8;
  bytes[at + offset + 1] = field & 0xff;
}
