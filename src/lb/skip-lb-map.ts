import { type Family, type IpAddress, wordsOf } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import { FamilyMap } from './typed-map.ts';

export interface SkipLbKey {
  readonly netnsCookie: U64;
  readonly address: IpAddress;
  readonly port: number;
}

/** Local redirect: (network namespace, frontend) pairs that are not translated. */
export class SkipLbMap extends FamilyMap<SkipLbKey, true> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'hash', wordsOf(family) + 3, 0, maxEntries);
  }

  /** Whether there is an entry; the cookie comes as its low and high half. */
  contains(low: number, high: number, address: ArrayLike<number>, at: number, port: number): boolean {
    this.#write(low, high, address, at, port);
    return this.table.find(this.key) >= 0;
  }

  #write(low: number, high: number, address: ArrayLike<number>, at: number, port: number): void {
    const { key, words } = this;
    key[0] = low;
    key[1] = high;
    for (let i = 0; i < words; i++) key[2 + i] = address[at + i]!;
    key[2 + words] = port;
  }

  protected override writeKey(key: SkipLbKey): void {
    this.checkAddress(key.address);
    this.#write(key.netnsCookie.low, key.netnsCookie.high, key.address.words, 0, key.port);
  }

  protected override readKey(rows: Uint32Array, at: number): SkipLbKey {
    return {
      netnsCookie: { low: rows[at]!, high: rows[at + 1]! },
      address: this.addressAt(rows, at + 2),
      port: rows[at + 2 + this.words]!,
    };
  }

  protected override writeValue(): void {}

  protected override readValue(): true {
    return true;
  }
}
