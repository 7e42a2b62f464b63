import { IPV4, TCP, UDP } from './headers.ts';
import type { PacketBuffer } from './packet-buffer.ts';
import { Protocol } from './protocol.ts';

/*
 * Ones' complement sums as the kernel's helpers form them. A sum is an unsigned 32-bit number that carries around; a checksum
 * field is the complement of the sum folded to 16 bits. Everything is computed on big-endian words: the sums of a little-endian
 * machine are the same numbers byte-swapped.
 */

/** Adds two sums, the carry going around. */
export function csumAdd(a: number, b: number): number {
  const sum = a + b;
  return (sum > 0xffffffff ? sum + 1 : sum) >>> 0;
}

export const csumSub = (a: number, b: number): number => csumAdd(a, ~b >>> 0);

/** The checksum field of a sum. */
export function csumFold(sum: number): number {
  let folded = (sum >>> 16) + (sum & 0xffff);
  folded = (folded >>> 16) + (folded & 0xffff);
  return ~folded & 0xffff;
}

/** The sum of the `count` bytes at `offset`, added to `seed`; an odd last byte counts as the high half of a word. */
export function csumBytes(bytes: Uint8Array, offset: number, count: number, seed = 0): number {
  let sum = 0;
  const end = offset + (count & ~1);
  for (let i = offset; i < end; i += 2) sum += (bytes[i]! << 8) | bytes[i + 1]!;
  if ((count & 1) === 1) sum += bytes[end]! << 8;
  // The plain sum is exact far beyond the largest frame; above 32 bits its high part goes around.
  return csumAdd(csumAdd(sum >>> 0, Math.floor(sum / 0x1_0000_0000)), seed);
}

/*
 * Changes of a sum are kept small and positive (the same sum, carried around): numbers beyond 31 bits would be boxed wherever a
 * call is not inlined.
 */

const ONES = 0xffff;

/** The change of a sum when a 16-bit word changes. */
export const csumDiff16 = (from: number, to: number): number => to + 2 * ONES - from;

/** The change of a sum when a 32-bit word changes. */
export const csumDiff32 = (from: number, to: number): number =>
  (to >>> 16) + (to & ONES) + 3 * ONES - (from >>> 16) - (from & ONES);

/** The change of a sum when the `words` words (1 or 4) in the packet at `offset` become `to`. */
export function csumDiffPacket(
  packet: PacketBuffer,
  offset: number,
  to: ArrayLike<number>,
  toAt: number,
  words: number,
): number {
  const { view } = packet;
  const at = (packet.head + offset) | 0;
  // Signed words: V8 may pass an unsigned one as an object on the heap.
  let sum = csumDiff32(view.getInt32(at), to[toAt]! | 0);
  if (words === 1) return sum;
  sum += csumDiff32(view.getInt32(at + 4), to[toAt + 1]! | 0);
  sum += csumDiff32(view.getInt32(at + 8), to[toAt + 2]! | 0);
  return sum + csumDiff32(view.getInt32(at + 12), to[toAt + 3]! | 0);
}

/** A checksum field after the sum under it changed by `diff`, 0..2^31-2^16. */
export function csumApply(field: number, diff: number): number {
  let sum = ((~field & ONES) + diff) | 0;
  sum = ((sum >>> 16) + (sum & ONES)) | 0;
  return ~((sum >>> 16) + sum) & ONES;
}

/** Changes a checksum field of the packet by `diff`; false, with nothing written, if the field is not in the frame. */
export function replaceChecksum(packet: PacketBuffer, offset: number, diff: number): boolean {
  if (!packet.has(offset, 2)) return false;
  packet.setU16(offset, csumApply(packet.u16(offset), diff));
  return true;
}

/** Offset of the checksum in an L4 header that is covered by the pseudo header; -1 for the others (ICMP, SCTP, ...). */
export function l4ChecksumOffset(protocol: number): number {
  if (protocol === Protocol.TCP) return TCP.CHECKSUM;
  if (protocol === Protocol.UDP) return UDP.CHECKSUM;
  if (protocol === Protocol.ICMPV6) return 2;
  return -1;
}

/**
 * Changes the L4 checksum at `l4` by `diff` as the kernel's helper does: for UDP a zero stays zero (no checksum) and a result
 * of zero becomes 0xffff. False if the field is not in the frame. Protocols without such a checksum are left alone.
 */
export function replaceL4Checksum(packet: PacketBuffer, l4: number, protocol: number, diff: number): boolean {
  const at = l4ChecksumOffset(protocol);
  if (at < 0) return true;
  const offset = l4 + at;
  if (!packet.has(offset, 2)) return false;
  const field = packet.u16(offset);
  const udp = protocol === Protocol.UDP;
  if (udp && field === 0) return true;
  const changed = csumApply(field, diff);
  packet.setU16(offset, udp && changed === 0 ? 0xffff : changed);
  return true;
}

/** Sum of the pseudo header: addresses, protocol and the L4 length in bytes. */
export function pseudoHeaderSum(
  bytes: Uint8Array,
  addressOffset: number,
  addressBytes: number,
  protocol: number,
  length: number,
): number {
  return csumAdd(csumBytes(bytes, addressOffset, addressBytes), protocol + length);
}

/** The IPv4 header checksum, computed anew over `headerLength` bytes at `l3`. */
export function ipv4Checksum(packet: PacketBuffer, l3: number, headerLength: number = IPV4.SIZE): number {
  const sum = csumBytes(packet.bytes, packet.head + l3, headerLength);
  return csumFold(csumSub(sum, packet.u16(l3 + IPV4.CHECKSUM)));
}
