import { describe, expect, it } from 'vitest';
import {
  agentBytes,
  type Churn,
  checkTrials,
  drawTrial,
  formatChurn,
  isExhaustive,
  kernelBytes,
  parseChurn,
  planReport,
  type PlanRequest,
  planSize,
  planSizes,
  runTrials,
  summarize,
  type TrialSpec,
} from '../../src/lab/index.ts';
import { buildLookupTable, compareTables, measureBalance, relatedPairs } from '../../src/maglev/index.ts';
import { backendList } from '../maglev/backends.ts';

const spec: TrialSpec = {
  variant: 'cilium',
  tableSize: 1021,
  backends: 10,
  churn: { kind: 'remove', count: 1 },
  seed: 1,
};

const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('changes', () => {
  it('are read and printed alike', () => {
    for (const text of ['remove:1', 'add:3', 'roll:10%', 'reweight:50%'])
      expect(formatChurn(parseChurn(text))).toBe(text);
    expect(parseChurn('roll:0.25')).toEqual({ kind: 'roll', share: 0.25 });
  });
  it.each([
    'remove',
    'remove:0',
    'remove:-1',
    'remove:1.5',
    'add:x',
    'roll:110%',
    'roll:1',
    'reweight:2',
    'roll:',
    'shrink:1',
    '',
  ])('refuses %j', (text) => expect(() => parseChurn(text)).toThrow());
});

describe('trials', () => {
  it('compare tables as the library does, and depend on the seed and their number alone', () => {
    const columns = runTrials(spec, 3, 8);
    for (let i = 0; i < 5; i++) {
      const { before, after } = drawTrial(spec, 3 + i);
      const tables = [buildLookupTable(before, spec), buildLookupTable(after, spec)] as const;
      const { changed, unavoidable, needless } = compareTables(...tables);
      expect([columns.changed[i], columns.unavoidable[i], columns.needless[i]]).toEqual([
        changed,
        unavoidable,
        needless,
      ]);
      expect(columns.imbalance[i]).toBeCloseTo(measureBalance(tables[0], before).imbalance, 12);
    }
    expect(runTrials(spec, 0, 8).needless.subarray(3)).toEqual(columns.needless);
    expect(runTrials({ ...spec, seed: 2 }, 3, 8).needless).not.toEqual(columns.needless);
  });

  it.each<Churn>([
    { kind: 'add', count: 2 },
    { kind: 'roll', share: 0.3 },
    { kind: 'reweight', factor: 0.3 },
  ])('%j: weights and newcomers end up where the library puts them', (churn) => {
    const weights = [300, 20, 100, 7, 100, 100, 50, 100, 100, 100];
    const run = { ...spec, churn, weights };
    const columns = runTrials(run, 0, 3);
    for (let i = 0; i < 3; i++) {
      const { before, after, reweighted } = drawTrial(run, i);
      const moves = compareTables(buildLookupTable(before, run), buildLookupTable(after, run), { reweighted });
      expect(columns.needless[i]).toBe(moves.needless);
      expect(columns.changed[i]).toBe(moves.changed);
    }
  });

  it.each<[Churn, number, number]>([
    [{ kind: 'remove', count: 3 }, 7, 7],
    [{ kind: 'add', count: 2 }, 12, 10],
    [{ kind: 'roll', share: 0.2 }, 10, 8],
    [{ kind: 'reweight', factor: 0.5 }, 10, 10],
  ])('%j leaves %i backends, %i of them the old ones', (churn, total, old) => {
    const { before, after, reweighted } = drawTrial({ ...spec, churn }, 0);
    expect(after.length).toBe(total);
    expect(after.filter(({ id }) => before.some((backend) => backend.id === id)).length).toBe(old);
    expect(new Set(after.map(({ address }) => JSON.stringify(address))).size).toBe(total);
    expect(after.filter(({ weight }) => weight === 50).length).toBe(reweighted.length);
  });

  it('real backends go one by one, each once', () => {
    const of = backendList(5, 100);
    const run: TrialSpec = { ...spec, backends: 5, of };
    expect(isExhaustive(run)).toBe(true);
    expect(isExhaustive({ ...run, churn: { kind: 'remove', count: 2 } })).toBe(false);
    const { needless } = runTrials(run, 0, 5);
    const before = buildLookupTable(of, run);
    of.forEach((gone, i) => {
      const after = buildLookupTable(
        of.filter((backend) => backend !== gone),
        run,
      );
      expect(needless[i]).toBe(compareTables(before, after).needless);
    });
    const added = drawTrial({ ...run, churn: { kind: 'add', count: 3 } }, 0).after;
    expect(new Set(added.map(({ id }) => id)).size).toBe(8);
    expect(() => checkTrials({ ...run, backends: 4 })).toThrow(/5 backends given, 4 said/);
  });

  it('agrees with what the running system showed: 2.5 % at 1021 slots and 10 backends', () => {
    const { mean } = summarize(runTrials(spec, 0, 400).needless);
    expect(mean / 1021).toBeGreaterThan(0.023);
    expect(mean / 1021).toBeLessThan(0.028);
  });

  it.each<[Partial<TrialSpec>, string]>([
    [{ backends: 0 }, 'too-many-backends'],
    [{ backends: 1022 }, 'too-many-backends'],
    [{ tableSize: 1000 }, 'unsupported-table-size'],
    [{ variant: 'maglev9' }, 'unknown-variant'],
    [{ churn: { kind: 'remove', count: 10 } }, 'churn-too-large'],
    [{ churn: { kind: 'remove', count: 11 } }, 'churn-too-large'],
    [{ churn: { kind: 'add', count: 2000 } }, 'too-many-backends'],
    [{ weights: [1, 2] }, 'invalid-weight'],
    [{ weights: Array<number>(10).fill(0) }, 'all-weights-zero'],
    [{ weights: Array<number>(10).fill(-1) }, 'invalid-weight'],
  ])('refuses %j before any work', (wrong, expected) => {
    expect(() => checkTrials({ ...spec, ...wrong })).toThrow(code(expected));
  });

  it('the worst removals have backends with related skips', () => {
    expect(relatedPairs([3, 6, 248, 7, 125, 250], 251)).toEqual([
      [0, 1],
      [0, 2],
      [1, 2],
      [4, 5],
    ]);
  });
});

describe('plan', () => {
  const request: PlanRequest = {
    variant: 'cilium',
    backends: 10,
    churn: spec.churn,
    services: 3,
    seed: 1,
    maxNeedless: 0.01,
    maxImbalance: 0.01,
  };

  it('recommends the smallest size that keeps both limits', () => {
    const sizes = [251, 1021, 16381].map((tableSize) =>
      planSize(request, tableSize, runTrials({ ...spec, tableSize }, 0, 100)),
    );
    const report = planReport(request, sizes, false);
    expect(report.sizes.map(({ needless }) => needless.trials)).toEqual([100, 100, 100]);
    expect(report.recommendation.tableSize).toBe(null);
    expect(report.recommendation.reason).toMatch(/16381/);
    expect(planReport({ ...request, maxNeedless: 0.02 }, sizes, false).recommendation.tableSize).toBe(16381);
    expect(report.warnings[0]).toMatch(/below 100 slots.*251$/);
    expect(sizes[2]!.imbalance).toBeCloseTo(1639 / 1638.1 - 1, 12);
  });

  it('counts bytes, and leaves out sizes that are too small', () => {
    expect(kernelBytes(16381, 3)).toBe(3 * 65528);
    expect(agentBytes(16381, 10)).toBe(163 * 16381 * 8);
    expect(agentBytes(16381, 500)).toBe(500 * 16381 * 8);
    expect(planSizes('cilium', 2000)[0]).toBe(2039);
    expect(planSizes('paper', 2000)).toContain(65537);
  });

  it('says when weights do not count', () => {
    const warn = (weights: number[]): string =>
      planReport({ ...request, backends: weights.length, weights }, [], false).warnings.join();
    expect(warn([1, 2])).toMatch(/ignored/);
    expect(warn([100, 200])).toBe('');
    expect(warn([0, 500])).toMatch(/still gets one slot/);
  });
});
