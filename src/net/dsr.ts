import { csumDiff32, replaceChecksum } from './checksum.ts';
import { IPV4, IPV6, NextHeader } from './headers.ts';
import type { PacketBuffer } from './packet-buffer.ts';
import { extensionHeaderLength, isExtensionHeader } from './parse.ts';

/*
 * How direct server return tells the backend's node which service a packet was sent to (docs/packets.md): an IPv4 option, an
 * IPv6 destination-options header, or a Geneve option. Ports and addresses are numbers; the IPv4 option has both byte-swapped.
 */

/** The IPv4 option: type, length, port, address; directly behind the base header. */
export const DSR_OPTION4 = { SIZE: 8, TYPE: 0x9a } as const;

/** The IPv6 destination-options header: next header, length, option type and length, address, port, padding. */
export const DSR_EXTENSION6 = { SIZE: 24, LENGTH: 2, TYPE: 0x1b, OPTION_LENGTH: 0x14 } as const;

/** The Geneve option: class, type, length in words, then address, port, padding. */
export const DSR_GENEVE = { CLASS: 0x014b, TYPE: 0x81, SIZE4: 12, SIZE6: 24 } as const;

const bswap32 = (word: number): number =>
  ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
const bswap16 = (port: number): number => ((port & 0xff) << 8) | (port >>> 8);

/** Room for options in an IPv4 header. */
const MAX_OPTIONS = 40;

/** True if the header at `l3` has room for the option. */
export const hasRoomForDsrOption = (packet: PacketBuffer, l3: number): boolean =>
  (packet.u8(l3) & 0x0f) * 4 + DSR_OPTION4.SIZE <= IPV4.SIZE + MAX_OPTIONS;

/** Inserts the option for the address in `address[0]`; IHL, total length and header checksum follow. */
export function insertDsrOption(packet: PacketBuffer, l3: number, address: Uint32Array, port: number): void {
  const before = packet.u32(l3);
  const after = ((((before >>> 24) + 2) & 0xff) * 0x1000000 + (before & 0xff0000) + ((before + 8) & 0xffff)) >>> 0;
  packet.setU32(l3, after);
  packet.makeRoom(l3 + IPV4.SIZE, DSR_OPTION4.SIZE);
  const at = l3 + IPV4.SIZE;
  packet.setU8(at, DSR_OPTION4.TYPE);
  packet.setU8(at + 1, DSR_OPTION4.SIZE);
  packet.setU16(at + 2, bswap16(port));
  packet.setU32(at + 4, bswap32(address[0]!));
  const option = csumDiff32(0, packet.u32(at)) + csumDiff32(0, packet.u32(at + 4));
  replaceChecksum(packet, l3 + IPV4.CHECKSUM, csumDiff32(before, after) + option);
}

/**
 * Looks for the option where `insertDsrOption` puts it. 1: found, with the address in `out[0]` and the port in `out[4]`; 0: not
 * there; -1: the frame ends before it.
 */
export function readDsrOption(packet: PacketBuffer, l3: number, out: Uint32Array): number {
  if ((packet.u8(l3) & 0x0f) < 7) return 0;
  const at = l3 + IPV4.SIZE;
  if (!packet.has(at, DSR_OPTION4.SIZE)) return -1;
  if (packet.u8(at) !== DSR_OPTION4.TYPE || packet.u8(at + 1) !== DSR_OPTION4.SIZE) return 0;
  out[0] = bswap32(packet.u32(at + 4));
  out[4] = bswap16(packet.u16(at + 2));
  return 1;
}

/** Inserts the extension header directly behind the base header; next header and payload length follow. */
export function insertDsrExtension(
  packet: PacketBuffer,
  l3: number,
  address: Uint32Array,
  at: number,
  port: number,
): void {
  const next = packet.u8(l3 + IPV6.NEXT_HEADER);
  packet.setU8(l3 + IPV6.NEXT_HEADER, NextHeader.DESTINATION);
  packet.setU16(l3 + IPV6.PAYLOAD_LENGTH, packet.u16(l3 + IPV6.PAYLOAD_LENGTH) + DSR_EXTENSION6.SIZE);
  const start = l3 + IPV6.SIZE;
  packet.insert(start, DSR_EXTENSION6.SIZE);
  packet.setU8(start, next);
  packet.setU8(start + 1, DSR_EXTENSION6.LENGTH);
  packet.setU8(start + 2, DSR_EXTENSION6.TYPE);
  packet.setU8(start + 3, DSR_EXTENSION6.OPTION_LENGTH);
  packet.setAddress(start + 4, 4, address, at);
  packet.setU16(start + 20, port);
}

/** Answers of `findDsrExtension` besides 1 (found) and 0 (not there). */
export const DsrError = { TRUNCATED: -1, BAD_EXTENSION: -2 } as const;

/**
 * Looks for the extension header among the first four headers; found: 1, with the address in `out[0..3]` and the port in
 * `out[4]`.
 */
export function findDsrExtension(packet: PacketBuffer, l3: number, out: Uint32Array): number {
  let next = packet.u8(l3 + IPV6.NEXT_HEADER);
  let at = l3 + IPV6.SIZE;
  for (let i = 0; i < 4; i++) {
    if (next === NextHeader.NONE) return DsrError.BAD_EXTENSION;
    if (!isExtensionHeader(next)) return 0;
    if (!packet.has(at, 2)) return DsrError.TRUNCATED;
    if (next === NextHeader.DESTINATION && packet.u8(at + 1) === DSR_EXTENSION6.LENGTH) {
      if (!packet.has(at, DSR_EXTENSION6.SIZE)) return DsrError.TRUNCATED;
      if (packet.u8(at + 2) === DSR_EXTENSION6.TYPE && packet.u8(at + 3) === DSR_EXTENSION6.OPTION_LENGTH) {
        packet.address(at + 4, 4, out, 0);
        out[4] = packet.u16(at + 20);
        return 1;
      }
    }
    const length = extensionHeaderLength(packet, next, at);
    next = packet.u8(at);
    at += length;
  }
  return DsrError.BAD_EXTENSION;
}

/** Writes the Geneve option for an address of `words` (1 or 4) words to `bytes[at...]`; answers its size. */
export function writeDsrGeneveOption(
  view: DataView,
  at: number,
  words: number,
  address: ArrayLike<number>,
  addressAt: number,
  port: number,
): number {
  const size = words === 1 ? DSR_GENEVE.SIZE4 : DSR_GENEVE.SIZE6;
  view.setUint16(at, DSR_GENEVE.CLASS);
  view.setUint8(at + 2, DSR_GENEVE.TYPE);
  view.setUint8(at + 3, (size - 4) / 4);
  for (let i = 0; i < words; i++) view.setUint32(at + 4 + 4 * i, address[addressAt + i]!);
  view.setUint16(at + 4 + 4 * words, port);
  view.setUint16(at + 6 + 4 * words, 0);
  return size;
}

const room = new Uint8Array(DSR_GENEVE.SIZE6);
const view = new DataView(room.buffer);

/**
 * Reads the option back from a tunnel's options; true if the first one is it, as `readDsrOption` fills `out`. The program has room for just
 * this option: of longer ones the kernel gives it nothing, shorter ones are followed by zeros.
 */
export function readDsrGeneveOption(options: Uint8Array, words: number, out: Uint32Array): boolean {
  const size = words === 1 ? DSR_GENEVE.SIZE4 : DSR_GENEVE.SIZE6;
  if (options.length === 0 || options.length > size) return false;
  room.fill(0);
  room.set(options);
  if (view.getUint16(0) !== DSR_GENEVE.CLASS || view.getUint8(2) !== DSR_GENEVE.TYPE) return false;
  for (let i = 0; i < words; i++) out[i] = view.getUint32(4 + 4 * i);
  out[4] = view.getUint16(4 + 4 * words);
  return true;
}
