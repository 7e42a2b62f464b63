import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAddress } from '../../src/net/index.ts';
import {
  type EndpointPolicy,
  explainVerdict,
  MatchType,
  parseLabel,
  PolicyDirection,
  type PolicyEndpoint,
  PolicyEngine,
  type PolicyPacket,
  policyPacket,
  policyResult,
  PolicyVerdictCode,
  sortLabels,
} from '../../src/policy/index.ts';
import { type Opinion, opinion, type Packet, type Pod, type Policy } from './naive.ts';
import { item, packet, PODS, policies } from './random-policies.ts';

const ENTITIES = { host: 1, 'remote-node': 6, health: 4 };

const endpoints: readonly PolicyEndpoint[] = PODS.map((pod, index) => ({
  name: `${pod.namespace}/${pod.name}`,
  identity: 1000 + index,
  labels: sortLabels([
    ...Object.entries(pod.labels).map(([key, value]) => parseLabel(`k8s:${key}=${value}`)),
    parseLabel(`k8s:io.kubernetes.pod.namespace=${pod.namespace}`),
    parseLabel('k8s:io.cilium.k8s.policy.cluster=default'),
  ]),
  namedPorts: [],
}));

function engineOf(objects: readonly Policy[]): PolicyEngine {
  const engine = new PolicyEngine();
  for (const { identity, labels } of endpoints) engine.addIdentity(identity, labels);
  engine.setPolicies(objects);
  return engine;
}

const endpointOf = (pod: Pod): PolicyEndpoint => endpoints[PODS.indexOf(pod)]!;

function toPacket(engine: PolicyEngine, { remote, direction, proto, port }: Packet): PolicyPacket {
  const identity =
    'pod' in remote
      ? endpointOf(remote.pod).identity
      : 'entity' in remote
        ? ENTITIES[remote.entity]
        : engine.identityOf(parseAddress(remote.address));
  return policyPacket({
    direction: direction === 'egress' ? PolicyDirection.EGRESS : PolicyDirection.INGRESS,
    remote: identity,
    proto,
    dport: proto === 1 ? 0 : port,
    icmpType: proto === 1 ? port : -1,
    icmpCode: 0,
  });
}

function ask(engine: PolicyEngine, policy: EndpointPolicy, asked: Packet): Opinion {
  const result = policyResult();
  const code = policy.check(toPacket(engine, asked), {}, result);
  if (code === PolicyVerdictCode.OK) return { verdict: 'allow', redirect: result.proxyPort > 0 };
  if (code === PolicyVerdictCode.POLICY_DENY_EXPLICIT) return { verdict: 'deny', redirect: false };
  expect(code).toBe(PolicyVerdictCode.POLICY_DENIED);
  expect(result.match).toBe(MatchType.NONE);
  return { verdict: 'default-deny', redirect: false };
}

const RUNS = Number(process.env['FC_RUNS'] ?? 100);
const subject = fc.constantFrom(...PODS);
const packets = fc.array(packet, { minLength: 8, maxLength: 24 });

describe('laws of policy', () => {
  it('the map decides what a direct reading of the rules says', () => {
    fc.assert(
      fc.property(policies, subject, packets, (objects, pod, asked) => {
        const engine = engineOf(objects);
        const policy = engine.policyOf(endpointOf(pod));
        for (const one of asked) expect(ask(engine, policy, one)).toEqual(opinion(objects, pod, one));
      }),
      { numRuns: RUNS * 2 },
    );
  });

  it('the explanation names the rules that decide, and no others', () => {
    fc.assert(
      fc.property(policies, subject, packets, (objects, pod, asked) => {
        const engine = engineOf(objects);
        const policy = engine.policyOf(endpointOf(pod));
        for (const one of asked) {
          const found = explainVerdict(policy, toPacket(engine, one), {}, engine.selectors);
          const { enforced, allowAll } = policy.direction(one.direction);
          const host = one.direction === 'ingress' && 'entity' in one.remote && one.remote.entity === 'host';
          if (found.reason === 'policy-denied') expect(found.decidedBy).toEqual([]);
          else if (found.reason === 'policy-deny-explicit') expect(found.decidedBy.length).toBeGreaterThan(0);
          else if (enforced && !allowAll && !host) expect(found.decidedBy.length).toBeGreaterThan(0);
          const redirects = found.decidedBy.some(({ effect }) => effect === 'redirects');
          expect(found.redirect !== undefined).toBe(redirects && found.allowed && !(host && !redirects));
        }
      }),
    );
  });

  it('the order of objects and of their rules changes nothing', () => {
    const shuffled = policies.chain((objects) =>
      fc.tuple(fc.constant(objects), fc.shuffledSubarray(objects, { minLength: objects.length })),
    );
    fc.assert(
      fc.property(shuffled, subject, ([objects, others], pod) => {
        const turned = others.map((object) => ({
          ...object,
          spec: {
            ...object.spec,
            ...(object.spec.ingress === undefined ? {} : { ingress: object.spec.ingress.toReversed() }),
            ...(object.spec.egress === undefined ? {} : { egress: object.spec.egress.toReversed() }),
          },
        }));
        const entries = engineOf(objects).policyOf(endpointOf(pod)).entries();
        expect(engineOf(turned).policyOf(endpointOf(pod)).entries()).toEqual(entries);
      }),
    );
  });

  it('an allow rule added to a direction that is enforced with default deny takes no connection away', () => {
    const rule = fc
      .constantFrom('ingress', 'egress')
      .chain((direction) =>
        fc.record({ direction: fc.constant(direction), item: item(direction as 'ingress', false) }),
      );
    fc.assert(
      fc.property(policies, rule, subject, packets, (objects, added, pod, asked) => {
        const direction = added.direction as 'ingress' | 'egress';
        const before = engineOf(objects);
        const old = before.policyOf(endpointOf(pod)).direction(direction);
        // Elsewhere the rule switches default deny on, or changes which prefix an address stands for.
        fc.pre(old.enforced && !old.allowAll && !/CIDR/.test(JSON.stringify(added.item)));
        const more: Policy = {
          apiVersion: 'cilium.io/v2',
          kind: 'CiliumClusterwideNetworkPolicy',
          metadata: { name: 'added' },
          spec: { endpointSelector: {}, [direction]: [added.item] },
        };
        const after = engineOf([...objects, more]);
        for (const one of asked) {
          const then = ask(before, before.policyOf(endpointOf(pod)), { ...one, direction });
          const now = ask(after, after.policyOf(endpointOf(pod)), { ...one, direction });
          if (then.verdict === 'allow') expect(now.verdict).toBe('allow');
        }
      }),
    );
  });

  it('a deny that matches always wins', () => {
    fc.assert(
      fc.property(policies, subject, packets, (objects, pod, asked) => {
        for (const one of asked) {
          const more: Policy = {
            apiVersion: 'cilium.io/v2',
            kind: 'CiliumClusterwideNetworkPolicy',
            metadata: { name: 'added' },
            spec: {
              endpointSelector: {},
              [`${one.direction}Deny`]: [{ [one.direction === 'ingress' ? 'fromEntities' : 'toEntities']: ['all'] }],
            },
          };
          const engine = engineOf([...objects, more]);
          expect(ask(engine, engine.policyOf(endpointOf(pod)), one).verdict).toBe('deny');
        }
      }),
      { numRuns: 30 },
    );
  });

  it('a change leads where a fresh start leads', () => {
    fc.assert(
      fc.property(policies, policies, (first, second) => {
        const engine = engineOf(first);
        for (const endpoint of endpoints) engine.policyOf(endpoint);
        for (const { origin } of engine.policies) engine.deletePolicy(origin);
        engine.setPolicies(second);
        const fresh = engineOf(second);
        for (const endpoint of endpoints) {
          const readable = (which: PolicyEngine): unknown[] =>
            which
              .policyOf(endpoint)
              .entries()
              .map(({ key, entry }) => ({ ...key, ...entry, identity: which.identities.labelsOf(key.identity).join() }))
              .sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
          expect(readable(engine)).toEqual(readable(fresh));
        }
      }),
      { numRuns: RUNS / 4 },
    );
  });
});
