import { formatWords, type Family, wordsOf } from '../../src/net/address.ts';
import { ETH, ICMP, TCP, UDP } from '../../src/net/headers.ts';
import { destinationOffset, PacketBuffer, sourceOffset } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';
import { Protocol } from '../../src/net/protocol.ts';

export function fromHex(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw new Error(`not hex: ${hex.slice(0, 40)}`);
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

export const toHex = (bytes: Uint8Array): string =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

export interface PacketRecord {
  readonly proto: number;
  readonly src: string;
  readonly dst: string;
  readonly [field: string]: number | string;
}

/** A loaded frame and its headers; throws on what is not IP. */
export function loadFrame(hex: string): { packet: PacketBuffer; headers: Headers } {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(fromHex(hex));
  if (readHeaders(packet, headers) !== 0) throw new Error(`not an IP packet: ${hex}`);
  return { packet, headers };
}

/** The fields that the function-level vectors give beside a frame's hex. */
export function describeFrame(hex: string): PacketRecord {
  const { packet, headers } = loadFrame(hex);
  const { family, l3, l4, protocol } = headers;
  const rest = (at: number): string => toHex(packet.frame().subarray(at));
  const address = (offset: number): string => {
    const words = new Uint32Array(4);
    packet.address(l3 + offset, wordsOf(family), words, 0);
    return formatWords(family, words);
  };
  const record: Record<string, number | string> = {
    proto: protocol,
    src: address(sourceOffset(family)),
    dst: address(destinationOffset(family)),
  };
  const payload = (at: number): void => {
    if (packet.length > at) record['payload'] = rest(at);
  };
  if (protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP) {
    record['sport'] = packet.u16(l4);
    record['dport'] = packet.u16(l4 + 2);
    if (protocol === Protocol.TCP) {
      record['tcp_flags'] = packet.u8(l4 + TCP.FLAGS);
      payload(l4 + TCP.SIZE);
    } else if (protocol === Protocol.UDP) payload(l4 + UDP.SIZE);
    else payload(l4 + 12);
  } else if (protocol === icmpOf(family)) {
    record['icmp_type'] = packet.u8(l4 + ICMP.TYPE);
    record['icmp_code'] = packet.u8(l4 + ICMP.CODE);
    if (packet.length > l4 + ICMP.SIZE) record['inner'] = rest(l4 + ICMP.SIZE);
    else record['icmp_id'] = packet.u16(l4 + ICMP.ID);
  }
  return record as PacketRecord;
}

const icmpOf = (family: Family): number => (family === 4 ? Protocol.ICMP : Protocol.ICMPV6);

export const frameLength = (hex: string): number => hex.length / 2;
export const ETHERNET_BYTES: number = ETH.SIZE;
