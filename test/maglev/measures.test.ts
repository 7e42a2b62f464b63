import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildLookupTable, compareTables, measureBalance } from '../../src/maglev/index.ts';
import { backendList, backendsArbitrary } from './backends.ts';

const tableSize = 251;

/** The definition, slot by slot, with sets of names. */
function naive(before: readonly number[], after: readonly number[]): { changed: number; unavoidable: number } {
  const [old, young] = [new Set(before), new Set(after)];
  const moved = before.map((owner, s) => [owner, after[s]!] as const).filter(([from, to]) => from !== to);
  return {
    changed: moved.length,
    unavoidable: moved.filter(([from, to]) => !young.has(from) || !old.has(to)).length,
  };
}

describe('compareTables', () => {
  const owner = fc.oneof(fc.nat(5), fc.constantFrom(4294967295, 4294967294, 300_000, 262_143, 262_144));
  const tables = fc
    .integer({ min: 0, max: 40 })
    .chain((length) =>
      fc.tuple(
        fc.array(owner, { minLength: length, maxLength: length }),
        fc.array(owner, { minLength: length, maxLength: length }),
      ),
    );

  it('agrees with the definition; every change is unavoidable or needless; backends add up', () => {
    fc.assert(
      fc.property(tables, ([before, after]) => {
        const result = compareTables(before, after);
        expect(result).toMatchObject(naive(before, after));
        expect(result.unavoidable + result.needless).toBe(result.changed);
        expect(result.minimal).toBeLessThanOrEqual(result.changed);
        let [lost, gained] = [0, 0];
        for (const backend of result.perBackend) {
          expect(backend.before - backend.lost + backend.gained).toBe(backend.after);
          expect(backend.before).toBe(before.filter((id) => id === backend.id).length);
          lost += backend.lost;
          gained += backend.gained;
        }
        expect([lost, gained]).toEqual([result.changed, result.changed]);
        expect(result.perBackend.map(({ id }) => id)).toEqual(
          [...new Set([...before, ...after])].sort((a, b) => a - b),
        );
      }),
    );
  });

  it('takes what a reweighted backend lost or gained for unavoidable', () => {
    const before = [1, 1, 1, 1, 2, 2, 3, 3];
    const after = [2, 1, 1, 3, 3, 2, 3, 2];
    expect(compareTables(before, after)).toMatchObject({ changed: 4, unavoidable: 0, needless: 4, minimal: 2 });
    expect(compareTables(before, after, { reweighted: [1] })).toMatchObject({
      changed: 4,
      unavoidable: 2,
      needless: 2,
    });
  });

  it('refuses tables of two sizes', () => {
    expect(() => compareTables([1], [1, 1])).toThrow(/1 slots with one of 2/);
  });

  it('two backends to one: nothing moves needlessly, and adding it back restores the table', () => {
    fc.assert(
      fc.property(backendsArbitrary(2), (backends) => {
        fc.pre(backends.length === 2);
        const [both, one] = [
          buildLookupTable(backends, { tableSize }),
          buildLookupTable([backends[0]!], { tableSize }),
        ];
        expect(compareTables(both, one).needless).toBe(0);
        expect(buildLookupTable([...backends].reverse(), { tableSize })).toEqual(both);
      }),
    );
  });
});

describe('measureBalance', () => {
  it('equal weights: slot counts differ by at most one', () => {
    fc.assert(
      fc.property(backendsArbitrary(60), (backends) => {
        const balance = measureBalance(buildLookupTable(backends, { tableSize }));
        expect(balance.max - balance.min).toBeLessThanOrEqual(1);
        expect(balance.imbalance).toBeCloseTo(balance.max / balance.mean - 1, 12);
        expect(balance.backends).toBe(backends.length);
      }),
    );
  });

  it('weights that count: nobody more than one slot above its share, so nobody N slots below', () => {
    fc.assert(
      fc.property(
        backendsArbitrary(40),
        fc.infiniteStream(fc.oneof(fc.integer({ min: 2, max: 500 }), fc.constantFrom(2, 65535))),
        (backends, weights) => {
          const weighted = backends.map((backend) => ({ ...backend, weight: weights.next().value as number }));
          const balance = measureBalance(buildLookupTable(weighted, { tableSize: 1021 }), weighted);
          for (const { slots, expected } of balance.perBackend) {
            expect(slots).toBeLessThanOrEqual(expected + 1 + 1e-9);
            expect(slots).toBeGreaterThan(expected - backends.length);
          }
        },
      ),
    );
  });

  it('counts backends without a slot, and refuses owners it was not told of', () => {
    const balance = measureBalance([7, 7, 8, 7], [{ id: 7 }, { id: 8 }, { id: 9 }]);
    expect(balance).toMatchObject({ backends: 3, min: 0, max: 3, imbalance: 1.25 });
    expect(balance.weightError).toBeCloseTo(5 / 3, 12);
    expect(balance.chiSquare).toBeCloseTo((25 / 9 + 1 / 9 + 16 / 9) / (4 / 3), 12);
    expect(() => measureBalance([1, 2], [{ id: 1 }])).toThrow(/names 2/);
    expect(() => measureBalance([], [])).toThrow(/without slots/);
    expect(() => measureBalance([1], [{ id: 1, weight: 0 }])).toThrow(/weight/);
  });

  it('reads shares of the default table', () => {
    const table = buildLookupTable(backendList(10));
    expect(measureBalance(table).imbalance).toBeCloseTo(1639 / 1638.1 - 1, 12);
  });
});
