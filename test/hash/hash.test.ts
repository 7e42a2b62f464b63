import fc from 'fast-check';
import murmurHash3 from 'murmurhash3js-revisited';
import { describe, expect, it } from 'vitest';
import { jhash1Word, jhash2Words, jhash3Words, jhashBytes } from '../../src/hash/jhash.ts';
import { murmur3x64 } from '../../src/hash/murmur3.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../../src/hash/seed.ts';
import { hashTuple, hashTuple4, hashTuple6 } from '../../src/hash/tuple.ts';
import { jhash3Oracle, murmur3Oracle } from './oracle.ts';

const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 1, 0x7fffffff, 0x80000000, 0xffffffff),
);
const out = new Uint32Array(4);
const hex = (): string => [...out].map((word) => word.toString(16).padStart(8, '0')).join('');

describe('murmur3', () => {
  it('equals the BigInt oracle and murmurhash3js-revisited for every length and seed', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 70 }), u32, (bytes, seed) => {
        murmur3x64(bytes, bytes.length, seed, out);
        const [h1, h2] = murmur3Oracle(bytes, seed);
        expect(hex()).toBe(h1.toString(16).padStart(16, '0') + h2.toString(16).padStart(16, '0'));
        expect(hex()).toBe(murmurHash3.x64.hash128(bytes, seed));
      }),
    );
  });

  it('hashes a part of a longer buffer', () => {
    const bytes = Uint8Array.from({ length: 50 }, (_, i) => 255 - i);
    murmur3x64(bytes.slice(0, 21), 21, 7, out);
    const expected = hex();
    murmur3x64(bytes, 21, 7, out);
    expect(hex()).toBe(expected);
  });
});

describe('jhash', () => {
  it('equals the BigInt oracle on three words', () => {
    fc.assert(
      fc.property(u32, u32, u32, u32, (a, b, c, iv) => {
        expect(jhash3Words(a, b, c, iv)).toBe(jhash3Oracle(a, b, c, iv));
      }),
    );
  });

  it('of fewer words differs only in the length that enters', () => {
    fc.assert(
      fc.property(u32, u32, u32, (a, b, iv) => {
        expect(jhash2Words(a, b, iv)).toBe(jhash3Words(a, b, 0, (iv - 4) >>> 0));
        expect(jhash1Word(a, iv)).toBe(jhash3Words(a, 0, 0, (iv - 8) >>> 0));
      }),
    );
  });

  it('of twelve bytes is that of their three little-endian words', () => {
    fc.assert(
      fc.property(u32, u32, u32, u32, (a, b, c, iv) => {
        const bytes = new Uint8Array(12);
        new DataView(bytes.buffer).setUint32(0, a, true);
        new DataView(bytes.buffer).setUint32(4, b, true);
        new DataView(bytes.buffer).setUint32(8, c, true);
        expect(jhashBytes(bytes, iv)).toBe(jhash3Words(a, b, c, iv));
      }),
    );
  });
});

describe('the hash of a flow', () => {
  it('takes the client address as it lies in memory of a little-endian host', () => {
    // 10.1.2.3:40000 -> port 80, TCP: the words are 0x0302010a and the two ports with their bytes swapped.
    const seed = 1910299206;
    expect(hashTuple4(0x0a010203, 40000, 80, 6, seed)).toBe(jhash3Words(0x0302010a, 0x5000409c, 6, seed));
    expect(hashTuple(4, [9, 0x0a010203], 1, 40000, 80, 6, seed)).toBe(hashTuple4(0x0a010203, 40000, 80, 6, seed));
    expect(hashTuple(6, [1, 2, 3, 4], 0, 40000, 80, 6, seed)).toBe(hashTuple6(1, 2, 3, 4, 40000, 80, 6, seed));
  });
});

describe('parseHashSeed', () => {
  it('reads three big-endian words', () => {
    expect(parseHashSeed(DEFAULT_HASH_SEED)).toEqual({ murmur: 0x24b7ef82, jhash4: 0x71dcda46, jhash6: 0x92505688 });
    expect(parseHashSeed('JLfvgnHc\r\n2kaSUFaI\n')).toEqual(parseHashSeed(DEFAULT_HASH_SEED));
    expect(parseHashSeed('++//++//++//++//').murmur).toBe(0xfbeffffb);
  });

  it.each(['', 'JLfvgnHc2kaSUFa', 'JLfvgnHc2kaSUFaI=', 'JLfvgnHc2kaSUFaIAA', 'JLfvgnHc2kaSUFa-', 'JLfvgnHc 2kaSUFaI'])(
    'refuses %j',
    (text) => {
      expect(() => parseHashSeed(text)).toThrow(expect.objectContaining({ code: 'invalid-hash-seed' }));
    },
  );
});
