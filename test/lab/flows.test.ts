import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ALGORITHMS,
  churnResult,
  type ChurnSpec,
  churnSteps,
  jumpHash,
  parseAlgorithm,
  parsePlan,
  runChurn,
  type SequencePlan,
} from '../../src/lab/index.ts';
import { LruOfFlows } from '../../src/lab/lru.ts';
import { measureBalance } from '../../src/maglev/index.ts';
import { backendList } from '../maglev/backends.ts';

const spec: ChurnSpec = {
  algorithm: 'maglev',
  plan: { kind: 'remove', count: 1 },
  backends: 10,
  flows: 2000,
  tableSize: 1021,
  seed: 1,
};

const plans: SequencePlan[] = [
  { kind: 'remove', count: 2 },
  { kind: 'add', count: 2 },
  { kind: 'rolling', surge: { share: 0.25 }, unavailable: { count: 0 } },
  { kind: 'rolling', surge: { count: 0 }, unavailable: { share: 0.3 } },
  { kind: 'reweight', factor: 0.5, steps: 2 },
  { kind: 'blue-green' },
  { kind: 'flap', times: 2 },
  { kind: 'zone', zones: 3 },
];

describe('sequences', () => {
  it.each(plans)('%j: backends keep their addresses, someone is always active', (plan) => {
    const steps = churnSteps({ ...spec, plan });
    const addresses = new Map<number, string>();
    for (const { active, draining } of steps) {
      expect(active.length).toBeGreaterThan(0);
      expect(draining.filter((id) => active.some((backend) => backend.id === id))).toEqual([]);
      for (const { id, address } of active) {
        expect(addresses.get(id) ?? JSON.stringify(address)).toBe(JSON.stringify(address));
        addresses.set(id, JSON.stringify(address));
      }
    }
    expect(new Set(addresses.values()).size).toBe(addresses.size);
  });

  it('a rolling update keeps its limits and replaces everybody', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 0, max: 100 }),
        fc.integer({ min: 0, max: 99 }),
        (backends, surge, unavailable) => {
          fc.pre(surge > 0 || Math.floor((unavailable * backends) / 100) > 0);
          const plan: SequencePlan = {
            kind: 'rolling',
            surge: { share: surge / 100 },
            unavailable: { share: unavailable / 100 },
          };
          const steps = churnSteps({ ...spec, backends, plan });
          const least = backends - Math.floor((unavailable / 100) * backends);
          steps.forEach(({ active }, i) => {
            expect(active.length).toBeGreaterThanOrEqual(Math.max(1, least));
            // Those that become active in the next step are started in this one.
            const known = new Set(active.map(({ id }) => id));
            const starting = steps[i + 1]?.active.filter(({ id }) => !known.has(id)).length ?? 0;
            expect(active.length + (i === 0 ? 0 : starting)).toBeLessThanOrEqual(
              backends + Math.ceil((surge / 100) * backends),
            );
          });
          expect(steps.at(-1)!.active.every(({ id }) => id > backends)).toBe(true);
          expect(steps.at(-1)!.active.length).toBe(backends);
        },
      ),
    );
  });

  it('are read from text', () => {
    expect(parsePlan('rolling', '30%', '2')).toEqual({
      kind: 'rolling',
      surge: { share: 0.3 },
      unavailable: { count: 2 },
    });
    expect(parsePlan('reweight:50%:4')).toEqual({ kind: 'reweight', factor: 0.5, steps: 4 });
    expect(parsePlan('zone:3')).toEqual({ kind: 'zone', zones: 3 });
    for (const text of ['zone:1', 'zone', 'flap:0', 'rolling:1', 'remove:x', 'reweight:50%:0', 'reweight:1:1:1', 'x']) {
      expect(() => parsePlan(text), text).toThrow();
    }
  });

  it('refuse what leaves nobody', () => {
    const refused: [SequencePlan, number][] = [
      [{ kind: 'remove', count: 3 }, 3],
      [{ kind: 'remove', count: 4 }, 3],
      [{ kind: 'flap', times: 1 }, 1],
      [{ kind: 'zone', zones: 3 }, 1],
      [{ kind: 'rolling', surge: { count: 1 }, unavailable: { share: 1 } }, 3],
      [{ kind: 'rolling', surge: { count: 0 }, unavailable: { share: 0.1 } }, 3],
    ];
    for (const [plan, backends] of refused) expect(() => churnSteps({ ...spec, plan, backends })).toThrow();
    expect(() => churnSteps({ ...spec, backends: 0 })).toThrow(/needs a backend/);
  });
});

describe('live flows', () => {
  it('every flow is in exactly one class at each step, and nothing moves while its backend serves and conntrack holds all', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...plans),
        fc.constantFrom('maglev', 'random', 'rendezvous', 'ring', 'katran-v2', 'envoy'),
        fc.boolean(),
        fc.option(fc.integer({ min: 1, max: 3000 }), { nil: undefined }),
        fc.constantFrom(0, 0.1),
        fc.nat(),
        (plan, algorithm, affinity, ctSize, turnover, seed) => {
          const tableSize = 251;
          const limits = ctSize === undefined ? {} : { ctSize };
          const run = runChurn({
            ...spec,
            plan,
            algorithm,
            affinity,
            turnover,
            seed,
            tableSize,
            flows: 500,
            ...limits,
          });
          for (const step of run.steps) {
            const { kept, saved, lost, evicted, evictedKept, evictedMoved } = step;
            expect(evicted).toBe(evictedKept + evictedMoved);
            expect(kept + saved + lost + evictedKept + evictedMoved).toBe(500);
            expect(step.moved).toBe(lost + evictedMoved);
            if (ctSize === undefined || ctSize >= 500) expect(evictedKept + evictedMoved).toBe(0);
          }
        },
      ),
    );
  });

  it('only flows of a removed backend move; conntrack saves those that the table would move needlessly', () => {
    const { steps, tables } = runChurn(spec);
    const [first, second] = tables as [Uint32Array, Uint32Array];
    const gone = [...new Set(first)].find((id) => !second.includes(id))!;
    const share = first.filter((id) => id === gone).length / first.length;
    expect(steps[1]!.lost / 2000).toBeGreaterThan(share - 0.03);
    expect(steps[1]!.lost / 2000).toBeLessThan(share + 0.03);
    expect(steps[1]!.saved).toBe(steps[1]!.stateless - steps[1]!.lost);
    expect(steps[1]!.moved).toBe(steps[1]!.lost);
  });

  it('without room in conntrack, flows that the table moves needlessly do move', () => {
    const all = runChurn({ ...spec, ctSize: 2000 }).steps[1]!;
    const none = runChurn({ ...spec, ctSize: 1 }).steps[1]!;
    expect(all.evictedMoved).toBe(0);
    expect(none.lost + none.evictedMoved).toBe(none.stateless);
    expect(none.evictedMoved).toBe(all.saved);
  });

  it('with affinity, evicted flows stay where their client is', () => {
    const { steps } = runChurn({ ...spec, ctSize: 1, affinity: true, clients: 2000 });
    expect(steps[1]!.evictedMoved).toBe(0);
  });

  it('draining backends keep their flows until they are gone', () => {
    const [, switched, gone] = runChurn({ ...spec, plan: { kind: 'blue-green' } }).steps;
    expect([switched!.lost, switched!.saved]).toEqual([0, 2000]);
    expect([gone!.lost, gone!.draining]).toEqual([2000, 0]);
  });

  it('repeats by seed', () => {
    expect(runChurn(spec)).toEqual(runChurn(spec));
    expect(runChurn({ ...spec, seed: 2 }).steps).not.toEqual(runChurn(spec).steps);
  });

  it('takes given backends, and puts runs together', () => {
    const runs = [1, 2, 3].map((seed) => runChurn({ ...spec, seed, backends: backendList(10) }));
    const result = churnResult(runs);
    expect(result.trials).toBe(3);
    expect(result.moved.mean).toBeCloseTo(0.1, 1);
    expect(result.moved.interval![0]).toBeLessThan(result.moved.mean);
    expect(result.movedNeedlessly.mean).toBe(0);
  });

  it.each([
    { flows: 0 },
    { flows: 1e12 },
    { clients: 0 },
    { clients: 2001 },
    { ctSize: 0 },
    { turnover: 2 },
    { weights: [1] },
    { algorithm: 'nginx' },
    { tableSize: 17 },
  ])('refuses %j', (wrong) => expect(() => runChurn({ ...spec, ...wrong })).toThrow());
});

describe('conntrack as an LRU', () => {
  it('agrees with a list', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), fc.array(fc.nat(9)), (limit, touches) => {
        const lru = new LruOfFlows(10, limit);
        let list: number[] = [];
        for (const flow of touches) {
          lru.touch(flow);
          list = [flow, ...list.filter((other) => other !== flow)].slice(0, limit);
          for (let f = 0; f < 10; f++) expect(lru.has(f)).toBe(list.includes(f));
        }
      }),
    );
  });
});

describe('reference points', () => {
  it.each(['rendezvous', 'ring', 'jump'])('%s spreads equal backends within a third', (name) => {
    const table = parseAlgorithm(name).build!(backendList(10), { tableSize: 65521 });
    expect(measureBalance(table).imbalance).toBeLessThan(0.33);
  });
  it('rendezvous and the ring move only what they must; jump does not, when one in the middle goes', () => {
    const needless = (algorithm: string): number =>
      runChurn({ ...spec, algorithm, tableSize: 16381 }).steps[1]!.table!.needless;
    expect(needless('rendezvous')).toBe(0);
    expect(needless('ring')).toBe(0);
    expect(needless('jump')).toBeGreaterThan(1000);
  });
  it('rendezvous and the ring follow weights', () => {
    const weighted = backendList(4).map((backend, i) => ({ ...backend, weight: 100 * (i + 1) }));
    for (const name of ['rendezvous', 'ring']) {
      const { perBackend } = measureBalance(parseAlgorithm(name).build!(weighted, { tableSize: 65521 }), weighted);
      for (const { slots, expected } of perBackend) expect(Math.abs(slots / expected - 1), name).toBeLessThan(0.3);
    }
    expect(() => ALGORITHMS['jump']!.build!(weighted, {})).toThrow(/no weights/);
  });
  it('jump agrees with the formula in BigInt', () => {
    const reference = (start: bigint, buckets: number): number => {
      let [key, bucket, next] = [start, -1n, 0n];
      while (next < BigInt(buckets)) {
        bucket = next;
        key = BigInt.asUintN(64, key * 2862933555777941757n + 1n);
        next = BigInt(Math.floor(Number(bucket + 1n) * (2 ** 31 / Number((key >> 33n) + 1n))));
      }
      return Number(bucket);
    };
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.integer({ min: 1, max: 1000 }), (high, low, buckets) => {
        expect(jumpHash(high, low, buckets)).toBe(reference((BigInt(high) << 32n) | BigInt(low), buckets));
      }),
    );
  });
});
