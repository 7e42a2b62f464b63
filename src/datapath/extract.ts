import { wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { destinationOffset, type PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';

/** How the ports of fragments are known; see `extractTuple`. */
export interface FragmentPorts {
  /**
   * Fills the port word of `tuple`, whose addresses and protocol are set: from the packet, or for a later fragment from what the
   * first one left. 0 or a negative drop reason.
   */
  loadPorts(packet: PacketBuffer, headers: Headers, tuple: Uint32Array): number;
}

/** Without fragment tracking: the ports are in the packet, or it is dropped. */
export const NO_FRAGMENTS: FragmentPorts = {
  loadPorts(packet, headers, tuple) {
    if (headers.laterFragment) return -DropReason.FRAG_NOSUPPORT;
    if (!packet.has(headers.l4, 4)) return -DropReason.CT_INVALID_HDR;
    tuple[2 * wordsOf(headers.family)] = packet.u32(headers.l4);
    return 0;
  },
};

/**
 * Fills `tuple` (destination, source, both ports in one word as they are in the packet, protocol; flags 0) for a service lookup: TCP, UDP and, if it is on, SCTP.
 * @returns 0; `-UNSUPP_SERVICE_PROTO` for ICMP, which no service takes; `-UNKNOWN_L4` for what is left alone; or why the ports
 *   are not known
 */
export function extractTuple(
  packet: PacketBuffer,
  headers: Headers,
  tuple: Uint32Array,
  sctp: boolean,
  fragments: FragmentPorts = NO_FRAGMENTS,
): number {
  const { family, l3, protocol } = headers;
  const words = wordsOf(family);
  packet.address(l3 + destinationOffset(family), words, tuple, 0);
  packet.address(l3 + sourceOffset(family), words, tuple, words);
  tuple[2 * words] = 0;
  tuple[2 * words + 1] = protocol << 8;
  switch (protocol) {
    case Protocol.SCTP:
      return sctp ? fragments.loadPorts(packet, headers, tuple) : -DropReason.UNKNOWN_L4;
    case Protocol.TCP:
    case Protocol.UDP:
      return fragments.loadPorts(packet, headers, tuple);
    case Protocol.ICMP:
    case Protocol.ICMPV6:
      return -DropReason.UNSUPP_SERVICE_PROTO;
    default:
      return -DropReason.UNKNOWN_L4;
  }
}
