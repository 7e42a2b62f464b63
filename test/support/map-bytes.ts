import type { LbMaps } from '../../src/lb/maps.ts';
import type { IpAddress } from '../../src/net/address.ts';
import { maskCidr } from '../../src/net/cidr.ts';

/** Bytes as the kernel's maps hold them on a little-endian host. */
class Bytes {
  #hex = '';

  u8(...values: number[]): this {
    for (const value of values) this.#hex += value.toString(16).padStart(2, '0');
    return this;
  }

  /** Network order. */
  net16(value: number): this {
    return this.u8(value >>> 8, value & 255);
  }

  net32(value: number): this {
    return this.net16(value >>> 16).net16(value & 0xffff);
  }

  host16(value: number): this {
    return this.u8(value & 255, value >>> 8);
  }

  host32(value: number): this {
    return this.host16(value & 0xffff).host16(value >>> 16);
  }

  address(address: IpAddress): this {
    for (const word of address.words) this.net32(word);
    return this;
  }

  toString(): string {
    return this.#hex;
  }
}

/** Every entry of the maps as [map, key, value], sorted, as `mapbytes` expectations have them. */
export function mapBytes(maps: LbMaps): string[][] {
  const rows: string[][] = [];
  const row = (map: string, key: Bytes, value: Bytes): number => rows.push([map, key.toString(), value.toString()]);
  for (const family of [maps.v4, maps.v6]) {
    for (const [key, value] of family.services.entries()) {
      row(
        'service',
        new Bytes().address(key.address).net16(key.port).host16(key.slot).u8(key.protocol, key.scope, 0, 0),
        new Bytes()
          .host32(value.union)
          .host16(value.count)
          .net16(value.revNatIndex)
          .u8(value.flags & 255, value.flags >>> 8)
          .host16(value.qcount),
      );
    }
    for (const [id, value] of family.backends.entries()) {
      row(
        'backend',
        new Bytes().host32(id),
        new Bytes()
          .address(value.address)
          .net16(value.port)
          .u8(value.protocol, value.state)
          .host16(value.clusterId)
          .u8(value.zone, 0),
      );
    }
    for (const [id, value] of family.reverseNat.entries()) {
      row('revnat', new Bytes().net16(id), new Bytes().address(value.address).net16(value.port));
    }
    for (const { revNatIndex, cidr } of family.sourceRanges.entries()) {
      row(
        'sourceRange',
        new Bytes()
          .host32(32 + maskCidr(cidr).bits)
          .net16(revNatIndex)
          .u8(0, 0)
          .address(cidr.address),
        new Bytes().u8(0),
      );
    }
  }
  for (const [{ revNatIndex, backendId }] of maps.affinityMatch.entries()) {
    row('affinityMatch', new Bytes().host32(backendId).net16(revNatIndex).u8(0, 0), new Bytes().u8(0));
  }
  return sortRows(rows);
}

export const sortRows = (rows: string[][]): string[][] => rows.sort((a, b) => (a.join() < b.join() ? -1 : 1));
