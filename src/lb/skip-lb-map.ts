import type { Family, IpAddress } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import { CookieMap } from './cookie-map.ts';

export interface SkipLbKey {
  readonly netnsCookie: U64;
  readonly address: IpAddress;
  readonly port: number;
}

/** Local redirect: (network namespace, frontend) pairs that are not translated. */
export class SkipLbMap extends CookieMap<SkipLbKey, true> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'hash', 0, maxEntries);
  }

  /** Whether there is an entry; the cookie comes as its low and high half. */
  contains(low: number, high: number, address: ArrayLike<number>, at: number, port: number): boolean {
    this.put(low, high, address, at, port);
    return this.table.find(this.key) >= 0;
  }

  protected override cookieOf(key: SkipLbKey): U64 {
    return key.netnsCookie;
  }

  protected override keyOf(netnsCookie: U64, address: IpAddress, port: number): SkipLbKey {
    return { netnsCookie, address, port };
  }

  protected override writeValue(): void {}

  protected override readValue(): true {
    return true;
  }
}
