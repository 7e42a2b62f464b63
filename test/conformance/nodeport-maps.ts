import type { CtEntry } from '../../src/conntrack/entry.ts';
import type { Node } from '../../src/datapath/node.ts';
import { formatAddress, protocolName } from '../../src/index.ts';
import { formatMac } from '../../src/node/index.ts';
import { START } from './nodeport-node.ts';

const hex = (flags: number): string => `0x${flags.toString(16).padStart(2, '0')}`;

const DIRECTIONS: Readonly<Record<number, string>> = {
  0: 'OUT',
  1: 'IN',
  2: 'OUT|RELATED',
  3: 'IN|RELATED',
  4: 'SERVICE',
};

function ctRecord(family: number, entry: CtEntry, now: number): object {
  const flags = [
    entry.rxClosing && 'rxClosing',
    entry.txClosing && 'txClosing',
    entry.loopback && 'loopback',
    entry.seenNonSyn && 'seenNonSyn',
    entry.nodePort && 'nodePort',
    entry.proxyRedirect && 'proxyRedirect',
    entry.dsrInternal && 'dsrInternal',
    entry.fromL7lb && 'fromL7LB',
    entry.fromTunnel && 'fromTunnel',
  ].filter((name) => name !== false);
  const ago = (report: number): number | null => (report === 0 ? null : now - report);
  const dir = DIRECTIONS[entry.flags]!;
  return {
    dir,
    proto: protocolName(entry.protocol),
    daddr: entry.daddr,
    saddr: entry.saddr,
    dport: entry.dport,
    sport: entry.sport,
    map: `ct${family}_${entry.protocol === 6 ? 'tcp' : 'any'}`,
    expiresIn: entry.lifetime - now,
    revNatId: entry.revNatIndex,
    flags,
    srcSecId: entry.srcSecId,
    packets: entry.packets,
    bytes: entry.bytes,
    txFlagsSeen: hex(entry.txFlagsSeen),
    rxFlagsSeen: hex(entry.rxFlagsSeen),
    lastTxReportAgo: ago(entry.lastTxReport),
    lastRxReportAgo: ago(entry.lastRxReport),
    ...(dir === 'SERVICE' ? { backendId: entry.backendId } : {}),
  };
}

/** The contents of the maps that the recordings list, times relative to `at` seconds after the start. */
export function mapContents(node: Node, at: number): Record<string, object[]> {
  const now = START + at;
  const both = [node.v4, node.v6];
  return {
    ct: both.flatMap((f) => [...f.conntrack.entries()].map((entry) => ctRecord(f.family, entry, now))),
    snat: both.flatMap((f) =>
      [...f.nat.entries()].map((entry) => ({
        dir: entry.flags === 0 ? 'OUT' : 'IN',
        proto: protocolName(entry.protocol),
        daddr: entry.daddr,
        saddr: entry.saddr,
        dport: entry.dport,
        sport: entry.sport,
        toAddr: entry.toAddr,
        toPort: entry.toPort,
        needsCt: entry.needsCt,
        createdAgo: now - entry.created,
      })),
    ),
    neigh: both.flatMap((f) =>
      [...f.tables.neighbours.entries()].map(([address, mac]) => ({
        address: formatAddress(address),
        mac: formatMac(mac),
      })),
    ),
    affinity: both.flatMap((f) =>
      [...f.lb.affinity.entries()].map(([{ client, revNatIndex }, { backendId, lastUsed }]) => ({
        client: 'address' in client ? formatAddress(client.address) : '',
        revNatId: revNatIndex,
        backendId,
        lastUsedAgo: now - lastUsed,
        netnsCookie: !('address' in client),
      })),
    ),
    fragments: both.flatMap((f) =>
      [...f.tables.fragments.entries()].map(([key, ports]) => ({
        daddr: formatAddress(key.daddr),
        saddr: formatAddress(key.saddr),
        id: key.id,
        proto: key.protocol,
        firstPort: ports.sport,
        secondPort: ports.dport,
      })),
    ),
  };
}

/** A fingerprint of the maps' bytes: whether anything changed since the packet before. */
export const fingerprint = (contents: Record<string, object[]>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(contents).map(([map, entries]) => [
      map,
      JSON.stringify(entries.map((e) => JSON.stringify(e)).sort()),
    ]),
  );

/** `expected` if both hold the same records in any order, else `actual` sorted. */
export function asSet(expected: unknown, actual: readonly object[]): unknown {
  const sorted = actual.map((entry) => canonical(entry)).sort();
  if (Array.isArray(expected)) {
    const wanted = expected.map((entry: object) => canonical(entry)).sort();
    if (JSON.stringify(wanted) === JSON.stringify(sorted)) return expected;
  }
  return sorted.map((text) => JSON.parse(text) as object);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_, v: unknown) =>
    typeof v === 'object' && v !== null && !Array.isArray(v)
      ? Object.fromEntries(Object.entries(v).sort(([a], [b]) => (a < b ? -1 : 1)))
      : v,
  );
}
