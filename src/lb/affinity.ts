import { formatWords } from '../net/address.ts';
import { formatU64 } from '../net/u64.ts';
import type { AffinityMap, AffinityMatchMap } from './affinity-map.ts';
import type { LbFamilyMaps, LbMaps } from './maps.ts';
import type { Trace } from './trace.ts';

/*
 * Session affinity (docs/services.md). Clients are addresses where packets are seen and network namespace cookies at the
 * socket layer; the two never share entries. `now` is the monotonic clock in seconds, u32 and wrapping.
 */

/**
 * Backend id that a client has of a service, 0 for none; an entry that is used is refreshed, one that is expired (`timeout`
 * seconds after its last use, to the second) or whose backend is no longer allowed is deleted.
 */
export function affinityOfAddress(
  maps: LbMaps,
  family: LbFamilyMaps,
  revNatIndex: number,
  timeout: number,
  client: ArrayLike<number>,
  at: number,
  now: number,
  trace?: Trace,
): number {
  const row = family.affinity.lookupAddress(client, at, revNatIndex);
  const backendId = use(family.affinity, maps.affinityMatch, row, revNatIndex, timeout, now);
  if (trace !== undefined) report(trace, formatWords(family.family, client, at), revNatIndex, row, backendId);
  return backendId;
}

/** Like `affinityOfAddress`, for a network namespace cookie given as its low and high half. */
export function affinityOfCookie(
  maps: LbMaps,
  family: LbFamilyMaps,
  revNatIndex: number,
  timeout: number,
  low: number,
  high: number,
  now: number,
  trace?: Trace,
): number {
  const row = family.affinity.lookupCookie(low, high, revNatIndex);
  const backendId = use(family.affinity, maps.affinityMatch, row, revNatIndex, timeout, now);
  if (trace !== undefined) report(trace, `netns:${formatU64({ low, high })}`, revNatIndex, row, backendId);
  return backendId;
}

function use(
  affinity: AffinityMap,
  match: AffinityMatchMap,
  row: number,
  revNatIndex: number,
  timeout: number,
  now: number,
): number {
  if (row < 0) return 0;
  const backendId = affinity.backendId(row);
  // The sum is one of 64-bit numbers: entries from before the clock wrapped lie in its future and stay.
  if (affinity.lastUsed(row) + timeout <= now || !match.contains(revNatIndex, backendId)) {
    affinity.deleteRow(row);
    return 0;
  }
  affinity.touch(row, now);
  return backendId;
}

function report(trace: Trace, client: string, revNatIndex: number, row: number, backendId: number): void {
  const key = { client, revNatIndex };
  trace.event({ kind: 'lookup', map: 'affinity', key, value: backendId === 0 ? undefined : { backendId } });
  if (row >= 0 && backendId === 0) trace.event({ kind: 'delete', map: 'affinity', key });
}
