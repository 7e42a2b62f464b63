import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { L4Table } from '../../src/k8s/l4-table.ts';
import { parseKey, ScopedAddress } from '../../src/k8s/model.ts';
import type { IpAddress } from '../../src/net/address.ts';

// Few values each, so that addresses meet; the largest ones are those that signed words would get wrong.
const word = fc.constantFrom(0, 1, 0x0a000001, 0xffffffff);
const address: fc.Arbitrary<IpAddress> = fc.oneof(
  word.map((one) => ({ family: 4 as const, words: [one] })),
  fc.tuple(word, word, word, word).map((words) => ({ family: 6 as const, words })),
);
const at = fc
  .tuple(address, fc.constantFrom(0, 80, 65535), fc.constantFrom(0, 6, 17, 132), fc.constantFrom(0, 1))
  .map(([ip, port, protocol, scope]) => new ScopedAddress(ip, port, protocol, scope));

describe('L4Table', () => {
  it('is a map by the text of the address', () => {
    const step = fc.record({ at, remove: fc.boolean() });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new L4Table<number>();
        const model = new Map<string, number>();
        steps.forEach(({ at: one, remove }, i) => {
          if (remove) {
            table.delete(one);
            model.delete(one.key);
          } else {
            table.set(one, i);
            model.set(one.key, i);
          }
        });
        for (const { at: one } of steps) expect(table.get(one)).toBe(model.get(one.key));
        expect([...table.values()].sort()).toEqual([...model.values()].sort());
      }),
    );
  });
});

describe('parseKey', () => {
  it('gives the address that a key was made of', () => {
    fc.assert(
      fc.property(at, (one) => {
        expect(parseKey(one.key)).toEqual(one);
      }),
    );
  });

  it.each([
    '',
    '10.0.0.1',
    '10.0.0.1:80',
    '10.0.0.1:080/TCP',
    '10.0.0.1:80/tcp',
    '10.0.0.1:80/ICMP',
    '[FD00::1]:80/TCP',
  ])('takes nothing else: %j', (text) => expect(parseKey(text)).toBeUndefined());
});
