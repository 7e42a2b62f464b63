import { prepareNamed } from '../../src/maglev/table.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  backendHashString,
  buildLookupTable,
  type MaglevBackend,
  parseHashSeed,
  prepareBackends,
  TABLE_SIZES,
  weightsMatter,
} from '../../src/maglev/index.ts';
import { naiveTable } from './naive.ts';

const SMALL = [251, 509, 1021] as const;
const size = fc.constantFrom(...SMALL);

/** Distinct backends; `weight` gives each its weight. */
const backendSet = (weight: fc.Arbitrary<number>, maxLength = 40): fc.Arbitrary<MaglevBackend[]> =>
  fc
    .uniqueArray(fc.record({ host: fc.integer({ min: 0, max: 0xffffff }), weight }), {
      selector: ({ host }) => host,
      minLength: 1,
      maxLength,
    })
    .map((set) =>
      set.map(({ host, weight: w }, i) => ({
        id: i + 1,
        address: `10.${host >>> 16}.${(host >>> 8) & 255}.${host & 255}`,
        port: 8080,
        protocol: 'TCP',
        weight: w,
      })),
    );

const counts = (table: Uint32Array): Map<number, number> => {
  const found = new Map<number, number>();
  for (const id of table) found.set(id, (found.get(id) ?? 0) + 1);
  return found;
};

describe('laws of the table', () => {
  it('the order of the backends does not matter', () => {
    fc.assert(
      fc.property(backendSet(fc.integer({ min: 0, max: 300 })), size, fc.infiniteStream(fc.nat()), (set, M, keys) => {
        const shuffled = set.map((backend) => [keys.next().value!, backend] as const).sort(([a], [b]) => a - b);
        expect(
          buildLookupTable(
            shuffled.map(([, backend]) => backend),
            { tableSize: M },
          ),
        ).toEqual(buildLookupTable(set, { tableSize: M }));
      }),
    );
  });

  it('equal weights: every slot is a given backend, counts differ by at most one', () => {
    fc.assert(
      fc.property(backendSet(fc.constant(100), 300), size, (set, M) => {
        const found = counts(buildLookupTable(set, { tableSize: M }));
        for (const id of found.keys()) expect(id >= 1 && id <= set.length).toBe(true);
        const all = set.map(({ id }) => found.get(id) ?? 0);
        expect(Math.max(...all) - Math.min(...all)).toBeLessThanOrEqual(1);
      }),
    );
  });

  it('of two backends, removing one moves nothing needlessly', () => {
    fc.assert(
      fc.property(
        backendSet(fc.constant(1)).filter((set) => set.length >= 2),
        size,
        ([a, b], M) => {
          const before = buildLookupTable([a!, b!], { tableSize: M });
          const after = buildLookupTable([a!], { tableSize: M });
          before.forEach((id, slot) => {
            if (id === a!.id) expect(after[slot]).toBe(id);
          });
        },
      ),
    );
  });

  it('equal weights of any value are the same as weight 1', () => {
    fc.assert(
      fc.property(backendSet(fc.constant(1)), fc.integer({ min: 0, max: 65535 }), size, (set, weight, M) => {
        expect(
          buildLookupTable(
            set.map((b) => ({ ...b, weight })),
            { tableSize: M },
          ),
        ).toEqual(buildLookupTable(set, { tableSize: M }));
      }),
    );
  });

  it('weights with a mean below two are ignored', () => {
    fc.assert(
      fc.property(backendSet(fc.integer({ min: 0, max: 3 })), size, (set, M) => {
        const sum = set.reduce((total, { weight }) => total + weight!, 0);
        fc.pre(sum < 2 * set.length);
        const plain = set.map((b) => ({ ...b, weight: 1 }));
        expect(buildLookupTable(set, { tableSize: M })).toEqual(buildLookupTable(plain, { tableSize: M }));
      }),
    );
  });

  it('hashes known before change nothing, whichever they are', () => {
    const { murmur } = parseHashSeed('JLfvgnHc2kaSUFaI');
    const named = fc
      .uniqueArray(fc.nat({ max: 60 }), { maxLength: 40 })
      .map((hosts) =>
        hosts.map((host, i) => ({ id: i + 1, weight: 100, text: `[10.0.0.${host}:80/TCP,State:active]` })),
      );
    fc.assert(
      fc.property(named, named, (set, others) => {
        const before = prepareNamed(others, murmur);
        expect(prepareNamed(set, murmur, before)).toEqual(prepareNamed(set, murmur));
      }),
    );
  });

  it('equals the plain algorithm with materialised permutations and rational counters', () => {
    const weight = fc.oneof(fc.integer({ min: 0, max: 8 }), fc.integer({ min: 0, max: 65535 }), fc.constant(100));
    fc.assert(
      fc.property(backendSet(weight, 300), size, (set, M) => {
        const prepared = prepareBackends(set, parseHashSeed('JLfvgnHc2kaSUFaI').murmur);
        expect([...buildLookupTable(set, { tableSize: M })]).toEqual(naiveTable(prepared, M));
      }),
    );
  });
});

describe('golden tables', () => {
  const four = [2, 13, 111, 10].map((weight, i) => ({
    id: i + 1,
    address: `1.1.1.${i + 1}`,
    port: 80,
    protocol: 'TCP',
    weight,
  }));

  it('weights 2, 13, 111, 10 of 1021 slots give 16, 98, 832 and 75 or their neighbours', () => {
    const found = counts(buildLookupTable(four, { tableSize: 1021 }));
    const shares = [2, 13, 111, 10].map((weight) => (1021 * weight) / 136);
    shares.forEach((share, i) => expect(Math.abs(found.get(i + 1)! - share)).toBeLessThan(2));
  });

  it('weight 0 gets exactly one slot when weights count, a full share when they do not', () => {
    const weighted = (weights: number[]): Map<number, number> =>
      counts(
        buildLookupTable(
          weights.map((weight, i) => ({ ...four[i]!, weight })),
          { tableSize: 1021 },
        ),
      );
    expect(weighted([0, 1, 5]).get(1)).toBe(1);
    expect(weighted([0, 1, 1, 1]).get(1)).toBeGreaterThan(250);
    expect(weighted([1, 3]).get(1)! / 1021).toBeCloseTo(0.25, 2);
    expect(weighted([1, 2]).get(1)! / 1021).toBeCloseTo(0.5, 2);
    expect(weightsMatter([1, 2])).toBe(false);
    expect(weightsMatter([1, 3])).toBe(true);
    expect(weightsMatter([100, 100])).toBe(false);
  });

  it('more backends than slots: the first in text order get one slot each, whatever the weights', () => {
    const many = Array.from({ length: 300 }, (_, i) => ({
      id: i + 1,
      address: `10.0.${i >> 8}.${i & 255}`,
      port: 80,
      protocol: 'TCP',
      weight: i,
    }));
    const found = counts(buildLookupTable(many, { tableSize: 251 }));
    const texts = many
      .map((backend) => [backendHashString(backend), backend.id] as const)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    expect([...found.keys()].sort((a, b) => a - b)).toEqual(
      texts
        .slice(0, 251)
        .map(([, id]) => id)
        .sort((a, b) => a - b),
    );
    expect(new Set(found.values())).toEqual(new Set([1]));
  });

  it('the default size is 16381 and ids go up to 4294967294', () => {
    const table = buildLookupTable([{ ...four[0]!, id: 4294967294 }]);
    expect(table.length).toBe(16381);
    expect(new Set(table)).toEqual(new Set([4294967294]));
    expect(TABLE_SIZES).toContain(16381);
  });
});

describe('backendHashString', () => {
  const base = { id: 1, address: '10.0.0.1', port: 80, protocol: 'TCP' };
  it.each([
    [{}, '[10.0.0.1:80/TCP,State:active]'],
    [{ scope: 'internal' as const }, '[10.0.0.1:80/TCP/i,State:active]'],
    [{ address: 'FD00::0001', protocol: 'UDP' }, '[[fd00::1]:80/UDP,State:active]'],
    [{ address: 'fd00::1', clusterId: 5 }, '[[fd00::1@5]:80/TCP,State:active]'],
    [{ clusterId: 5 }, '[10.0.0.1@5:80/TCP,State:active]'],
    [{ address: '::ffff:0a01:37d' }, '[[::ffff:10.1.3.125]:80/TCP,State:active]'],
    [{ address: 'fe80::1%eth0' }, '[[fe80::1%eth0]:80/TCP,State:active]'],
  ])('%j', (change, text) => {
    expect(backendHashString({ ...base, ...change })).toBe(text);
  });
});

describe('bad input', () => {
  const good = { id: 1, address: '10.0.0.1', port: 80, protocol: 'TCP' };
  it.each([
    ['no-backends', [], {}],
    ['unsupported-table-size', [good], { tableSize: 65537 }],
    ['unsupported-table-size', [good], { tableSize: '16381' as unknown as number }],
    ['invalid-hash-seed', [good], { hashSeed: 'short' }],
    ['invalid-backend-id', [{ ...good, id: 0xffffffff }], {}],
    ['invalid-backend-id', [{ ...good, id: -1 }], {}],
    ['invalid-backend-id', [{ ...good, id: 1.5 }], {}],
    ['invalid-weight', [{ ...good, weight: 65536 }], {}],
    ['invalid-weight', [{ ...good, weight: -1 }], {}],
    ['invalid-weight', [{ ...good, weight: Number.NaN }], {}],
    ['invalid-address', [{ ...good, address: '010.0.0.1' }], {}],
    ['invalid-port', [{ ...good, port: 65536 }], {}],
    ['unknown-protocol', [{ ...good, protocol: 'tcp' }], {}],
    ['invalid-scope', [{ ...good, scope: 'outer' as 'internal' }], {}],
    ['invalid-cluster-id', [{ ...good, clusterId: -1 }], {}],
  ])('%s', (code, backends, options) => {
    expect(() => buildLookupTable(backends, options)).toThrow(expect.objectContaining({ code }));
  });

  it('names the backend', () => {
    expect(() => buildLookupTable([good, { ...good, id: 2, port: 99999 }])).toThrow(/^backends\[1\]\.port: /);
  });

  it('equal texts keep their order up to twelve backends and are refused above', () => {
    const twin = { ...good, id: 2 };
    expect(buildLookupTable([good, twin], { tableSize: 251 })).not.toEqual(
      buildLookupTable([twin, good], { tableSize: 251 }),
    );
    const others = Array.from({ length: 12 }, (_, i) => ({ ...good, id: 10 + i, address: `10.0.1.${i}` }));
    expect(() => buildLookupTable([...others, good, twin])).toThrow(
      expect.objectContaining({ code: 'undecided-order' }),
    );
    expect(buildLookupTable([...others, good, good], { tableSize: 251 })).toHaveLength(251);
  });
});
