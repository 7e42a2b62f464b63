import { copyAddress, type Family, type IpAddress, storeAddress, wordsOf } from '../net/address.ts';
import { FamilyMap } from './typed-map.ts';

/** Key of the service map. `slot` 0 is the service itself (the master entry), 1..n are its backends. */
export interface ServiceKey {
  readonly address: IpAddress;
  /** 0..65535. */
  readonly port: number;
  /** 0..65535. */
  readonly slot: number;
  /** IANA number; 0 is ANY. */
  readonly protocol: number;
  /** `Scope.EXTERNAL` or `Scope.INTERNAL`. */
  readonly scope: number;
}

/** Value of the service map. */
export interface ServiceValue {
  /** Slot: backend id. Master: affinity timeout and algorithm (`affinityUnion`), or the L7 proxy port (`l7Union`). u32. */
  readonly union: number;
  /** Usable backends; 0 on slots. u16. */
  readonly count: number;
  /** u16. */
  readonly revNatIndex: number;
  /** `ServiceFlag` bits, u16. */
  readonly flags: number;
  /** Quarantined backends, in the slots after `count`. u16. */
  readonly qcount: number;
}

/** The services of one family. */
export class ServiceMap extends FamilyMap<ServiceKey, ServiceValue> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'hash', wordsOf(family) + 2, 3, maxEntries);
  }

  /** Row of a key, or -1; `address[at..]` holds the words of the address. */
  find(address: ArrayLike<number>, at: number, port: number, slot: number, protocol: number, scope: number): number {
    copyAddress(this.key, 0, address, at, this.words);
    this.#write(port, slot, protocol, scope);
    return this.table.find(this.key);
  }

  /** Like `set`, without objects for key and value. */
  put(
    address: readonly number[],
    port: number,
    slot: number,
    protocol: number,
    scope: number,
    union: number,
    count: number,
    revNatIndex: number,
    flags: number,
    qcount: number,
  ): number {
    storeAddress(this.key, 0, address);
    this.#write(port, slot, protocol, scope);
    const row = this.table.upsert(this.key);
    if (row < 0) return row;
    writeValue(this.table.rows, this.table.valueAt(row), union, count, revNatIndex, flags, qcount);
    return 0;
  }

  /**
   * Like `find` for a slot (1..) of the service whose master entry is in row `master`. The agent writes a service's slots in order and its
   * master entry after them, so that the slot's row can usually be guessed.
   */
  findSlot(
    master: number,
    address: ArrayLike<number>,
    at: number,
    port: number,
    slot: number,
    protocol: number,
    scope: number,
  ): number {
    copyAddress(this.key, 0, address, at, this.words);
    this.#write(port, slot, protocol, scope);
    const guess = master - this.count(master) - this.qcount(master) + slot - 1;
    return this.table.holds(guess, this.key) ? guess : this.table.find(this.key);
  }

  union(row: number): number {
    return this.word(row, 0);
  }

  count(row: number): number {
    return this.word(row, 1) >>> 16;
  }

  revNatIndex(row: number): number {
    return this.word(row, 1) & 0xffff;
  }

  flags(row: number): number {
    return this.word(row, 2) >>> 16;
  }

  qcount(row: number): number {
    return this.word(row, 2) & 0xffff;
  }

  /** The whole value of a row, as an object. */
  valueAt(row: number): ServiceValue {
    return this.readValue(row);
  }

  /** The words of a key behind its address. */
  #write(port: number, slot: number, protocol: number, scope: number): void {
    const { key, words } = this;
    key[words] = (port << 16) | slot;
    key[words + 1] = (protocol << 8) | scope;
  }

  protected override writeKey(key: ServiceKey): void {
    this.checkAddress(key.address);
    storeAddress(this.key, 0, key.address.words);
    this.#write(key.port, key.slot, key.protocol, key.scope);
  }

  protected override readKey(rows: Uint32Array, at: number): ServiceKey {
    const portSlot = rows[at + this.words]!;
    const protocolScope = rows[at + this.words + 1]!;
    return {
      address: this.addressAt(rows, at),
      port: portSlot >>> 16,
      slot: portSlot & 0xffff,
      protocol: protocolScope >>> 8,
      scope: protocolScope & 0xff,
    };
  }

  protected override writeValue(rows: Uint32Array, at: number, value: ServiceValue): void {
    writeValue(rows, at, value.union, value.count, value.revNatIndex, value.flags, value.qcount);
  }

  protected override readValue(row: number): ServiceValue {
    return {
      union: this.union(row),
      count: this.count(row),
      revNatIndex: this.revNatIndex(row),
      flags: this.flags(row),
      qcount: this.qcount(row),
    };
  }
}

function writeValue(
  rows: Uint32Array,
  at: number,
  union: number,
  count: number,
  revNatIndex: number,
  flags: number,
  qcount: number,
): void {
  rows[at] = union;
  rows[at + 1] = (count << 16) | revNatIndex;
  rows[at + 2] = (flags << 16) | qcount;
}
