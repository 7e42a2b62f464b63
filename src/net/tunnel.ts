import { csumDiff16, csumDiffPacket, ipv4Checksum, replaceChecksum } from './checksum.ts';
import { Encapsulation, ETH, EtherType, GENEVE, IPV4, IPV6, UDP, VXLAN } from './headers.ts';
import type { PacketBuffer } from './packet-buffer.ts';
import { Protocol } from './protocol.ts';

/** TTL and hop limit of headers that the datapath makes. */
export const DEFAULT_TTL = 64;

/** UDP-based encapsulations of an overlay. */
export type TunnelProtocol = 'vxlan' | 'geneve';

/** The agent's default port for each. */
export const tunnelPort = (protocol: TunnelProtocol): number => (protocol === 'vxlan' ? VXLAN.PORT : GENEVE.PORT);

/**
 * Puts outer Ethernet, IPv4, UDP and VXLAN or Geneve headers in front of the whole frame; the outer MAC addresses are copies of
 * the inner ones, for the sender to replace. No UDP checksum, identification 0, fragmentation allowed.
 * @param options Geneve options, `optionBytes` of them (a multiple of 4) beginning at `options[0]`
 */
export function pushTunnel(
  packet: PacketBuffer,
  protocol: TunnelProtocol,
  saddr: number,
  daddr: number,
  sport: number,
  dport: number,
  vni: number,
  options: Uint8Array,
  optionBytes: number,
): void {
  const inner = packet.length;
  const header = UDP.SIZE + (protocol === 'vxlan' ? VXLAN.SIZE : GENEVE.SIZE) + optionBytes;
  packet.insert(0, ETH.SIZE + IPV4.SIZE + header);
  packet.move(0, ETH.SIZE + IPV4.SIZE + header, 12);
  packet.setU16(ETH.TYPE, EtherType.IPV4);
  const ip = ETH.SIZE;
  packet.setU16(ip, 0x4500);
  packet.setU16(ip + IPV4.TOTAL_LENGTH, IPV4.SIZE + header + inner);
  packet.setU8(ip + IPV4.TTL, DEFAULT_TTL);
  packet.setU8(ip + IPV4.PROTOCOL, Protocol.UDP);
  packet.setU32(ip + IPV4.SRC, saddr);
  packet.setU32(ip + IPV4.DST, daddr);
  packet.setU16(ip + IPV4.CHECKSUM, ipv4Checksum(packet, ip));
  const udp = ip + IPV4.SIZE;
  packet.setU16(udp + UDP.SRC_PORT, sport);
  packet.setU16(udp + UDP.DST_PORT, dport);
  packet.setU16(udp + UDP.LENGTH, header + inner);
  const tunnel = udp + UDP.SIZE;
  if (protocol === 'vxlan') {
    packet.setU8(tunnel + VXLAN.FLAGS, VXLAN.VNI_VALID);
    packet.setU32(tunnel + VXLAN.VNI, vni << 8);
    return;
  }
  packet.setU8(tunnel + GENEVE.OPTION_LENGTH, optionBytes >>> 2);
  packet.setU16(tunnel + GENEVE.PROTOCOL, EtherType.TRANSPARENT_BRIDGING);
  packet.setU32(tunnel + GENEVE.VNI, vni << 8);
  for (let i = 0; i < optionBytes; i++) packet.setU8(tunnel + GENEVE.SIZE + i, options[i]!);
}

/**
 * Puts a copy of the IPv4 base header in front of the packet and makes it the outer one: length, TTL 64, protocol 4, addresses.
 * The addresses are `saddr[0]` and `daddr[0]`. The copy keeps IHL and the rest, right or wrong; its checksum is amended, not computed.
 */
export function pushIpip4(packet: PacketBuffer, l3: number, saddr: Uint32Array, daddr: Uint32Array): void {
  packet.insert(l3, IPV4.SIZE);
  packet.move(l3, l3 + IPV4.SIZE, IPV4.SIZE);
  const length = packet.u16(l3 + IPV4.TOTAL_LENGTH);
  const ttl = packet.u16(l3 + IPV4.TTL);
  const newLength = (length + IPV4.SIZE) & 0xffff;
  const newTtl = (DEFAULT_TTL << 8) | Encapsulation.IPV4;
  let diff = csumDiff16(length, newLength) + csumDiff16(ttl, newTtl);
  diff += csumDiffPacket(packet, l3 + IPV4.SRC, saddr, 0, 1) + csumDiffPacket(packet, l3 + IPV4.DST, daddr, 0, 1);
  packet.setU16(l3 + IPV4.TOTAL_LENGTH, newLength);
  packet.setU16(l3 + IPV4.TTL, newTtl);
  packet.setU32(l3 + IPV4.SRC, saddr[0]!);
  packet.setU32(l3 + IPV4.DST, daddr[0]!);
  replaceChecksum(packet, l3 + IPV4.CHECKSUM, diff);
}

/** The same for IPv6: version, traffic class and flow label are copied, next header 41, hop limit 64. */
export function pushIpip6(
  packet: PacketBuffer,
  l3: number,
  saddr: Uint32Array,
  daddr: Uint32Array,
  daddrAt: number,
): void {
  packet.insert(l3, IPV6.SIZE);
  packet.move(l3, l3 + IPV6.SIZE, IPV6.SIZE);
  packet.setU16(l3 + IPV6.PAYLOAD_LENGTH, packet.u16(l3 + IPV6.PAYLOAD_LENGTH) + IPV6.SIZE);
  packet.setU8(l3 + IPV6.NEXT_HEADER, Encapsulation.IPV6);
  packet.setU8(l3 + IPV6.HOP_LIMIT, DEFAULT_TTL);
  packet.setAddress(l3 + IPV6.SRC, 4, saddr, 0);
  packet.setAddress(l3 + IPV6.DST, 4, daddr, daddrAt);
}

/** The UDP source port of a tunnel: the two halves of a flow's hash folded, byte-swapped as the datapath stores it. */
export function tunnelSourcePort(hash: number): number {
  const folded = (hash ^ (hash >>> 16)) & 0xffff;
  return ((folded & 0xff) << 8) | (folded >>> 8);
}
