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

describe("the agent's reason", () => {
  const policy = (spec: object, kind = 'CiliumNetworkPolicy'): object => ({
    apiVersion: 'cilium.io/v2',
    kind,
    metadata: { name: 'p', ...(kind === 'CiliumNetworkPolicy' ? { namespace: 'x' } : {}) },
    spec,
  });
  const tcp = [{ port: '80', protocol: 'TCP' }];
  const ingress = (...rules: object[]): object => policy({ endpointSelector: {}, ingress: rules });
  const egress = (...rules: object[]): object => policy({ endpointSelector: {}, egress: rules });
  const kafka = (rule: object): object => ingress({ toPorts: [{ ports: tcp, rules: { kafka: [rule] } }] });
  const host = (direction: string, rules: object): object =>
    policy({ nodeSelector: {}, [direction]: [{ toPorts: [{ ports: tcp, rules }] }] }, 'CiliumClusterwideNetworkPolicy');

  const reasonOf = (object: object): string | undefined => {
    try {
      parsePolicy(object);
      return undefined;
    } catch (error) {
      return (error as LbtwinError).code;
    }
  };

  it.each<[string, object, string | undefined]>([
    ['a mode of authentication that nobody knows', ingress({ authentication: { mode: 'foo' } }), undefined],
    ['a Kafka request in any letter case', kafka({ apiKey: 'CreateTopics' }), undefined],
    ['a Kafka request that is none', kafka({ apiKey: 'delete' }), 'bad-kafka-field'],
    ['the largest Kafka version', kafka({ apiVersion: '32767' }), undefined],
    ['a larger Kafka version', kafka({ apiVersion: '32768' }), 'bad-kafka-field'],
    ['a Kafka topic with a backslash', kafka({ topic: 'a\\b' }), undefined],
    [
      'DNS rules without a port',
      egress({ toPorts: [{ rules: { dns: [{ matchPattern: '*' }] } }] }),
      'dns-without-port',
    ],
    ['no server name', egress({ toPorts: [{ ports: tcp, serverNames: [''] }] }), 'empty-server-name'],
    [
      'a protocol name without rules, on UDP',
      ingress({ toPorts: [{ ports: [{ port: '80', protocol: 'UDP' }], rules: { l7proto: 'x' } }] }),
      undefined,
    ],
    ['an exception beside a group', egress({ toCIDRSet: [{ cidrGroupRef: 'g', except: ['10.1.2.3'] }] }), undefined],
    [
      'a group selector with a source',
      egress({ toCIDRSet: [{ cidrGroupSelector: { matchLabels: { 'k8s:a': 'b' } } }] }),
      'invalid-label-selector',
    ],
    ['neither a section nor a subject', policy({}), 'no-rule-section'],
    [
      'two kinds of peers, one of them wrong',
      ingress({ fromEntities: ['foo'], fromCIDR: ['10.0.0.0/8'] }),
      'two-peer-kinds-in-one-rule',
    ],
    [
      'ICMP beside a wrong port',
      ingress({ icmps: [{ fields: [{ type: 8 }] }], toPorts: [{ ports: [{ port: '' }] }] }),
      'icmp-and-ports-in-one-rule',
    ],
    ['DNS rules for the host, on ingress', host('ingress', { dns: [{ matchPattern: '*' }] }), 'l7-in-host-ingress'],
    ['HTTP rules for the host, on egress', host('egress', { http: [{}] }), 'l7-in-host-egress'],
    ['no HTTP rules for the host, on egress', host('egress', { http: [] }), undefined],
    [
      'a description that is no text',
      policy({ endpointSelector: {}, ingress: [{}], description: 1 }),
      'json-type-error',
    ],
    [
      'nodes and something else wrong in a namespaced policy',
      policy({ nodeSelector: {}, ingress: [{ fromEntities: ['foo'] }] }),
      'unknown-entity',
    ],
  ])('%s', (_, object, code) => {
    expect(reasonOf(object)).toBe(code);
  });
});
