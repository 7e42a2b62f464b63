import { formatAddress, formatCidr, type LbMaps, parseAddress, parseCidr, u64, formatU64 } from '../../src/index.ts';
import { joinFlags } from '../../src/lb/layout.ts';
import type { NodeTables } from '../../src/node/tables.ts';
import { exactKeys } from './harness.ts';

/** The service side of a node as `socket` and `podegress` vectors write it. */
export interface RawMaps {
  services: { key: RawServiceKey; value: RawServiceValue }[];
  backends: { id: number; addr: string; port: number; proto: number; state: number; zone: number }[];
  affinityMatch: { revNatId: number; backendId: number }[];
  ipcache: { cidr: string; identity: number }[];
  reverseNat?: { revNatId: number; addr: string; port: number }[];
  skipLb?: { netnsCookie: string; addr: string; port: number }[];
  maglev?: { revNatId: number; lut: number[] }[];
}
interface RawServiceKey {
  addr: string;
  port: number;
  slot: number;
  proto: number;
  scope: number;
}
interface RawServiceValue {
  u32: number;
  count: number;
  revNatId: number;
  flags: number;
  flags2: number;
  qcount: number;
}

const TABLES = ['services', 'backends', 'affinityMatch', 'ipcache', 'reverseNat', 'skipLb', 'maglev'];

/** Puts the recorded maps in place of what is there (a table that is absent stays) and returns them as they can be read back. */
export function loadMaps(raw: RawMaps, maps: LbMaps, tables: NodeTables): RawMaps {
  const unknown = Object.keys(raw).filter((key) => !TABLES.includes(key));
  if (unknown.length > 0) throw new Error(`unknown maps ${unknown.join(' ')}`);
  for (const { services, backends, reverseNat, skipLb } of [maps.v4, maps.v6]) {
    services.clear();
    backends.clear();
    if (raw.reverseNat !== undefined) reverseNat.clear();
    if (raw.skipLb !== undefined) skipLb.clear();
  }
  maps.affinityMatch.clear();
  tables.v4.ipCache.clear();
  tables.v6.ipCache.clear();
  for (const entry of raw.ipcache) {
    exactKeys(entry, ['cidr', 'identity']);
    const cidr = parseCidr(entry.cidr);
    tables.of(cidr.address.family).ipCache.set(cidr, { identity: entry.identity });
  }
  for (const { key, value } of raw.services) {
    exactKeys(key, ['addr', 'port', 'slot', 'proto', 'scope']);
    exactKeys(value, ['u32', 'count', 'revNatId', 'flags', 'flags2', 'qcount']);
    const { flags, flags2, u32: union, revNatId: revNatIndex, count, qcount } = value;
    maps
      .of(parseAddress(key.addr).family)
      .services.set(readKey(key), { union, count, revNatIndex, flags: joinFlags(flags, flags2), qcount });
  }
  for (const backend of raw.backends) {
    exactKeys(backend, ['id', 'addr', 'port', 'proto', 'state', 'zone']);
    const { port, proto: protocol, state, zone } = backend;
    const address = parseAddress(backend.addr);
    maps.of(address.family).backends.set(backend.id, { address, port, protocol, state, zone, clusterId: 0 });
  }
  for (const { revNatId, backendId } of raw.affinityMatch) maps.affinityMatch.add(revNatId, backendId);
  for (const { revNatId, addr, port } of raw.reverseNat ?? []) {
    const address = parseAddress(addr);
    maps.of(address.family).reverseNat.set(revNatId, { address, port });
  }
  for (const { netnsCookie, addr, port } of raw.skipLb ?? []) {
    const address = parseAddress(addr);
    maps.of(address.family).skipLb.set({ netnsCookie: u64(netnsCookie), address, port }, true);
  }
  for (const { revNatId, lut } of raw.maglev ?? []) maps.v4.maglev.set(revNatId, Uint32Array.from(lut));
  return readBack(raw, maps, tables);
}

const readKey = ({ addr, port, slot, proto: protocol, scope }: RawServiceKey) => ({
  address: parseAddress(addr),
  port,
  slot,
  protocol,
  scope,
});

/** The same lists, with the values that the maps hold now. */
function readBack(raw: RawMaps, maps: LbMaps, tables: NodeTables): RawMaps {
  const services = raw.services.map(({ key }) => {
    const at = readKey(key);
    const value = maps.of(at.address.family).services.get(at)!;
    return {
      key: { addr: formatAddress(at.address), port: at.port, slot: at.slot, proto: at.protocol, scope: at.scope },
      value: {
        u32: value.union,
        count: value.count,
        revNatId: value.revNatIndex,
        flags: value.flags & 0xff,
        flags2: value.flags >>> 8,
        qcount: value.qcount,
      },
    };
  });
  const backends = raw.backends.map(({ id }) => {
    const value = maps.v4.backends.get(id) ?? maps.v6.backends.get(id)!;
    const { port, protocol: proto, state, zone } = value;
    return { id, addr: formatAddress(value.address), port, proto, state, zone };
  });
  return {
    services,
    backends,
    affinityMatch: [...maps.affinityMatch.entries()].map(([key]) => ({
      revNatId: key.revNatIndex,
      backendId: key.backendId,
    })),
    ipcache: raw.ipcache.map((entry) => {
      const cidr = parseCidr(entry.cidr);
      const { identity } = tables.of(cidr.address.family).ipCache.get(cidr)!;
      return { cidr: formatCidr(cidr), identity };
    }),
    ...(raw.reverseNat === undefined
      ? {}
      : {
          reverseNat: raw.reverseNat.map(({ revNatId }) => {
            const value = (maps.v4.reverseNat.get(revNatId) ?? maps.v6.reverseNat.get(revNatId))!;
            return { revNatId, addr: formatAddress(value.address), port: value.port };
          }),
        }),
    ...(raw.skipLb === undefined
      ? {}
      : {
          skipLb: [maps.v4, maps.v6].flatMap(({ skipLb }) =>
            [...skipLb.entries()].map(([{ netnsCookie, address, port }]) => ({
              netnsCookie: formatU64(netnsCookie),
              addr: formatAddress(address),
              port,
            })),
          ),
        }),
    ...(raw.maglev === undefined
      ? {}
      : { maglev: [...maps.v4.maglev.entries()].map(([revNatId, lut]) => ({ revNatId, lut: Array.from(lut) })) }),
  };
}

interface SlotView {
  slot: number;
  backendId: number;
  addr: string;
  port: number;
  state: string;
  healthy: boolean;
}
export interface ServiceView {
  frontend: { addr: string; port: number; scope: string };
  id: number;
  keyProto: number;
  count: number;
  qcount: number;
  flags: number;
  flags2: number;
  slots: SlotView[];
}

const SCOPES = ['external', 'internal'];
const STATES = ['active', 'terminating', 'quarantined', 'maintenance'];

/**
 * The agent's view of the services, as far as the maps tell it: ids, flags, counts and slots; the Kubernetes side of it and
 * what was patched behind the agent's back are inputs.
 */
export function serviceViews(views: ServiceView[], maps: LbMaps): unknown[] {
  return views.map((view) => {
    exactKeys(view, ['frontend', 'id', 'keyProto', 'count', 'qcount', 'flags', 'flags2', 'slots']);
    const address = parseAddress(view.frontend.addr);
    const { services, backends } = maps.of(address.family);
    const scope = SCOPES.indexOf(view.frontend.scope);
    const key = { address, port: view.frontend.port, protocol: view.keyProto, scope };
    const master = services.get({ ...key, slot: 0 });
    if (master === undefined) return { ...view, missing: true };
    const slots = view.slots.map((given, i) => {
      exactKeys(given, ['slot', 'backendId', 'addr', 'port', 'state', 'healthy']);
      const id = services.get({ ...key, slot: given.slot })?.union ?? given.backendId;
      const backend = backends.get(id);
      if (backend === undefined) return { ...given, slot: i + 1 };
      const addr = formatAddress(backend.address);
      return { ...given, slot: i + 1, backendId: id, addr, port: backend.port, state: STATES[backend.state]! };
    });
    const { revNatIndex: id, count, qcount, flags } = master;
    return { ...view, id, count, qcount, flags: flags & 0xff, flags2: flags >>> 8, slots };
  });
}

/** `own` in the order in which `given` has the same keys; what is not in `given` comes last. */
export function inOrder<T>(given: readonly T[], own: readonly T[], key: (entry: T) => string): T[] {
  const place = new Map(given.map((entry, i) => [key(entry), i]));
  return own.toSorted((a, b) => (place.get(key(a)) ?? Infinity) - (place.get(key(b)) ?? Infinity));
}

/** The affinity entries of both families as `socket` and `podegress` vectors write them. */
export function affinityView(maps: LbMaps): Record<string, unknown>[] {
  return ([4, 6] as const).flatMap((family) =>
    [...maps.of(family).affinity.entries()].map(([{ client, revNatIndex: revNatId }, { backendId, lastUsed }]) =>
      'netnsCookie' in client
        ? { family, revNatId, netnsCookie: 1, clientCookie: formatU64(client.netnsCookie), backendId, lastUsed }
        : { family, revNatId, netnsCookie: 0, clientIp: formatAddress(client.address), backendId, lastUsed },
    ),
  );
}
