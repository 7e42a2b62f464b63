import fc from 'fast-check';
import { expect, it } from 'vitest';
import { formatU64, moduloU64, u64 } from '../../src/net/u64.ts';

const MAX = 2n ** 64n - 1n;

it('reads, prints and divides like BigInt', () => {
  fc.assert(
    fc.property(fc.bigInt(0n, MAX), fc.integer({ min: 1, max: 65535 }), (value, divisor) => {
      const { low, high } = u64(String(value));
      expect((BigInt(high) << 32n) | BigInt(low)).toBe(value);
      expect(formatU64({ low, high })).toBe(String(value));
      expect(BigInt(moduloU64(low, high, divisor))).toBe(value % BigInt(divisor));
    }),
  );
  expect(u64(2 ** 53 - 1)).toEqual(u64('9007199254740991'));
});

it('refuses what is no unsigned 64-bit number', () => {
  for (const bad of [-1, 1.5, 2 ** 53, '', '-1', '18446744073709551616', '0x10', '999999999999999999999']) {
    expect(() => u64(bad)).toThrow(expect.objectContaining({ code: 'invalid-u64' }));
  }
});
