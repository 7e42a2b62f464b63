import { formatWords } from '../net/address.ts';
import { isExternalIp, isHostPort, isLoopback, isNat46x64, isNodePort } from '../lb/layout.ts';
import { lookupService, type ServiceHit } from '../lb/lookup.ts';
import type { ServiceMap } from '../lb/service-map.ts';
import type { Trace } from '../lb/trace.ts';
import type { PrefixTable } from '../node/address-table.ts';
import { isRemoteNode, ReservedIdentity } from '../node/identity.ts';
import type { IpCacheEntry } from '../node/tables.ts';

/** One family of a node's ipcache. */
export type IpCache = PrefixTable<IpCacheEntry>;

const UNSPECIFIED = new Uint32Array(4);

export interface WildcardRules {
  readonly nodePortMin: number;
  readonly nodePortMax: number;
}

/** 127.0.0.0/8, or exactly ::1. */
export const isLoopbackAddress = (words: 1 | 4, address: ArrayLike<number>, at: number): boolean =>
  words === 1
    ? address[at]! >>> 24 === 127
    : address[at] === 0 && address[at + 1] === 0 && address[at + 2] === 0 && address[at + 3] === 1;

/**
 * What a socket tries after the plain lookup found nothing (docs/eastwest.md): the entry of the unspecified address, which
 * stands for any address of a node. Inside the NodePort range for addresses of any node, and only if it is a NodePort; outside
 * for addresses of this host, and only if it is a hostPort. On a hit the slots are under the unspecified address, too.
 * @param hit on a miss it is as the last lookup left it
 */
export function lookupWildcard(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  protocol: number,
  hostNamespace: boolean,
  ipCache: IpCache,
  rules: WildcardRules,
  hit: ServiceHit,
  trace?: Trace,
): boolean {
  const inRange = port >= rules.nodePortMin && port <= rules.nodePortMax;
  if (!lookupNodeWildcard(services, address, at, port, protocol, hostNamespace, inRange, ipCache, hit, trace)) {
    return false;
  }
  const flags = services.flags(hit.row);
  if (inRange) return isNodePort(flags);
  return isHostPort(flags) && (!isLoopback(flags) || isLoopbackAddress(services.words, address, at));
}

/** The entry of the unspecified address, for an address of this host or, with `remoteToo`, of any node. */
export function lookupNodeWildcard(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  protocol: number,
  hostNamespace: boolean,
  remoteToo: boolean,
  ipCache: IpCache,
  hit: ServiceHit,
  trace?: Trace,
): boolean {
  if (!(hostNamespace && isLoopbackAddress(services.words, address, at))) {
    const identity = identityOf(services, address, at, ipCache, trace);
    if (identity !== ReservedIdentity.HOST && !(remoteToo && isRemoteNode(identity))) return false;
  }
  return lookupService(services, UNSPECIFIED, 0, port, protocol, true, hit, trace);
}

function identityOf(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  ipCache: IpCache,
  trace: Trace | undefined,
): number {
  const identity = ipCache.lookup(address, at)?.identity ?? -1;
  if (trace !== undefined) {
    const key = { address: formatWords(services.family, address, at) };
    trace.event({ kind: 'lookup', map: 'ipcache', key, value: identity < 0 ? undefined : { identity } });
  }
  return identity;
}

export interface SkipRules {
  /** NAT46/64 is compiled in. */
  readonly nat46x64: boolean;
  /** External IPs are translated only if they are this host's. */
  readonly externalIpMitigation: boolean;
}

/**
 * Whether a service that was found is left alone: external IPs, and hostPorts unless on loopback, that are not addresses of
 * this host (somebody else might answer there), and NAT46/64 services.
 * @param address what the application asked for
 */
export function skipsTranslation(
  services: ServiceMap,
  flags: number,
  address: ArrayLike<number>,
  at: number,
  ipCache: IpCache,
  rules: SkipRules,
  trace?: Trace,
): boolean {
  if (rules.nat46x64 && isNat46x64(flags)) return true;
  const foreign =
    (rules.externalIpMitigation && isExternalIp(flags)) ||
    (isHostPort(flags) && !isLoopbackAddress(services.words, address, at));
  return foreign && identityOf(services, address, at, ipCache, trace) !== ReservedIdentity.HOST;
}
