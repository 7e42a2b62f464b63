import { LbtwinError } from '../errors.ts';
import { type ConntrackOptions, resolveConntrackOptions } from '../conntrack/options.ts';
import { DEFAULT_NAT_MAX_ENTRIES } from './nat.ts';

/** What a flow leaves in a node's maps, by the way it takes (docs/nat.md). */
export const FLOW_PATHS = ['snat', 'local', 'dsr', 'dsr-backend', 'pod', 'masquerade'] as const;
export type FlowPath = (typeof FLOW_PATHS)[number];

interface Entries {
  /** Service entry; connection entry; entry for related ICMP errors (in the "any" map); NAT entries. */
  readonly service: number;
  readonly connection: number;
  readonly related: number;
  readonly nat: number;
}

const ENTRIES: Readonly<Record<FlowPath, Entries>> = {
  // Service traffic on the node it enters: to a remote backend with SNAT, to a local one, to a remote one with DSR.
  snat: { service: 1, connection: 1, related: 0, nat: 2 },
  local: { service: 1, connection: 1, related: 0, nat: 0 },
  dsr: { service: 1, connection: 0, related: 0, nat: 0 },
  // DSR on the backend's node.
  'dsr-backend': { service: 0, connection: 1, related: 0, nat: 1 },
  // A pod's own connection, its service translated at the socket; the same, leaving the cluster with the node's address.
  pod: { service: 0, connection: 1, related: 1, nat: 0 },
  masquerade: { service: 0, connection: 1, related: 1, nat: 2 },
};

/** A kind of traffic of one address family through one node. */
export interface FlowClass {
  readonly path: FlowPath;
  readonly tcp: boolean;
  /** New flows per second. */
  readonly rate: number;
  /** Mean time from the first to the last packet, in seconds. */
  readonly duration: number;
  /** Share of TCP connections that end without FIN from both sides or RST (0..1): their entries live out the full timeout. */
  readonly silent: number;
}

export interface OccupancyOptions {
  readonly conntrack: Partial<ConntrackOptions>;
  readonly natMaxEntries: number;
  /** Fixed interval of garbage collection in seconds (`conntrack-gc-interval`); 0 for the agent's adaptive one. */
  readonly gcInterval: number;
}

export interface MapOccupancy {
  readonly map: 'ct-tcp' | 'ct-any' | 'nat';
  readonly maxEntries: number;
  /** Insertions per second. */
  readonly rate: number;
  /** Entries that are in use or not yet expired, in the mean. */
  readonly live: number;
  /** Those plus what has expired but waits for garbage collection: just after it, and just before it. */
  readonly low: number;
  readonly high: number;
  /** If `high` does not fit: the age in seconds at which an entry that is not used again is evicted; else undefined. */
  readonly evictedAfter: number | undefined;
}

export interface Occupancy {
  readonly gcInterval: number;
  readonly maps: readonly MapOccupancy[];
}

/** The agent's bounds and first value of the adaptive interval, in seconds. */
const GC_START = 300;
const GC_MIN = 10;
const GC_MAX = 12 * 3600;

/**
 * How full a node's conntrack and NAT maps of one family are in a steady state, by Little's law: entries = rate x time in the map.
 * An entry's time is the flow's duration, then the timeout that its last packet left behind, then the wait for garbage collection.
 * @throws LbtwinError `invalid-flow-class`
 */
export function planOccupancy(classes: readonly FlowClass[], options: Partial<OccupancyOptions> = {}): Occupancy {
  const conntrack = resolveConntrackOptions(options.conntrack ?? {});
  classes.forEach(checkClass);
  const ctTcp = { rate: 0, live: 0 };
  const ctAny = { rate: 0, live: 0 };
  const nat = { rate: 0, live: 0 };
  for (const flows of classes) {
    const entries = ENTRIES[flows.path];
    const main = flows.tcp ? ctTcp : ctAny;
    add(main, flows.rate * entries.service, serviceLife(flows, conntrack));
    add(main, flows.rate * entries.connection, connectionLife(flows, conntrack));
    // Nothing refreshes an entry for related errors but such errors.
    add(ctAny, flows.rate * entries.related, flows.tcp ? conntrack.synTimeout : conntrack.anyTimeout);
    add(nat, flows.rate * entries.nat, connectionLife(flows, conntrack));
  }
  const fixed = options.gcInterval ?? 0;
  const gcInterval = fixed > 0 ? fixed : adaptiveInterval([ctTcp, ctAny]);
  const sized = (map: MapOccupancy['map'], { rate, live }: Load, maxEntries: number): MapOccupancy => {
    const high = live + rate * gcInterval;
    const evictedAfter = high > maxEntries ? maxEntries / rate : undefined;
    return { map, maxEntries, rate, live, low: live, high, evictedAfter };
  };
  return {
    gcInterval,
    maps: [
      sized('ct-tcp', ctTcp, conntrack.tcpMaxEntries),
      sized('ct-any', ctAny, conntrack.anyMaxEntries),
      sized('nat', nat, options.natMaxEntries ?? DEFAULT_NAT_MAX_ENTRIES),
    ],
  };
}

interface Load {
  rate: number;
  live: number;
}

function add(load: Load, rate: number, life: number): void {
  load.rate += rate;
  load.live += rate * life;
}

function serviceLife(flows: FlowClass, options: ConntrackOptions): number {
  if (!flows.tcp) return flows.duration + options.serviceAnyTimeout;
  return flows.duration + flows.silent * options.serviceTcpTimeout + (1 - flows.silent) * options.finTimeout;
}

function connectionLife(flows: FlowClass, options: ConntrackOptions): number {
  if (!flows.tcp) return flows.duration + options.anyTimeout;
  return flows.duration + flows.silent * options.tcpTimeout + (1 - flows.silent) * options.finTimeout;
}

/**
 * Where the agent's interval settles. After each collection it is shortened by the share of entries that were deleted, if that
 * was over 25 % (at most to a tenth), lengthened by half if under 5 %, and kept otherwise.
 */
function adaptiveInterval(loads: readonly Load[]): number {
  let interval = GC_START;
  for (let round = 0; round < 100; round++) {
    const ratios = loads.map(({ rate, live }) => (rate === 0 ? 0 : (rate * interval) / (live + rate * interval)));
    const ratio = Math.max(0, ...ratios);
    let next = interval;
    if (ratio > 0.25) next = Math.max(GC_MIN, Math.round(interval * (1 - Math.min(ratio, 0.9))));
    else if (ratio > 0 && ratio < 0.05) next = Math.min(GC_MAX, Math.round(interval * 1.5));
    if (next === interval) break;
    interval = next;
  }
  return interval;
}

function checkClass(flows: FlowClass, index: number): void {
  const refuse = (field: keyof FlowClass, allowed: string): never => {
    throw new LbtwinError('invalid-flow-class', `${JSON.stringify(flows[field])} is not usable`, {
      path: [index, field],
      allowed,
    });
  };
  if (!FLOW_PATHS.includes(flows.path)) refuse('path', FLOW_PATHS.join(', '));
  if (!(flows.rate >= 0 && flows.rate < Infinity)) refuse('rate', 'a number of flows per second, at least 0');
  if (!(flows.duration >= 0 && flows.duration < Infinity)) refuse('duration', 'seconds, at least 0');
  if (!(flows.silent >= 0 && flows.silent <= 1)) refuse('silent', '0..1');
}
