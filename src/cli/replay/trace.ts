import { LbtwinError } from '../../errors.ts';

/** A frame of a trace. */
export interface TraceFrame {
  /** Starts with the Ethernet header. */
  readonly frame: Uint8Array;
  /** Seconds of the node's clock since its boot, with fractions or without; 0..2^32-1. */
  readonly at: number;
}

/** Frames as columns in shared memory: frame i is `bytes[offsets[i], offsets[i + 1])`, come at `times[i]`. */
export interface PacketTrace {
  readonly bytes: Uint8Array;
  /** One more than there are frames. */
  readonly offsets: Float64Array;
  readonly times: Float64Array;
}

const LAST_SECOND = 0xffff_ffff;

export const sharedWords = (length: number): Uint32Array => new Uint32Array(new SharedArrayBuffer(4 * length));
export const sharedInts = (length: number): Int32Array => new Int32Array(new SharedArrayBuffer(4 * length));
export const sharedBytes = (length: number): Uint8Array => new Uint8Array(new SharedArrayBuffer(length));
export const sharedNumbers = (length: number): Float64Array => new Float64Array(new SharedArrayBuffer(8 * length));

export const viewOf = ({ buffer, byteOffset, byteLength }: Uint8Array): DataView =>
  new DataView(buffer, byteOffset, byteLength);

/** A shared copy; the array itself if its memory is shared already. */
export function shared<A extends Uint8Array | Uint16Array | Uint32Array>(array: A): A {
  if (array.buffer instanceof SharedArrayBuffer) return array;
  const Kind = array.constructor as new (buffer: SharedArrayBuffer) => A;
  const copy = new Kind(new SharedArrayBuffer(array.byteLength));
  copy.set(array);
  return copy;
}

/** Puts frames into shared memory, in their order. @throws LbtwinError `invalid-time`, with the frame's index in the path */
export function packetTrace(frames: readonly TraceFrame[]): PacketTrace {
  const offsets = sharedNumbers(frames.length + 1);
  const times = sharedNumbers(frames.length);
  let end = 0;
  frames.forEach(({ frame, at }, i) => {
    if (!(at >= 0) || at >= LAST_SECOND + 1) {
      throw new LbtwinError('invalid-time', `${String(at)} is no time of the clock`, {
        path: [i, 'at'],
        allowed: `seconds, 0..${LAST_SECOND}`,
      });
    }
    times[i] = at;
    offsets[i + 1] = end += frame.length;
  });
  const bytes = sharedBytes(end);
  frames.forEach(({ frame }, i) => bytes.set(frame, offsets[i]));
  return { bytes, offsets, times };
}
