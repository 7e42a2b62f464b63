import { LbtwinError } from '../../errors.ts';
import type { MaglevBackend } from '../backend.ts';
import type { MaglevOptions } from '../table.ts';

/** One way to turn backends into a lookup table; all of them behind the one interface of `buildLookupTable`. */
export interface MaglevVariant {
  readonly name: string;
  readonly title: string;
  /** `exact`: compared with the real program. `from description`: built from its documentation and source as read, not compared. */
  readonly fidelity: 'exact' | 'from description';
  readonly defaultTableSize: number;
  /** Which table sizes there are, in a few words. */
  readonly tableSizes: string;
  /** @throws LbtwinError `unsupported-table-size` */
  checkTableSize(size: unknown): number;
  /**
   * Slot to backend id; `NO_BACKEND` where a slot has none (only Katran's and IPVS's weights can leave one).
   * `options.hashSeed` is Cilium's; the other programs have fixed seeds and take no notice of it.
   * @throws LbtwinError as `buildLookupTable`
   */
  build(backends: readonly MaglevBackend[], options?: MaglevOptions): Uint32Array;
}

/** Marks a slot without a backend; no backend can have this id. */
export const NO_BACKEND = 0xffffffff;

/** True for a prime number up to 2^32. */
export function isPrime(n: number): boolean {
  if (!Number.isInteger(n) || n < 2) return false;
  for (let d = 2; d * d <= n; d += d === 2 ? 1 : 2) if (n % d === 0) return false;
  return true;
}

/** @throws LbtwinError `unsupported-table-size` unless `size` is a prime of `min`..`max` */
export function checkPrime(size: unknown, what: string, max: number, min = 3): number {
  if (typeof size !== 'number' || !isPrime(size) || size < min || size > max) {
    throw new LbtwinError('unsupported-table-size', `${what} table size ${JSON.stringify(size)} is not supported`, {
      allowed: `a prime from ${min} to ${max}`,
    });
  }
  return size;
}

/** @throws LbtwinError `no-backends` */
export function requireBackends(backends: readonly unknown[]): void {
  if (backends.length > 0) return;
  throw new LbtwinError('no-backends', 'a Maglev table needs a backend', {
    path: ['backends'],
    allowed: 'one or more',
  });
}

/** Everybody's list of slots (offset, offset + skip, …) and which slots are taken. */
export class SlotLists {
  private readonly position: Int32Array;
  private readonly skips: ArrayLike<number>;
  private readonly taken: Uint8Array;

  constructor(offsets: ArrayLike<number>, skips: ArrayLike<number>, tableSize: number) {
    this.position = Int32Array.from(offsets);
    this.skips = skips;
    this.taken = new Uint8Array(tableSize);
  }

  /** Gives list `i` its first free slot. Some slot must be free, and the table size prime. */
  take(i: number): number {
    const size = this.taken.length;
    const skip = this.skips[i]!;
    let slot = this.position[i]!;
    while (this.taken[slot] !== 0) {
      slot += skip;
      if (slot >= size) slot -= size;
    }
    this.taken[slot] = 1;
    const next = slot + skip;
    this.position[i] = next >= size ? next - size : next;
    return slot;
  }
}
