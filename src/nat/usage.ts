import { Protocol } from '../net/protocol.ts';
import { TupleFlag } from '../conntrack/tuple.ts';
import type { PortSpan } from '../net/endpoint.ts';
import type { NatEntry } from './entry.ts';
import { type PortOdds, PortSpace } from './plan.ts';

/** The ports of one SNAT address towards one destination, as a NAT map holds them. */
export interface PortUsage extends PortOdds {
  readonly protocol: number;
  /** The node's address that flows leave with. */
  readonly snatAddress: string;
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** Ports taken, and how many there are. */
  readonly used: number;
  readonly ports: number;
  /** Mappings of which only this reverse entry exists: the forward half was evicted. They hold their port nevertheless. */
  readonly halves: number;
}

/** Usage by destination, and how many destinations are left out because nothing can fail there. */
export interface UsageReport {
  readonly destinations: readonly PortUsage[];
  readonly harmless: number;
  /** The fewest ports in use with which a flow can fail (`PortSpace.fewestToFail`), for TCP, UDP and SCTP. */
  readonly fewestToFail: number;
}

interface Group {
  readonly first: NatEntry;
  readonly taken: number[];
  halves: number;
}

/**
 * How close a node is to running out of ports: usage and the odds of the next new flow towards every destination in a NAT map
 * where so many ports are in use that a flow can fail, the most endangered first. Ports outside the range (of an earlier
 * configuration) are not counted.
 * @param range ports for translation; echo requests always have 0..65535.
 * @param source source ports of new flows, each equally likely.
 */
export function portUsage(entries: readonly NatEntry[], range: PortSpan, source: PortSpan): UsageReport {
  const groups = groupByDestination(entries, range);
  const spaces = { echo: new PortSpace(0, 65_535), flow: new PortSpace(range.min, range.max) };
  const fewest = { echo: spaces.echo.fewestToFail(), flow: spaces.flow.fewestToFail() };
  const destinations: PortUsage[] = [];
  for (const { first, taken, halves } of groups) {
    const kind = isEcho(first.protocol) ? 'echo' : 'flow';
    if (taken.length < fewest[kind]) continue;
    const space = spaces[kind];
    space.clear();
    for (const port of taken) space.take(port);
    destinations.push({
      protocol: first.protocol,
      snatAddress: first.daddr,
      remoteAddress: first.saddr,
      remotePort: first.sport,
      used: space.used,
      ports: space.size,
      halves,
      ...space.odds(source.min, source.max),
    });
  }
  destinations.sort((a, b) => b.fails - a.fails || b.failedAttempts - a.failedAttempts || b.used - a.used);
  return { destinations, harmless: groups.length - destinations.length, fewestToFail: fewest.flow };
}

function groupByDestination(entries: readonly NatEntry[], range: PortSpan): Group[] {
  const forward = new Set<string>();
  for (const { flags, protocol, saddr, sport, daddr, dport } of entries) {
    if ((flags & TupleFlag.IN) === 0) forward.add(flowKey(protocol, saddr, sport, daddr, dport));
  }
  const groups = new Map<string, Group>();
  for (const entry of entries) {
    const { flags, protocol, saddr, sport, daddr, dport } = entry;
    if ((flags & TupleFlag.IN) === 0) continue;
    if (!isEcho(protocol) && (dport < range.min || dport > range.max)) continue;
    const name = `${protocol} ${daddr} ${saddr} ${sport}`;
    let group = groups.get(name);
    if (group === undefined) groups.set(name, (group = { first: entry, taken: [], halves: 0 }));
    group.taken.push(dport);
    if (!forward.has(flowKey(protocol, entry.toAddr, entry.toPort, saddr, sport))) group.halves++;
  }
  return [...groups.values()];
}

const flowKey = (protocol: number, saddr: string, sport: number, daddr: string, dport: number): string =>
  `${protocol} ${saddr} ${sport} ${daddr} ${dport}`;

const isEcho = (protocol: number): boolean => protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;
