import { ControlPlane, type ControlPlaneInit, type ListedFrontend } from '../k8s/control-plane.ts';
import type { ProxyRedirect } from '../k8s/model.ts';
import { type KnownObject, decodeObjects } from '../k8s/objects/read.ts';
import { type LbMaps } from '../lb/maps.ts';
import { Scope } from '../lb/layout.ts';

/** One address in the maps of one node, before and after. */
export interface FrontendDiff {
  /** `10.0.0.1:80/TCP`, `/i` behind it for the internal scope. */
  readonly address: string;
  readonly change: 'added' | 'removed' | 'changed';
  /** `namespace/name`, of the later state. */
  readonly service: string;
  /** What differs beside the backends: name, then the values before and after. */
  readonly fields: readonly (readonly [field: string, before: string, after: string])[];
  /** Addresses of backends that are new, and of those that are gone. */
  readonly backendsAdded: readonly string[];
  readonly backendsRemoved: readonly string[];
  /** Backends that stay but change between selectable and not. */
  readonly selectableAdded: readonly string[];
  readonly selectableRemoved: readonly string[];
  /**
   * Share of new flows, 0..1, whose backend would be another one: of the Maglev table's slots, or, with random selection, of those that
   * had a backend which is no longer selectable. Flows in the conntrack table stay until their backend is gone.
   */
  readonly moved: number;
  /** By which selection `moved` was found. */
  readonly selection: 'maglev' | 'random';
}

export interface NodeDiff {
  /** `''` when no object tells of nodes. */
  readonly node: string;
  readonly frontends: readonly FrontendDiff[];
  /** Frontends in the maps, before and after. */
  readonly count: readonly [before: number, after: number];
}

interface MapState {
  readonly listed: ListedFrontend;
  readonly fields: ReadonlyMap<string, string>;
  /** All backends in slot order; the first `count` are selectable. */
  readonly backends: readonly string[];
  readonly count: number;
  readonly table: readonly string[] | undefined;
}

/** What changes on one node from one state to another. */
export function diffPlanes(before: ControlPlane, after: ControlPlane): FrontendDiff[] {
  const old = stateOf(before);
  const now = stateOf(after);
  const diffs: FrontendDiff[] = [];
  for (const address of [...new Set([...old.keys(), ...now.keys()])].sort()) {
    const diff = diffOne(address, old.get(address), now.get(address));
    if (diff !== undefined) diffs.push(diff);
  }
  return diffs;
}

/**
 * What changes on every node when the objects change from one dump to another. Nodes are those of both dumps; of a configuration for
 * either, the second counts for the later state.
 */
export function diffObjects(
  before: Iterable<unknown>,
  after: Iterable<unknown>,
  init: ControlPlaneInit = {},
  initAfter: ControlPlaneInit = init,
): NodeDiff[] {
  const old = [...before];
  const now = [...after];
  const names = new Set([...nodeNames(old), ...nodeNames(now)]);
  return [...(names.size === 0 ? [init.nodeName ?? ''] : names)].sort().map((node) => {
    const planes = [planeOf(old, init, node), planeOf(now, initAfter, node)] as const;
    return {
      node,
      frontends: diffPlanes(...planes),
      count: [planes[0].mapFrontends.length, planes[1].mapFrontends.length],
    };
  });
}

function planeOf(
  objects: readonly unknown[],
  { maps: _maps, fault: _fault, ...init }: ControlPlaneInit,
  nodeName: string,
): ControlPlane {
  const plane = new ControlPlane({ ...init, nodeName });
  plane.apply(objects);
  return plane;
}

const isNode = (object: KnownObject): boolean => object.kind === 'Node' || object.kind === 'CiliumNode';

const nodeNames = (objects: readonly unknown[]): string[] =>
  decodeObjects(objects.filter((raw) => String((raw as { kind?: unknown } | null)?.kind).endsWith('Node')))
    .objects.filter(isNode)
    .map(({ name }) => name);

function stateOf(plane: ControlPlane): Map<string, MapState> {
  const states = new Map<string, MapState>();
  const addresses = backendAddresses(plane);
  for (const listed of plane.mapFrontends) {
    const state = mapState(plane.maps, listed, addresses, plane.proxyRedirect(listed.frontend.entry.name));
    if (state !== undefined) states.set(listed.address, state);
  }
  return states;
}

const backendAddresses = (plane: ControlPlane): Map<number, string> =>
  new Map(plane.backends.map((backend) => [backend.id, backend.key]));

function mapState(
  maps: LbMaps,
  listed: ListedFrontend,
  addresses: ReadonlyMap<number, string>,
  redirect: ProxyRedirect | undefined,
): MapState | undefined {
  const { frontend, id } = listed;
  const { family } = frontend.address;
  const { reverseNat, services, maglev } = maps.of(family);
  const own = reverseNat.get(id);
  if (own === undefined) return undefined;
  const key = { address: own.address, port: own.port, protocol: frontend.protocol, scope: frontend.scope };
  const value = services.get({ ...key, slot: 0 });
  if (value === undefined) return undefined;
  const backends: string[] = [];
  for (let slot = 1; slot <= value.count + value.qcount; slot++) {
    backends.push(addresses.get(services.get({ ...key, slot })?.union ?? 0) ?? '');
  }
  const table = maglev.get(id);
  const scope = frontend.scope === Scope.INTERNAL ? 'internal' : 'external';
  return {
    listed,
    fields: new Map([
      ['service', frontend.entry.name],
      ['type', frontend.type],
      ['scope', scope],
      ['flags', `0x${value.flags.toString(16)}`],
      ['redirect', redirect === undefined ? '' : String(redirect.port)],
      ['affinity', frontend.entry.service?.affinity === undefined ? '' : `${frontend.entry.service.affinity}s`],
    ]),
    backends,
    count: value.count,
    table: table === undefined ? undefined : Array.from(table, (backend) => addresses.get(backend) ?? ''),
  };
}

const without = (all: readonly string[], some: readonly string[]): string[] => {
  const known = new Set(some);
  return all.filter((one) => !known.has(one));
};

function diffOne(address: string, old: MapState | undefined, now: MapState | undefined): FrontendDiff | undefined {
  const fields: [string, string, string][] = [];
  if (old !== undefined && now !== undefined) {
    for (const [name, value] of now.fields) {
      const before = old.fields.get(name)!;
      if (before !== value) fields.push([name, before, value]);
    }
  }
  const [wasThere, isThere] = [old?.backends ?? [], now?.backends ?? []];
  const wasSelectable = wasThere.slice(0, old?.count ?? 0);
  const isSelectable = isThere.slice(0, now?.count ?? 0);
  const backendsAdded = without(isThere, wasThere);
  const backendsRemoved = without(wasThere, isThere);
  const selectableAdded = without(without(isSelectable, wasSelectable), backendsAdded);
  const selectableRemoved = without(without(wasSelectable, isSelectable), backendsRemoved);
  const moved = old === undefined || now === undefined ? 0 : movedShare(old, now, wasSelectable, isSelectable);
  const change = old === undefined ? 'added' : now === undefined ? 'removed' : 'changed';
  const lists = [fields, backendsAdded, backendsRemoved, selectableAdded, selectableRemoved];
  if (change === 'changed' && moved === 0 && lists.every(({ length }) => length === 0)) return undefined;
  const { frontend } = (now ?? old)!.listed;
  return {
    address,
    change,
    service: frontend.entry.name,
    fields,
    backendsAdded,
    backendsRemoved,
    selectableAdded,
    selectableRemoved,
    moved,
    selection: old?.table !== undefined && now?.table !== undefined ? 'maglev' : 'random',
  };
}

function movedShare(old: MapState, now: MapState, before: readonly string[], after: readonly string[]): number {
  if (old.table !== undefined && now.table !== undefined && old.table.length === now.table.length) {
    const { table } = now;
    const moved = old.table.reduce((count, backend, slot) => count + (backend === table[slot] ? 0 : 1), 0);
    return moved / table.length;
  }
  return before.length === 0 ? 0 : without(before, after).length / before.length;
}
