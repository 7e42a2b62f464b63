import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HashTable, KEY_EXISTS, NO_ROW, TABLE_FULL, type TableKind } from '../../src/hash/table.ts';

const make = (kind: TableKind, maxEntries: number, keyWords = 2): HashTable =>
  new HashTable({ kind, keyWords, valueWords: 1, maxEntries });

const key = (n: number, words = 2): Uint32Array => Uint32Array.from({ length: words }, (_, i) => (i === 0 ? n : n * i));

function put(table: HashTable, n: number, value: number): number {
  const row = table.upsert(key(n, table.keyWords));
  if (row >= 0) table.rows[table.valueAt(row)] = value;
  return row;
}

function contents(table: HashTable): Map<number, number> {
  const found = new Map<number, number>();
  for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
    found.set(table.rows[row * table.rowWords]!, table.rows[table.valueAt(row)]!);
  }
  return found;
}

/** The same map, slow and obvious: a Map keeps insertion order, so a use is a delete and a set. */
class Model {
  readonly map = new Map<number, number>();
  readonly kind: TableKind;
  readonly max: number;
  constructor(kind: TableKind, max: number) {
    this.kind = kind;
    this.max = max;
  }
  use(n: number): boolean {
    const value = this.map.get(n);
    if (value === undefined) return false;
    this.map.delete(n);
    this.map.set(n, value);
    return true;
  }
  put(n: number, value: number): boolean {
    if (!this.use(n) && this.map.size === this.max) {
      if (this.kind === 'hash') return false;
      this.map.delete([...this.map.keys()][0]!);
    }
    this.map.set(n, value);
    return true;
  }
}

type Step = readonly ['put' | 'create' | 'lookup' | 'find' | 'delete', number];
const steps = fc.array(
  fc.tuple(fc.constantFrom('put', 'put', 'create', 'lookup', 'find', 'delete'), fc.nat(60)) as fc.Arbitrary<Step>,
  { maxLength: 400, size: 'max' },
);

describe('HashTable', () => {
  it.each(['hash', 'lru'] as const)('behaves like an ordered Map with a limit: %s', (kind) => {
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 40 }), fc.constantFrom(1, 2, 4, 10), (list, max, keyWords) => {
        const table = make(kind, max, keyWords);
        const model = new Model(kind, max);
        list.forEach(([op, n], i) => {
          const known = model.map.has(n);
          if (op === 'put') expect(put(table, n, i) >= 0).toBe(model.put(n, i));
          else if (op === 'create') {
            const row = table.create(key(n, keyWords));
            if (known) expect(row).toBe(KEY_EXISTS);
            else if (!model.put(n, 0)) expect(row).toBe(TABLE_FULL);
            else expect(table.rows[table.valueAt(row)]).toBe(0);
          } else if (op === 'lookup') expect(table.lookup(key(n, keyWords)) >= 0).toBe(model.use(n));
          else if (op === 'find') expect(table.find(key(n, keyWords)) >= 0).toBe(known);
          else expect(table.delete(key(n, keyWords))).toBe(model.map.delete(n));
          expect(table.size).toBe(model.map.size);
          expect(table.size).toBeLessThanOrEqual(max);
        });
        expect(contents(table)).toEqual(model.map);
      }),
    );
  });

  it('keeps rows in place while it grows and others are deleted', () => {
    const table = make('lru', 100_000);
    const rows = new Map<number, number>();
    for (let n = 0; n < 20_000; n++) {
      rows.set(n, put(table, n, n + 1));
      if (n % 3 === 2) {
        table.delete(key(n - 1));
        rows.delete(n - 1);
      }
    }
    for (const [n, row] of rows) {
      expect(table.find(key(n))).toBe(row);
      expect(table.rows[table.valueAt(row)]).toBe(n + 1);
    }
    expect(table.size).toBe(rows.size);
  });

  it('an LRU table evicts in the order of use, many times over', () => {
    const table = make('lru', 1000);
    for (let n = 0; n < 1000; n++) put(table, n, 0);
    for (let n = 0; n < 1000; n += 2) table.lookup(key(n));
    for (let n = 1000; n < 1500; n++) put(table, n, 0);
    for (let n = 0; n < 1000; n++) expect(table.find(key(n)) >= 0).toBe(n % 2 === 0);
    for (let n = 1500; n < 5000; n++) put(table, n, 0);
    expect([...contents(table).keys()].sort((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, i) => 4000 + i));
    expect(table.evictions).toBe(4000);
  });

  it('lookupNear finds a key from any row', () => {
    const table = make('lru', 3);
    for (let n = 1; n <= 3; n++) put(table, n, n);
    table.delete(key(2));
    for (const near of [0, 1, 2, 3, 1000, 0xffff_ffff]) {
      expect(table.lookupNear(near, key(3))).toBe(2);
      expect(table.lookupNear(near, key(2))).toBe(NO_ROW);
    }
    table.lookupNear(0, key(1));
    put(table, 4, 4);
    put(table, 5, 5);
    expect([...contents(table).keys()].sort()).toEqual([1, 4, 5]);
  });

  it('find does not count as a use', () => {
    const table = make('lru', 2);
    put(table, 1, 0);
    put(table, 2, 0);
    table.find(key(1));
    put(table, 3, 0);
    expect(table.find(key(1))).toBe(NO_ROW);
  });

  it('starts small and is empty again after clear', () => {
    const table = make('lru', 524_288);
    expect(table.byteLength).toBeLessThan(2000);
    for (let n = 0; n < 100; n++) put(table, n, n);
    table.clear();
    expect(table.size).toBe(0);
    expect(table.nextRow(-1)).toBe(NO_ROW);
    put(table, 7, 8);
    expect(contents(table)).toEqual(new Map([[7, 8]]));
  });

  it.each([
    ['counting', (i: number) => Uint32Array.of(0x0a000000 + i, 0x0a600001, (80 << 16) | 0x8001, 6)],
    ['counting ports', (i: number) => Uint32Array.of(0x0a000001, 0x0a600001, (i << 16) | 80, 6)],
    ['counting in the top byte', (i: number) => Uint32Array.of((i << 24) | (i >>> 8), 0, 0, 0)],
    ['two counters', (i: number) => Uint32Array.of(i & 255, i >>> 8, (i & 255) << 16, 6)],
  ])('spreads %s keys: close to the 1.5 probes of random ones at half load', (_name, keyOf) => {
    const table = make('hash', 65_536, 4);
    for (let i = 0; i < 65_536; i++) table.upsert(keyOf(i));
    let probes = 0;
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) probes += table.probesOf(row);
    expect(table.size).toBe(65_536);
    expect(probes / table.size).toBeLessThan(1.8);
  });

  it.each([0, -1, 1.5, Number.NaN, 2 ** 25])('refuses %s entries', (maxEntries) => {
    expect(() => make('hash', maxEntries)).toThrow(expect.objectContaining({ code: 'invalid-table-size' }));
  });
});
