import { serviceFlagNames } from '../../lb/flag-names.ts';
import { isL7LoadBalancer, l7ProxyPort, Scope } from '../../lb/layout.ts';
import type { LbFamilyMaps, LbMaps } from '../../lb/maps.ts';
import type { ServiceKey, ServiceValue } from '../../lb/service-map.ts';
import { compareAddresses, formatAddress } from '../../net/address.ts';
import { formatCidr } from '../../net/cidr.ts';
import { formatEndpoint, formatL4Address } from '../../net/endpoint.ts';
import { protocolName } from '../../net/protocol.ts';
import { alignColumns } from './tabwriter.ts';

/** A listing of the agent's `bpf` commands: pairs of key and value under two titles. */
export interface AgentListing {
  readonly titles: readonly [key: string, value: string];
  /** The agent lists its maps in random order; here they are in order of their keys. */
  readonly rows: readonly (readonly [key: string, value: string])[];
}

/** The listing as the agent prints it. */
export const formatListing = ({ titles, rows }: AgentListing): string =>
  alignColumns([`${titles[0]}\t${titles[1]}`, ...rows.map(([key, value]) => `${key}\t${value}\t`)]);

/** The listing as the agent's `-o json` has it: key to list of values, keys sorted. */
export function listingJson({ rows }: AgentListing): Record<string, string[]> {
  const sorted = [...rows].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return Object.fromEntries(sorted.map(([key, value]) => [key, [value]]));
}

const BACKEND_TITLE = 'BACKEND ADDRESS (REVNAT_ID) (SLOT)';

const families = (maps: LbMaps): readonly LbFamilyMaps[] => [maps.v4, maps.v6];

function compareKeys(a: ServiceKey, b: ServiceKey): number {
  return (
    compareAddresses(a.address, b.address) ||
    a.port - b.port ||
    a.protocol - b.protocol ||
    a.scope - b.scope ||
    a.slot - b.slot
  );
}

/** `10.0.0.7:80/TCP/i (0)` */
const keyText = (key: ServiceKey): string =>
  `${formatL4Address(key)}${key.scope === Scope.INTERNAL ? '/i' : ''} (${key.slot})`;

function masterText(key: ServiceKey, { revNatIndex, flags, union }: ServiceValue): string {
  const none = key.address.family === 4 ? '0.0.0.0:0' : '[::]:0';
  const proxy = isL7LoadBalancer(flags, union) ? ` (L7LB Proxy Port: ${l7ProxyPort(union)})` : '';
  return `${none} (${revNatIndex}) (0) [${serviceFlagNames(flags).join(', ')}]${proxy}`;
}

function listServices(
  maps: LbMaps,
  title: string,
  text: (family: LbFamilyMaps, key: ServiceKey, value: ServiceValue) => string,
): AgentListing {
  const rows: [string, string][] = [];
  for (const family of families(maps)) {
    const entries = [...family.services.entries()].sort(([a], [b]) => compareKeys(a, b));
    for (const [key, value] of entries) rows.push([keyText(key), text(family, key, value)]);
  }
  return { titles: ['SERVICE ADDRESS', title], rows };
}

/** `bpf lb list`: services with the addresses of their backends. */
export function lbList(maps: LbMaps): AgentListing {
  return listServices(maps, BACKEND_TITLE, ({ backends }, key, value) => {
    if (key.slot === 0) return masterText(key, value);
    const backend = backends.get(value.union);
    return backend === undefined
      ? `backend ${value.union} not found`
      : `${formatL4Address(backend)} (${value.revNatIndex}) (${key.slot})`;
  });
}

const hex = (byte: number): string => `0x${byte.toString(16)}`;

/** `bpf lb list --frontends`: the service map's values as they are. */
export function lbFrontends(maps: LbMaps): AgentListing {
  return listServices(
    maps,
    'BACKEND ID',
    (_, __, { union, count, qcount, revNatIndex, flags }) =>
      `${union} ${count}[${qcount}] (${revNatIndex}) [${hex(flags & 0xff)} ${hex(flags >>> 8)}]`,
  );
}

/** `bpf lb list --backends`. `zones` names the zone numbers; the agent knows them from its configuration. */
export function lbBackends(maps: LbMaps, zones: ReadonlyMap<number, string> = new Map()): AgentListing {
  const rows: [number, string][] = [];
  for (const { backends } of families(maps)) {
    for (const [id, { address, protocol, clusterId, zone }] of backends.entries()) {
      const cluster = clusterId === 0 ? '' : `@${clusterId}`;
      const where = zone === 0 ? '' : `[${zones.get(zone) ?? zone}]`;
      rows.push([id, `${protocolName(protocol)}://${formatAddress(address)}${cluster}${where}`]);
    }
  }
  return { titles: ['ID', BACKEND_TITLE], rows: byId(rows) };
}

const byId = (rows: readonly [number, string][]): [string, string][] =>
  [...rows].sort(([a], [b]) => a - b).map(([id, text]) => [String(id), text]);

/** `bpf lb list --revnat`. */
export function lbReverseNat(maps: LbMaps): AgentListing {
  const rows: [number, string][] = [];
  for (const { reverseNat } of families(maps)) {
    for (const [id, frontend] of reverseNat.entries()) rows.push([id, formatEndpoint(frontend)]);
  }
  return { titles: ['ID', BACKEND_TITLE], rows: byId(rows) };
}

/** `bpf lb list --source-ranges`. */
export function lbSourceRanges(maps: LbMaps): AgentListing {
  const sorted = families(maps)
    .flatMap(({ sourceRanges }) => [...sourceRanges.entries()])
    .sort(
      (a, b) =>
        a.revNatIndex - b.revNatIndex || compareAddresses(a.cidr.address, b.cidr.address) || a.cidr.bits - b.cidr.bits,
    );
  const rows = sorted.map(({ revNatIndex, cidr }) => [`${formatCidr(cidr)} (${revNatIndex})`, ''] as const);
  return { titles: ['SOURCE RANGE (REVNAT_ID)', ''], rows };
}

/** `bpf lb maglev list`, or `get` for the tables of some ids. */
export function lbMaglev(maps: LbMaps, ids?: readonly number[]): AgentListing {
  const rows: [number, string, string][] = [];
  for (const { family, maglev } of families(maps)) {
    for (const [id, table] of maglev.entries()) {
      if (ids === undefined || ids.includes(id)) rows.push([id, `[${id}]/v${family}`, `[${table.join(' ')}]`]);
    }
  }
  rows.sort((a, b) => a[0] - b[0]);
  return { titles: ['SVC ID', 'LOOKUP TABLE'], rows: rows.map(([, key, table]) => [key, table]) };
}
