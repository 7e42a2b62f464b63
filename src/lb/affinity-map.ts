import { copyAddress, type Family, type IpAddress } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import { FamilyMap, TypedMap } from './typed-map.ts';

/** Who a client is: its address where packets are seen, its network namespace's cookie at the socket layer. */
export type AffinityClient = { readonly address: IpAddress } | { readonly netnsCookie: U64 };

export interface AffinityKey {
  readonly client: AffinityClient;
  /** u16. */
  readonly revNatIndex: number;
}

export interface AffinityValue {
  /** Seconds of the monotonic clock, u32. */
  readonly lastUsed: number;
  readonly backendId: number;
}

const NETNS = 0x10000;

/**
 * Session affinity of one family: an LRU map from client and service to backend. `client` is given as words: the address's, or
 * the low and the high half of a cookie; missing words are zero. Rules: `src/lb/affinity.ts`.
 */
export class AffinityMap extends FamilyMap<AffinityKey, AffinityValue> {
  readonly #clientWords: number;

  constructor(family: Family, maxEntries: number) {
    const clientWords = family === 4 ? 2 : 4;
    super(family, 'lru', clientWords + 1, 2, maxEntries);
    this.#clientWords = clientWords;
  }

  /** Row of the entry of an address, or -1: a use. */
  lookupAddress(client: ArrayLike<number>, at: number, revNatIndex: number): number {
    this.#writeAddress(client, at, revNatIndex);
    return this.table.lookup(this.key);
  }

  /** Row of the entry of a cookie, or -1: a use. */
  lookupCookie(low: number, high: number, revNatIndex: number): number {
    this.#writeCookie(low, high, revNatIndex);
    return this.table.lookup(this.key);
  }

  lastUsed(row: number): number {
    return this.word(row, 0);
  }

  backendId(row: number): number {
    return this.word(row, 1);
  }

  touch(row: number, now: number): void {
    this.table.rows[this.table.valueAt(row)] = now;
  }

  deleteRow(row: number): void {
    this.table.deleteRow(row);
  }

  storeAddress(client: ArrayLike<number>, at: number, revNatIndex: number, backendId: number, now: number): void {
    this.#writeAddress(client, at, revNatIndex);
    this.#store(backendId, now);
  }

  storeCookie(low: number, high: number, revNatIndex: number, backendId: number, now: number): void {
    this.#writeCookie(low, high, revNatIndex);
    this.#store(backendId, now);
  }

  #store(backendId: number, now: number): void {
    const at = this.table.valueAt(this.table.upsert(this.key));
    this.table.rows[at] = now;
    this.table.rows[at + 1] = backendId;
  }

  #writeAddress(client: ArrayLike<number>, at: number, revNatIndex: number): void {
    const { key, words } = this;
    key[1] = 0;
    copyAddress(key, 0, client, at, words);
    key[this.#clientWords] = revNatIndex;
  }

  #writeCookie(low: number, high: number, revNatIndex: number): void {
    const { key } = this;
    if (this.words === 4) {
      key[2] = 0;
      key[3] = 0;
    }
    key[0] = low;
    key[1] = high;
    key[this.#clientWords] = revNatIndex | NETNS;
  }

  protected override writeKey(key: AffinityKey): void {
    const { client } = key;
    if ('address' in client) {
      this.checkAddress(client.address);
      this.#writeAddress(Uint32Array.from(client.address.words), 0, key.revNatIndex);
    } else {
      this.#writeCookie(client.netnsCookie.low, client.netnsCookie.high, key.revNatIndex);
    }
  }

  protected override readKey(rows: Uint32Array, at: number): AffinityKey {
    const last = rows[at + this.#clientWords]!;
    const client =
      (last & NETNS) !== 0
        ? { netnsCookie: { low: rows[at]!, high: rows[at + 1]! } }
        : { address: this.addressAt(rows, at) };
    return { client, revNatIndex: last & 0xffff };
  }

  protected override writeValue(rows: Uint32Array, at: number, value: AffinityValue): void {
    rows[at] = value.lastUsed;
    rows[at + 1] = value.backendId;
  }

  protected override readValue(row: number): AffinityValue {
    return { lastUsed: this.lastUsed(row), backendId: this.backendId(row) };
  }
}

export interface AffinityMatchKey {
  readonly revNatIndex: number;
  readonly backendId: number;
}

/** The pairs of service and backend that affinity may answer; one map for both families. */
export class AffinityMatchMap extends TypedMap<AffinityMatchKey, true> {
  constructor(maxEntries: number) {
    super('hash', 2, 0, maxEntries);
  }

  /** Like `has`, without an object for the key. */
  contains(revNatIndex: number, backendId: number): boolean {
    this.key[0] = backendId;
    this.key[1] = revNatIndex;
    return this.table.find(this.key) >= 0;
  }

  /** `set` for a map without values. */
  add(revNatIndex: number, backendId: number): number {
    return this.set({ revNatIndex, backendId }, true);
  }

  protected override writeKey(key: AffinityMatchKey): void {
    this.key[0] = key.backendId;
    this.key[1] = key.revNatIndex;
  }

  protected override readKey(rows: Uint32Array, at: number): AffinityMatchKey {
    return { revNatIndex: rows[at + 1]!, backendId: rows[at]! };
  }

  protected override writeValue(): void {}

  protected override readValue(): true {
    return true;
  }
}
