import type { ControlPlane } from '../k8s/control-plane.ts';
import type { LbFamilyMaps } from '../lb/maps.ts';
import { indented, percent, textTable } from './table.ts';

/** How full one map is, or how many ids are taken. */
export interface MapUsage {
  readonly map: string;
  readonly used: number;
  readonly max: number;
}

/** What one service costs. */
export interface ServiceCost {
  /** `namespace/name` */
  readonly service: string;
  /** Frontends in the maps, each with an id, a reverse NAT entry and a master entry. */
  readonly frontends: number;
  /** Entries of the service maps: one for each frontend and one for each of its slots. */
  readonly entries: number;
}

/** What a node's load-balancing maps hold after its control plane has written them. */
export interface LbUsage {
  readonly maps: readonly MapUsage[];
  /** The most expensive first. */
  readonly services: readonly ServiceCost[];
  /** Frontends whose entries a map refused. */
  readonly refused: readonly string[];
}

interface Sized {
  readonly size: number;
  readonly maxEntries: number;
}

const usageOf = (map: string, { size, maxEntries }: Sized): MapUsage => ({ map, used: size, max: maxEntries });

function familyUsage({ family, services, backends, reverseNat, sourceRanges, maglev }: LbFamilyMaps): MapUsage[] {
  const name = (what: string): string => `${what}, IPv${family}`;
  return [
    usageOf(name('services'), services),
    usageOf(name('backends'), backends),
    usageOf(name('reverse NAT'), reverseNat),
    usageOf(name('source ranges'), sourceRanges),
    usageOf(name('Maglev tables'), maglev),
  ];
}

/** The maps that a control plane has filled, empty ones left out, and what its services cost. */
export function lbUsage(plane: ControlPlane): LbUsage {
  const { maps, mapFrontends, frontends, options } = plane;
  const costs = new Map<string, { frontends: number; entries: number }>();
  for (const { frontend } of mapFrontends) {
    const { name } = frontend.entry;
    const cost = costs.get(name) ?? { frontends: 0, entries: 0 };
    cost.frontends += 1;
    cost.entries += 1 + frontend.backends.length;
    costs.set(name, cost);
  }
  const all = [
    ...familyUsage(maps.v4),
    ...familyUsage(maps.v6),
    usageOf('affinity matches', maps.affinityMatch),
    // Id 0 is none, and the highest is never handed out.
    { map: 'service ids', used: mapFrontends.length, max: options.maxServiceId - 1 },
  ];
  return {
    maps: all.filter(({ used }) => used > 0),
    services: [...costs]
      .map(([service, cost]) => ({ service, ...cost }))
      .sort((a, b) => b.entries - a.entries || (a.service < b.service ? -1 : 1)),
    refused: frontends.filter(({ status }) => status === 'Error').map(({ key, error }) => `${key}: ${error}`),
  };
}

/** Share of the fullest map, 0..1. */
export const fullest = ({ maps }: LbUsage): number => Math.max(0, ...maps.map(({ used, max }) => used / max));

const MAX_REFUSED = 10;

/** The answer for people: `top` services are listed. */
export function formatUsage(configuration: string, node: string, usage: LbUsage, top: number): string {
  const { maps, services, refused } = usage;
  const rows = maps.map(({ map, used, max }) => [map, String(used), String(max), percent(used, max)]);
  const right = new Set([1, 2, 3]);
  let text = `${configuration}\n\n${node === '' ? 'a node' : node}\n`;
  text += indented(textTable([['map', 'entries', 'size', ''], ...rows], right));
  if (services.length > 0) {
    const costs = services.slice(0, top).map((one) => [one.service, String(one.frontends), String(one.entries)]);
    text += `\n${services.length} services; the most expensive:\n`;
    text += indented(textTable([['service', 'frontends', 'service entries'], ...costs], new Set([1, 2])));
  }
  if (refused.length > 0) {
    text += `\n${refused.length} frontends are not written, these first:\n`;
    text += indented(
      refused
        .slice(0, MAX_REFUSED)
        .map((line) => `${line}\n`)
        .join(''),
    );
  }
  return text;
}
