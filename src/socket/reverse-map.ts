import { CookieMap } from '../lb/cookie-map.ts';
import { FamilyMap } from '../lb/typed-map.ts';
import { copyAddress, type Family, type IpAddress, wordsOf } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';

export interface ReverseSocketKey {
  readonly cookie: U64;
  /** The backend that the socket was sent to. */
  readonly address: IpAddress;
  readonly port: number;
}

export interface ReverseSocketValue {
  /** What the application had asked for. */
  readonly address: IpAddress;
  readonly port: number;
  readonly revNatIndex: number;
}

/** The reverse map of one family: which frontend a socket meant when it was sent to a backend. An LRU map. */
export class ReverseSocketMap extends CookieMap<ReverseSocketKey, ReverseSocketValue> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'lru', wordsOf(family) + 1, maxEntries);
  }

  /** Row of an entry, or -1: a use. */
  lookup(low: number, high: number, address: ArrayLike<number>, at: number, port: number): number {
    this.put(low, high, address, at, port);
    return this.table.lookup(this.key);
  }

  /** Stores what the application asked for, `original[originalAt..]`. */
  store(
    low: number,
    high: number,
    address: ArrayLike<number>,
    at: number,
    port: number,
    original: ArrayLike<number>,
    originalAt: number,
    originalPort: number,
    revNatIndex: number,
  ): void {
    this.put(low, high, address, at, port);
    const { table, words } = this;
    const to = table.valueAt(table.upsert(this.key));
    copyAddress(table.rows, to, original, originalAt, this.words);
    table.rows[to + words] = (originalPort << 16) | revNatIndex;
  }

  addressWord(row: number, i: number): number {
    return this.word(row, i);
  }

  port(row: number): number {
    return this.word(row, this.words) >>> 16;
  }

  revNatIndex(row: number): number {
    return this.word(row, this.words) & 0xffff;
  }

  deleteRow(row: number): void {
    this.table.deleteRow(row);
  }

  protected override cookieOf(key: ReverseSocketKey): U64 {
    return key.cookie;
  }

  protected override keyOf(cookie: U64, address: IpAddress, port: number): ReverseSocketKey {
    return { cookie, address, port };
  }

  protected override checkValue(value: ReverseSocketValue): void {
    this.checkAddress(value.address);
  }

  protected override writeValue(rows: Uint32Array, at: number, value: ReverseSocketValue): void {
    this.putAddress(rows, at, value.address);
    rows[at + this.words] = (value.port << 16) | value.revNatIndex;
  }

  protected override readValue(row: number): ReverseSocketValue {
    const { rows } = this.table;
    return {
      address: this.addressAt(rows, this.table.valueAt(row)),
      port: this.port(row),
      revNatIndex: this.revNatIndex(row),
    };
  }
}

export interface HealthEntry {
  /** Where the health checker's socket really stands: what it had asked to bind to. */
  readonly address: IpAddress;
  readonly port: number;
  readonly protocol: number;
}

/** The health map of one family: bound addresses of the health checker's sockets, by socket cookie. An LRU map. */
export class HealthMap extends FamilyMap<U64, HealthEntry> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'lru', 2, wordsOf(family) + 1, maxEntries);
  }

  protected override writeKey(cookie: U64): void {
    this.key[0] = cookie.low;
    this.key[1] = cookie.high;
  }

  protected override readKey(rows: Uint32Array, at: number): U64 {
    return { low: rows[at]!, high: rows[at + 1]! };
  }

  protected override checkValue(value: HealthEntry): void {
    this.checkAddress(value.address);
  }

  protected override writeValue(rows: Uint32Array, at: number, value: HealthEntry): void {
    this.putAddress(rows, at, value.address);
    rows[at + this.words] = (value.port << 16) | value.protocol;
  }

  protected override readValue(row: number): HealthEntry {
    const last = this.word(row, this.words);
    const { rows } = this.table;
    return { address: this.addressAt(rows, this.table.valueAt(row)), port: last >>> 16, protocol: last & 0xff };
  }
}
