import type { TableKind } from '../hash/table.ts';
import { copyAddress, type Family, type IpAddress, wordsOf } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import { FamilyMap } from './typed-map.ts';

/** A map whose keys are a cookie (64 bits), an address and a port. */
export abstract class CookieMap<K extends { readonly address: IpAddress; readonly port: number }, V> extends FamilyMap<
  K,
  V
> {
  protected constructor(family: Family, kind: TableKind, valueWords: number, maxEntries: number) {
    super(family, kind, wordsOf(family) + 3, valueWords, maxEntries);
  }

  /** Puts a key's words into `this.key`; the cookie comes as its low and high half. @internal */
  protected put(low: number, high: number, address: ArrayLike<number>, at: number, port: number): void {
    const { key, words } = this;
    key[0] = low;
    key[1] = high;
    copyAddress(key, 2, address, at, words);
    key[2 + words] = port;
  }

  /** @internal */
  protected abstract cookieOf(key: K): U64;
  /** @internal */
  protected abstract keyOf(cookie: U64, address: IpAddress, port: number): K;

  protected override writeKey(key: K): void {
    this.checkAddress(key.address);
    const { low, high } = this.cookieOf(key);
    this.put(low, high, Uint32Array.from(key.address.words), 0, key.port);
  }

  protected override readKey(rows: Uint32Array, at: number): K {
    const cookie = { low: rows[at]!, high: rows[at + 1]! };
    return this.keyOf(cookie, this.addressAt(rows, at + 2), rows[at + 2 + this.words]!);
  }
}
