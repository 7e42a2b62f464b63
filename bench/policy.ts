import { Protocol } from '../src/net/index.ts';
import { EndpointPolicy } from '../src/policy/endpoint-policy.ts';
import {
  checkPolicy,
  parseLabel,
  PolicyCluster,
  PolicyDirection,
  type PolicyEndpoint,
  PolicyEngine,
  policyMatrix,
  policyPacket,
  policyResult,
  sortLabels,
} from '../src/policy/index.ts';
import { resolvePolicy } from '../src/policy/resolve.ts';
import { SelectorCache } from '../src/policy/selector-cache.ts';
import { type Benchmark, seeded } from './measure.ts';

const IDENTITIES = 10_000;
const NAMESPACES = 100;
const POLICIES = 1_000;
const LOOKUPS = 65_536;

const endpointOf = (index: number): PolicyEndpoint => ({
  name: `ns-${index % NAMESPACES}/pod-${index}`,
  identity: 1000 + index,
  labels: sortLabels(
    [
      `k8s:app=app-${Math.floor(index / NAMESPACES)}`,
      `k8s:tier=tier-${index % 7}`,
      `k8s:io.kubernetes.pod.namespace=ns-${index % NAMESPACES}`,
      'k8s:io.cilium.k8s.policy.cluster=default',
      'k8s:io.cilium.k8s.policy.serviceaccount=default',
      `k8s:io.cilium.k8s.namespace.labels.team=team-${index % 10}`,
    ].map(parseLabel),
  ),
  namedPorts: [],
});

/** One policy: peers in the own namespace, of a tier everywhere, of other teams, prefixes; allow and deny, ports and ranges. */
function policyOf(index: number, next: () => number): unknown {
  const port = (): string => String(1 + (next() % 9000));
  const app = (): { matchLabels: Record<string, string> } => ({ matchLabels: { app: `app-${next() % 100}` } });
  const namespace = 'k8s:io.kubernetes.pod.namespace';
  return {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumNetworkPolicy',
    metadata: { name: `policy-${index}`, namespace: `ns-${index % NAMESPACES}` },
    spec: {
      endpointSelector: index % 4 === 0 ? {} : app(),
      ingress: [
        { fromEndpoints: [app(), app()], toPorts: [{ ports: [{ port: port(), protocol: 'TCP' }] }] },
        {
          fromEndpoints: [
            {
              matchLabels: { tier: `tier-${next() % 7}` },
              matchExpressions: [{ key: namespace, operator: 'Exists' }],
            },
          ],
          toPorts: [{ ports: [{ port: '8000', endPort: 8001, protocol: 'TCP' }] }],
        },
        { fromCIDR: [`203.0.${index % 200}.0/24`] },
      ],
      egress: [
        { toEndpoints: [{ matchLabels: { [namespace]: `ns-${next() % NAMESPACES}` } }] },
        { toEntities: ['world'], toPorts: [{ ports: [{ port: '443', protocol: 'TCP' }] }] },
      ],
      ...(index % 10 === 0 ? { ingressDeny: [{ fromEndpoints: [app()] }] } : {}),
    },
  };
}

function bigEngine(): { engine: PolicyEngine; endpoints: PolicyEndpoint[] } {
  const engine = new PolicyEngine();
  const endpoints = Array.from({ length: IDENTITIES }, (_, index) => endpointOf(index));
  for (const { identity, labels } of endpoints) engine.addIdentity(identity, labels);
  const next = seeded(10);
  const dns = {
    apiVersion: 'cilium.io/v2',
    kind: 'CiliumClusterwideNetworkPolicy',
    metadata: { name: 'from-cluster' },
    spec: {
      endpointSelector: {},
      ingress: [{ fromEntities: ['cluster'], toPorts: [{ ports: [{ port: '9100', protocol: 'TCP' }] }] }],
    },
  };
  engine.setPolicies([dns, ...Array.from({ length: POLICIES - 1 }, (_, index) => policyOf(index, next))]);
  return { engine, endpoints };
}

const OPTIONS = {
  enforcement: 'default',
  alwaysAllowLocalhost: true,
  hostFirewall: false,
  dualStack: false,
  proxyPort: () => 10001,
} as const;

function resolve(engine: PolicyEngine, endpoint: PolicyEndpoint, cache: SelectorCache): number {
  const subject = { ...endpoint, namedPort: () => 0 };
  const resolved = resolvePolicy(engine.rulesFor(endpoint), subject, cache, OPTIONS);
  return new EndpointPolicy(subject, resolved, 1 << 20).map.size;
}

function smallCluster(): PolicyCluster {
  const objects: unknown[] = [];
  for (let index = 0; index < 1000; index++) {
    objects.push({
      kind: 'Pod',
      metadata: {
        name: `pod-${index}`,
        namespace: `ns-${index % 10}`,
        labels: { app: `app-${((index / 10) % 10) | 0}` },
      },
      spec: { nodeName: `node-${index % 20}` },
    });
  }
  const next = seeded(4);
  for (let index = 0; index < 100; index++) {
    const app = (): unknown => ({ matchLabels: { app: `app-${next() % 10}` } });
    objects.push({
      kind: 'CiliumNetworkPolicy',
      metadata: { name: `policy-${index}`, namespace: `ns-${index % 10}` },
      spec: {
        endpointSelector: app(),
        ingress: [{ fromEndpoints: [app()], toPorts: [{ ports: [{ port: String(80 + (next() % 3)) }] }] }],
      },
    });
  }
  return new PolicyCluster(objects);
}

/** Resolving, changing and asking at 10,000 identities and 1,000 policies; a matrix of 1,000 pods. */
export function policyBenchmarks(): Benchmark[] {
  const { engine, endpoints } = bigEngine();
  const shared = new SelectorCache(engine.identities);
  const some = endpoints.filter((_, index) => index % 50 === 0);
  const policy = engine.policyOf(endpoints[1]!);
  const { map } = policy;
  const next = seeded(3);
  const packets = Array.from({ length: LOOKUPS }, () =>
    policyPacket({
      direction: next() & 1 ? PolicyDirection.EGRESS : PolicyDirection.INGRESS,
      remote: 1000 + (next() % IDENTITIES),
      proto: next() % 4 === 0 ? Protocol.UDP : Protocol.TCP,
      dport: next() % 9000,
    }),
  );
  const result = policyResult();
  const cluster = smallCluster();
  const pods = [...cluster.pods.keys()].map((name) => cluster.pod(name));
  const traffic = [80, 81, 82].map((port) => ({ proto: Protocol.TCP, port }));
  const asked = endpoints.slice(0, 200);
  for (const endpoint of asked) engine.policyOf(endpoint);
  let version = 0;
  return [
    {
      name: 'policy.resolve.alone',
      operations: 1,
      run: () => resolve(engine, endpoints[7]!, new SelectorCache(engine.identities)),
    },
    {
      name: 'policy.resolve.many',
      operations: some.length,
      run: () => some.reduce((sum, endpoint) => sum + resolve(engine, endpoint, shared), 0),
      samples: 5,
    },
    {
      name: 'policy.change.one-of-1000',
      operations: 1,
      run: () => {
        const changed = policyOf(5, seeded(version++ & 1));
        engine.setPolicies([changed]);
        return asked.reduce((sum, endpoint) => sum + engine.policyOf(endpoint).resolved.rules.length, 0);
      },
    },
    {
      name: 'policy.lookup',
      operations: LOOKUPS,
      run: () => {
        let sum = 0;
        for (let i = 0; i < LOOKUPS; i++) sum += checkPolicy(map, packets[i]!, {}, result);
        return sum;
      },
    },
    {
      name: 'policy.matrix.1000x1000x3',
      operations: 1,
      run: () => policyMatrix(cluster, pods, traffic).cells[0]!.reduce((sum, cell) => sum + cell, 0),
      samples: 5,
    },
  ];
}
