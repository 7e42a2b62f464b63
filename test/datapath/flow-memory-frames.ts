import { type Family, Headers, PacketBuffer, readHeaders } from '../../src/index.ts';
import { destinationOffset, sourceOffset } from '../../src/net/packet-buffer.ts';

const packet = new PacketBuffer();
const headers = new Headers();

function load(bytes: Uint8Array): boolean {
  packet.load(bytes);
  return readHeaders(packet, headers) === 0 && packet.has(headers.l4, 8);
}

/** The frame that its receiver answers with. */
export function turnedRound(bytes: Uint8Array, tcpFlags: number): Uint8Array {
  if (!load(bytes)) return bytes;
  const { family, l3, l4, protocol } = headers;
  const w = family === 4 ? 1 : 4;
  const words = new Uint32Array(8);
  packet.address(l3 + sourceOffset(family), w, words, 0);
  packet.address(l3 + destinationOffset(family), w, words, 4);
  packet.setAddress(l3 + sourceOffset(family), w, words, 4);
  packet.setAddress(l3 + destinationOffset(family), w, words, 0);
  if (protocol === 6 || protocol === 17 || protocol === 132) {
    const ports = packet.u32(l4);
    packet.setU32(l4, (ports << 16) | (ports >>> 16));
    if (protocol === 6 && packet.has(l4, 20)) packet.setU8(l4 + 13, tcpFlags);
  } else if (protocol === 1 || protocol === 58) packet.setU8(l4, ECHO_REPLY[family]);
  return packet.copy();
}

const ECHO_REPLY: Readonly<Record<Family, number>> = { 4: 0, 6: 129 };

/**
 * A frame changed as the number says: 0 not at all; otherwise the low three bits say how, those above with which value. Checksums
 * are not mended: a wrong one has to stay as wrong as it was.
 */
export function alter(bytes: Uint8Array, how: number): Uint8Array {
  if (how === 0 || !load(bytes)) return bytes;
  const { family, l3, l4, protocol } = headers;
  const value = how >>> 3;
  const checksum = l4 + (protocol === 17 ? 6 : 16);
  switch (how & 7) {
    case 0:
    case 1:
      if (packet.has(checksum, 2)) packet.setU16(checksum, [0, 0xffff, 1, 0xfffe][value & 3]!);
      if (family === 4) packet.setU16(l3 + 10, [0xffff, 0, 0xfffe, 0x100][(value >>> 2) & 3]!);
      break;
    case 2:
      // Traffic class, identification, flow label, hop limit.
      packet.setU8(l3 + [1, 1, 4, 5, family === 4 ? 8 : 7][value % 5]!, [2, 3, 1, 0x40][(value >>> 3) & 3]!);
      break;
    case 3:
      packet.move(0, 6, 6);
      if ((value & 1) === 1) packet.setU8(6, 4);
      break;
    case 4:
      packet.resize(packet.length + (value & 31));
      break;
    case 5:
      packet.resize(Math.max(14, packet.length - (value & 63)));
      break;
    case 6:
      if (family === 4) packet.setU16(l3 + 6, [0x2000, 0x2001, 1, 0x4000][value & 3]!);
      else extend([44, 0, 60, 51][value & 3]!, (value >>> 2) & 3);
      break;
    default:
      packet.setU8(12 + (value % 50), [0, 0xff, 6, 17, 0x45, 0x46, 0x60, value][(value >>> 4) & 7]!);
  }
  return packet.copy();
}

/** An extension header of eight bytes; of a fragment header the offset and whether more follow. */
function extend(type: number, fragment: number): void {
  const { l3 } = headers;
  const next = packet.u8(l3 + 6);
  packet.setU8(l3 + 6, type);
  packet.setU16(l3 + 4, packet.u16(l3 + 4) + 8);
  packet.insert(l3 + 40, 8);
  packet.setU8(l3 + 40, next);
  if (type === 44) packet.setU16(l3 + 42, [0, 1, 8, 9][fragment]!);
}
