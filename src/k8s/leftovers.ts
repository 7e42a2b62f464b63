import type { LbFamilyMaps, LbMaps } from '../lb/maps.ts';
import type { ServiceValue } from '../lb/service-map.ts';
import { type Cidr, formatCidr } from '../net/cidr.ts';
import type { MapWriter } from './map-writer.ts';
import { addressKey, ScopedAddress } from './model.ts';

/** What an earlier agent left in the maps. */
export interface Leftovers {
  readonly serviceIds: readonly (readonly [address: string, id: number])[];
  readonly backendIds: readonly (readonly [address: string, id: number])[];
  /** By frontend address, the addresses of backends that stood behind its COUNT. */
  readonly quarantined: ReadonlyMap<string, Set<string>>;
}

interface FrontendEntries {
  master: ServiceValue | undefined;
  /** The highest slot there is. */
  last: number;
  /** Backend addresses by slot. */
  readonly slots: Map<number, string>;
}

export function readLeftovers(maps: LbMaps): Leftovers {
  const serviceIds: [string, number][] = [];
  const backendIds: [string, number][] = [];
  const quarantined = new Map<string, Set<string>>();
  for (const family of [maps.v4, maps.v6]) {
    const backends = new Map<number, string>();
    for (const [id, { address, port, protocol }] of family.backends.entries()) {
      const key = addressKey(address, port, protocol, 0);
      backends.set(id, key);
      backendIds.push([key, id]);
    }
    for (const [address, entries] of frontendEntries(family, backends)) {
      if (entries.master === undefined) continue;
      serviceIds.push([address, entries.master.revNatIndex]);
      const out = takenOut(entries.master, entries);
      if (out !== undefined) quarantined.set(address, out);
    }
  }
  return { serviceIds, backendIds, quarantined };
}

function frontendEntries(
  { services }: LbFamilyMaps,
  backends: ReadonlyMap<number, string>,
): Map<string, FrontendEntries> {
  const found = new Map<string, FrontendEntries>();
  for (const [key, value] of services.entries()) {
    const address = addressKey(key.address, key.port, key.protocol, key.scope);
    const entries = found.get(address) ?? { master: undefined, last: 0, slots: new Map<number, string>() };
    found.set(address, entries);
    const backend = backends.get(value.union);
    if (key.slot > entries.last) entries.last = key.slot;
    if (key.slot === 0) entries.master = value;
    else if (backend !== undefined) entries.slots.set(key.slot, backend);
  }
  return found;
}

/** Backends in the slots after COUNT, where the slots are what the master says. */
function takenOut({ count, qcount }: ServiceValue, { last, slots }: FrontendEntries): Set<string> | undefined {
  if (qcount === 0 || last !== count + qcount) return undefined;
  return new Set([...slots].filter(([slot]) => slot > count).map(([, backend]) => backend));
}

/** What the frontends account for. */
export interface Accounted {
  /** Highest slot of the frontend at an address; -1 for none. */
  readonly slotsOf: (at: ScopedAddress) => number;
  /** Source ranges by service id; ids without any are there, too. */
  readonly ranges: ReadonlyMap<number, readonly Cidr[]>;
  /** Addresses of backends by their ids. */
  readonly backends: ReadonlyMap<number, string>;
  /** Told of a slot beyond a frontend's last that names a backend which is in use. */
  readonly onStaleSlot: (at: ScopedAddress, backend: string) => void;
}

/** Removes every entry that nothing accounts for; affinity matches stay. @throws MapWriteError */
export function pruneMaps(writer: MapWriter, { slotsOf, ranges, backends: inUse, onStaleSlot }: Accounted): void {
  const { maps } = writer;
  for (const { family, services, backends, reverseNat, sourceRanges, maglev } of [maps.v4, maps.v6]) {
    for (const [{ address, port, protocol, scope, slot }, { union }] of services.entries()) {
      const at = new ScopedAddress(address, port, protocol, scope);
      if (slot <= slotsOf(at)) continue;
      const backend = slot === 0 ? undefined : inUse.get(union);
      if (backend !== undefined) onStaleSlot(at, backend);
      writer.deleteService(at, slot);
    }
    for (const [id] of backends.entries()) if (!inUse.has(id)) writer.deleteBackend(family, id);
    for (const [id] of reverseNat.entries()) if (!ranges.has(id)) writer.deleteReverseNat(family, id);
    for (const { revNatIndex, cidr } of sourceRanges.entries()) {
      const text = formatCidr(cidr);
      const isKnown = ranges.get(revNatIndex)?.some((known) => formatCidr(known) === text) === true;
      if (!isKnown) writer.deleteSourceRange(revNatIndex, cidr);
    }
    for (const id of maglev.keys()) if (!ranges.has(id)) writer.deleteMaglev(family, id);
  }
}
