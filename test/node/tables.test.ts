import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cidrContains, formatCidr, maskCidr, parseAddress, parseCidr } from '../../src/net/index.ts';
import {
  AddressTable,
  FragmentMap,
  formatMac,
  NeighbourMap,
  NodeTables,
  parseMac,
  PrefixTable,
  TokenBuckets,
} from '../../src/node/index.ts';

const words = (text: string): Uint32Array => Uint32Array.from(parseAddress(text).words);

describe('address tables', () => {
  it('overwrite, delete and refuse when full', () => {
    const table = new AddressTable<string>(4, 2);
    expect(table.set(parseAddress('10.0.0.1'), 'a')).toBe(0);
    expect(table.set(parseAddress('10.0.0.1'), 'b')).toBe(0);
    expect(table.set(parseAddress('10.0.0.2'), 'c')).toBe(0);
    expect(table.set(parseAddress('10.0.0.3'), 'd')).toBeLessThan(0);
    expect(table.lookup(words('10.0.0.1'), 0)).toBe('b');
    expect(table.delete(parseAddress('10.0.0.1'))).toBe(true);
    expect(table.delete(parseAddress('10.0.0.1'))).toBe(false);
    expect(table.set(parseAddress('10.0.0.3'), 'd')).toBe(0);
    expect([...table.entries()].map(([, value]) => value).sort()).toEqual(['c', 'd']);
    expect(() => table.set(parseAddress('::1'), 'x')).toThrow(/not an IPv4 address/);
  });

  it('a prefix table counts a value that is written over', () => {
    const table = new PrefixTable<string>(4, 2);
    const all = parseCidr('0.0.0.0/0');
    table.add(all, 'a');
    const before = table.changes;
    table.add(all, 'b');
    expect(table.lookup(words('10.0.0.1'), 0)).toBe('b');
    expect(table.changes).toBeGreaterThan(before);
  });

  it('a prefix table answers the longest prefix that holds the address', () => {
    const cidr = fc.tuple(fc.integer({ min: 0, max: 0xffffffff }), fc.nat(32)).map(([word, bits]) => ({
      address: { family: 4 as const, words: [(word & 0xf00f0003) >>> 0] },
      bits,
    }));
    fc.assert(
      fc.property(fc.array(cidr, { maxLength: 20 }), fc.array(cidr, { maxLength: 20 }), (added, asked) => {
        const table = new PrefixTable<string>(4, 100);
        const kept = new Map<string, (typeof added)[number]>();
        added.forEach((prefix, i) => {
          const masked = maskCidr(prefix);
          if (i % 5 === 4) {
            expect(table.delete(prefix)).toBe(kept.delete(formatCidr(masked)));
          } else {
            table.set(prefix, formatCidr(masked));
            kept.set(formatCidr(masked), masked as (typeof added)[number]);
          }
        });
        expect(table.size).toBe(kept.size);
        for (const { address } of asked) {
          const best = [...kept.values()].filter((p) => cidrContains(p, address)).sort((a, b) => b.bits - a.bits)[0];
          expect(table.lookup(address.words, 0)).toBe(best === undefined ? undefined : formatCidr(best));
        }
      }),
    );
    expect(new PrefixTable(6, 1).get(parseCidr('::/0'))).toBeUndefined();
  });
});

describe('node tables', () => {
  it('neighbours: the least recently used one goes', () => {
    const map = new NeighbourMap(6, 2);
    map.store(words('fd00::1'), 0, 1, 2);
    map.store(words('fd00::2'), 0, 3, 4);
    expect(map.macLow(map.lookup(words('fd00::1'), 0))).toBe(2);
    map.store(words('fd00::3'), 0, 5, 6);
    expect(map.get(parseAddress('fd00::2'))).toBeUndefined();
    expect(map.get(parseAddress('fd00::1'))).toEqual({ high: 1, low: 2 });
  });

  it('fragments: ports by addresses, id and protocol', () => {
    const map = new FragmentMap(4, 8);
    map.store(words('10.0.0.1'), words('10.0.0.2'), 7, 17, 5000, 53);
    expect(map.lookup(words('10.0.0.1'), words('10.0.0.2'), 7, 17) >>> 0).toBe(((5000 << 16) | 53) >>> 0);
    expect(map.lookup(words('10.0.0.2'), words('10.0.0.1'), 7, 17)).toBe(-1);
    expect([...map.entries()]).toEqual([
      [
        { daddr: parseAddress('10.0.0.1'), saddr: parseAddress('10.0.0.2'), id: 7, protocol: 17 },
        { sport: 5000, dport: 53 },
      ],
    ]);
  });

  it('token buckets: 100 a second, at most 1000, only after more than a second', () => {
    const buckets = new TokenBuckets();
    const second = 1e9;
    expect(buckets.take(1, 0)).toBe(true);
    expect(buckets.tokens(1)).toBe(99);
    for (let i = 0; i < 99; i++) expect(buckets.take(1, second)).toBe(true);
    expect(buckets.take(1, second)).toBe(false);
    expect(buckets.take(1, second + 1)).toBe(true);
    expect(buckets.tokens(1)).toBe(99);
    expect(buckets.take(1, 100 * second)).toBe(true);
    expect(buckets.tokens(1)).toBe(999);
    expect(buckets.take(2, 0)).toBe(true);
  });

  it('sizes can be set; MAC addresses read and print', () => {
    expect(new NodeTables({ fragments: 3 }).v6.fragments.maxEntries).toBe(3);
    expect(formatMac(parseMac('0A:1b:2c:3d:04:5f'))).toBe('0a:1b:2c:3d:04:5f');
    expect(() => parseMac('0a:1b')).toThrow(/not a MAC address/);
  });
});
