import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineService, selectBackend } from '../../src/lb/index.ts';
import { buildLookupTable, compareTables, type MaglevBackend } from '../../src/maglev/index.ts';
import { formatAddress, parseAddress } from '../../src/net/index.ts';
import { envoy } from '../../src/maglev/variants/index.ts';
import {
  address,
  addressText,
  assertBalanced,
  assertMinimalDisruption,
  assertOrderFree,
  assertSameBackendWhileActive,
  churnSequence,
  cluster,
  envelopeCells,
  needlessEnvelope,
  removalTrial,
  type Selector,
  service,
  type TableBuilder,
  tuple,
  weightedBackends,
} from '../../src/testing/index.ts';

const maglev =
  (tableSize: number): TableBuilder =>
  (backends) =>
    buildLookupTable(backends, { tableSize });

/** Slot s belongs to backend s mod n: even, but everything moves when n changes. */
const modulo: TableBuilder = (backends) =>
  Uint32Array.from({ length: 1021 }, (_, s) => backends[s % backends.length]!.id);

/** Maglev whose first slots are lost to the first backend. */
const skewed: TableBuilder = (backends) => buildLookupTable(backends, { tableSize: 251 }).fill(backends[0]!.id, 0, 60);

describe('assertBalanced', () => {
  it('holds for Cilium and Envoy', () => {
    assertBalanced(maglev(251));
    assertBalanced((backends) => envoy.build(backends, { tableSize: 251 }));
    assertBalanced(maglev(1021), { weights: true });
    // Equal shares whatever the weights: too much for the light ones.
    const deaf: TableBuilder = (list) => maglev(1021)(list.map((backend) => ({ ...backend, weight: 100 })));
    expect(() => assertBalanced(deaf, { weights: true })).toThrow(/slots above its share/);
  });
  it('fails for a table with a favourite, shrunk to two backends, and repeats by seed', () => {
    const message = (seed: number): string => {
      try {
        assertBalanced(skewed, { seed, runs: 50 });
      } catch (error) {
        return String((error as Error).message);
      }
      return 'held';
    };
    expect(message(3)).toMatch(/"id":2/);
    expect(message(3)).not.toMatch(/"id":3/);
    expect(message(3)).toBe(message(3));
  });
  it('fails for a table that names strangers', () => {
    expect(() => assertBalanced(() => [0, 0, 0])).toThrow();
  });
});

describe('assertOrderFree', () => {
  it('holds for Cilium, fails for a table by position', () => {
    assertOrderFree(maglev(251));
    expect(() => assertOrderFree(modulo)).toThrow(/order matters|Property failed/);
  });
});

describe('assertMinimalDisruption', () => {
  it('holds for Cilium within its measured envelope, and says what it saw', () => {
    const result = assertMinimalDisruption(maglev(1021), { backends: 10, trials: 300, seed: 11 });
    expect(result.trials).toBe(300);
    expect(result.mean).toBeGreaterThan(0.02);
    expect(result.max).toBeGreaterThan(result.mean);
    const { before, after } = removalTrial(10, 11, result.worstTrial);
    expect(compareTables(maglev(1021)(before), maglev(1021)(after)).needless / 1021).toBe(result.max);
  });

  it('fails for modulo hashing', () => {
    expect(() => assertMinimalDisruption(modulo, { backends: 10 })).toThrow(/in the mean/);
  });

  it('fails for a builder whose bad removals are too many, though its mean is fine', () => {
    let calls = 0;
    const flaky: TableBuilder = (backends) => {
      calls++;
      // Every tenth removal moves everything; the others hardly anything.
      return calls % 20 === 0 ? modulo(backends) : Uint32Array.from({ length: 1021 }, (_, s) => (s < 500 ? 1 : 2));
    };
    const envelope = { ...needlessEnvelope(1021, 10), mean: 1 };
    expect(() => assertMinimalDisruption(flaky, { backends: 10, envelope })).toThrow(/which 1 in 100 may/);
  });

  // "At most 1 % of the slots move needlessly if the table has 100 slots per backend": documented, and refuted here.
  it('the bound of 1 % fails at 16381 slots and 160 backends, seed 1, on the first removal', () => {
    expect(() => assertMinimalDisruption(maglev(16381), { backends: 160, envelope: 0.01, trials: 1, seed: 1 })).toThrow(
      /1\.\d+ % of the slots moved needlessly, more than 1\.000 % \(160 backends, 16381 slots, seed 1, worst removal 0\)/,
    );
  });
});

describe('the measured envelope', () => {
  it('has every table size, ten thousand trials up to 16381 slots, and quantiles in order', () => {
    expect(new Set(envelopeCells.map(({ tableSize }) => tableSize)).size).toBe(10);
    for (const cell of envelopeCells) {
      expect(cell.trials).toBe(cell.tableSize <= 16381 ? 10_000 : 1000);
      expect(cell.p50).toBeLessThanOrEqual(cell.p99);
      expect(cell.p99).toBeLessThanOrEqual(cell.max);
      if (cell.backends === 2) expect(cell.max).toBe(0);
    }
  });
  it('falls with the table size once a backend has a hundred slots', () => {
    for (const cell of envelopeCells) {
      const larger = envelopeCells.find(
        ({ tableSize, backends }) => backends === cell.backends && tableSize > cell.tableSize,
      );
      if (larger === undefined || cell.backends === 2 || cell.tableSize < 100 * cell.backends) continue;
      expect(larger.mean, `${larger.tableSize} slots, ${larger.backends} backends`).toBeLessThan(cell.mean);
    }
  });

  it('takes the larger neighbour between cells, and refuses what was not measured', () => {
    const [low, high] = [needlessEnvelope(1021, 10), needlessEnvelope(1021, 16)];
    expect(needlessEnvelope(1021, 12).mean).toBe(Math.max(low.mean, high.mean));
    for (const [size, backends] of [
      [1021, 1],
      [1021, 5000],
      [65537, 10],
    ] as const) {
      expect(() => needlessEnvelope(size, backends)).toThrow(expect.objectContaining({ code: 'no-envelope' }));
    }
  });
});

describe('assertSameBackendWhileActive', () => {
  const table = (active: readonly MaglevBackend[]): Uint32Array => buildLookupTable(active, { tableSize: 251 });

  /** A table with a conntrack in front. */
  const tracked = (): Selector => {
    const memory = new Map<string, number>();
    return (flow, active) => {
      const key = `${String(flow.saddr)}/${flow.sport}/${flow.dport}/${flow.protocol}`;
      const known = memory.get(key);
      if (known !== undefined && active.some(({ id }) => id === known)) return known;
      const chosen = table(active)[flow.sport % 251]!;
      memory.set(key, chosen);
      return chosen;
    };
  };

  it('holds with conntrack, fails for the bare table', () => {
    assertSameBackendWhileActive(tracked, { maxBackends: 10 });
    const bare = (): Selector => (flow, active) => table(active)[flow.sport % 251]!;
    expect(() => assertSameBackendWhileActive(bare, { runs: 1000 })).toThrow(/moved from/);
  });

  it('fails for a selector that keeps a backend that has left', () => {
    const stubborn = (): Selector => (_, active) => Math.min(1, active.length);
    expect(() => assertSameBackendWhileActive(stubborn)).toThrow(/not active/);
  });
});

describe('arbitraries', () => {
  it('shrink to what is easy to read', () => {
    const smallest = <T>(arbitrary: fc.Arbitrary<T>, good: (value: T) => boolean): T => {
      const { counterexample } = fc.check(fc.property(arbitrary, good), { numRuns: 1000, seed: 5 });
      return counterexample![0];
    };
    expect(smallest(weightedBackends(), (list) => list.length < 2)).toEqual([
      { id: 1, address: '10.0.0.0', port: 80, protocol: 'TCP', weight: 10 },
      { id: 2, address: '10.0.0.1', port: 80, protocol: 'TCP', weight: 10 },
    ]);
    expect(smallest(churnSequence(), ({ states }) => states.length < 3).states.map(({ length }) => length)).toEqual([
      2, 1, 1,
    ]);
    expect(smallest(tuple(), () => false)).toMatchObject({ saddr: '0.0.0.0', sport: 1024, dport: 80, protocol: 'TCP' });
    expect(smallest(cluster(), () => false).map(({ kind }) => kind)).toEqual(['Node', 'Service', 'EndpointSlice']);
    expect(smallest(service(), () => false).backends.length).toBe(1);
  });

  it('services define, and flows to them select a live backend', () => {
    fc.assert(
      fc.property(service(), fc.nat(0xffffffff), fc.nat(65535), (spec, saddr, sport) => {
        const defined = defineService(spec);
        const backend = selectBackend(defined, { saddr, sport, protocol: defined.frontend.protocol }, () => 7);
        expect(spec.backends.some(({ address }) => address === backend!.address)).toBe(true);
      }),
    );
  });

  it('addresses print and parse; tuples have what a flow needs; clusters name their nodes', () => {
    for (const family of [4, 6] as const) {
      fc.assert(
        fc.property(address(family), (one) => {
          expect(parseAddress(formatAddress(one))).toEqual(one);
        }),
      );
      fc.assert(
        fc.property(addressText(family), (text) => {
          expect(formatAddress(parseAddress(text))).toBe(text);
        }),
      );
      fc.assert(fc.property(tuple(family), ({ saddr }) => void parseAddress(saddr as string)));
    }
    fc.assert(
      fc.property(cluster(), (objects) => {
        const nodes = objects.filter(({ kind }) => kind === 'Node').length;
        expect(nodes).toBeGreaterThan(0);
        expect(objects.filter(({ kind }) => kind === 'Service').length).toBe(
          objects.filter(({ kind }) => kind === 'EndpointSlice').length,
        );
      }),
    );
  });
});
