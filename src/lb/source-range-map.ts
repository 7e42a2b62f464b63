import { LbtwinError } from '../errors.ts';
import { LpmTable } from '../hash/lpm.ts';
import { copyAddress, type Family, formatAddress, wordsOf } from '../net/address.ts';
import { type Cidr, maskCidr } from '../net/cidr.ts';

export interface SourceRangeKey {
  /** u16. */
  readonly revNatIndex: number;
  readonly cidr: Cidr;
}

/** Source ranges of one family: prefixes per revNatIndex. Which way a hit counts is the service's flag to say. */
export class SourceRangeMap {
  readonly family: Family;
  /** Whether the programs ask it at all (`enable-svc-source-range-check`). */
  readonly isAsked: boolean;
  readonly #words: number = 1;
  private readonly trie: LpmTable;
  private readonly key: Uint32Array;
  /** Addresses with bits after their prefix, as they were written, by the text of the key: lookups pass over those bits, dumps show them. */
  readonly #asWritten = new Map<string, readonly number[]>();

  constructor(family: Family, maxEntries: number, isAsked = true) {
    this.family = family;
    this.isAsked = isAsked;
    this.#words = wordsOf(family);
    this.trie = new LpmTable({ exactWords: 1, addressWords: this.#words, maxEntries });
    this.key = new Uint32Array(1 + this.#words);
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

  get byteLength(): number {
    return this.trie.byteLength;
  }

  /** Whether some range of the service holds the address in `address[at..]`. */
  contains(revNatIndex: number, address: ArrayLike<number>, at: number): boolean {
    if (this.trie.size === 0) return false;
    this.key[0] = revNatIndex;
    copyAddress(this.key, 1, address, at, this.#words);
    return this.trie.lookup(this.key) >= 0;
  }

  /** 0, or -28 (ENOSPC) when the map is full: it is then as it was. Of two ranges with one prefix the later one names the entry. */
  add(range: SourceRangeKey): number {
    const { address, bits } = range.cidr;
    const key = this.#write(range);
    const result = this.trie.set(key, bits, 1);
    if (result !== 0) return result;
    const text = `${key.join()}/${bits}`;
    if (address.words.every((word, i) => word === key[1 + i])) this.#asWritten.delete(text);
    else this.#asWritten.set(text, address.words);
    return 0;
  }

  has(range: SourceRangeKey): boolean {
    return this.trie.get(this.#write(range), range.cidr.bits) >= 0;
  }

  delete(range: SourceRangeKey): boolean {
    const key = this.#write(range);
    if (this.#asWritten.size > 0) this.#asWritten.delete(`${key.join()}/${range.cidr.bits}`);
    return this.trie.delete(key, range.cidr.bits);
  }

  clear(): void {
    this.trie.clear();
    this.#asWritten.clear();
  }

  *entries(): Generator<SourceRangeKey> {
    for (let row = this.trie.nextRow(-1); row >= 0; row = this.trie.nextRow(row)) {
      const revNatIndex = this.trie.keyWord(row, 0);
      const bits = this.trie.bits(row);
      const prefix = this.#prefixWords(row);
      const words = this.#asWritten.get(`${revNatIndex},${prefix.join()}/${bits}`) ?? prefix;
      yield { revNatIndex, cidr: { address: { family: this.family, words }, bits } };
    }
  }

  #prefixWords(row: number): readonly number[] {
    const words: number[] = [];
    for (let i = 0; i < this.#words; i++) words.push(this.trie.keyWord(row, 1 + i));
    return words;
  }

  #write({ revNatIndex, cidr }: SourceRangeKey): Uint32Array {
    if (cidr.address.family !== this.family) {
      throw new LbtwinError('family-mismatch', `${formatAddress(cidr.address)} is not an IPv${this.family} address`, {
        allowed: `an IPv${this.family} address`,
      });
    }
    this.key[0] = revNatIndex;
    this.key.set(maskCidr(cidr).address.words, 1);
    return this.key;
  }
}
