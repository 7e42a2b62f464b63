import { LbtwinError } from '../errors.ts';
import { HashTable } from './table.ts';

/** The trie is full and refuses a new prefix (negative errno of ENOSPC, as from a map update in the kernel). */
export const LPM_FULL = -28;

/**
 * Longest-prefix match over addresses of one or four words, with one word of value per prefix; optionally below words that
 * have to match exactly (an id). What a BPF LPM trie answers, by one hash probe per prefix length in use.
 */
export class LpmTable {
  /** Words of the exact part before the address. */
  readonly exactWords: number;
  readonly addressWords: number;
  readonly maxEntries: number;
  private readonly table: HashTable;
  private readonly key: Uint32Array;
  /** Prefixes per length. */
  private readonly perLength: Uint32Array;
  /** Lengths in use, longest first. */
  #lengths: number[] = [];

  constructor(options: { exactWords: number; addressWords: number; maxEntries: number }) {
    this.exactWords = options.exactWords;
    this.addressWords = options.addressWords;
    this.maxEntries = options.maxEntries;
    const keyWords = options.exactWords + options.addressWords + 1;
    this.table = new HashTable({ kind: 'hash', keyWords, valueWords: 1, maxEntries: options.maxEntries });
    this.key = new Uint32Array(keyWords);
    this.perLength = new Uint32Array(32 * options.addressWords + 1);
  }

  get size(): number {
    return this.table.size;
  }

  /** See `HashTable.changes`. */
  get changes(): number {
    return this.table.changes;
  }

  /** See `HashTable.changed`. */
  changed(): void {
    this.table.changed();
  }

  get byteLength(): number {
    return this.table.byteLength;
  }

  /**
   * Row of the longest prefix that holds the address in `key[exactWords..]` below the exact words in `key[0..]`, or -1;
   * `key` begins at `at`.
   */
  lookup(key: ArrayLike<number>, at = 0): number {
    const { exactWords } = this;
    for (let i = 0; i < exactWords; i++) this.key[i] = key[at + i]!;
    for (const bits of this.#lengths) {
      const row = this.#find(key, at + exactWords, bits);
      if (row >= 0) return row;
    }
    return -1;
  }

  value(row: number): number {
    return this.table.rows[this.table.valueAt(row)]!;
  }

  /** Prefix length of a row. */
  bits(row: number): number {
    return this.table.rows[row * this.table.rowWords + this.exactWords + this.addressWords]!;
  }

  /** Adds or overwrites a prefix; bits after its length are cleared. 0, or `LPM_FULL` with the table as it was. */
  set(key: ArrayLike<number>, bits: number, value: number): number {
    let row = this.#exact(key, bits);
    if (row < 0) {
      row = this.table.upsert(this.key);
      if (row < 0) return LPM_FULL;
      if (this.perLength[bits]!++ === 0) this.#lengths = [...this.#lengths, bits].sort((a, b) => b - a);
    } else this.table.changed();
    this.table.rows[this.table.valueAt(row)] = value;
    return 0;
  }

  /** Value of exactly this prefix, or -1. */
  get(key: ArrayLike<number>, bits: number): number {
    const row = this.#exact(key, bits);
    return row < 0 ? -1 : this.value(row);
  }

  /** Deletes exactly this prefix; false if there was none. */
  delete(key: ArrayLike<number>, bits: number): boolean {
    if (this.#exact(key, bits) < 0) return false;
    this.table.delete(this.key);
    if (--this.perLength[bits]! === 0) this.#lengths = this.#lengths.filter((length) => length !== bits);
    return true;
  }

  clear(): void {
    this.table.clear();
    this.perLength.fill(0);
    this.#lengths = [];
  }

  /** The next row after `row` (-1 to begin), or -1. */
  nextRow(row: number): number {
    return this.table.nextRow(row);
  }

  /** Word `i` of a row's key: the exact words, then the address. */
  keyWord(row: number, i: number): number {
    return this.table.rows[row * this.table.rowWords + i]!;
  }

  #exact(key: ArrayLike<number>, bits: number): number {
    if (!Number.isInteger(bits) || bits < 0 || bits > 32 * this.addressWords) {
      throw new LbtwinError('invalid-prefix-length', `${String(bits)} is not a prefix length`, {
        allowed: `0..${32 * this.addressWords}`,
      });
    }
    for (let i = 0; i < this.exactWords; i++) this.key[i] = key[i]!;
    return this.#find(key, this.exactWords, bits);
  }

  #find(address: ArrayLike<number>, at: number, bits: number): number {
    const { exactWords, addressWords } = this;
    const key = this.key;
    for (let i = 0, left = bits; i < addressWords; i++, left -= 32) {
      const mask = left >= 32 ? 0xffffffff : left <= 0 ? 0 : -1 << (32 - left);
      key[exactWords + i] = address[at + i]! & mask;
    }
    key[exactWords + addressWords] = bits;
    return this.table.find(key);
  }
}
