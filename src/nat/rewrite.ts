import type { Family } from '../net/address.ts';
import { csumDiffPacket, l4ChecksumOffset, replaceChecksum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { IPV4 } from '../net/headers.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import { replaceL4, Rewrite } from '../net/rewrite.ts';

/** For `translateHeaders`: there is no port to write. */
export const NO_PORT = -1;

/** What becomes of an L4 checksum that is to be amended but is not in the frame. */
export const Missing = { FAILS: 0, SKIPPED: 1 } as const;

/**
 * Replaces one address of the IP header at `l3` and the port at `l4 + portOffset` that goes with it, checksums included. If
 * neither changes, nothing is touched. Unlike `replaceEndpoint`, the IPv4 checksum comes last, as in the kernel's helper for
 * NAT: the two differ in what is left of a packet that is dropped.
 * @param l4 -1 for a packet without its L4 header (a later fragment); @param portOffset `NO_PORT` for none.
 * @returns 0, or a negative drop reason; what was written before it stays written.
 */
export function translateHeaders(
  packet: PacketBuffer,
  family: Family,
  l3: number,
  l4: number,
  protocol: number,
  addressOffset: number,
  addr: Uint32Array,
  portOffset: number,
  port: number,
  missing: number = Missing.FAILS,
): number {
  const words = family === 4 ? 1 : 4;
  const at = l3 + addressOffset;
  const portAt = l4 < 0 || portOffset === NO_PORT ? -1 : l4 + portOffset;
  if (portAt >= 0 && !packet.has(portAt, 2)) return -DropReason.WRITE_ERROR;
  const oldPort = portAt < 0 ? port : packet.u16(portAt);
  if (oldPort === port && sameWords(packet, at, addr, words)) return 0;
  const diff = csumDiffPacket(packet, at, addr, 0, words);
  packet.setAddress(at, words, addr, 0);
  if (l4 >= 0) {
    const checksumAt = l4ChecksumOffset(protocol);
    if (missing === Missing.SKIPPED && checksumAt >= 0 && !packet.has(l4 + checksumAt, 2)) {
      if (portAt >= 0) packet.setU16(portAt, port);
    } else if (replaceL4(packet, l4, protocol, portOffset, oldPort, port, diff) !== Rewrite.OK) {
      return -DropReason.CSUM_L4;
    }
  }
  if (family === 4) replaceChecksum(packet, l3 + IPV4.CHECKSUM, diff);
  return 0;
}

function sameWords(packet: PacketBuffer, at: number, addr: Uint32Array, words: number): boolean {
  for (let i = 0; i < words; i++) if (packet.u32(at + 4 * i) !== addr[i]) return false;
  return true;
}
