import { type Family, wordsOf } from './address.ts';
import { csumDiff16, csumDiffPacket, replaceChecksum, replaceL4Checksum } from './checksum.ts';
import { ICMP, IPV4, IPV6 } from './headers.ts';
import type { PacketBuffer } from './packet-buffer.ts';
import { Protocol } from './protocol.ts';

/** What went wrong in a rewrite; the packet may then be partly rewritten, as in the kernel. */
export const Rewrite = { OK: 0, L3_CHECKSUM: 1, L4_CHECKSUM: 2, WRITE: 3 } as const;

export type RewriteResult = (typeof Rewrite)[keyof typeof Rewrite];

/**
 * Replaces an address of the IP header at `l3` (`addressOffset` is `IPV4.SRC`, `IPV6.DST`, ...) by `to[at...]` and amends the
 * IPv4 header checksum. Returns the change of the sums; the caller owes it to the L4 checksum.
 */
export function replaceAddress(
  packet: PacketBuffer,
  family: Family,
  l3: number,
  addressOffset: number,
  to: Uint32Array,
  at: number,
): number {
  const words = wordsOf(family);
  const offset = l3 + addressOffset;
  const diff = csumDiffPacket(packet, offset, to, at, words);
  packet.setAddress(offset, words, to, at);
  if (family === 4) replaceChecksum(packet, l3 + IPV4.CHECKSUM, diff);
  return diff;
}

/** TTL or hop limit of the IP header at `l3`. */
export const ttlOf = (packet: PacketBuffer, family: Family, l3: number): number =>
  packet.u8(l3 + (family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT));

/** Takes one off TTL or hop limit; false, with nothing written, if it is 0 or 1. */
export function decrementTtl(packet: PacketBuffer, family: Family, l3: number): boolean {
  const offset = l3 + (family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT);
  const ttl = packet.u8(offset);
  if (ttl <= 1) return false;
  packet.setU8(offset, ttl - 1);
  if (family === 4) replaceChecksum(packet, l3 + IPV4.CHECKSUM, csumDiff16(ttl << 8, (ttl - 1) << 8));
  return true;
}

/**
 * Replaces an address and a port (or an ICMP echo's id) together, as source and destination NAT do: IPv4 and L4 checksums are
 * amended once, by both changes. The address and the IPv4 checksum come first and stay if the rest fails.
 * @param addressOffset `IPV4.SRC`, `IPV6.DST`, ...
 * @param l4 offset of the L4 header, or -1 if the packet has none (a later fragment): then only the address changes
 * @param portOffset of the port in the L4 header
 */
export function replaceEndpoint(
  packet: PacketBuffer,
  family: Family,
  l3: number,
  addressOffset: number,
  to: Uint32Array,
  at: number,
  l4: number,
  protocol: number,
  portOffset: number,
  oldPort: number,
  newPort: number,
): RewriteResult {
  const diff = replaceAddress(packet, family, l3, addressOffset, to, at);
  return l4 < 0 ? Rewrite.OK : replaceL4(packet, l4, protocol, portOffset, oldPort, newPort, diff);
}

/**
 * The L4 half of that: a port, and the checksum for the port and for an address that changed by `addressDiff`. SCTP's checksum
 * cannot be amended for a port. If something fails, nothing is written.
 */
export function replaceL4(
  packet: PacketBuffer,
  l4: number,
  protocol: number,
  portOffset: number,
  oldPort: number,
  newPort: number,
  addressDiff: number,
): RewriteResult {
  let diff = addressDiff;
  if (oldPort !== newPort) {
    if (protocol === Protocol.SCTP) return Rewrite.L4_CHECKSUM;
    if (!packet.has(l4 + portOffset, 2)) return Rewrite.WRITE;
    const change = csumDiff16(oldPort, newPort);
    // ICMPv4 has no pseudo header: its checksum does not see the addresses.
    diff = protocol === Protocol.ICMP ? change : diff + change;
  } else if (protocol === Protocol.ICMP) return Rewrite.OK;
  const amended =
    protocol === Protocol.ICMP
      ? replaceChecksum(packet, l4 + ICMP.CHECKSUM, diff)
      : replaceL4Checksum(packet, l4, protocol, diff);
  if (!amended) return Rewrite.L4_CHECKSUM;
  if (oldPort !== newPort) packet.setU16(l4 + portOffset, newPort);
  return Rewrite.OK;
}
