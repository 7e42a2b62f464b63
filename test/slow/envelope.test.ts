import { describe, expect, it } from 'vitest';
import { buildLookupTable } from '../../src/maglev/index.ts';
import { assertMinimalDisruption, envelopeCells, envelopeSeed } from '../../src/testing/index.ts';

/** Ten thousand removals per cell, of another seed than the measurement's. */
describe('the envelope holds for removals that were not measured', () => {
  const cells = envelopeCells.filter(({ tableSize, backends }) => tableSize <= 16381 && backends > 2);
  it.each(cells)('$tableSize slots, $backends backends', ({ tableSize, backends }) => {
    const seed = envelopeSeed + 1;
    const build = (list: Parameters<typeof buildLookupTable>[0]): Uint32Array => buildLookupTable(list, { tableSize });
    const result = assertMinimalDisruption(build, { backends, trials: 10_000, seed });
    expect(result.mean).toBeGreaterThan(0);
  });
});
