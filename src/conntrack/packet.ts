import { wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ICMP, Icmp6Type, IcmpType, TCP } from '../net/headers.ts';
import { destinationOffset, type PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import type { Conntrack } from './conntrack.ts';
import { type CtDir, CtScope, type CtStatus, CtType } from './kinds.ts';
import type { CtState } from './entry.ts';
import { reverseTuple, type CtTuple, TupleFlag } from './tuple.ts';

/**
 * Fills `tuple` (packet layout, flags 0 or RELATED) from a packet for conntrack: with ICMP, the id of an echo stands for a port
 * and errors are marked RELATED.
 * @returns the TCP flags byte (0 if not TCP), or a negative drop reason: fragments of ICMP, missing bytes, unknown protocols.
 */
export function readConntrackTuple(packet: PacketBuffer, headers: Headers, tuple: CtTuple): number {
  const { family, l3, l4, protocol } = headers;
  const w = wordsOf(family);
  packet.address(l3 + destinationOffset(family), w, tuple, 0);
  packet.address(l3 + sourceOffset(family), w, tuple, w);
  tuple[2 * w] = 0;
  tuple[2 * w + 1] = protocol << 8;
  switch (protocol) {
    case Protocol.ICMP:
    case Protocol.ICMPV6:
      if (protocol !== (family === 4 ? Protocol.ICMP : Protocol.ICMPV6)) return -DropReason.CT_UNKNOWN_PROTO;
      return readIcmp(packet, headers, tuple, w);
    case Protocol.TCP:
      if (headers.laterFragment) return -DropReason.FRAG_NOSUPPORT;
      if (!packet.has(l4, TCP.FLAGS + 1)) return -DropReason.CT_INVALID_HDR;
      tuple[2 * w] = packet.u32(l4);
      return packet.u8(l4 + TCP.FLAGS);
    case Protocol.UDP:
    case Protocol.SCTP:
      if (headers.laterFragment) return -DropReason.FRAG_NOSUPPORT;
      if (!packet.has(l4, 4)) return -DropReason.CT_INVALID_HDR;
      tuple[2 * w] = packet.u32(l4);
      return 0;
    default:
      return -DropReason.CT_UNKNOWN_PROTO;
  }
}

function readIcmp(packet: PacketBuffer, headers: Headers, tuple: CtTuple, w: number): number {
  const { family, l4 } = headers;
  if (headers.fragment) return -DropReason.INVALID;
  if (!packet.has(l4 + ICMP.TYPE, 1)) return -DropReason.CT_INVALID_HDR;
  const type = packet.u8(l4 + ICMP.TYPE);
  const request = type === (family === 4 ? IcmpType.ECHO_REQUEST : Icmp6Type.ECHO_REQUEST);
  if (request || type === (family === 4 ? IcmpType.ECHO_REPLY : Icmp6Type.ECHO_REPLY)) {
    if (!packet.has(l4 + ICMP.ID, 2)) return -DropReason.CT_INVALID_HDR;
    tuple[2 * w] = packet.u16(l4 + ICMP.ID) << (request ? 16 : 0);
  } else if (family === 4 ? isError4(type) : isError6(type)) {
    tuple[2 * w + 1]! |= TupleFlag.RELATED;
  }
  return 0;
}

const isError4 = (type: number): boolean =>
  type === IcmpType.DEST_UNREACHABLE || type === IcmpType.TIME_EXCEEDED || type === IcmpType.PARAMETER_PROBLEM;

const isError6 = (type: number): boolean => type >= Icmp6Type.DEST_UNREACHABLE && type <= Icmp6Type.PARAMETER_PROBLEM;

/**
 * The conntrack lookup of a whole packet, as the pod and host programs do it: reads the tuple, reverses it for FORWARD, looks it
 * up. `tuple` is left as the last probe had it.
 * @returns a `CtStatus`, or a negative drop reason.
 */
export function lookupPacket(
  conntrack: Conntrack,
  packet: PacketBuffer,
  headers: Headers,
  tuple: CtTuple,
  dir: CtDir,
  scope: CtScope,
  state: CtState,
  now: number,
): CtStatus | number {
  const flags = readConntrackTuple(packet, headers, tuple);
  if (flags < 0) return flags;
  if (scope === CtScope.FORWARD) reverseTuple(tuple, wordsOf(headers.family));
  return conntrack.lookupRelated(tuple, dir, scope, CtType.ANY, state, flags, packet.length, now);
}
