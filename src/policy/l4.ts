import { type Direction, PROTO_BITS } from './layout.ts';

// All of a key but the identity in one word: direction << 29 | prefix << 24 | proto << 16 | port, masked by the prefix.

/** The port with all bits after the first `bits` cleared. */
export const maskPort = (port: number, bits: number): number => port & (0xffff << (16 - bits)) & 0xffff;

/** `prefix` 0 or 8..24 bits of protocol and port. */
export function packL4(direction: Direction, prefix: number, proto: number, port: number): number {
  if (prefix === 0) return (direction << 29) >>> 0;
  return ((direction << 29) | (prefix << 24) | (proto << 16) | maskPort(port, prefix - PROTO_BITS)) >>> 0;
}

export const directionOfL4 = (l4: number): Direction => ((l4 >>> 29) & 1) as Direction;
export const prefixOfL4 = (l4: number): number => (l4 >>> 24) & 31;
export const protoOfL4 = (l4: number): number => (l4 >>> 16) & 255;
export const portOfL4 = (l4: number): number => l4 & 0xffff;
