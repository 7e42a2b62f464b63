import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkPolicy,
  type PolicyEntry,
  type PolicyKey,
  PolicyMap,
  policyPacket,
  policyResult,
  PolicyStats,
  prefixOf,
} from '../../src/policy/index.ts';

const PLAIN: PolicyEntry = { deny: false, proxyPort: 0, priority: 0, auth: 0, authExplicit: false };
const key = (fields: Partial<PolicyKey>): PolicyKey => ({
  direction: 0,
  identity: 0,
  proto: 0,
  port: 0,
  portPrefix: 0,
  ...fields,
});

const cut = (port: number, bits: number): number => port & ~((1 << (16 - bits)) - 1) & 0xffff;

const keys = fc
  .record({
    direction: fc.constantFrom<0 | 1>(0, 1),
    identity: fc.constantFrom(0, 1, 256, 0x01000001),
    proto: fc.constantFrom(0, 6, 17),
    port: fc.integer({ min: 0, max: 65535 }),
    portPrefix: fc.integer({ min: 0, max: 16 }),
  })
  .map(({ portPrefix, port, ...rest }): PolicyKey => {
    const bits = rest.proto === 0 ? 0 : portPrefix;
    return { ...rest, portPrefix: bits, port: cut(port, bits) };
  });

describe('PolicyMap', () => {
  it('finds the longest prefix that a search through all entries finds, also after deletions', () => {
    const script = fc.array(fc.record({ key: keys, remove: fc.boolean() }), { maxLength: 60 });
    const questions = fc.array(keys, { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(script, questions, (steps, asked) => {
        const map = new PolicyMap();
        const model = new Map<string, PolicyKey>();
        for (const step of steps) {
          map.set(step.key, PLAIN);
          model.set(JSON.stringify(step.key), step.key);
          if (!step.remove) continue;
          expect(map.delete(step.key)).toBe(true);
          model.delete(JSON.stringify(step.key));
        }
        expect(map.size).toBe(model.size);
        for (const { direction, identity, proto, port } of asked) {
          const fits = [...model.values()].filter(
            (one) =>
              one.direction === direction &&
              one.identity === identity &&
              (one.proto === 0 || (one.proto === proto && cut(port, one.portPrefix) === one.port)),
          );
          const best = fits.sort((a, b) => prefixOf(b) - prefixOf(a))[0];
          const row = map.match(direction, identity, proto, port);
          expect(row < 0 ? undefined : map.keyAt(row)).toEqual(best);
        }
      }),
    );
  });

  it('refuses new keys when it is full, and takes new values', () => {
    const map = new PolicyMap(2);
    expect(map.set(key({ identity: 1 }), PLAIN)).toBe(true);
    expect(map.set(key({ identity: 2 }), PLAIN)).toBe(true);
    expect(map.set(key({ identity: 3 }), PLAIN)).toBe(false);
    expect(map.set(key({ identity: 2 }), { ...PLAIN, deny: true })).toBe(true);
    expect(map.entries().map(({ entry }) => entry.deny)).toEqual([false, true]);
  });

  it.each([
    [() => new PolicyMap(0), 'invalid-map-size'],
    [() => new PolicyMap().set(key({ proto: 256 }), PLAIN), 'invalid-policy-key'],
    [() => new PolicyMap().set(key({ portPrefix: 3 }), PLAIN), 'invalid-policy-key'],
    [() => new PolicyMap().set(key({ identity: -1 }), PLAIN), 'invalid-policy-key'],
    [() => new PolicyMap().set(key({}), { ...PLAIN, priority: 128 }), 'invalid-policy-entry'],
  ])('refuses bad input %#', (run, code) => {
    expect(run).toThrow(expect.objectContaining({ code }));
  });

  it('counts per deciding prefix, in 64 bits', () => {
    const map = new PolicyMap();
    map.set(key({ identity: 256 }), PLAIN);
    const stats = new PolicyStats();
    const packet = policyPacket({ endpoint: 7, remote: 256, proto: 6, dport: 80 });
    checkPolicy(map, packet, {}, policyResult(), stats, 0xffffffff);
    checkPolicy(map, packet, {}, policyResult(), stats, 2);
    checkPolicy(map, policyPacket({ endpoint: 7, remote: 300, proto: 6, dport: 80 }), {}, policyResult(), stats, 9);
    expect(stats.rows()).toEqual([{ endpoint: 7, key: key({ identity: 256 }), packets: 2, bytes: 2 ** 32 + 1 }]);
    expect(stats.get(7, key({ identity: 256 }))?.packets).toBe(2);
    expect(stats.get(8, key({ identity: 256 }))).toBeUndefined();
  });
});
