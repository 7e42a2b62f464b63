import { LbtwinError } from '../errors.ts';
import { HashTable, MAX_ENTRIES } from '../hash/table.ts';
import { type Family, type IpAddress, wordsOf } from '../net/address.ts';

/** What identifies a row: an L4 address with its lookup scope. */
interface At {
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
  readonly scope: number;
}

/** The rows of one family. The key's last word is port, protocol and scope. */
class FamilyRows<T> {
  readonly #words: number;
  readonly #key: Uint32Array;
  readonly #table: HashTable;
  readonly #rows: (T | undefined)[] = [];

  constructor(family: Family) {
    this.#words = wordsOf(family);
    this.#key = new Uint32Array(this.#words + 1);
    this.#table = new HashTable({ kind: 'hash', keyWords: this.#words + 1, valueWords: 0, maxEntries: MAX_ENTRIES });
  }

  #write({ address, port, protocol, scope }: At): Uint32Array {
    const key = this.#key;
    const { words } = address;
    for (let i = 0; i < this.#words; i++) key[i] = words[i]!;
    key[this.#words] = (port << 16) | (protocol << 8) | scope;
    return key;
  }

  get(at: At): T | undefined {
    const row = this.#table.find(this.#write(at));
    return row < 0 ? undefined : this.#rows[row];
  }

  set(at: At, value: T): void {
    this.#rows[this.#rowOf(at)] = value;
  }

  getOrMake<A extends At>(at: A, make: (at: A) => T): T {
    const row = this.#rowOf(at);
    const known = this.#rows[row];
    if (known !== undefined) return known;
    const made = make(at);
    this.#rows[row] = made;
    return made;
  }

  #rowOf(at: At): number {
    const row = this.#table.upsert(this.#write(at));
    if (row >= 0) return row;
    throw new LbtwinError('too-many-addresses', `more than ${MAX_ENTRIES} addresses of one family`);
  }

  delete(at: At): void {
    const row = this.#table.find(this.#write(at));
    if (row < 0) return;
    this.#table.deleteRow(row);
    this.#rows[row] = undefined;
  }

  *values(): Generator<T> {
    for (let row = this.#table.nextRow(-1); row >= 0; row = this.#table.nextRow(row)) yield this.#rows[row]!;
  }
}

/**
 * A map from L4 addresses with scope to objects. It goes by the numbers of an address: making and hashing a text for each took four times
 * as long as this, and kept the text.
 */
export class L4Table<T> {
  /** Made when there is something to hold: a comparison of nodes makes thousands of control planes, most of one family. */
  #v4: FamilyRows<T> | undefined;
  #v6: FamilyRows<T> | undefined;

  #of({ address }: At): FamilyRows<T> | undefined {
    return address.family === 4 ? this.#v4 : this.#v6;
  }

  #madeOf({ address }: At): FamilyRows<T> {
    return address.family === 4 ? (this.#v4 ??= new FamilyRows<T>(4)) : (this.#v6 ??= new FamilyRows<T>(6));
  }

  get(at: At): T | undefined {
    return this.#of(at)?.get(at);
  }

  /** @throws LbtwinError `too-many-addresses` beyond 2^24 of one family */
  set(at: At, value: T): void {
    this.#madeOf(at).set(at, value);
  }

  /** What is there, or what `make` gives, which must not throw. @throws LbtwinError as `set` */
  getOrMake<A extends At>(at: A, make: (at: A) => T): T {
    return this.#madeOf(at).getOrMake(at, make);
  }

  delete(at: At): void {
    this.#of(at)?.delete(at);
  }

  /** In no particular order. Deleting on the way is fine, adding is not. */
  *values(): Generator<T> {
    if (this.#v4 !== undefined) yield* this.#v4.values();
    if (this.#v6 !== undefined) yield* this.#v6.values();
  }
}
