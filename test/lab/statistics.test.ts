import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  below,
  binomialTail,
  chiSquareTail,
  fraction,
  logGamma,
  quantile,
  quantileRanks,
  sample,
  seededRandom,
  studentQuantile,
  summarize,
} from '../../src/lab/index.ts';

describe('seededRandom', () => {
  it('repeats by seed and stream, and differs between them', () => {
    const draw = (seed: number, stream: number): number[] => {
      const random = seededRandom(seed, stream);
      return Array.from({ length: 5 }, () => random());
    };
    expect(draw(1, 2)).toEqual(draw(1, 2));
    expect(draw(1, 2)).not.toEqual(draw(1, 3));
    expect(draw(1, 2)).not.toEqual(draw(2, 2));
    expect(draw(1, 2).every((word) => Number.isInteger(word) && word >= 0 && word <= 0xffffffff)).toBe(true);
  });

  it('is even: bytes of 100,000 words pass a chi-square test', () => {
    const random = seededRandom(7);
    const counts = new Uint32Array(256);
    for (let i = 0; i < 100_000; i++) {
      const word = random();
      for (let shift = 0; shift < 32; shift += 8) counts[(word >>> shift) & 255]!++;
    }
    const expected = 400_000 / 256;
    const chi = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    expect(chiSquareTail(chi, 255)).toBeGreaterThan(0.001);
  });

  it('draws below a limit, fractions and samples without repeats', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 200 }), (seed, limit) => {
        const random = seededRandom(seed);
        expect(below(random, limit)).toBeLessThan(limit);
        expect(fraction(random)).toBeLessThan(1);
        const drawn = sample(random, limit, Math.ceil(limit / 2));
        expect(new Set(drawn).size).toBe(drawn.length);
        expect(drawn.every((n) => n >= 0 && n < limit)).toBe(true);
      }),
    );
  });
});

describe('statistics', () => {
  // Values of published tables.
  it('chi-square tail', () => {
    for (const [value, degrees, p] of [
      [3.841459, 1, 0.05],
      [18.307038, 10, 0.05],
      [124.342113, 100, 0.05],
      [6.634897, 1, 0.01],
      [2.705543, 1, 0.1],
    ] as const) {
      expect(chiSquareTail(value, degrees)).toBeCloseTo(p, 6);
    }
    expect(chiSquareTail(0, 5)).toBe(1);
    expect(chiSquareTail(5, 0)).toBe(1);
    expect(chiSquareTail(10_000, 10)).toBeLessThan(1e-300);
  });

  it("Student's quantile and the gamma function", () => {
    for (const [degrees, t] of [
      [1, 12.706],
      [2, 4.303],
      [4, 2.776],
      [10, 2.228],
      [29, 2.045],
      [1000, 1.962],
    ] as const) {
      expect(Math.abs(studentQuantile(degrees) / t - 1)).toBeLessThan(0.01);
    }
    expect(logGamma(10)).toBeCloseTo(Math.log(362_880), 10);
    expect(logGamma(0.5)).toBeCloseTo(Math.log(Math.sqrt(Math.PI)), 10);
    expect(logGamma(0.25)).toBeCloseTo(Math.log(3.625609908221908), 10);
  });

  it('binomial tail and the ranks around a quantile', () => {
    expect(binomialTail(10, 0, 0.3)).toBeCloseTo(1, 10);
    expect(binomialTail(10, 10, 0.3)).toBeCloseTo(0.3 ** 10, 12);
    const [low, high] = quantileRanks(1000, 0.99);
    expect([low, high]).toEqual([982, 996]);
    expect(quantileRanks(10, 0.99)[1]).toBe(10);
  });

  it('summaries', () => {
    const summary = summarize([3, 1, 2, 4]);
    expect(summary).toMatchObject({ trials: 4, mean: 2.5, p50: 2, p99: 4, max: 4 });
    expect(summary.standardDeviation).toBeCloseTo(Math.sqrt(5 / 3), 12);
    expect(summary.p99Interval[1]).toBeUndefined();
    expect(summarize([5])).toMatchObject({ mean: 5, meanInterval: undefined, max: 5 });
    expect(quantile([1, 2, 3], 0)).toBe(1);
  });

  it('the interval of the mean covers the mean in about 95 of 100 samples', () => {
    let covered = 0;
    for (let run = 0; run < 2000; run++) {
      const random = seededRandom(3, run);
      const [from, to] = summarize(Array.from({ length: 20 }, () => fraction(random))).meanInterval!;
      if (from <= 0.5 && 0.5 <= to) covered++;
    }
    expect(covered / 2000).toBeGreaterThan(0.93);
    expect(covered / 2000).toBeLessThan(0.97);
  });
});
