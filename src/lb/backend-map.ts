import { copyAddress, type Family, type IpAddress, wordsOf } from '../net/address.ts';
import { FamilyMap } from './typed-map.ts';

/** Value of the backend map; the key is the backend id (u32, not 0). */
export interface BackendValue {
  readonly address: IpAddress;
  /** 0..65535. */
  readonly port: number;
  /** IANA number; 0 is ANY. */
  readonly protocol: number;
  /** `BackendState`, u8. */
  readonly state: number;
  /** u16; 0 without a cluster mesh. */
  readonly clusterId: number;
  /** u8; 0 without topology. */
  readonly zone: number;
}

/** A map from one number to a value that begins with an address and a port in the upper half of the next word. */
abstract class AddressById<V extends { readonly address: IpAddress; readonly port: number }> extends FamilyMap<
  number,
  V
> {
  /** Row of an id, or -1. */
  find(id: number): number {
    this.key[0] = id;
    return this.table.find(this.key);
  }

  /** Writes the address to `out[0...]`. */
  copyAddress(row: number, out: Uint32Array): void {
    copyAddress(out, 0, this.table.rows, this.table.valueAt(row), this.words);
  }

  port(row: number): number {
    return this.word(row, this.words) >>> 16;
  }

  protected override writeKey(id: number): void {
    this.key[0] = id;
  }

  protected override readKey(rows: Uint32Array, at: number): number {
    return rows[at]!;
  }

  protected override checkValue(value: V): void {
    this.checkAddress(value.address);
  }

  protected override writeValue(rows: Uint32Array, at: number, value: V): void {
    this.putAddress(rows, at, value.address);
    rows[at + this.words] = value.port << 16;
  }

  /** @internal */
  protected endpointOf(row: number): { address: IpAddress; port: number } {
    return { address: this.addressAt(this.table.rows, this.table.valueAt(row)), port: this.port(row) };
  }
}

/** The backends of one family, by id. */
export class BackendMap extends AddressById<BackendValue> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'hash', 1, wordsOf(family) + 2, maxEntries);
  }

  protocol(row: number): number {
    return (this.word(row, this.words) >>> 8) & 0xff;
  }

  state(row: number): number {
    return this.word(row, this.words) & 0xff;
  }

  clusterId(row: number): number {
    return this.word(row, this.words + 1) >>> 8;
  }

  zone(row: number): number {
    return this.word(row, this.words + 1) & 0xff;
  }

  protected override writeValue(rows: Uint32Array, at: number, value: BackendValue): void {
    super.writeValue(rows, at, value);
    rows[at + this.words]! |= (value.protocol << 8) | value.state;
    rows[at + this.words + 1] = (value.clusterId << 8) | value.zone;
  }

  protected override readValue(row: number): BackendValue {
    return {
      ...this.endpointOf(row),
      protocol: this.protocol(row),
      state: this.state(row),
      clusterId: this.clusterId(row),
      zone: this.zone(row),
    };
  }
}

/** Value of the reverse NAT map: the frontend that a reply is shown to come from. */
export interface ReverseNatValue {
  readonly address: IpAddress;
  readonly port: number;
}

/** Reverse NAT of one family: revNatIndex (u16) to frontend. */
export class ReverseNatMap extends AddressById<ReverseNatValue> {
  constructor(family: Family, maxEntries: number) {
    super(family, 'hash', 1, wordsOf(family) + 1, maxEntries);
  }

  protected override readValue(row: number): ReverseNatValue {
    return this.endpointOf(row);
  }
}
