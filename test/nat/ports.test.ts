import fc from 'fast-check';
import { expect, it } from 'vitest';
import { clampPort, keepPort, nextPort, SNAT_ATTEMPTS } from '../../src/nat/ports.ts';

it('clamping stays in the range and keeps the order', () => {
  const port = fc.integer({ min: 0, max: 65_535 });
  fc.assert(
    fc.property(port, port, port, (a, b, value) => {
      const [min, max] = [Math.min(a, b), Math.max(a, b)];
      const clamped = clampPort(min, max, value);
      expect(clamped).toBeGreaterThanOrEqual(min);
      expect(clamped).toBeLessThanOrEqual(max);
      expect(clampPort(min, max, Math.min(value + 1, 65_535))).toBeGreaterThanOrEqual(clamped);
    }),
  );
  expect(clampPort(0, 65_535, 12_345)).toBe(12_345);
});

it('keeps a port that is in range without drawing', () => {
  const draw = (): number => {
    throw new Error('drawn');
  };
  expect(keepPort(32_768, 65_535, 32_768, draw)).toBe(32_768);
  expect(keepPort(32_768, 65_535, 80, () => 0x1_8000)).toBe(49_152);
});

it('the search is not linear: every flow ends up on the same tail of ports', () => {
  const tail = [65_535, 32_768, 49_152, 57_344, 61_440, 63_488, 64_512, 65_024, 65_280, 65_408, 65_472, 65_504];
  for (const start of [32_768, 40_000, 50_001, 65_535]) {
    for (const word of [0, 0x1234, 0xffff]) {
      const tried = new Set([start]);
      let port = start;
      for (let attempt = 0; attempt < SNAT_ATTEMPTS - 1; attempt++) {
        port = nextPort(32_768, 65_535, port, attempt, () => word);
        tried.add(port);
      }
      expect(tail.filter((p) => !tried.has(p))).toEqual([]);
      expect(tried.size).toBeLessThanOrEqual(SNAT_ATTEMPTS);
    }
  }
});
