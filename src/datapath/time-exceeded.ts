import { csumBytes, csumFold, pseudoHeaderSum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ICMP, Icmp6Type, IPV6 } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import { traceDecision } from './trace.ts';

/** Bytes of the L4 header that an answer quotes. */
const QUOTED_UDP = 8;
const QUOTED_TCP = 20;

/** Smallest and largest frame that the kernel lets a program resize to. */
const MIN_FRAME = 14 + 40;
const MAX_FRAME = 65536 + 14;

/**
 * Turns an IPv6 packet whose hop limit is used up into the ICMPv6 answer, from the node's router address back out of the device
 * it came by. The answer keeps traffic class, flow label and hop limit of the packet; it quotes its base header and a fixed
 * part of the L4 header, which must follow directly.
 */
export function answerTimeExceeded(f: NodeFamily, ctx: HookContext): number {
  const { packet } = ctx;
  const { l3 } = ctx.headers;
  const next = packet.u8(l3 + IPV6.NEXT_HEADER);
  const quoted =
    next === Protocol.TCP ? QUOTED_TCP : next === Protocol.UDP || next === Protocol.ICMPV6 ? QUOTED_UDP : 0;
  if (quoted === 0) return -DropReason.UNKNOWN_L4;
  const payload = l3 + IPV6.SIZE;
  if (!packet.has(payload, quoted)) return -DropReason.INVALID;
  const size = ICMP.SIZE + IPV6.SIZE + quoted;
  // The new length is reckoned from the payload length in the header, true or not.
  const length = packet.length + size - packet.u16(l3 + IPV6.PAYLOAD_LENGTH);
  if (length < MIN_FRAME || length > MAX_FRAME || length < payload + size) return -DropReason.WRITE_ERROR;
  packet.resize(Math.max(length, payload + size));
  packet.move(payload + ICMP.SIZE + IPV6.SIZE, payload, quoted);
  packet.move(payload + ICMP.SIZE, l3, IPV6.SIZE);
  packet.resize(length);
  packet.setU32(payload, Icmp6Type.TIME_EXCEEDED << 24);
  packet.setU32(payload + 4, 0);
  packet.setU8(l3 + IPV6.NEXT_HEADER, Protocol.ICMPV6);
  packet.setU16(l3 + IPV6.PAYLOAD_LENGTH, size);
  packet.move(l3 + IPV6.DST, l3 + IPV6.SRC, 16);
  packet.setAddress(l3 + IPV6.SRC, 4, f.routerAddress, 0);
  const at = packet.head + l3;
  const pseudo = pseudoHeaderSum(packet.bytes, at + IPV6.SRC, 32, Protocol.ICMPV6, size);
  packet.setU16(payload + ICMP.CHECKSUM, csumFold(csumBytes(packet.bytes, at + IPV6.SIZE, size, pseudo)));
  f.memory.log.spoil();
  packet.swapMacs();
  if (ctx.trace !== undefined) traceDecision(ctx, 'answer', 'time exceeded');
  return ctx.redirectSelf();
}
