import type { MaglevTableSource } from '../lb/maglev-map.ts';
import type { LbMaps } from '../lb/maps.ts';
import type { BackendValue } from '../lb/backend-map.ts';
import type { ServiceValue } from '../lb/service-map.ts';
import type { SkipLbKey } from '../lb/skip-lb-map.ts';
import { formatCidr, type Cidr } from '../net/cidr.ts';
import type { Family, IpAddress } from '../net/address.ts';
import type { ScopedAddress } from './model.ts';

export type MapName = 'services' | 'backends' | 'reverseNat' | 'affinityMatch' | 'sourceRanges' | 'maglev' | 'skipLb';
export type MapOperation = 'set' | 'delete';

/** Asked before every write; a negative errno makes it fail as if the kernel had refused. */
export type FaultSource = (map: MapName, operation: MapOperation) => number;

const ERRNO_TEXT: Readonly<Record<number, string>> = {
  [-7]: 'argument list too long',
  [-28]: 'no space left on device',
};

/** A write that the map refused; the update it belongs to stops there and is retried. */
export class MapWriteError extends Error {}

/** The control plane's hands on the maps: every write goes through here, is counted, and throws `MapWriteError` when refused. */
export class MapWriter {
  readonly maps: LbMaps;
  /** Writes so far, deletions included. */
  writes = 0;
  readonly #fault: FaultSource | undefined;

  constructor(maps: LbMaps, fault?: FaultSource) {
    this.maps = maps;
    this.#fault = fault;
  }

  #begin(map: MapName, operation: MapOperation, what: string): void {
    this.writes++;
    const errno = this.#fault === undefined ? 0 : this.#fault(map, operation);
    if (errno !== 0) this.#refuse(errno, what);
  }

  #refuse(errno: number, what: string): never {
    throw new MapWriteError(`${what}: ${ERRNO_TEXT[errno] ?? `errno ${-errno}`}`);
  }

  setService(at: ScopedAddress, slot: number, value: ServiceValue): void {
    const what = slot === 0 ? 'upsert service master' : 'upsert service';
    this.#begin('services', 'set', what);
    const { address, port, protocol, scope } = at;
    const { union, count, revNatIndex, flags, qcount } = value;
    const errno = this.maps
      .of(address.family)
      .services.put(address.words, port, slot, protocol, scope, union, count, revNatIndex, flags, qcount);
    if (errno !== 0) this.#refuse(errno, what);
  }

  deleteService(at: ScopedAddress, slot: number): void {
    this.#begin('services', 'delete', 'delete service');
    const { address, port, protocol, scope } = at;
    this.maps.of(address.family).services.delete({ address, port, slot, protocol, scope });
  }

  setBackend(id: number, value: BackendValue): void {
    this.#begin('backends', 'set', 'upsert backend');
    const errno = this.maps.of(value.address.family).backends.set(id, value);
    if (errno !== 0) this.#refuse(errno, 'upsert backend');
  }

  deleteBackend(family: Family, id: number): void {
    this.#begin('backends', 'delete', 'delete backend');
    this.maps.of(family).backends.delete(id);
  }

  setReverseNat(id: number, address: IpAddress, port: number): void {
    this.#begin('reverseNat', 'set', 'upsert reverse nat');
    const errno = this.maps.of(address.family).reverseNat.set(id, { address, port });
    if (errno !== 0) this.#refuse(errno, 'upsert reverse nat');
  }

  deleteReverseNat(family: Family, id: number): void {
    this.#begin('reverseNat', 'delete', 'delete reverse nat');
    this.maps.of(family).reverseNat.delete(id);
  }

  addAffinityMatch(revNatIndex: number, backendId: number): void {
    this.#begin('affinityMatch', 'set', 'upsert affinity match');
    const errno = this.maps.affinityMatch.add(revNatIndex, backendId);
    if (errno !== 0) this.#refuse(errno, 'upsert affinity match');
  }

  deleteAffinityMatch(revNatIndex: number, backendId: number): void {
    if (!this.maps.affinityMatch.contains(revNatIndex, backendId)) return;
    this.#begin('affinityMatch', 'delete', 'delete affinity match');
    this.maps.affinityMatch.delete({ revNatIndex, backendId });
  }

  addSourceRange(revNatIndex: number, cidr: Cidr): void {
    const what = `upsert source range ${formatCidr(cidr)}`;
    this.#begin('sourceRanges', 'set', what);
    const errno = this.maps.of(cidr.address.family).sourceRanges.add({ revNatIndex, cidr });
    if (errno !== 0) this.#refuse(errno, what);
  }

  deleteSourceRange(revNatIndex: number, cidr: Cidr): void {
    this.#begin('sourceRanges', 'delete', 'delete source range');
    this.maps.of(cidr.address.family).sourceRanges.delete({ revNatIndex, cidr });
  }

  setMaglev(family: Family, id: number, table: MaglevTableSource): void {
    const { maglev } = this.maps.of(family);
    if (maglev.holds(id, table)) return;
    this.#begin('maglev', 'set', 'update maglev');
    const errno = maglev.set(id, table);
    if (errno !== 0) this.#refuse(errno, 'update maglev');
  }

  deleteMaglev(family: Family, id: number): void {
    const { maglev } = this.maps.of(family);
    if (!maglev.has(id)) return;
    this.#begin('maglev', 'delete', 'delete maglev');
    maglev.delete(id);
  }

  setSkipLb(key: SkipLbKey): void {
    this.#begin('skipLb', 'set', 'update skip-lb');
    const errno = this.maps.of(key.address.family).skipLb.set(key, true);
    if (errno !== 0) this.#refuse(errno, 'update skip-lb');
  }

  deleteSkipLb(key: SkipLbKey): void {
    this.#begin('skipLb', 'delete', 'delete skip-lb');
    this.maps.of(key.address.family).skipLb.delete(key);
  }
}
