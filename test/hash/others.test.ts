import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { hsiphash32 } from '../../src/hash/siphash.ts';
import { mod64, mul64High } from '../../src/hash/u64.ts';
import { xxh64 } from '../../src/hash/xxh64.ts';

const siphash13 = createRequire(import.meta.url)('siphash/lib/siphash13.js') as {
  hash(key: readonly number[], bytes: Uint8Array): { h: number; l: number };
};

const u32 = fc.nat(0xffffffff);
const big = (high: number, low: number): bigint => (BigInt(high) << 32n) | BigInt(low);

describe('64-bit arithmetic in halves', () => {
  it('multiplies as BigInt does', () => {
    fc.assert(
      fc.property(u32, u32, u32, u32, (a, b, c, d) => {
        const product = BigInt.asUintN(64, big(a, b) * big(c, d));
        expect(big(mul64High(a, b, c, d), Math.imul(b, d) >>> 0)).toBe(product);
      }),
    );
  });
  it('takes remainders as BigInt does', () => {
    fc.assert(
      fc.property(u32, u32, fc.integer({ min: 1, max: 0xffffffff }), (a, b, m) => {
        expect(mod64(a, b, m)).toBe(Number(big(a, b) % BigInt(m)));
      }),
    );
  });
});

describe('XXH64', () => {
  it('agrees with xxhash-wasm on any bytes and seed', async () => {
    const { h64Raw } = await xxhash();
    const out = new Uint32Array(2);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), u32, (bytes, seed) => {
        xxh64(bytes, seed, out);
        expect(big(out[0]!, out[1]!)).toBe(h64Raw(bytes, BigInt(seed)));
      }),
    );
  });
});

describe('SipHash-1-3 of a word', () => {
  it('agrees with the siphash package', () => {
    fc.assert(
      fc.property(u32, u32, (word, key) => {
        const bytes = Uint8Array.of(word, word >>> 8, word >>> 16, word >>> 24);
        expect(hsiphash32(word, key)).toBe(siphash13.hash([key, 0, key, 0], bytes).l >>> 0);
      }),
    );
  });
});
