import { csumAdd, csumBytes, csumFold, ipv4Checksum, pseudoHeaderSum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ETH, EtherType, ICMP, Icmp6Code, Icmp6Type, IcmpCode, IcmpType, IPV4, IPV6 } from '../net/headers.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import { Protocol } from '../net/protocol.ts';
import { DEFAULT_TTL } from '../net/tunnel.ts';
import type { HookContext } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import { traceDecision } from './trace.ts';

/** Most bytes of a packet that an answer quotes. */
const MAX_SAMPLE4 = 64;
const MAX_SAMPLE6 = 1232;

const address = new Uint32Array(8);

/**
 * Answers a request to a service that has no backend, by ICMP port unreachable from the frontend, back out of the device it
 * came by; IPv6 answers are limited per device. With `drop` nothing is answered.
 */
export function answerNoBackend(f: NodeFamily, ctx: HookContext): number {
  if (f.node.options.noBackendResponse === 'drop') return -DropReason.NO_SERVICE;
  if (f.family === 6) {
    if (!f.node.tables.icmpBuckets.take(ctx.ifindex, ctx.nowNs)) return -DropReason.RATE_LIMITED;
    unreachable6(ctx.packet, f.node.options.defects.icmp6UnreachableChecksum);
  } else unreachable4(ctx.packet);
  f.memory.log.spoil();
  ctx.packet.swapMacs();
  if (ctx.trace !== undefined) traceDecision(ctx, 'answer', 'port unreachable');
  return ctx.redirectSelf();
}

/**
 * Cuts the frame to the sample and makes room for the answer's headers. The sample is measured with the Ethernet header counted
 * in: a short packet is followed by 14 bytes of zeros.
 */
function makeRoom(packet: PacketBuffer, maximum: number, header: number): number {
  const sample = Math.min(packet.length, maximum);
  packet.resize(ETH.SIZE + sample);
  packet.insert(ETH.SIZE, header + ICMP.SIZE);
  return sample;
}

function unreachable4(packet: PacketBuffer): void {
  const tos = packet.u8(ETH.SIZE + IPV4.TOS);
  packet.address(ETH.SIZE + IPV4.SRC, 1, address, 0);
  packet.address(ETH.SIZE + IPV4.DST, 1, address, 1);
  const sample = makeRoom(packet, MAX_SAMPLE4, IPV4.SIZE);
  const ip = ETH.SIZE;
  packet.setU16(ETH.TYPE, EtherType.IPV4);
  packet.setU8(ip, 0x45);
  packet.setU8(ip + IPV4.TOS, tos);
  packet.setU16(ip + IPV4.TOTAL_LENGTH, IPV4.SIZE + ICMP.SIZE + sample);
  packet.setU8(ip + IPV4.TTL, DEFAULT_TTL);
  packet.setU8(ip + IPV4.PROTOCOL, Protocol.ICMP);
  packet.setU32(ip + IPV4.SRC, address[1]!);
  packet.setU32(ip + IPV4.DST, address[0]!);
  packet.setU16(ip + IPV4.CHECKSUM, ipv4Checksum(packet, ip));
  const icmp = ip + IPV4.SIZE;
  packet.setU16(icmp, (IcmpType.DEST_UNREACHABLE << 8) | IcmpCode.PORT_UNREACHABLE);
  packet.setU16(icmp + ICMP.CHECKSUM, csumFold(csumBytes(packet.bytes, packet.head + icmp, ICMP.SIZE + sample)));
}

function unreachable6(packet: PacketBuffer, defect: boolean): void {
  packet.address(ETH.SIZE + IPV6.SRC, 4, address, 0);
  packet.address(ETH.SIZE + IPV6.DST, 4, address, 4);
  const sample = makeRoom(packet, MAX_SAMPLE6, IPV6.SIZE);
  const ip = ETH.SIZE;
  packet.setU16(ETH.TYPE, EtherType.IPV6);
  packet.setU32(ip, 0x60000000);
  packet.setU16(ip + IPV6.PAYLOAD_LENGTH, ICMP.SIZE + sample);
  packet.setU8(ip + IPV6.NEXT_HEADER, Protocol.ICMPV6);
  packet.setU8(ip + IPV6.HOP_LIMIT, DEFAULT_TTL);
  packet.setAddress(ip + IPV6.SRC, 4, address, 4);
  packet.setAddress(ip + IPV6.DST, 4, address, 0);
  const icmp = ip + IPV6.SIZE;
  packet.setU16(icmp, (Icmp6Type.DEST_UNREACHABLE << 8) | Icmp6Code.PORT_UNREACHABLE);
  const { bytes, head } = packet;
  const pseudo = pseudoHeaderSum(bytes, head + ip + IPV6.SRC, 32, Protocol.ICMPV6, ICMP.SIZE + sample);
  const quoted = defect
    ? sampleSum(bytes, head + icmp + ICMP.SIZE, sample)
    : csumBytes(bytes, head + icmp + ICMP.SIZE, sample);
  packet.setU16(icmp + ICMP.CHECKSUM, csumFold(csumAdd(csumBytes(bytes, head + icmp, ICMP.SIZE, pseudo), quoted)));
}

/** The sum without bytes 128..255 of each 256: docs/fidelity.md, icmp6UnreachableChecksum. */
function sampleSum(bytes: Uint8Array, at: number, count: number): number {
  let sum = 0;
  for (let i = 0; i < count; i += 256) sum = csumBytes(bytes, at + i, Math.min(128, count - i), sum);
  return sum;
}
