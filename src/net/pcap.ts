import { LbtwinError } from '../errors.ts';
import { utf8Bytes } from './text.ts';

/** Link types of captures, by their registered numbers. */
export const LinkType = { NULL: 0, ETHERNET: 1, RAW: 101, LINUX_SLL: 113, LINUX_SLL2: 276 } as const;

/** One captured frame. */
export interface CapturedFrame {
  /** Seconds since the epoch, and nanoseconds within the second. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Interface of a pcapng file; 0 in others. */
  readonly interfaceId: number;
  readonly linkType: number;
  /** As captured: from the link header on. */
  readonly bytes: Uint8Array;
  /** Length on the wire; more than `bytes.length` if the capture was cut. */
  readonly wireLength: number;
}

const MAGIC = { MICRO: 0xa1b2c3d4, NANO: 0xa1b23c4d, PCAPNG: 0x0a0d0d0a, BYTE_ORDER: 0x1a2b3c4d } as const;
const Block = { SECTION: 0x0a0d0d0a, INTERFACE: 1, SIMPLE: 3, ENHANCED: 6 } as const;
const Option = { END: 0, COMMENT: 1, IF_NAME: 2, IF_TSRESOL: 9 } as const;

const truncated = (at: number): LbtwinError =>
  new LbtwinError('truncated-capture', `the capture ends in the middle of a record at byte ${at}`);

/**
 * Reads a capture: pcap (both byte orders, micro- and nanoseconds) or pcapng (enhanced and simple packet blocks).
 * @throws LbtwinError `not-a-capture`, `truncated-capture`
 */
export function readCapture(file: Uint8Array): CapturedFrame[] {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (file.length < 24) throw notACapture();
  const magic = view.getUint32(0);
  if (magic === MAGIC.PCAPNG) return readPcapng(file, view);
  for (const little of [false, true]) {
    const value = view.getUint32(0, little);
    if (value === MAGIC.MICRO || value === MAGIC.NANO) return readPcap(file, view, little, value === MAGIC.NANO);
  }
  throw notACapture();
}

const notACapture = (): LbtwinError =>
  new LbtwinError('not-a-capture', 'the file is neither pcap nor pcapng', {
    allowed: 'what tcpdump or Wireshark writes',
  });

function readPcap(file: Uint8Array, view: DataView, little: boolean, nano: boolean): CapturedFrame[] {
  const linkType = view.getUint32(20, little) & 0x0fffffff;
  const frames: CapturedFrame[] = [];
  for (let at = 24; at < file.length;) {
    if (at + 16 > file.length) throw truncated(at);
    const captured = view.getUint32(at + 8, little);
    const start = at + 16;
    if (start + captured > file.length) throw truncated(at);
    frames.push({
      seconds: view.getUint32(at, little),
      nanoseconds: view.getUint32(at + 4, little) * (nano ? 1 : 1000),
      interfaceId: 0,
      linkType,
      bytes: file.subarray(start, start + captured),
      wireLength: view.getUint32(at + 12, little),
    });
    at = start + captured;
  }
  return frames;
}

const MAX_RESOLUTION = 1e11;

interface Interface {
  readonly linkType: number;
  readonly snapLength: number;
  /** Ticks per second. */
  readonly resolution: number;
}

function readPcapng(file: Uint8Array, view: DataView): CapturedFrame[] {
  const frames: CapturedFrame[] = [];
  let interfaces: Interface[] = [];
  let little = false;
  for (let at = 0; at < file.length;) {
    if (at + 12 > file.length) throw truncated(at);
    const type = view.getUint32(at, little);
    if (type === Block.SECTION) {
      little = view.getUint32(at + 8, true) === MAGIC.BYTE_ORDER;
      interfaces = [];
    }
    const length = view.getUint32(at + 4, little);
    if (length < 12 || length % 4 !== 0 || at + length > file.length) throw truncated(at);
    const end = at + length - 4;
    if (type === Block.INTERFACE) interfaces.push(readInterface(view, at + 8, end, little));
    else if (type === Block.ENHANCED) frames.push(readEnhanced(file, view, at + 8, end, little, interfaces));
    else if (type === Block.SIMPLE) frames.push(readSimple(file, view, at + 8, end, little, interfaces));
    at += length;
  }
  return frames;
}

function readInterface(view: DataView, at: number, end: number, little: boolean): Interface {
  let resolution = 1e6;
  for (let option = at + 8; option + 4 <= end;) {
    const code = view.getUint16(option, little);
    const length = view.getUint16(option + 2, little);
    if (code === Option.END) break;
    if (code === Option.IF_TSRESOL && length === 1) {
      const value = view.getUint8(option + 4);
      resolution = (value & 0x80) === 0 ? 10 ** value : 2 ** (value & 0x7f);
      if (resolution > MAX_RESOLUTION) {
        throw new LbtwinError('not-a-capture', 'the capture counts time in smaller steps than are read', {
          allowed: 'nanoseconds or coarser',
        });
      }
    }
    option += 4 + ((length + 3) & ~3);
  }
  return { linkType: view.getUint16(at, little), snapLength: view.getUint32(at + 4, little), resolution };
}

const NANOS = 1_000_000_000;
const HALF = 0x1_0000_0000;

/** Quotient and rest of a 64-bit number, in 16-bit digits: exact for divisors up to 2^37. */
function divide(high: number, low: number, divisor: number): [quotient: number, rest: number] {
  let quotient = 0;
  let rest = 0;
  for (const digit of [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff]) {
    const value = rest * 0x1_0000 + digit;
    quotient = quotient * 0x1_0000 + Math.floor(value / divisor);
    rest = value % divisor;
  }
  return [quotient, rest];
}

/** Nanoseconds since the epoch as two halves. */
function nanosecondTicks(seconds: number, nanoseconds: number): [high: number, low: number] {
  const upper = Math.floor(seconds / 0x1_0000) * NANOS;
  const lower = (seconds % 0x1_0000) * NANOS + nanoseconds;
  const low = (upper % 0x1_0000) * 0x1_0000 + (lower % HALF);
  return [Math.floor(upper / 0x1_0000) + Math.floor(lower / HALF) + Math.floor(low / HALF), low >>> 0];
}

function readEnhanced(
  file: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
  interfaces: readonly Interface[],
): CapturedFrame {
  const interfaceId = view.getUint32(at, little);
  const from = interfaces[interfaceId];
  const captured = view.getUint32(at + 12, little);
  if (from === undefined || at + 20 + captured > end) throw truncated(at);
  const [seconds, rest] = divide(view.getUint32(at + 4, little), view.getUint32(at + 8, little), from.resolution);
  return {
    seconds,
    nanoseconds: Math.floor((rest / from.resolution) * NANOS + 1e-3),
    interfaceId,
    linkType: from.linkType,
    bytes: file.subarray(at + 20, at + 20 + captured),
    wireLength: view.getUint32(at + 16, little),
  };
}

function readSimple(
  file: Uint8Array,
  view: DataView,
  at: number,
  end: number,
  little: boolean,
  interfaces: readonly Interface[],
): CapturedFrame {
  const from = interfaces[0];
  if (from === undefined) throw truncated(at);
  const wireLength = view.getUint32(at, little);
  const captured = Math.min(wireLength, from.snapLength === 0 ? wireLength : from.snapLength, end - at - 4);
  const bytes = file.subarray(at + 4, at + 4 + captured);
  return { seconds: 0, nanoseconds: 0, interfaceId: 0, linkType: from.linkType, bytes, wireLength };
}

/** A frame to write. */
export interface CaptureRecord {
  /** Index into the interface names. */
  readonly interfaceId: number;
  /** Seconds since the epoch. */
  readonly seconds: number;
  readonly nanoseconds?: number;
  /** An Ethernet frame. */
  readonly bytes: Uint8Array;
  /** Shown by Wireshark as packet comment. */
  readonly comment?: string;
}

/** Writes a pcapng file of Ethernet frames with named interfaces and nanosecond times. */
export function writeCapture(interfaceNames: readonly string[], records: readonly CaptureRecord[]): Uint8Array {
  const blocks: Uint8Array[] = [
    block(Block.SECTION, [u32(MAGIC.BYTE_ORDER), u16(1), u16(0), u32(0xffffffff), u32(0xffffffff)]),
  ];
  for (const name of interfaceNames) {
    const options = [option(Option.IF_NAME, utf8Bytes(name)), option(Option.IF_TSRESOL, Uint8Array.of(9)), END];
    blocks.push(block(Block.INTERFACE, [u16(LinkType.ETHERNET), u16(0), u32(0), ...options]));
  }
  for (const { interfaceId, seconds, nanoseconds = 0, bytes, comment } of records) {
    if (interfaceNames[interfaceId] === undefined) {
      throw new LbtwinError('unknown-interface', `a frame of interface ${interfaceId}`, {
        allowed: `0..${interfaceNames.length - 1}`,
      });
    }
    const [high, low] = nanosecondTicks(seconds, nanoseconds);
    const head = [u32(interfaceId), u32(high), u32(low), u32(bytes.length)];
    const options = comment === undefined ? [] : [option(Option.COMMENT, utf8Bytes(comment)), END];
    blocks.push(block(Block.ENHANCED, [...head, u32(bytes.length), padded(bytes), ...options]));
  }
  return concat(blocks);
}

const END = Uint8Array.of(0, 0, 0, 0);

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 255, value >>> 8);
}

function u32(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, value >>> 24);
}

function padded(bytes: Uint8Array): Uint8Array {
  const out = new Uint8Array((bytes.length + 3) & ~3);
  out.set(bytes);
  return out;
}

const option = (code: number, value: Uint8Array): Uint8Array => concat([u16(code), u16(value.length), padded(value)]);

function block(type: number, parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(parts);
  const length = u32(body.length + 12);
  return concat([u32(type), length, body, length]);
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    out.set(part, at);
    at += part.length;
  }
  return out;
}

/**
 * The frame as the datapath would see it, with an Ethernet header: captures without one (raw IP, `any` interface, loopback) get one of zeros.
 * `undefined` for link types and payloads that carry no IP.
 */
export function ethernetOf(frame: CapturedFrame): Uint8Array | undefined {
  const { bytes, linkType } = frame;
  if (linkType === LinkType.ETHERNET) return bytes;
  const skip: Readonly<Record<number, number>> = {
    [LinkType.RAW]: 0,
    [LinkType.NULL]: 4,
    [LinkType.LINUX_SLL]: 16,
    [LinkType.LINUX_SLL2]: 20,
  };
  const at = skip[linkType];
  if (at === undefined || bytes.length <= at) return undefined;
  const version = bytes[at]! >>> 4;
  if (version !== 4 && version !== 6) return undefined;
  const out = new Uint8Array(14 + bytes.length - at);
  out.set(version === 4 ? [0x08, 0x00] : [0x86, 0xdd], 12);
  out.set(bytes.subarray(at), 14);
  return out;
}
