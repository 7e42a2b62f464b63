import { affinityTimeout, Algorithm, isL7LoadBalancer, l7ProxyPort, Scope, serviceAlgorithm } from '../lb/layout.ts';
import type { LbFamilyMaps, LbMaps } from '../lb/maps.ts';
import type { ServiceKey, ServiceValue } from '../lb/service-map.ts';
import { formatCidr } from '../net/cidr.ts';
import { formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { serviceFlagNames } from '../lb/flag-names.ts';

const ALGORITHMS: Readonly<Record<number, string>> = {
  [Algorithm.UNDEFINED]: 'undef',
  [Algorithm.RANDOM]: 'random',
  [Algorithm.MAGLEV]: 'maglev',
};
const STATES = ['active', 'terminating', 'quarantined', 'maintenance'];

/**
 * The load-balancing maps as the agent's own tests print them: one entry a line (`SVC:`, `BE:`, `REV:`, `AFF:`, `SRCRANGE:`, `MAGLEV:`),
 * sorted. docs/control-plane.md has an example of each.
 */
export function dumpMaps(maps: LbMaps): string[] {
  const lines = [...dumpFamily(maps.v4), ...dumpFamily(maps.v6)];
  for (const [{ revNatIndex, backendId }] of maps.affinityMatch.entries()) {
    lines.push(`AFF: ID=${revNatIndex} BEID=${backendId}`);
  }
  return lines.sort();
}

function dumpFamily(maps: LbFamilyMaps): string[] {
  const lines: string[] = [];
  for (const [key, value] of maps.services.entries()) lines.push(serviceLine(key, value));
  for (const [id, value] of maps.backends.entries()) {
    lines.push(`BE: ID=${id} ADDR=${formatL4Address(value)} STATE=${STATES[value.state] ?? value.state}`);
  }
  for (const [id, value] of maps.reverseNat.entries()) lines.push(`REV: ID=${id} ADDR=${formatEndpoint(value)}`);
  for (const { revNatIndex, cidr } of maps.sourceRanges.entries()) {
    lines.push(`SRCRANGE: ID=${revNatIndex} CIDR=${formatCidr(cidr)}`);
  }
  for (const [id, table] of maps.maglev.entries()) lines.push(`MAGLEV: ID=${id} INNER=[${shares(table)}]`);
  return lines;
}

function serviceLine(key: ServiceKey, value: ServiceValue): string {
  const scope = key.scope === Scope.INTERNAL ? '/i' : '';
  const { union, count, qcount, flags } = value;
  const what =
    key.slot > 0
      ? `BEID=${union}`
      : isL7LoadBalancer(flags, union)
        ? `L7Proxy=${l7ProxyPort(union)}`
        : `LBALG=${ALGORITHMS[serviceAlgorithm(union)] ?? serviceAlgorithm(union)} AFFTimeout=${affinityTimeout(union)}`;
  const names = serviceFlagNames(flags).join('+');
  return `SVC: ID=${value.revNatIndex} ADDR=${formatL4Address(key)}${scope} SLOT=${key.slot} ${what} COUNT=${count} QCOUNT=${qcount} FLAGS=${names}`;
}

/** `id(slots)` by falling number of slots, then by id. */
function shares(table: Uint32Array): string {
  const counts = new Map<number, number>();
  for (const id of table) counts.set(id, (counts.get(id) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1] || a[0] - b[0])
    .map(([id, count]) => `${id}(${count})`)
    .join(', ');
}
