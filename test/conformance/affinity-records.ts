import { formatAddress, formatU64, type LbMaps } from '../../src/index.ts';

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
const swap32 = (word: number): number =>
  ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

/** The affinity map as recorded: entries in order of client bytes, then of service and kind of client. */
export function affinityEntries(maps: LbMaps, family: 4 | 6): Record<string, unknown>[] {
  return [...maps.of(family).affinity.entries()].map(([{ client, revNatIndex }, { lastUsed, backendId }]) => {
    const cookie = 'netnsCookie' in client;
    const words = cookie ? [swap32(client.netnsCookie.low), swap32(client.netnsCookie.high)] : client.address.words;
    const size = family === 4 ? 2 : 4;
    return {
      client: cookie ? formatU64(client.netnsCookie) : formatAddress(client.address),
      client_bytes: Array.from({ length: size }, (_, i) => hex(words[i] ?? 0)).join(''),
      rev_nat_id: revNatIndex,
      netns_cookie: cookie ? 1 : 0,
      last_used: lastUsed,
      backend_id: backendId,
    };
  });
}

const entryKey = (entry: Record<string, unknown>): string =>
  `${String(entry['client_bytes'])}/${String(entry['rev_nat_id'])}/${String(entry['netns_cookie'])}`;

/** `own` in the order in which `given` lists the same entries; others come last. */
export const inAffinityOrder = (given: unknown[], own: Record<string, unknown>[]): unknown[] => {
  const place = new Map((given as Record<string, unknown>[]).map((entry, i) => [entryKey(entry), i]));
  return own.sort((a, b) => (place.get(entryKey(a)) ?? Infinity) - (place.get(entryKey(b)) ?? Infinity));
};
