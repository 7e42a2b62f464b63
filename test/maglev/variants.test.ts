import { createRequire } from 'node:module';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import xxhash from 'xxhash-wasm';
import { buildLookupTable, measureBalance, TABLE_SIZES } from '../../src/maglev/index.ts';
import {
  envoySelect,
  envoyTable,
  ipvsSelect,
  ipvsTable,
  isPrime,
  katranRing,
  NO_BACKEND,
  paper,
  parseVariant,
  VARIANTS,
} from '../../src/maglev/variants/index.ts';
import { parseAddress } from '../../src/net/index.ts';
import { backendList, backendsArbitrary } from './backends.ts';

const siphash13 = createRequire(import.meta.url)('siphash/lib/siphash13.js') as {
  hash(key: readonly number[], bytes: Uint8Array): { h: number; l: number };
};

/** Positions as written in the definition: every list in full. */
const list = (offset: bigint, skip: bigint, size: number): number[] =>
  Array.from({ length: size }, (_, k) => Number((offset + skip * BigInt(k)) % BigInt(size)));

describe('every variant', () => {
  it.each(Object.values(VARIANTS))('$name: names only live backends, whatever the order', (variant) => {
    fc.assert(
      fc.property(backendsArbitrary(12), (backends) => {
        const table = variant.build(backends, { tableSize: 251 });
        expect(table.length).toBe(251);
        measureBalance(table, backends);
        // IPVS lists servers newest first, and its rounds start with the first.
        if (variant.name !== 'ipvs') expect(variant.build([...backends].reverse(), { tableSize: 251 })).toEqual(table);
      }),
      { numRuns: 40 },
    );
  });

  it.each(Object.values(VARIANTS))('$name: refuses sizes it does not have, and no backends', (variant) => {
    for (const size of [0, 1, 250, 16381.5, '251', Number.NaN, -251]) {
      expect(() => variant.checkTableSize(size)).toThrow(expect.objectContaining({ code: 'unsupported-table-size' }));
    }
    expect(variant.checkTableSize(variant.defaultTableSize)).toBe(variant.defaultTableSize);
    expect(() => variant.build([], { tableSize: 251 })).toThrow(expect.objectContaining({ code: 'no-backends' }));
    expect(() => variant.build(backendList(2), { tableSize: 252 })).toThrow();
  });

  it('is found by name', () => {
    expect(parseVariant('envoy').title).toMatch(/Envoy/);
    expect(() => parseVariant('toString')).toThrow(/not a Maglev variant/);
  });
});

describe('the plain algorithm', () => {
  it('is Cilium without weights', () => {
    fc.assert(
      fc.property(backendsArbitrary(30), fc.constantFrom(...TABLE_SIZES.slice(0, 4)), (backends, tableSize) => {
        expect(paper.build(backends, { tableSize })).toEqual(buildLookupTable(backends, { tableSize }));
      }),
    );
  });
  it('refuses unequal weights', () => {
    const [first, second] = backendList(2);
    expect(() => paper.build([{ ...first!, weight: 2 }, second!])).toThrow(/no weights/);
  });
  it('knows primes', () => {
    expect([2, 3, 251, 65537, 131071].map(isPrime)).toEqual([true, true, true, true, true]);
    expect([0, 1, 4, 65535, 65536].map(isPrime)).toEqual([false, false, false, false, false]);
  });
});

describe('Envoy', () => {
  it('agrees with the definition carried out with lists, BigInt and xxhash-wasm', async () => {
    const { h64 } = await xxhash();
    const hosts = fc.uniqueArray(fc.tuple(fc.string({ minLength: 1 }), fc.integer({ min: 1, max: 9 })), {
      selector: ([key]) => key,
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(hosts, fc.constantFrom(5, 11, 31, 101), (entries, size) => {
        const sum = entries.reduce((total, [, weight]) => total + weight, 0);
        const byKey = entries
          .map(([key, weight], id) => ({
            key: Buffer.from(key, 'utf8'),
            text: key,
            weight: weight / sum,
            id,
            target: 0,
          }))
          .sort((a, b) => Buffer.compare(a.key, b.key))
          .map((host) => ({
            ...host,
            wish: list(h64(host.text, 0n) % BigInt(size), (h64(host.text, 1n) % BigInt(size - 1)) + 1n, size),
          }));
        const largest = Math.max(...byKey.map(({ weight }) => weight));
        const table = Array<number>(size).fill(-1);
        for (let iteration = 1; table.includes(-1); iteration++) {
          for (const host of byKey) {
            if (!table.includes(-1) || iteration * host.weight < host.target) continue;
            host.target += largest;
            table[host.wish.find((slot) => table[slot] === -1)!] = host.id;
          }
        }
        const mine = envoyTable(
          entries.map(([key, weight], id) => ({ id, key, weight })),
          { tableSize: size },
        );
        expect(Array.from(mine)).toEqual(table);
      }),
    );
  });

  it('gives localities their share, and none to those of weight 0', () => {
    const hosts = backendList(6).map(({ id }) => ({ id, key: `host-${id}`, locality: 'abc'[id % 3]! }));
    const table = envoyTable(hosts, { tableSize: 1021, localityWeights: { a: 3, b: 1, c: 0 } });
    const slots = (id: number): number => table.filter((owner) => owner === id).length;
    expect(slots(2) + slots(5)).toBe(0);
    expect((slots(3) + slots(6)) / (slots(1) + slots(4))).toBeCloseTo(3, 1);
    expect(() => envoyTable(hosts, { localityWeights: { a: 1 } })).toThrow(/locality "b"/);
  });

  it('refuses what Envoy refuses or leaves to chance', () => {
    expect(() => envoyTable([{ id: 1, key: 'a', weight: 0 }])).toThrow(/weight/);
    expect(() => envoyTable([1, 2].map((id) => ({ id, key: 'a' })))).toThrow(/memory address/);
  });
});

const word = (v: number): Uint8Array => Uint8Array.of(v, v >>> 8, v >>> 16, v >>> 24);

const hash = (v: number, key: number): bigint => BigInt(siphash13.hash([key, 0, key, 0], word(v)).l >>> 0);

describe('IPVS', () => {
  it('agrees with the definition carried out with lists and the siphash package', () => {
    const servers = fc.array(fc.tuple(fc.nat(0xffffffff), fc.nat(65535), fc.nat(300)), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(servers, (entries) => {
        const size = 251;
        const gcd = (a: number, b: number): number => (b ? gcd(b, a % b) : a);
        const divisor = entries.reduce((sum, [, , weight]) => gcd(sum, weight), 0);
        const largest = Math.max(...entries.map(([, , weight]) => weight)) / divisor;
        const shift = Math.max(0, largest.toString(2).length - 4);
        const table = Array<number>(size).fill(NO_BACKEND);
        const wishes = entries.map(([address, port]) => {
          const v = (address + port) >>> 0;
          return list(hash(v, 2654435761) % 251n, (hash(v, 2654446892) % 250n) + 1n, size);
        });
        for (let left = divisor > 0; left; left = table.includes(NO_BACKEND)) {
          entries.forEach(([, , weight], i) => {
            const turns = weight === 0 ? 0 : Math.max(1, Math.floor(weight / divisor / 2 ** shift));
            for (let t = 0; t < turns && table.includes(NO_BACKEND); t++) {
              table[wishes[i]!.find((slot) => table[slot] === NO_BACKEND)!] = i;
            }
          });
        }
        const mine = ipvsTable(
          entries.map(([address, port, lastWeight], id) => ({
            id,
            address: { family: 4, words: [address] },
            port,
            lastWeight,
          })),
          size,
        );
        expect(Array.from(mine)).toEqual(table);
      }),
      { numRuns: 40 },
    );
  });

  it('puts the backend added last first', () => {
    const backends = backendList(5);
    const newestFirst = [...backends].reverse().map(({ id, address, port }) => ({
      id,
      address: parseAddress(address as string),
      port,
      lastWeight: 100,
    }));
    expect(VARIANTS['ipvs']!.build(backends, { tableSize: 251 })).toEqual(ipvsTable(newestFirst, 251));
  });

  it('folds IPv6 addresses, and refuses more servers than slots', () => {
    const folded = parseAddress('10.0.0.1');
    const one = (address: typeof folded): Uint32Array =>
      ipvsTable([
        { id: 1, address, port: 80, lastWeight: 1 },
        { id: 2, address: folded, port: 81, lastWeight: 1 },
      ]);
    expect(one(parseAddress('::a00:1'))).toEqual(one(folded));
    expect(one(parseAddress('1:2::a01:3'))).toEqual(one(folded));
    expect(() => VARIANTS['ipvs']!.build(backendList(252), { tableSize: 251 })).toThrow(/do not fit/);
  });
});

describe('choices', () => {
  it('Envoy: the slot of the hash, and of its flipped bits on a retry', () => {
    const table = Uint32Array.from({ length: 101 }, (_, s) => s);
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), fc.nat(5), (high, low, attempt) => {
        const hash = (BigInt(high) << 32n) | BigInt(low);
        const flipped = attempt === 0 ? hash : hash ^ BigInt.asUintN(64, -BigInt(attempt));
        expect(envoySelect(table, [high, low], attempt)).toBe(Number(flipped % 101n));
      }),
    );
  });

  it('IPVS: the slot of the client, and others only with mh-fallback', () => {
    const table = ipvsTable(
      [1, 2, 3].map((id) => ({ id, address: parseAddress(`10.0.0.${id}`), port: 80, lastWeight: 1 })),
      251,
    );
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.nat(65535), fc.boolean(), (client, port, mhPort) => {
        const address = { family: 4, words: [client] } as const;
        const v = (client + (mhPort ? port : 0)) >>> 0;
        const chosen = table[Number(hash(v, 2654435761) % 251n)]!;
        expect(ipvsSelect(table, address, port, { mhPort })).toBe(chosen);
        const available = (id: number): boolean => id !== chosen;
        expect(ipvsSelect(table, address, port, { mhPort, available })).toBeUndefined();
        expect([1, 2, 3].filter((id) => id !== chosen)).toContain(
          ipvsSelect(table, address, port, { mhPort, mhFallback: true, available }),
        );
      }),
    );
    const none = { mhFallback: true, available: () => false };
    expect(ipvsSelect(table, parseAddress('10.9.9.9'), 1, none)).toBeUndefined();
  });
});

describe('Katran', () => {
  it('one endpoint fills the ring; none leaves it empty; wrong numbers are refused', () => {
    expect(new Set(katranRing([{ num: 3, weight: 0, hash: [1, 2] }], 2, 251))).toEqual(new Set([3]));
    expect(new Set(katranRing([], 1, 251))).toEqual(new Set([-1]));
    expect(() => katranRing([], 1, 1)).toThrow(/ring size 1/);
    expect(() => katranRing([{ num: -1, weight: 1, hash: [1, 2] }], 1)).toThrow(/endpoints\[0\].num/);
    expect(() => katranRing([{ num: 1, weight: 1.5, hash: [1, 2] }], 1)).toThrow(/endpoints\[0\].weight/);
  });
});
