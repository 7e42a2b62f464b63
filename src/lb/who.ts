import { hashTuple } from '../hash/tuple.ts';
import { type IpAddress, sameAddress } from '../net/address.ts';
import type { L4Address } from '../net/endpoint.ts';
import { Algorithm, hasAffinity, isL7LoadBalancer, isRoutable, serviceAlgorithm } from './layout.ts';
import type { LbFamilyMaps, LbMaps } from './maps.ts';
import type { ServiceKey, ServiceValue } from './service-map.ts';

/** What the answer depends on beside the maps. */
export interface SelectionSettings {
  readonly algorithm: 'maglev' | 'random';
  /** Each service names its own algorithm (`bpf-lb-algorithm-annotation`); one that names none reaches no backend. */
  readonly algorithmAnnotation: boolean;
  /** Seeds of the flow hashes, u32. */
  readonly hashSeed4: number;
  readonly hashSeed6: number;
}

/** A frontend from which new flows reach the backend. */
export interface ReachingFrontend {
  readonly frontend: L4Address;
  /** `Scope` */
  readonly scope: number;
  readonly revNatIndex: number;
  readonly backendId: number;
  /** `BackendState` */
  readonly backendState: number;
  readonly affinity: boolean;
  /** Packets from outside come through it (it is routable); otherwise only sockets inside the cluster use it. */
  readonly routable: boolean;
  /** For packets as configured; sockets pick at random always. */
  readonly algorithm: 'maglev' | 'random';
  /** Slots of the service map that hold the backend and are picked from (1-based), and how many are picked from. */
  readonly slots: readonly number[];
  readonly count: number;
  /** Slots of the Maglev table that hold the backend, and how many the table has (0: no table). */
  readonly tableSlots: readonly number[];
  readonly tableSize: number;
  /** Share of new flows, 0..1: of the table's slots, or of the service map's. */
  readonly share: number;
}

/**
 * Every frontend in the maps from which a new flow can reach the backend at an address and port: `select` asked the other way
 * round. A protocol of 0 in the question matches any. L7 services (to a proxy) are left out.
 */
export function whoReaches(maps: LbMaps, backend: L4Address, settings: SelectionSettings): ReachingFrontend[] {
  const family = maps.of(backend.address.family);
  const found: ReachingFrontend[] = [];
  for (const [id, value] of family.backends.entries()) {
    const protocol = backend.protocol === 0 || value.protocol === 0 || value.protocol === backend.protocol;
    if (!protocol || value.port !== backend.port || !sameAddress(value.address, backend.address)) continue;
    for (const [key, service] of family.services.entries()) {
      if (key.slot !== 0 || isL7LoadBalancer(service.flags, service.union)) continue;
      const reaching = reach(family, key, service, id, value.state, settings);
      if (reaching !== undefined) found.push(reaching);
    }
  }
  return found;
}

function reach(
  family: LbFamilyMaps,
  key: ServiceKey,
  service: ServiceValue,
  backendId: number,
  backendState: number,
  settings: SelectionSettings,
): ReachingFrontend | undefined {
  const { count, revNatIndex } = service;
  const slots: number[] = [];
  for (let slot = 1; slot <= count; slot++) {
    if (family.services.get({ ...key, slot })?.union === backendId) slots.push(slot);
  }
  const table = family.maglev.get(revNatIndex);
  const tableSlots: number[] = [];
  table?.forEach((id, slot) => {
    if (id === backendId) tableSlots.push(slot);
  });
  if (slots.length === 0 && tableSlots.length === 0) return undefined;
  const routable = isRoutable(service.flags);
  const algorithm = routable ? algorithmOf(service.union, settings) : 'random';
  if (algorithm === undefined) return undefined;
  const share =
    algorithm === 'maglev' ? tableSlots.length / (table?.length ?? 1) : count === 0 ? 0 : slots.length / count;
  return {
    frontend: { address: key.address, port: key.port, protocol: key.protocol },
    scope: key.scope,
    revNatIndex,
    backendId,
    backendState,
    affinity: hasAffinity(service.flags),
    routable,
    algorithm,
    slots,
    count,
    tableSlots,
    tableSize: table?.length ?? 0,
    share,
  };
}

function algorithmOf(union: number, settings: SelectionSettings): 'maglev' | 'random' | undefined {
  if (!settings.algorithmAnnotation) return settings.algorithm;
  const own = serviceAlgorithm(union);
  if (own === Algorithm.MAGLEV) return 'maglev';
  return own === Algorithm.RANDOM ? 'random' : undefined;
}

/**
 * The client ports `first..last` from which a new flow of `client` to a frontend with Maglev reaches the backend, as ranges
 * `[from, to]`. With session affinity the port does not count: all or none. Empty for algorithm random.
 * @param protocol of the packets, for a frontend of any protocol
 */
export function clientPorts(
  reaching: ReachingFrontend,
  client: IpAddress,
  first: number,
  last: number,
  protocol: number,
  settings: SelectionSettings,
): [number, number][] {
  const { frontend, tableSize } = reaching;
  const { family } = frontend.address;
  if (reaching.algorithm !== 'maglev' || tableSize === 0 || client.family !== family) return [];
  const hit = new Uint8Array(tableSize);
  for (const slot of reaching.tableSlots) hit[slot] = 1;
  const seed = family === 4 ? settings.hashSeed4 : settings.hashSeed6;
  const reaches = (port: number): boolean => {
    const sport = reaching.affinity ? 0 : port;
    const hash = hashTuple(family, client.words, 0, sport, frontend.port, frontend.protocol || protocol, seed);
    return hit[(hash >>> 0) % tableSize] === 1;
  };
  const ranges: [number, number][] = [];
  for (let port = first; port <= last; port++) {
    if (!reaches(port)) continue;
    const open = ranges.at(-1);
    if (open !== undefined && open[1] === port - 1) open[1] = port;
    else ranges.push([port, port]);
  }
  return ranges;
}
