import { copyAddress } from '../net/address.ts';
import { csumAdd, csumBytes, csumFold, ipv4Checksum, pseudoHeaderSum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ETH, EtherType, ICMP, Icmp6Type, IcmpCode, IcmpType, IPV4, IPV6 } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import { DEFAULT_TTL } from '../net/tunnel.ts';
import { type HookContext, RedirectKind } from './context.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { traceDecision } from './trace.ts';

/** Bytes of L4 that an answer quotes. */
const QUOTED4 = 8;
const QUOTED6 = 64;
/** Most bytes of IPv4 options. */
const MAX_OPTIONS = 40;
/** Offset of the destination port in a TCP or UDP header. */
const DST_PORT = 2;

const service = new Uint32Array(5);

/**
 * Answers a packet that DSR would make larger than the MTU with an ICMP error about the packet as the client sent it, back out
 * of the device it came by. Counted as a drop, FRAG_NEEDED; dropped for real if the frame is too short to be quoted.
 */
export function answerTooBig(f: NodeFamily, ctx: HookContext, overhead: number): number {
  const { tuple, headers } = ctx;
  const w = f.words;
  service.set(ctx.service);
  if (f.node.options.dsrDispatch === 'ipip' && f.node.options.defects.dsrIcmpIpipService) {
    copyAddress(service, 0, tuple, 0, w);
    service[4] = tuple[2 * w]! >>> 16;
  }
  const answered = f.family === 4 ? fragmentationNeeded(f, ctx, overhead) : packetTooBig(f, ctx, overhead, headers.l3);
  if (!answered) return -DropReason.FRAG_NEEDED;
  ctx.packet.swapMacs();
  ctx.answeredReason = DropReason.FRAG_NEEDED;
  if (ctx.trace !== undefined) traceDecision(ctx, 'answer', 'too big', { mtu: f.node.options.mtu, overhead });
  return ctx.redirect(RedirectKind.REDIRECT, ctx.ifindex);
}

function count(f: NodeFamily, ctx: HookContext): void {
  f.node.metrics.count(DropReason.FRAG_NEEDED, MetricDirection.EGRESS, ctx.packet.length);
}

function fragmentationNeeded(f: NodeFamily, ctx: HookContext, overhead: number): boolean {
  const { packet, headers } = ctx;
  const ip = headers.l3;
  const { headerLength } = headers;
  const quoted = ip + headerLength + QUOTED4;
  count(f, ctx);
  if (!packet.has(quoted, MAX_OPTIONS) || !packet.has(ip, MAX_OPTIONS + IPV4.SIZE + QUOTED4)) return false;
  // With IP options the reference takes their first bytes for the L4 header: docs/fidelity.md, dsrIcmp4Options.
  const defect = f.node.options.defects.dsrIcmp4Options;
  const portAt = IPV4.SIZE + ICMP.SIZE + (defect ? IPV4.SIZE : headerLength) + DST_PORT;
  const tos = packet.u8(ip + IPV4.TOS);
  const id = packet.u16(ip + IPV4.ID);
  const source = packet.u32(ip + IPV4.SRC);
  const destination = packet.u32(ip + IPV4.DST);
  packet.resize(quoted);
  packet.insert(ip, IPV4.SIZE + ICMP.SIZE);
  const icmp = ip + IPV4.SIZE;
  const inner = icmp + ICMP.SIZE;
  packet.setU32(inner + IPV4.DST, service[0]!);
  packet.setU16(inner + IPV4.CHECKSUM, ipv4Checksum(packet, inner, defect ? IPV4.SIZE : headerLength));
  packet.setU16(ip + portAt, service[4]!);
  packet.setU16(ETH.TYPE, EtherType.IPV4);
  packet.setU16(ip, 0x4500 | tos);
  packet.setU16(ip + IPV4.TOTAL_LENGTH, IPV4.SIZE + ICMP.SIZE + headerLength + QUOTED4);
  packet.setU16(ip + IPV4.ID, id);
  packet.setU16(ip + IPV4.FRAGMENT, IPV4.DONT_FRAGMENT);
  packet.setU16(ip + IPV4.TTL, (DEFAULT_TTL << 8) | Protocol.ICMP);
  packet.setU32(ip + IPV4.SRC, destination);
  packet.setU32(ip + IPV4.DST, source);
  packet.setU16(ip + IPV4.CHECKSUM, ipv4Checksum(packet, ip));
  packet.setU16(icmp, (IcmpType.DEST_UNREACHABLE << 8) | IcmpCode.FRAGMENTATION_NEEDED);
  packet.setU16(icmp + ICMP.MTU4, f.node.options.mtu - overhead);
  const sum = csumBytes(packet.bytes, packet.head + icmp, ICMP.SIZE + headerLength + QUOTED4);
  packet.setU16(icmp + ICMP.CHECKSUM, csumFold(sum));
  return true;
}

function packetTooBig(f: NodeFamily, ctx: HookContext, overhead: number, ip: number): boolean {
  const { packet } = ctx;
  const next = packet.u8(ip + IPV6.NEXT_HEADER);
  if (next !== Protocol.TCP && next !== Protocol.UDP) return false;
  if (!packet.has(ip, IPV6.SIZE + QUOTED6)) return false;
  count(f, ctx);
  packet.resize(ip + IPV6.SIZE + QUOTED6);
  packet.insert(ip, IPV6.SIZE + ICMP.SIZE);
  const icmp = ip + IPV6.SIZE;
  const inner = icmp + ICMP.SIZE;
  const payload = ICMP.SIZE + IPV6.SIZE + QUOTED6;
  packet.setU32(ip, packet.u32(inner));
  packet.setU16(ip + IPV6.PAYLOAD_LENGTH, payload);
  packet.setU16(ip + IPV6.NEXT_HEADER, (Protocol.ICMPV6 << 8) | DEFAULT_TTL);
  packet.move(ip + IPV6.SRC, inner + IPV6.DST, 16);
  packet.move(ip + IPV6.DST, inner + IPV6.SRC, 16);
  packet.setAddress(inner + IPV6.DST, 4, service, 0);
  packet.setU16(inner + IPV6.SIZE + DST_PORT, service[4]!);
  packet.setU16(ETH.TYPE, EtherType.IPV6);
  packet.setU16(icmp, Icmp6Type.PACKET_TOO_BIG << 8);
  packet.setU32(icmp + ICMP.MTU6, f.node.options.mtu - overhead);
  const pseudo = pseudoHeaderSum(packet.bytes, packet.head + ip + IPV6.SRC, 32, Protocol.ICMPV6, payload);
  packet.setU16(icmp + ICMP.CHECKSUM, csumFold(csumAdd(csumBytes(packet.bytes, packet.head + icmp, payload), pseudo)));
  return true;
}
