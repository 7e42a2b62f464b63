import { copyAddress, type Family, type IpAddress, wordsOf } from '../net/address.ts';
import { FamilyMap } from '../lb/typed-map.ts';

/** A datagram in pieces. */
export interface FragmentKey {
  readonly daddr: IpAddress;
  readonly saddr: IpAddress;
  /** Identification: 16 bits for IPv4, 32 for IPv6. */
  readonly id: number;
  readonly protocol: number;
}

/** Its ports, known from the first fragment. */
export interface FragmentPorts {
  readonly sport: number;
  readonly dport: number;
}

/** Ports of fragmented datagrams, by their first fragment: LRU, one map per family. */
export class FragmentMap extends FamilyMap<FragmentKey, FragmentPorts> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'lru', 2 * wordsOf(family) + 2, 1, maxEntries);
  }

  /** Source port in bits 16..31, destination port below; -1 if unknown. A use. */
  lookup(daddr: Uint32Array, saddr: Uint32Array, id: number, protocol: number): number {
    this.#write(daddr, saddr, id, protocol);
    const row = this.table.lookup(this.key);
    return row < 0 ? -1 : this.word(row, 0);
  }

  store(daddr: Uint32Array, saddr: Uint32Array, id: number, protocol: number, sport: number, dport: number): void {
    this.#write(daddr, saddr, id, protocol);
    const value = this.table.valueAt(this.table.upsert(this.key));
    this.table.rows[value] = (sport << 16) | dport;
  }

  #write(daddr: Uint32Array, saddr: Uint32Array, id: number, protocol: number): void {
    const { key, words } = this;
    copyAddress(key, 0, daddr, 0, words);
    copyAddress(key, words, saddr, 0, words);
    key[2 * words] = id;
    key[2 * words + 1] = protocol;
  }

  protected override writeKey(key: FragmentKey): void {
    this.checkAddress(key.daddr);
    this.checkAddress(key.saddr);
    this.#write(Uint32Array.from(key.daddr.words), Uint32Array.from(key.saddr.words), key.id, key.protocol);
  }

  protected override readKey(rows: Uint32Array, at: number): FragmentKey {
    return {
      daddr: this.addressAt(rows, at),
      saddr: this.addressAt(rows, at + this.words),
      id: rows[at + 2 * this.words]!,
      protocol: rows[at + 2 * this.words + 1]!,
    };
  }

  protected override writeValue(rows: Uint32Array, at: number, value: FragmentPorts): void {
    rows[at] = (value.sport << 16) | value.dport;
  }

  protected override readValue(row: number): FragmentPorts {
    const ports = this.word(row, 0);
    return { sport: ports >>> 16, dport: ports & 0xffff };
  }
}
