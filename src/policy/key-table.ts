import type { Direction, PolicyKey } from './layout.ts';
import { PROTO_BITS } from './layout.ts';

const FREE = 0xffffffff;

/** The port with all bits after the first `bits` cleared. */
export const maskPort = (port: number, bits: number): number => port & (0xffff << (16 - bits)) & 0xffff;

/** All of a key but the identity in one word: direction << 29 | prefix << 24 | proto << 16 | port, masked by the prefix. */
export function packL4(direction: Direction, prefix: number, proto: number, port: number): number {
  if (prefix === 0) return (direction << 29) >>> 0;
  return ((direction << 29) | (prefix << 24) | (proto << 16) | maskPort(port, prefix - PROTO_BITS)) >>> 0;
}

export const prefixOfL4 = (l4: number): number => (l4 >>> 24) & 31;
export const directionOfL4 = (l4: number): Direction => ((l4 >>> 29) & 1) as Direction;

export function unpackKey(identity: number, l4: number): PolicyKey {
  const prefix = prefixOfL4(l4);
  return {
    direction: directionOfL4(l4),
    identity,
    proto: (l4 >>> 16) & 255,
    port: l4 & 0xffff,
    portPrefix: prefix > PROTO_BITS ? prefix - PROTO_BITS : 0,
  };
}

/** Spreads two words over 32 bits. */
export function hashPair(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  return (h ^ (h >>> 13)) >>> 0;
}

/**
 * Exact-match hash table from (identity, packed l4) to a slot number 0.., with linear probing. Users keep their own columns,
 * indexed by slot; a slot stays what it is until its key is deleted.
 */
export class KeyTable {
  #identity = new Uint32Array(8);
  #l4 = new Uint32Array(8);
  /** Position -> slot + 1; 0 = empty. Twice as many positions as slots. */
  #positions = new Int32Array(16);
  readonly #free: number[] = [];
  #used = 0;

  get size(): number {
    return this.#used - this.#free.length;
  }

  /** Number of slots that there is room for; grows by doubling. */
  get capacity(): number {
    return this.#identity.length;
  }

  identityAt(slot: number): number {
    return this.#identity[slot]!;
  }

  l4At(slot: number): number {
    return this.#l4[slot]!;
  }

  keyAt(slot: number): PolicyKey {
    return unpackKey(this.#identity[slot]!, this.#l4[slot]!);
  }

  find(identity: number, l4: number): number {
    const positions = this.#positions;
    const mask = positions.length - 1;
    let at = hashPair(identity, l4) & mask;
    for (;;) {
      const slot = positions[at]! - 1;
      if (slot < 0) return -1;
      if (this.#l4[slot] === l4 && this.#identity[slot] === identity) return slot;
      at = (at + 1) & mask;
    }
  }

  /** Slot of a new key, which must not be there yet. */
  insert(identity: number, l4: number): number {
    let slot = this.#free.pop();
    if (slot === undefined) {
      if (this.#used === this.#identity.length) this.#grow();
      slot = this.#used++;
    }
    this.#identity[slot] = identity;
    this.#l4[slot] = l4;
    this.#place(slot);
    return slot;
  }

  /** Frees a slot. The keys after it in its probe run move up, so that no tombstones remain. */
  remove(slot: number): void {
    const positions = this.#positions;
    const mask = positions.length - 1;
    let hole = hashPair(this.#identity[slot]!, this.#l4[slot]!) & mask;
    while (positions[hole] !== slot + 1) hole = (hole + 1) & mask;
    let at = hole;
    for (;;) {
      at = (at + 1) & mask;
      const next = positions[at]! - 1;
      if (next < 0) break;
      const home = hashPair(this.#identity[next]!, this.#l4[next]!) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        positions[hole] = next + 1;
        hole = at;
      }
    }
    positions[hole] = 0;
    this.#l4[slot] = FREE;
    this.#free.push(slot);
  }

  /** The slots in use, in order. */
  slots(): number[] {
    const slots: number[] = [];
    for (let slot = 0; slot < this.#used; slot++) if (this.#l4[slot] !== FREE) slots.push(slot);
    return slots;
  }

  #place(slot: number): void {
    const positions = this.#positions;
    const mask = positions.length - 1;
    let at = hashPair(this.#identity[slot]!, this.#l4[slot]!) & mask;
    while (positions[at] !== 0) at = (at + 1) & mask;
    positions[at] = slot + 1;
  }

  #grow(): void {
    const capacity = this.#identity.length * 2;
    this.#identity = widen(this.#identity, new Uint32Array(capacity));
    this.#l4 = widen(this.#l4, new Uint32Array(capacity));
    this.#positions = new Int32Array(capacity * 2);
    for (let slot = 0; slot < this.#used; slot++) this.#place(slot);
  }
}

/** Copies a column into a longer one. */
export function widen<T extends Uint32Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
