import { type Family, formatWords } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { hasSourceRange, isSourceRangeDeny, isTwoScopes, Scope } from './layout.ts';
import type { LbFamilyMaps } from './maps.ts';
import type { ServiceMap } from './service-map.ts';
import type { Trace } from './trace.ts';

/** The service that a lookup found: its master entry, and the protocol and scope under which its slots are. */
export class ServiceHit {
  /** Row of the master entry in the service map, or -1. */
  row = -1;
  /** Protocol of the last key that was tried: the packet's, or ANY (0). */
  protocol = 0;
  /** Scope of the last key that was tried. */
  scope: number = Scope.EXTERNAL;
}

/**
 * Finds the service of an address, port and protocol (docs/services.md): the protocol itself, then ANY; in the external scope,
 * and with `scopeSwitch` in the internal one if the external entry says that there are two. What the internal scope answers is
 * final. Whether protocols are told apart is decided by the keys: a caller without protocol differentiation asks for ANY.
 * @param address words of the address, from `at`
 * @param hit receives the answer; its protocol and scope are those of the last key tried, also on a miss
 */
export function lookupService(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  protocol: number,
  scopeSwitch: boolean,
  hit: ServiceHit,
  trace?: Trace,
): boolean {
  hit.scope = Scope.EXTERNAL;
  if (!probe(services, address, at, port, protocol, hit, trace)) return false;
  if (!scopeSwitch || !isTwoScopes(services.flags(hit.row))) return true;
  hit.scope = Scope.INTERNAL;
  return probe(services, address, at, port, protocol, hit, trace);
}

/** The protocol itself, then ANY, in the scope of `hit`. */
function probe(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  protocol: number,
  hit: ServiceHit,
  trace: Trace | undefined,
): boolean {
  hit.protocol = protocol;
  hit.row = services.find(address, at, port, 0, protocol, hit.scope);
  if (trace !== undefined) traceProbe(services, address, at, port, 0, hit, trace);
  if (hit.row >= 0) return true;
  if (protocol === Protocol.ANY) return false;
  hit.protocol = Protocol.ANY;
  hit.row = services.find(address, at, port, 0, Protocol.ANY, hit.scope);
  if (trace !== undefined) traceProbe(services, address, at, port, 0, hit, trace);
  return hit.row >= 0;
}

function traceProbe(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  slot: number,
  hit: ServiceHit,
  trace: Trace,
): void {
  trace.event({
    kind: 'lookup',
    map: 'services',
    key: { address: formatWords(services.family, address, at), port, slot, protocol: hit.protocol, scope: hit.scope },
    value: hit.row < 0 ? undefined : services.valueAt(hit.row),
  });
}

/**
 * Backend id in a slot (1..) of the service found, 0 if there is no such slot.
 * @param address words of the address under which the service was found, from `at`
 */
export function slotBackend(
  services: ServiceMap,
  address: ArrayLike<number>,
  at: number,
  port: number,
  slot: number,
  hit: ServiceHit,
  trace?: Trace,
): number {
  const row = services.findSlot(hit.row, address, at, port, slot, hit.protocol, hit.scope);
  if (trace !== undefined)
    traceSlot(services.family, address, at, port, slot, hit, row < 0 ? 0 : services.union(row), trace);
  return row < 0 ? 0 : services.union(row);
}

function traceSlot(
  family: Family,
  address: ArrayLike<number>,
  at: number,
  port: number,
  slot: number,
  { protocol, scope }: ServiceHit,
  backendId: number,
  trace: Trace,
): void {
  const key = { address: formatWords(family, address, at), port, slot, protocol, scope };
  trace.event({ kind: 'lookup', map: 'services', key, value: backendId === 0 ? undefined : { backendId } });
}

/**
 * Whether a client may use a service: without the source range flag everybody; otherwise a client that some range of the
 * service holds, or, with the deny flag, one that none holds. An empty list thus refuses everybody, or nobody. Everybody, too, where the
 * programs are built without the check.
 */
export function sourceRangeAllows(
  maps: LbFamilyMaps,
  flags: number,
  revNatIndex: number,
  client: ArrayLike<number>,
  at: number,
): boolean {
  if (!hasSourceRange(flags) || !maps.sourceRanges.isAsked) return true;
  return maps.sourceRanges.contains(revNatIndex, client, at) !== isSourceRangeDeny(flags);
}
