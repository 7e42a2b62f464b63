import { type Family, formatWords } from '../net/address.ts';
import {
  ETH,
  EtherType,
  GENEVE,
  ICMP,
  Icmp6Type,
  IcmpType,
  IPV4,
  IPV6,
  NextHeader,
  TCP,
  UDP,
  VXLAN,
} from '../net/headers.ts';
import { formatTcpFlags } from '../net/parse.ts';
import { Protocol, protocolName } from '../net/protocol.ts';

/** A packet as people speak of it. */
export interface PacketView {
  readonly protocol: string;
  /** `10.0.0.1:80`, `[fd00::1]:80`; without a port for ICMP. */
  readonly source: string;
  readonly destination: string;
  readonly ttl: number;
  /** Length of the IP packet in bytes. */
  readonly length: number;
  /** TCP only, such as `SYN, ACK`. */
  readonly tcpFlags?: string;
  /** ICMP only, in words. */
  readonly icmp?: string;
  /** The id of an ICMP echo. */
  readonly id?: number;
  /** ICMP errors: the packet that is quoted. */
  readonly quoted?: PacketView;
  /** Encapsulations, outermost first; then the fields above are those of the inner packet. */
  readonly outer?: readonly { readonly by: string; readonly source: string; readonly destination: string }[];
  /** DSR information that the packet carries, in words. */
  readonly dsr?: string;
}

/** The parts of a packet that the journey itself looks at. Offsets count from the frame's start. */
export interface PacketParts {
  readonly family: Family;
  readonly l3: number;
  readonly l4: number;
  readonly protocol: number;
  readonly saddr: readonly number[];
  readonly daddr: readonly number[];
  readonly sport: number;
  readonly dport: number;
}

/** Reads a frame's addresses and ports; `undefined` if it holds no whole IP packet. */
export function partsOf(frame: Uint8Array, l3: number = ETH.SIZE): PacketParts | undefined {
  if (frame.length < l3 + IPV4.SIZE) return undefined;
  const family: Family = frame[l3]! >>> 4 === 6 ? 6 : 4;
  if (family === 6 && frame.length < l3 + IPV6.SIZE) return undefined;
  const saddr = addressAt(frame, l3 + (family === 4 ? IPV4.SRC : IPV6.SRC), family);
  const daddr = addressAt(frame, l3 + (family === 4 ? IPV4.DST : IPV6.DST), family);
  let protocol = frame[l3 + (family === 4 ? IPV4.PROTOCOL : IPV6.NEXT_HEADER)]!;
  let l4 = l3 + (family === 4 ? (frame[l3]! & 15) * 4 : IPV6.SIZE);
  if (family === 6) {
    while (isSkipped(protocol) && frame.length >= l4 + 8) {
      const next = frame[l4]!;
      l4 += protocol === NextHeader.FRAGMENT ? 8 : (frame[l4 + 1]! + 1) * 8;
      protocol = next;
    }
  }
  const ported = hasPorts(protocol) && frame.length >= l4 + 4;
  const sport = ported ? (frame[l4]! << 8) | frame[l4 + 1]! : 0;
  const dport = ported ? (frame[l4 + 2]! << 8) | frame[l4 + 3]! : 0;
  return { family, l3, l4, protocol, saddr, daddr, sport, dport };
}

const wordAt = (frame: Uint8Array, at: number): number =>
  ((frame[at]! << 24) | (frame[at + 1]! << 16) | (frame[at + 2]! << 8) | frame[at + 3]!) >>> 0;

const addressAt = (frame: Uint8Array, at: number, family: Family): number[] =>
  family === 4
    ? [wordAt(frame, at)]
    : [wordAt(frame, at), wordAt(frame, at + 4), wordAt(frame, at + 8), wordAt(frame, at + 12)];

const isSkipped = (next: number): boolean =>
  next === NextHeader.HOP_BY_HOP ||
  next === NextHeader.ROUTING ||
  next === NextHeader.DESTINATION ||
  next === NextHeader.FRAGMENT;

/** True for protocols whose packets begin with a source and a destination port. */
export const hasPorts = (protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;

export function endpointText(family: Family, words: ArrayLike<number>, port: number | undefined): string {
  const address = formatWords(family, words);
  if (port === undefined) return address;
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}

const IPIP = 4;
const IPV6_IN_IP = 41;

/** Offset of the packet inside an encapsulation, and its name; `undefined` if the frame is not encapsulated. */
export function innerPacket(
  frame: Uint8Array,
  parts: PacketParts,
): { by: string; l3: number; frameAt: number } | undefined {
  if (parts.protocol === IPIP || parts.protocol === IPV6_IN_IP) {
    return { by: parts.protocol === IPIP ? 'IPIP' : 'IP6IP6', l3: parts.l4, frameAt: -1 };
  }
  if (parts.protocol !== Protocol.UDP) return undefined;
  const payload = parts.l4 + UDP.SIZE;
  if (parts.dport === VXLAN.PORT && frame.length >= payload + VXLAN.SIZE + ETH.SIZE) {
    const frameAt = payload + VXLAN.SIZE;
    return { by: 'VXLAN', l3: frameAt + ETH.SIZE, frameAt };
  }
  if (parts.dport === GENEVE.PORT && frame.length >= payload + GENEVE.SIZE + ETH.SIZE) {
    const frameAt = payload + GENEVE.SIZE + (frame[payload]! & 0x3f) * 4;
    return { by: 'Geneve', l3: frameAt + ETH.SIZE, frameAt };
  }
  return undefined;
}

/** Describes a frame; `undefined` if it is no IP packet. */
export function viewOf(frame: Uint8Array, l3: number = ETH.SIZE): PacketView | undefined {
  const parts = partsOf(frame, l3);
  if (parts === undefined) return undefined;
  const inner = innerPacket(frame, parts);
  if (inner !== undefined) {
    const view = viewOf(frame, inner.l3);
    if (view !== undefined) {
      const { family, saddr, daddr } = parts;
      const outer = {
        by: inner.by,
        source: endpointText(family, saddr, undefined),
        destination: endpointText(family, daddr, undefined),
      };
      return { ...view, outer: [outer, ...(view.outer ?? [])] };
    }
  }
  return describe(frame, parts);
}

function describe(frame: Uint8Array, parts: PacketParts): PacketView {
  const { family, l3, l4, protocol, saddr, daddr, sport, dport } = parts;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ports = hasPorts(protocol);
  const length =
    family === 4 ? view.getUint16(l3 + IPV4.TOTAL_LENGTH) : view.getUint16(l3 + IPV6.PAYLOAD_LENGTH) + IPV6.SIZE;
  const dsr = dsrOf(frame, parts);
  return {
    protocol: protocolName(protocol),
    source: endpointText(family, saddr, ports ? sport : undefined),
    destination: endpointText(family, daddr, ports ? dport : undefined),
    ttl: frame[l3 + (family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT)]!,
    length,
    ...(protocol === Protocol.TCP && frame.length > l4 + TCP.FLAGS
      ? { tcpFlags: formatTcpFlags(frame[l4 + TCP.FLAGS]!) }
      : {}),
    ...(isIcmp(protocol) && frame.length >= l4 + ICMP.SIZE ? icmpOf(frame, view, parts) : {}),
    ...(dsr === undefined ? {} : { dsr }),
  };
}

export const isIcmp = (protocol: number): boolean => protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;

/** True for an ICMP error: it quotes the packet it is about. */
export function isIcmpError(frame: Uint8Array, { protocol, l4 }: PacketParts): boolean {
  const type = frame[l4 + ICMP.TYPE];
  if (type === undefined) return false;
  if (protocol === Protocol.ICMPV6) return type < 128;
  return protocol === Protocol.ICMP && [3, 4, 5, 11, 12].includes(type);
}

const ICMP4_NAMES: Readonly<Record<string, string>> = {
  '3/0': 'network unreachable',
  '3/1': 'host unreachable',
  '3/3': 'port unreachable',
  '3/4': 'fragmentation needed',
  '11/0': 'time exceeded',
};

const ICMP6_NAMES: Readonly<Record<string, string>> = {
  '1/0': 'no route to destination',
  '1/4': 'port unreachable',
  '2/0': 'packet too big',
  '3/0': 'hop limit exceeded',
};

function icmpOf(frame: Uint8Array, view: DataView, parts: PacketParts): Pick<PacketView, 'icmp' | 'id' | 'quoted'> {
  const { l4, protocol } = parts;
  const [type, code] = [frame[l4]!, frame[l4 + 1]!];
  const v4 = protocol === Protocol.ICMP;
  const request = v4 ? IcmpType.ECHO_REQUEST : Icmp6Type.ECHO_REQUEST;
  const reply = v4 ? IcmpType.ECHO_REPLY : Icmp6Type.ECHO_REPLY;
  if (type === request || type === reply) {
    return { icmp: type === request ? 'echo request' : 'echo reply', id: view.getUint16(l4 + ICMP.ID) };
  }
  const name = (v4 ? ICMP4_NAMES : ICMP6_NAMES)[`${type}/${code}`] ?? `type ${type} code ${code}`;
  const mtuAt = type === (v4 ? 3 : 2) && (v4 ? code === 4 : true);
  const mtu = mtuAt ? `, MTU ${v4 ? view.getUint16(l4 + ICMP.MTU4) : view.getUint32(l4 + ICMP.MTU6)}` : '';
  const quoted = isIcmpError(frame, parts) ? viewOf(frame, l4 + ICMP.SIZE) : undefined;
  return { icmp: `${name}${mtu}`, ...(quoted === undefined ? {} : { quoted }) };
}

/** The DSR option or extension header right behind the base header, in words. */
function dsrOf(frame: Uint8Array, { family, l3 }: PacketParts): string | undefined {
  if (family === 4) {
    const at = l3 + IPV4.SIZE;
    const present = (frame[l3]! & 15) * 4 >= IPV4.SIZE + 8 && frame[at] === 0x9a && frame[at + 1] === 8;
    if (!present) return undefined;
    const port = frame[at + 2]! | (frame[at + 3]! << 8);
    return `option says ${[7, 6, 5, 4].map((i) => frame[at + i]!).join('.')}:${port}`;
  }
  const at = l3 + IPV6.SIZE;
  if (frame[l3 + IPV6.NEXT_HEADER] !== NextHeader.DESTINATION || frame[at + 2] !== 0x1b || frame[at + 3] !== 0x14)
    return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const words = [0, 1, 2, 3].map((i) => view.getUint32(at + 4 + 4 * i));
  return `header says ${endpointText(6, words, view.getUint16(at + 20))}`;
}

/** True if the frame is an Ethernet frame with IP in it. */
export function isIpFrame(frame: Uint8Array): boolean {
  const type = frame.length < ETH.SIZE ? 0 : (frame[ETH.TYPE]! << 8) | frame[ETH.TYPE + 1]!;
  return type === EtherType.IPV4 || type === EtherType.IPV6;
}
