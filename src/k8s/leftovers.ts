import type { LbFamilyMaps, LbMaps } from '../lb/maps.ts';
import type { ServiceValue } from '../lb/service-map.ts';
import type { Cidr } from '../net/cidr.ts';
import type { MapWriter } from './map-writer.ts';
import { addressKey, ScopedAddress } from './model.ts';

/** What an earlier agent left in the maps. */
export interface Leftovers {
  readonly serviceIds: readonly (readonly [address: string, id: number])[];
  readonly backendIds: readonly (readonly [address: string, id: number])[];
  /** By frontend address, the addresses of backends that stood behind its COUNT. */
  readonly quarantined: ReadonlyMap<string, Set<string>>;
  /** By service id. */
  readonly sourceRanges: ReadonlyMap<number, readonly Cidr[]>;
}

interface FrontendEntries {
  master: ServiceValue | undefined;
  /** Backend addresses by slot. */
  readonly slots: Map<number, string>;
}

export function readLeftovers(maps: LbMaps): Leftovers {
  const serviceIds: [string, number][] = [];
  const backendIds: [string, number][] = [];
  const quarantined = new Map<string, Set<string>>();
  const sourceRanges = new Map<number, Cidr[]>();
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
      const out = takenOut(entries.master, entries.slots);
      if (out !== undefined) quarantined.set(address, out);
    }
    for (const { revNatIndex, cidr } of family.sourceRanges.entries()) {
      const known = sourceRanges.get(revNatIndex);
      if (known === undefined) sourceRanges.set(revNatIndex, [cidr]);
      else known.push(cidr);
    }
  }
  return { serviceIds, backendIds, quarantined, sourceRanges };
}

function frontendEntries(
  { services }: LbFamilyMaps,
  backends: ReadonlyMap<number, string>,
): Map<string, FrontendEntries> {
  const found = new Map<string, FrontendEntries>();
  for (const [key, value] of services.entries()) {
    const address = addressKey(key.address, key.port, key.protocol, key.scope);
    const entries = found.get(address) ?? { master: undefined, slots: new Map<number, string>() };
    found.set(address, entries);
    const backend = backends.get(value.union);
    if (key.slot === 0) entries.master = value;
    else if (backend !== undefined) entries.slots.set(key.slot, backend);
  }
  return found;
}

/** Backends in the slots after COUNT, where the slots are what the master says. */
function takenOut({ count, qcount }: ServiceValue, slots: ReadonlyMap<number, string>): Set<string> | undefined {
  if (qcount === 0 || slots.size !== count + qcount) return undefined;
  return new Set([...slots].filter(([slot]) => slot > count).map(([, backend]) => backend));
}

/** What the frontends account for. */
export interface Accounted {
  /** Highest slot of the frontend at an address; -1 for none. */
  readonly slotsOf: (at: ScopedAddress) => number;
  readonly serviceIds: ReadonlySet<number>;
  readonly backendIds: ReadonlySet<number>;
}

/** Removes every entry that nothing accounts for; affinity matches stay. @throws MapWriteError */
export function pruneMaps(writer: MapWriter, { slotsOf, serviceIds, backendIds }: Accounted): void {
  const { maps } = writer;
  for (const { family, services, backends, reverseNat, sourceRanges, maglev } of [maps.v4, maps.v6]) {
    for (const [{ address, port, protocol, scope, slot }] of services.entries()) {
      const at = new ScopedAddress(address, port, protocol, scope);
      if (slot > slotsOf(at)) writer.deleteService(at, slot);
    }
    for (const [id] of backends.entries()) if (!backendIds.has(id)) writer.deleteBackend(family, id);
    for (const [id] of reverseNat.entries()) if (!serviceIds.has(id)) writer.deleteReverseNat(family, id);
    for (const { revNatIndex, cidr } of sourceRanges.entries()) {
      if (!serviceIds.has(revNatIndex)) writer.deleteSourceRange(revNatIndex, cidr);
    }
    for (const id of maglev.keys()) if (!serviceIds.has(id)) writer.deleteMaglev(family, id);
  }
}
