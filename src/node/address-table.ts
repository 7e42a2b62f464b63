import { LbtwinError } from '../errors.ts';
import { LpmTable } from '../hash/lpm.ts';
import { HashTable } from '../hash/table.ts';
import { type Family, formatAddress, type IpAddress, wordsOf } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';

/** The words of an address that has to be of `family`. @throws LbtwinError `family-mismatch` */
export function wordsFor(family: Family, address: IpAddress): readonly number[] {
  if (address.family === family) return address.words;
  throw new LbtwinError('family-mismatch', `${formatAddress(address)} is not an IPv${family} address`, {
    allowed: `an IPv${family} address`,
  });
}

const addressAt = (family: Family, word: (i: number) => number): IpAddress => ({
  family,
  words: Array.from({ length: wordsOf(family) }, (_, i) => word(i)),
});

/** Values by place, places reused; the tables below hold the place of each key. */
class Places<V> {
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  take(value: V): number {
    const place = this.#free.pop() ?? this.#values.length;
    this.#values[place] = value;
    return place;
  }

  get(place: number): V {
    return this.#values[place] as V;
  }

  put(place: number, value: V): void {
    this.#values[place] = value;
  }

  release(place: number): void {
    this.#values[place] = undefined;
    this.#free.push(place);
  }

  clear(): void {
    this.#values.length = 0;
    this.#free.length = 0;
  }
}

/** A hash map from an address of one family to a value that is written once and read by the datapath. */
export class AddressTable<V> {
  readonly family: Family;
  private readonly table: HashTable;
  readonly #values = new Places<V>();
  private readonly key: Uint32Array;

  constructor(family: Family, maxEntries: number) {
    this.family = family;
    const keyWords = wordsOf(family);
    this.table = new HashTable({ kind: 'hash', keyWords, valueWords: 1, maxEntries });
    this.key = new Uint32Array(keyWords);
  }

  get size(): number {
    return this.table.size;
  }

  get maxEntries(): number {
    return this.table.maxEntries;
  }

  /** See `HashTable.changes`. */
  get changes(): number {
    return this.table.changes;
  }

  /** The value of the address in `words[at...]`. */
  lookup(words: Uint32Array, at: number): V | undefined {
    if (this.table.size === 0) return undefined;
    const row = this.table.find(words, at);
    return row < 0 ? undefined : this.#values.get(this.table.rows[this.table.valueAt(row)]!);
  }

  get(address: IpAddress): V | undefined {
    this.key.set(wordsFor(this.family, address));
    return this.lookup(this.key, 0);
  }

  /** Adds or overwrites. 0, or a negative errno (E2BIG) with the table as it was. */
  set(address: IpAddress, value: V): number {
    this.key.set(wordsFor(this.family, address));
    const row = this.table.find(this.key);
    if (row >= 0) {
      this.#values.put(this.table.rows[this.table.valueAt(row)]!, value);
      this.table.changed();
      return 0;
    }
    const made = this.table.create(this.key);
    if (made < 0) return made;
    this.table.rows[this.table.valueAt(made)] = this.#values.take(value);
    return 0;
  }

  delete(address: IpAddress): boolean {
    this.key.set(wordsFor(this.family, address));
    const row = this.table.find(this.key);
    if (row < 0) return false;
    this.#values.release(this.table.rows[this.table.valueAt(row)]!);
    this.table.deleteRow(row);
    return true;
  }

  clear(): void {
    this.table.clear();
    this.#values.clear();
  }

  *entries(): Generator<[IpAddress, V]> {
    for (let row = this.table.nextRow(-1); row >= 0; row = this.table.nextRow(row)) {
      const base = row * this.table.rowWords;
      const { rows } = this.table;
      yield [addressAt(this.family, (i) => rows[base + i]!), this.#values.get(rows[this.table.valueAt(row)]!)];
    }
  }
}

/** A longest-prefix map from addresses of one family to such values. */
export class PrefixTable<V> {
  readonly family: Family;
  private readonly trie: LpmTable;
  readonly #values = new Places<V>();

  constructor(family: Family, maxEntries: number) {
    this.family = family;
    this.trie = new LpmTable({ exactWords: 0, addressWords: wordsOf(family), maxEntries });
  }

  get size(): number {
    return this.trie.size;
  }

  get maxEntries(): number {
    return this.trie.maxEntries;
  }

  /** See `HashTable.changes`. */
  get changes(): number {
    return this.trie.changes;
  }

  /** The value of the longest prefix that holds the address in `words[at...]`. */
  lookup(words: ArrayLike<number>, at: number): V | undefined {
    const row = this.trie.lookup(words, at);
    return row < 0 ? undefined : this.#values.get(this.trie.value(row));
  }

  /** The value of exactly this prefix. */
  get(cidr: Cidr): V | undefined {
    const place = this.trie.get(wordsFor(this.family, cidr.address), cidr.bits);
    return place < 0 ? undefined : this.#values.get(place);
  }

  /** Adds or overwrites. 0, or a negative errno (ENOSPC) with the table as it was. */
  set(cidr: Cidr, value: V): number {
    const words = wordsFor(this.family, cidr.address);
    const place = this.trie.get(words, cidr.bits);
    if (place >= 0) {
      this.#values.put(place, value);
      this.trie.changed();
      return 0;
    }
    return this.add(cidr, value);
  }

  /** Like `set` for a prefix that is not there yet, which it does not look for. */
  add(cidr: Cidr, value: V): number {
    const taken = this.#values.take(value);
    const error = this.trie.set(wordsFor(this.family, cidr.address), cidr.bits, taken);
    if (error !== 0) this.#values.release(taken);
    return error;
  }

  delete(cidr: Cidr): boolean {
    const words = wordsFor(this.family, cidr.address);
    const place = this.trie.get(words, cidr.bits);
    if (place < 0) return false;
    this.#values.release(place);
    return this.trie.delete(words, cidr.bits);
  }

  clear(): void {
    this.trie.clear();
    this.#values.clear();
  }

  *entries(): Generator<[Cidr, V]> {
    for (let row = this.trie.nextRow(-1); row >= 0; row = this.trie.nextRow(row)) {
      const address = addressAt(this.family, (i) => this.trie.keyWord(row, i));
      yield [{ address, bits: this.trie.bits(row) }, this.#values.get(this.trie.value(row))];
    }
  }
}
