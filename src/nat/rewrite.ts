import type { Family } from '../net/address.ts';
import { csumDiff16, csumDiffPacket, replaceChecksum, replaceL4Checksum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ICMP, IPV4 } from '../net/headers.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import { Protocol } from '../net/protocol.ts';

/** For `translateHeaders`: there is no port to write. */
export const NO_PORT = -1;

/** What becomes of an L4 checksum that is to be amended but is not in the frame. */
export const Missing = { FAILS: 0, SKIPPED: 1 } as const;

/**
 * Replaces one address of the IP header at `l3` and the port at `l4 + portOffset` that goes with it, in the order of the
 * kernel's helper: address, port, L4 checksum, IP checksum. If neither changes, nothing is touched.
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
  addr: ArrayLike<number>,
  portOffset: number,
  port: number,
  missing: number = Missing.FAILS,
): number {
  const words = family === 4 ? 1 : 4;
  const at = l3 + addressOffset;
  const portAt = l4 < 0 || portOffset === NO_PORT ? -1 : l4 + portOffset;
  const portChanges = portAt >= 0 && (!packet.has(portAt, 2) || packet.u16(portAt) !== port);
  if (!portChanges && sameWords(packet, at, words, addr)) return 0;
  const diff = csumDiffPacket(packet, at, addr, 0, words);
  packet.setWords(at, words, addr, 0);
  if (l4 >= 0) {
    const failure = portChanges
      ? replacePort(packet, l4, protocol, portAt, port, diff, missing)
      : replaceL4Checksum(packet, l4, protocol, diff) || missing === Missing.SKIPPED
        ? 0
        : -DropReason.CSUM_L4;
    if (failure !== 0) return failure;
  }
  return family === 6 || replaceChecksum(packet, l3 + IPV4.CHECKSUM, diff) ? 0 : -DropReason.CSUM_L3;
}

function sameWords(packet: PacketBuffer, at: number, words: number, addr: ArrayLike<number>): boolean {
  for (let i = 0; i < words; i++) if (packet.u32(at + 4 * i) !== addr[i]) return false;
  return true;
}

// The kernel amends the checksum twice, for the port and for the address; once for both gives the same. What can fail fails here
// in the kernel's order: SCTP, whose checksum cannot be amended; the port outside the frame; the checksum outside the frame.
function replacePort(
  packet: PacketBuffer,
  l4: number,
  protocol: number,
  portAt: number,
  port: number,
  addressDiff: number,
  missing: number,
): number {
  if (protocol === Protocol.SCTP) return -DropReason.CSUM_L4;
  if (!packet.has(portAt, 2)) return -DropReason.WRITE_ERROR;
  const diff = csumDiff16(packet.u16(portAt), port);
  // ICMP of IPv4 has no pseudo header: its checksum does not see the addresses.
  const amended =
    protocol === Protocol.ICMP
      ? replaceChecksum(packet, l4 + ICMP.CHECKSUM, diff)
      : replaceL4Checksum(packet, l4, protocol, diff + addressDiff);
  if (!amended && missing === Missing.FAILS) return -DropReason.CSUM_L4;
  packet.setU16(portAt, port);
  return 0;
}
