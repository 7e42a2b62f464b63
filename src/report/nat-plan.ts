import type { MapOccupancy, Occupancy } from '../nat/occupancy.ts';
import type { PortUsage } from '../nat/usage.ts';
import type { SnatPlanPoint } from '../nat/plan.ts';
import { protocolName } from '../net/protocol.ts';
import { textTable } from './table.ts';

/** A probability for people: 0, below one in a million, or with two significant digits. */
export function odds(probability: number): string {
  if (probability === 0) return '0';
  if (probability < 1e-6) return '< 0.000001';
  return probability > 0.999 && probability < 1 ? '> 0.999' : String(Number(probability.toPrecision(2)));
}

/** At most `lines` of the points, evenly. */
function sample(points: readonly SnatPlanPoint[], lines: number): readonly SnatPlanPoint[] {
  const every = Math.max(1, Math.ceil(points.length / lines));
  return points.filter((_, i) => i % every === 0);
}

/** The curve of a SNAT plan: a few points as long as nothing can fail, more from there on, and the last one. */
export function snatPlanTable(points: readonly SnatPlanPoint[], ports: number): string {
  const found = points.findIndex((point) => point.signals > 0);
  const calm = found < 0 ? points.length : found;
  const last = points.at(-1);
  const shown = new Set([...sample(points.slice(0, calm), 4), ...sample(points.slice(calm), 14)]);
  if (last !== undefined) shown.add(last);
  const rows = [...shown].map(({ flows, fails, anyFailed, failedAttempts, signals }) => [
    String(flows),
    `${((100 * flows) / ports).toFixed(1)} %`,
    odds(fails),
    odds(anyFailed),
    failedAttempts.toFixed(2),
    odds(signals),
  ]);
  const titles = ['flows', 'of ports', 'next one fails', 'one failed so far', 'failed attempts', 'over 16'];
  return textTable([titles, ...rows], new Set([0, 1, 2, 3, 4, 5]));
}

const NAMES: Readonly<Record<MapOccupancy['map'], string>> = {
  'ct-tcp': 'conntrack TCP',
  'ct-any': 'conntrack any',
  nat: 'NAT',
};

/** Map, size, entries and what happens when they do not fit. */
export function occupancyTable({ maps }: Occupancy): string {
  const rows = maps.map(({ map, maxEntries, rate, live, high, evictedAfter }) => [
    NAMES[map],
    String(maxEntries),
    rate.toFixed(1),
    String(Math.round(live)),
    String(Math.round(high)),
    `${((100 * high) / maxEntries).toFixed(1)} %`,
    evictedAfter === undefined ? 'fits' : `evicts what is unused for ${duration(evictedAfter)}`,
  ]);
  const titles = ['map', 'size', 'new/s', 'live', 'before GC', 'full', ''];
  return textTable([titles, ...rows], new Set([1, 2, 3, 4, 5]));
}

/** Seconds as `90 s`, `25 min`, `3.1 h`. */
export function duration(seconds: number): string {
  if (seconds < 120) return `${Number(seconds.toPrecision(3))} s`;
  return seconds < 7200
    ? `${Number((seconds / 60).toPrecision(3))} min`
    : `${Number((seconds / 3600).toPrecision(3))} h`;
}

const hostPort = (address: string, port: number): string =>
  address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;

/** Destinations with the ports that are taken towards them and what the next flow can expect. */
export function usageTable(destinations: readonly PortUsage[]): string {
  const rows = destinations.map((one) => [
    `${hostPort(one.remoteAddress, one.remotePort)}/${protocolName(one.protocol)}`,
    one.snatAddress,
    String(one.used),
    `${((100 * one.used) / one.ports).toFixed(1)} %`,
    odds(one.fails),
    one.failedAttempts.toFixed(2),
    String(one.halves),
  ]);
  const titles = ['destination', 'from', 'ports', 'of all', 'next one fails', 'failed attempts', 'halves'];
  return textTable([titles, ...rows], new Set([2, 3, 4, 5, 6]));
}
