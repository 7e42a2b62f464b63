import { LbtwinError } from '../errors.ts';
import { HashTable, type TableKind } from '../hash/table.ts';
import { type Family, formatAddress, type IpAddress, storeAddress, wordsOf } from '../net/address.ts';

/**
 * A BPF map with typed keys and values over one typed-array table: what every load-balancing map has in common. The control
 * plane and the dumps use `get`, `set`, `delete` and `entries`; the datapath uses the row numbers of the subclasses, which are
 * valid until the row's entry is deleted or evicted.
 */
export abstract class TypedMap<K, V> {
  /** @internal */
  protected readonly table: HashTable;
  /** The words of the key in hand. @internal */
  protected readonly key: Uint32Array;

  protected constructor(kind: TableKind, keyWords: number, valueWords: number, maxEntries: number) {
    this.table = new HashTable({ kind, keyWords, valueWords, maxEntries });
    this.key = new Uint32Array(keyWords);
  }

  /** Entries now. */
  get size(): number {
    return this.table.size;
  }

  /** Entries at most: a full hash map refuses new keys, a full LRU map drops the least recently used entry. */
  get maxEntries(): number {
    return this.table.maxEntries;
  }

  /** See `HashTable.changes`. */
  get changes(): number {
    return this.table.changes;
  }

  /** Bytes of memory held now. */
  get byteLength(): number {
    return this.table.byteLength;
  }

  /** Not a use in the sense of an LRU map: dumps do not keep entries alive. */
  get(key: K): V | undefined {
    this.writeKey(key);
    const row = this.table.find(this.key);
    return row < 0 ? undefined : this.readValue(row);
  }

  has(key: K): boolean {
    this.writeKey(key);
    return this.table.find(this.key) >= 0;
  }

  /** Adds or overwrites. 0, or -7 (E2BIG) when a hash map is full: it is then as it was. */
  set(key: K, value: V): number {
    this.checkValue(value);
    this.writeKey(key);
    const row = this.table.upsert(this.key);
    if (row < 0) return row;
    this.writeValue(this.table.rows, this.table.valueAt(row), value);
    return 0;
  }

  /** Whether there was such an entry. */
  delete(key: K): boolean {
    this.writeKey(key);
    return this.table.delete(this.key);
  }

  clear(): void {
    this.table.clear();
  }

  /** All entries, in no particular order. Deleting entries on the way is fine, adding is not. */
  *entries(): Generator<[K, V]> {
    for (let row = this.table.nextRow(-1); row >= 0; row = this.table.nextRow(row)) {
      yield [this.readKey(this.table.rows, row * this.table.rowWords), this.readValue(row)];
    }
  }

  /** Word `i` of a row's value. @internal */
  protected word(row: number, i: number): number {
    return this.table.rows[this.table.valueAt(row) + i]!;
  }

  /** Throws for a value that must not be stored. @internal */
  protected checkValue(_value: V): void {}

  /** Puts the words of a key into `this.key`. @internal */
  protected abstract writeKey(key: K): void;
  /** @internal */
  protected abstract readKey(rows: Uint32Array, at: number): K;
  /** @internal */
  protected abstract writeValue(rows: Uint32Array, at: number, value: V): void;
  /** @internal */
  protected abstract readValue(row: number): V;
}

/** A map whose keys or values hold addresses of one family. */
export abstract class FamilyMap<K, V> extends TypedMap<K, V> {
  readonly family: Family;
  /** Words per address. */
  readonly words: 1 | 4;

  protected constructor(family: Family, kind: TableKind, keyWords: number, valueWords: number, maxEntries: number) {
    super(kind, keyWords, valueWords, maxEntries);
    this.family = family;
    this.words = wordsOf(family);
  }

  /** @throws LbtwinError `family-mismatch` @internal */
  protected checkAddress(address: IpAddress): void {
    if (address.family === this.family) return;
    throw new LbtwinError('family-mismatch', `${formatAddress(address)} is not an IPv${this.family} address`, {
      allowed: `an IPv${this.family} address`,
    });
  }

  /** @internal */
  protected putAddress(rows: Uint32Array, at: number, address: IpAddress): void {
    storeAddress(rows, at, address.words);
  }

  /** @internal */
  protected addressAt(rows: Uint32Array, at: number): IpAddress {
    return { family: this.family, words: Array.from(rows.subarray(at, at + this.words)) };
  }
}
