import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LbtwinError } from '../../src/errors.ts';
import { lintPolicies, parsePolicy, PolicyCluster, PolicyEngine } from '../../src/policy/index.ts';
import { policies } from './random-policies.ts';

/** Every path into a JSON value. */
function pathsOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [
    path,
    ...Object.entries(value).flatMap(([key, inner]) =>
      pathsOf(inner, [...path, Array.isArray(value) ? Number(key) : key]),
    ),
  ];
}

function replaced(value: unknown, [first, ...rest]: (string | number)[], by: unknown): unknown {
  if (first === undefined) return by;
  if (Array.isArray(value)) return value.map((item, index) => (index === first ? replaced(item, rest, by) : item));
  return { ...(value as object), [first]: replaced((value as Record<string, unknown>)[first], rest, by) };
}

const junk = fc.oneof(
  fc.constantFrom<unknown>(null, true, -1, 1.5, 70000, '', 'x', '\u0000', '10.0.0.0/8', '*', [], {}, [null], [[]], {
    matchLabels: null,
  }),
  fc.jsonValue({ maxDepth: 2 }),
);

/** A policy with one value replaced by something else. */
const broken = policies.chain(([policy]) =>
  fc.tuple(fc.constantFrom(...pathsOf(policy)), junk).map(([path, by]) => replaced(policy, path, by)),
);

describe('bad input', () => {
  it('is read, or refused with a code and a path into it', () => {
    fc.assert(
      fc.property(broken, (object) => {
        try {
          parsePolicy(object);
        } catch (error) {
          if (!(error instanceof LbtwinError)) throw error;
          expect(error.code).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
          expect(error.path.every((part) => ['string', 'number'].includes(typeof part))).toBe(true);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('in one object leaves the others in force', () => {
    fc.assert(
      fc.property(broken, policies, (object, others) => {
        const engine = new PolicyEngine();
        engine.setPolicies(others);
        const before = engine.policies.map(({ origin }) => origin);
        try {
          engine.setPolicies([object]);
        } catch (error) {
          if (!(error instanceof LbtwinError)) throw error;
          expect(engine.policies.map(({ origin }) => origin)).toEqual(before);
        }
      }),
    );
  });

  it('among objects of a cluster is left aside', () => {
    const kinds = [
      'Pod',
      'Node',
      'Namespace',
      'Service',
      'EndpointSlice',
      'CiliumCIDRGroup',
      'CiliumEndpoint',
      'CiliumNode',
    ];
    const objects = fc.array(
      fc.record({ kind: fc.constantFrom(...kinds), metadata: junk, spec: junk, status: junk, endpoints: junk }),
    );
    fc.assert(
      fc.property(objects, fc.array(broken, { maxLength: 2 }), (some, rules) => {
        const cluster = new PolicyCluster([...some, ...rules]);
        expect(cluster.policies.length + cluster.refused.length).toBe(cluster.objects.policies.length);
        lintPolicies(cluster);
      }),
    );
  });
});
