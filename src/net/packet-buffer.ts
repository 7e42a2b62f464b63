import type { Family } from './address.ts';

/** Room kept in front of a frame, in bytes: enough for an outer Ethernet, IP, UDP and tunnel header with options. */
const HEADROOM = 256;
const TAILROOM = 64;
const INITIAL_CAPACITY = 2048;
/** Up to here words are copied one by one: a view of its own for a frame costs more, and garbage besides. */
const COPIED_BY_WORDS = 256;

/**
 * One frame in a reusable buffer with room in front, as the kernel keeps it: headers grow and shrink in place. Offsets count
 * from the frame's first byte. The readers and writers do not check the frame's end: `has` it first. (They can never leave
 * the buffer; between the frame's end and the buffer's end they would see stale bytes.)
 */
export class PacketBuffer {
  /** The whole buffer; the frame is `bytes[head, head + length)`. */
  bytes: Uint8Array = new Uint8Array(INITIAL_CAPACITY);
  view: DataView = new DataView(this.bytes.buffer);
  /** Index of the frame's first byte in `bytes`. */
  head: number = HEADROOM;
  /** Length of the frame in bytes, Ethernet header included. */
  length = 0;

  /** Takes a copy of `frame`, which starts with its Ethernet header. */
  load(frame: Uint8Array): void {
    this.#reserve(HEADROOM + frame.length + TAILROOM);
    this.bytes.set(frame, HEADROOM);
    this.head = HEADROOM;
    this.length = frame.length;
  }

  /** Takes a copy of `length` bytes of `view` at `from`, which start with an Ethernet header. */
  loadFrom(view: DataView, from: number, length: number): void {
    this.begin(length);
    copyBytes(view, from, this.view, HEADROOM, length);
  }

  /** Writes the frame to `view` at `at`. */
  copyTo(view: DataView, at: number): void {
    copyBytes(this.view, this.head, view, at, this.length);
  }

  /**
   * Takes a frame where it is, without a copy: for a caller that only reads it, and does not load another into this buffer.
   * @param view of the same bytes as `bytes`
   */
  lookAt(bytes: Uint8Array, view: DataView, from: number, length: number): void {
    this.bytes = bytes;
    this.view = view;
    this.head = from;
    this.length = length;
  }

  /** A frame of `length` bytes with what the buffer has there: for a caller that writes all of it. */
  begin(length: number): void {
    this.#reserve(HEADROOM + length + TAILROOM);
    this.head = HEADROOM;
    this.length = length;
  }

  /** A copy of the frame. */
  copy(): Uint8Array {
    return this.bytes.slice(this.head, this.head + this.length);
  }

  /** The frame itself: valid until the buffer is changed. */
  frame(): Uint8Array {
    return this.bytes.subarray(this.head, this.head + this.length);
  }

  /** True if `count` bytes at `offset` lie within the frame. */
  has(offset: number, count: number): boolean {
    return offset >= 0 && offset + count <= this.length;
  }

  u8(offset: number): number {
    return this.view.getUint8(this.head + offset);
  }

  u16(offset: number): number {
    return this.view.getUint16(this.head + offset);
  }

  u32(offset: number): number {
    return this.view.getUint32(this.head + offset);
  }

  setU8(offset: number, value: number): void {
    this.view.setUint8(this.head + offset, value);
  }

  setU16(offset: number, value: number): void {
    this.view.setUint16(this.head + offset, value);
  }

  setU32(offset: number, value: number): void {
    this.view.setUint32(this.head + offset, value);
  }

  /** Reads an address of `words` words (1 or 4) to `out[at...]`. */
  address(offset: number, words: number, out: Uint32Array, at: number): void {
    const { view } = this;
    const start = (this.head + offset) | 0;
    out[at] = view.getUint32(start);
    if (words === 1) return;
    out[at + 1] = view.getUint32(start + 4);
    out[at + 2] = view.getUint32(start + 8);
    out[at + 3] = view.getUint32(start + 12);
  }

  setAddress(offset: number, words: number, from: ArrayLike<number>, at: number): void {
    const { view } = this;
    const start = (this.head + offset) | 0;
    view.setUint32(start, from[at]!);
    if (words === 1) return;
    view.setUint32(start + 4, from[at + 1]!);
    view.setUint32(start + 8, from[at + 2]!);
    view.setUint32(start + 12, from[at + 3]!);
  }

  /** Writes the words of an `IpAddress`. */
  setWords(offset: number, address: readonly number[]): void {
    const start = this.head + offset;
    for (let i = 0; i < address.length; i++) this.view.setUint32(start + 4 * i, address[i]!);
  }

  /** Copies `count` bytes within the frame. */
  move(to: number, from: number, count: number): void {
    this.bytes.copyWithin(this.head + to, this.head + from, this.head + from + count);
  }

  /** Writes bytes into the frame. */
  put(offset: number, data: Uint8Array): void {
    this.bytes.set(data, this.head + offset);
  }

  /** Makes room for `count` zero bytes in front of offset `at`; what was before it moves forward. */
  insert(at: number, count: number): void {
    this.makeRoom(at, count);
    this.bytes.fill(0, this.head + at, this.head + at + count);
  }

  /** The same with whatever the bytes were: for a caller that writes all of them. */
  makeRoom(at: number, count: number): void {
    if (this.head < count) this.#shift(count + HEADROOM);
    const { bytes, head } = this;
    bytes.copyWithin(head - count, head, head + at);
    this.head = head - count;
    this.length += count;
  }

  /** Takes `count` bytes out at offset `at`; what was before them moves back. */
  remove(at: number, count: number): void {
    const { bytes, head } = this;
    bytes.copyWithin(head + count, head, head + at);
    this.head = head + count;
    this.length -= count;
  }

  /** Cuts the frame, or lengthens it by zero bytes. */
  resize(length: number): void {
    this.#reserve(this.head + length + TAILROOM);
    if (length > this.length) this.bytes.fill(0, this.head + this.length, this.head + length);
    this.length = length;
  }

  /** Swaps the two MAC addresses. */
  swapMacs(): void {
    const { view, head } = this;
    const d0 = view.getUint32(head);
    const d1 = view.getUint16(head + 4);
    view.setUint32(head, view.getUint32(head + 6));
    view.setUint16(head + 4, view.getUint16(head + 10));
    view.setUint32(head + 6, d0);
    view.setUint16(head + 10, d1);
  }

  #reserve(capacity: number): void {
    if (this.bytes.length >= capacity) return;
    const bytes = new Uint8Array(capacity + (capacity >> 1));
    bytes.set(this.bytes);
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }

  #shift(by: number): void {
    this.#reserve(this.head + by + this.length + TAILROOM);
    this.bytes.copyWithin(this.head + by, this.head, this.head + this.length);
    this.head += by;
  }
}

function copyBytes(from: DataView, start: number, to: DataView, at: number, count: number): void {
  if (count > COPIED_BY_WORDS) {
    const bytes = new Uint8Array(from.buffer, from.byteOffset + start, count);
    new Uint8Array(to.buffer, to.byteOffset + at, count).set(bytes);
    return;
  }
  let i = 0;
  for (; i <= count - 4; i += 4) to.setInt32(at + i, from.getInt32(start + i, true), true);
  for (; i < count; i++) to.setUint8(at + i, from.getUint8(start + i));
}

/** Offset of the source address in an IP header of `family`; the destination follows it. */
export const sourceOffset = (family: Family): 12 | 8 => (family === 4 ? 12 : 8);

/** Offset of the destination address in an IP header of `family`. */
export const destinationOffset = (family: Family): 16 | 24 => (family === 4 ? 16 : 24);
