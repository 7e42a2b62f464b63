import { LbtwinError } from '../errors.ts';

/** A table that is filled when it is first looked at: a cluster has thousands, a packet needs one. */
export interface MaglevTableSource {
  readonly table: Uint32Array;
}

/**
 * Maglev tables by revNatIndex (u16). A table holds one backend id per slot, 0 for none; services with equal backends may
 * share one array, which is never written after it was set.
 */
export class MaglevMap {
  readonly maxEntries: number;
  readonly #tables = new Map<number, Uint32Array | MaglevTableSource>();

  constructor(maxEntries: number) {
    this.maxEntries = maxEntries;
  }

  get size(): number {
    return this.#tables.size;
  }

  get(revNatIndex: number): Uint32Array | undefined {
    const table = this.#tables.get(revNatIndex);
    return table === undefined || table instanceof Uint32Array ? table : table.table;
  }

  /** True if this very table is what the map has; it is not filled for that. */
  holds(revNatIndex: number, table: Uint32Array | MaglevTableSource): boolean {
    return this.#tables.get(revNatIndex) === table;
  }

  has(revNatIndex: number): boolean {
    return this.#tables.has(revNatIndex);
  }

  /**
   * Adds or overwrites. 0, or -7 (E2BIG) when the map is full: it is then as it was.
   * @throws LbtwinError `invalid-maglev-table` for a table without slots
   */
  set(revNatIndex: number, table: Uint32Array | MaglevTableSource): number {
    if (table instanceof Uint32Array && table.length === 0) {
      throw new LbtwinError('invalid-maglev-table', 'a Maglev table without slots', { allowed: 'at least one slot' });
    }
    if (!this.#tables.has(revNatIndex) && this.#tables.size >= this.maxEntries) return -7;
    this.#tables.set(revNatIndex, table);
    return 0;
  }

  delete(revNatIndex: number): boolean {
    return this.#tables.delete(revNatIndex);
  }

  clear(): void {
    this.#tables.clear();
  }

  /** All tables, in order of insertion. */
  *entries(): Generator<[number, Uint32Array]> {
    for (const id of this.#tables.keys()) yield [id, this.get(id)!];
  }

  /** The keys, without filling tables. */
  keys(): IterableIterator<number> {
    return this.#tables.keys();
  }
}
