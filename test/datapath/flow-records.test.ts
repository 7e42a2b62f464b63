import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FlowRecords, FlowWord } from '../../src/datapath/flow-records.ts';

/** Many keys share a chain: there are as many chains as rows. */
const keys = fc.array(fc.tuple(fc.nat(30), fc.nat(3)), { maxLength: 200 });

describe('records of flows', () => {
  it.each([1, 4, 16, 1024])('find what was added, the latest %d of them', (maxRows) => {
    fc.assert(
      fc.property(keys, (list) => {
        const records = new FlowRecords(1, 2, 1, maxRows);
        const model = new Map<string, number>();
        for (const [a, b] of list) {
          const key = Uint32Array.of(a, b);
          const at = records.find(key);
          expect(at).toBe(model.get(key.join()) ?? -1);
          if (at >= 0) continue;
          const full = model.size === maxRows;
          expect(records.isFull).toBe(full);
          const added = records.add(key);
          if (full) {
            const [[oldest, place]] = [...model] as [[string, number]];
            expect(added).toBe(place);
            model.delete(oldest);
          } else expect(added).toBe(model.size * records.stride);
          model.set(key.join(), added);
        }
        for (const [key, at] of model) expect(records.find(Uint32Array.from(key.split(','), Number))).toBe(at);
      }),
    );
  });

  it('keep what is in them as they become more', () => {
    const records = new FlowRecords(4, 3, 2);
    const key = (i: number): Uint32Array => Uint32Array.of(i, 7, i ^ 0x5555);
    for (let i = 0; i < 5000; i++) {
      const at = records.add(key(i));
      records.words[at + FlowWord.MARK] = i;
    }
    for (let i = 0; i < 5000; i++) expect(records.words[records.find(key(i)) + FlowWord.MARK]).toBe(i);
    expect(records.find(key(5000))).toBe(-1);
    expect(records.stride % 16).toBe(0);
  });
});
