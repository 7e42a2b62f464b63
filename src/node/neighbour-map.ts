import { type Family, type IpAddress, wordsOf } from '../net/address.ts';
import { FamilyMap } from '../lb/typed-map.ts';
import type { Mac } from './mac.ts';

/** The clients' MAC addresses that forwarded requests came from: where a reply goes when the kernel has no neighbour. LRU. */
export class NeighbourMap extends FamilyMap<IpAddress, Mac> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'lru', wordsOf(family), 2, maxEntries);
  }

  /** Row of the address in `words[at...]`, or -1: a use. */
  lookup(words: Uint32Array, at: number): number {
    return this.table.lookup(words, at);
  }

  macHigh(row: number): number {
    return this.word(row, 0);
  }

  macLow(row: number): number {
    return this.word(row, 1);
  }

  /** The row in which it is now. */
  store(words: Uint32Array, at: number, high: number, low: number): number {
    const row = this.table.upsert(words, at);
    this.#write(row, high, low);
    return row;
  }

  /** The same for an address whose row is known. */
  storeAgain(row: number, high: number, low: number): void {
    this.table.use(row);
    this.#write(row, high, low);
  }

  #write(row: number, high: number, low: number): void {
    const { rows } = this.table;
    const value = this.table.valueAt(row);
    rows[value] = high;
    rows[value + 1] = low;
  }

  protected override writeKey(address: IpAddress): void {
    this.checkAddress(address);
    this.key.set(address.words);
  }

  protected override readKey(rows: Uint32Array, at: number): IpAddress {
    return this.addressAt(rows, at);
  }

  protected override writeValue(rows: Uint32Array, at: number, mac: Mac): void {
    rows[at] = mac.high;
    rows[at + 1] = mac.low;
  }

  protected override readValue(row: number): Mac {
    return { high: this.macHigh(row), low: this.macLow(row) };
  }
}
