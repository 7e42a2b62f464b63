import { type Family, type IpAddress } from '../net/address.ts';
import { ETH, IPV4, IPV6, TCP, UDP } from '../net/headers.ts';
import { destinationOffset, PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import { Protocol } from '../net/protocol.ts';
import { decrementTtl, replaceEndpoint } from '../net/rewrite.ts';
import { pushTunnel, type TunnelProtocol, tunnelSourcePort } from '../net/tunnel.ts';
import { hashTuple } from '../hash/tuple.ts';
import type { Mac } from '../node/mac.ts';
import { innerPacket, type PacketParts } from './packet-view.ts';

/* What the kernel around Cilium's programs does to frames. Everything here works on copies. */

const packet = new PacketBuffer();

/** The frame with other MAC addresses. */
export function withMacs(frame: Uint8Array, destination: Mac, source: Mac): Uint8Array {
  const copy = frame.slice();
  writeMac(copy, ETH.DST, destination);
  writeMac(copy, ETH.SRC, source);
  return copy;
}

function writeMac(frame: Uint8Array, at: number, { high, low }: Mac): void {
  frame[at] = high >>> 24;
  frame[at + 1] = high >>> 16;
  frame[at + 2] = high >>> 8;
  frame[at + 3] = high;
  frame[at + 4] = low >>> 8;
  frame[at + 5] = low;
}

/** The frame as it is forwarded: one hop less to live; `undefined` when there was none left. */
export function forwarded(frame: Uint8Array, { family, l3 }: PacketParts): Uint8Array | undefined {
  packet.load(frame);
  return decrementTtl(packet, family, l3) ? packet.copy() : undefined;
}

/** The frame with another source (masquerading) or destination (the way back of it). */
export function readdressed(
  frame: Uint8Array,
  parts: PacketParts,
  which: 'source' | 'destination',
  address: IpAddress,
  port: number,
): Uint8Array {
  const { family, l3, l4, protocol } = parts;
  packet.load(frame);
  const source = which === 'source';
  const addressOffset = source ? sourceOffset(family) : destinationOffset(family);
  const ported = protocol === Protocol.TCP || protocol === Protocol.UDP;
  const old = source ? parts.sport : parts.dport;
  const offset = ported && !source ? 2 : 0;
  const to = Uint32Array.from(address.words);
  replaceEndpoint(packet, family, l3, addressOffset, to, 0, l4, protocol, offset, old, ported ? port : old);
  return packet.copy();
}

/** What comes out of an encapsulated frame; `undefined` if it is not encapsulated. */
export interface Decapsulated {
  readonly by: string;
  readonly frame: Uint8Array;
  /** Geneve options. */
  readonly options: Uint8Array;
  readonly overlay: boolean;
}

export function decapsulated(frame: Uint8Array, parts: PacketParts): Decapsulated | undefined {
  const inner = innerPacket(frame, parts);
  if (inner === undefined) return undefined;
  if (inner.frameAt >= 0) {
    const header = parts.l4 + UDP.SIZE + 8;
    return {
      by: inner.by,
      frame: frame.slice(inner.frameAt),
      options: frame.slice(header, inner.frameAt),
      overlay: true,
    };
  }
  // The tunnel device hands on the inner packet behind the frame's own Ethernet header.
  const copy = new Uint8Array(ETH.SIZE + frame.length - inner.l3);
  copy.set(frame.subarray(0, ETH.SIZE));
  copy.set(frame.subarray(inner.l3), ETH.SIZE);
  const version = copy[ETH.SIZE]! >>> 4;
  copy.set(version === 6 ? [0x86, 0xdd] : [0x08, 0x00], ETH.TYPE);
  return { by: inner.by, frame: copy, options: new Uint8Array(0), overlay: false };
}

/** The frame in a tunnel of the overlay. */
export function encapsulated(
  frame: Uint8Array,
  parts: PacketParts,
  tunnel: {
    protocol: TunnelProtocol;
    port: number;
    source: IpAddress;
    remote: IpAddress;
    vni: number;
    options: Uint8Array;
  },
): Uint8Array {
  packet.load(frame);
  const hash = hashTuple(parts.family, parts.saddr, 0, parts.sport, parts.dport, parts.protocol, 0);
  const { protocol, port, source, remote, vni, options } = tunnel;
  const [from, to] = [source.words[0]!, remote.words[0]!];
  pushTunnel(packet, protocol, from, to, tunnelSourcePort(hash), port, vni, options, options.length);
  return packet.copy();
}

/** An endpoint's answer to a packet: addresses and ports turned round; TCP answers SYN by SYN-ACK and all else by ACK. */
export interface Turned {
  readonly protocol: number;
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly sport: number;
  readonly dport: number;
}

export function turned({ family, saddr, daddr, sport, dport, protocol }: PacketParts): Turned {
  return {
    protocol,
    source: { family, words: daddr },
    destination: { family, words: saddr },
    sport: dport,
    dport: sport,
  };
}

/** TCP flags of a frame; 0 if it is none of TCP. */
export const tcpFlagsOf = (frame: Uint8Array, { protocol, l4 }: PacketParts): number =>
  protocol === Protocol.TCP ? (frame[l4 + TCP.FLAGS] ?? 0) : 0;

/** Base header sizes by family. */
export const headerSize = (family: Family): number => (family === 4 ? IPV4.SIZE : IPV6.SIZE);

export const sameWords = (a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((word, i) => word === b[i]);

/** Words that nobody changes any more, as an address. */
export const addressOf = (family: Family, words: readonly number[]): IpAddress => ({ family, words });

/** 127.0.0.0/8 and ::1. */
export const isLoopback = ({ family, words }: IpAddress): boolean =>
  family === 4 ? words[0]! >>> 24 === 127 : words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;
