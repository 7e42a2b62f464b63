import { describe, expect, it } from 'vitest';
import type { ControlPlaneInit } from '../../src/k8s/index.ts';
import { LINT_RULES, type LintFinding, type LintRule, lintObjects } from '../../src/lint/index.ts';
import { balancer, node, pod, service, slice } from '../support/kubernetes.ts';

const nodes = [
  node('worker-a', ['192.0.2.1'], { 'topology.kubernetes.io/zone': 'a' }),
  node('worker-b', ['192.0.2.2'], { 'topology.kubernetes.io/zone': 'b' }),
];
const many = (count: number): object => slice(Array.from({ length: count }, (_, i) => `10.0.${i >> 8}.${i & 255}`));
const hinted = (zone: string): object =>
  slice([{ addresses: ['10.0.0.1'], nodeName: 'worker-a', hints: { forZones: [{ name: zone }] } }]);
const host = (parts: object): Record<string, unknown> => ({
  containerPort: 8080,
  hostPort: 9080,
  protocol: 'TCP',
  ...parts,
});

const redirect = (): object => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLocalRedirectPolicy',
  metadata: { name: 'local', namespace: 'shop' },
  spec: {
    redirectFrontend: { serviceMatcher: { serviceName: 'web', namespace: 'shop' } },
    redirectBackend: {
      localEndpointSelector: { matchLabels: { app: 'local' } },
      toPorts: [{ port: '8080', protocol: 'TCP' }],
    },
  },
});
const local = (...names: readonly string[]): object[] =>
  names.map((name, i) =>
    pod([{ name: 'http', containerPort: 8080, protocol: 'TCP' }], {
      name: `local-${name}`,
      node: name,
      ips: [`10.20.0.${i}`],
      labels: { app: 'local' },
    }),
  );
const envoy = (listener: string, service = 'web'): object => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumEnvoyConfig',
  metadata: { name: 'l7', namespace: 'shop' },
  spec: {
    services: [{ name: service, namespace: 'shop', listener }],
    resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'web' }],
  },
});

interface Example {
  readonly objects: readonly object[];
  readonly init?: ControlPlaneInit;
  readonly finding: Partial<LintFinding>;
  /** The same cluster without the flaw. */
  readonly sound: readonly object[];
}

const EXAMPLES: Readonly<Record<LintRule, Example>> = {
  'no-local-backend': {
    objects: [...nodes, balancer({ externalTrafficPolicy: 'Local', healthCheckNodePort: 31000 }), many(1)],
    finding: {
      message: 'external traffic is dropped on worker-b: no backend there; port 31000 answers 503 there',
      nodes: ['worker-b'],
    },
    sound: [...nodes, balancer(), many(1)],
  },
  'external-ip-unreachable-inside': {
    objects: [service({ externalIPs: ['198.51.100.1'], externalTrafficPolicy: 'Local' })],
    finding: { path: ['spec', 'externalIPs'] },
    sound: [service({ externalIPs: ['198.51.100.1'] })],
  },
  'address-conflict': {
    objects: [service(), service({ name: 'other', clusterIP: '10.96.0.2', externalIPs: ['10.96.0.1'] })],
    finding: {
      object: { kind: 'Service', namespace: 'shop', name: 'other' },
      message: '10.96.0.1:80/TCP belongs to shop/web: nothing of this object takes effect',
    },
    sound: [service(), service({ name: 'other', clusterIP: '10.96.0.2' })],
  },
  'map-address-collision': {
    objects: [
      ...nodes,
      balancer(),
      service({ name: 'other', clusterIP: '10.96.0.2', externalIPs: ['192.0.2.1'], ports: [{ port: 30080 }] }),
    ],
    finding: { message: expect.stringContaining('192.0.2.1:30080/TCP is also an entry of') as string },
    sound: [...nodes, balancer(), service({ name: 'other', clusterIP: '10.96.0.2', externalIPs: ['192.0.2.1'] })],
  },
  'host-port-in-node-port-range': {
    objects: [pod([host({ hostPort: 30000 })])],
    finding: { object: { kind: 'Pod', namespace: 'shop', name: 'pod-a' } },
    sound: [pod([host({})])],
  },
  'host-port-without-frontend': {
    objects: [pod([host({ hostIP: '0.0.0.0' })])],
    finding: { message: 'hostIP 0.0.0.0 of hostPort 9080 makes no frontend; leave it out' },
    sound: [pod([host({ hostIP: '192.0.2.1' })])],
  },
  'hints-select-nothing': {
    objects: [...nodes, service({ trafficDistribution: 'PreferClose' }), hinted('a')],
    finding: { nodes: ['worker-b'], severity: 'error' },
    sound: [...nodes, service({ trafficDistribution: 'PreferClose' }), many(1)],
  },
  'weight-ignored': {
    objects: [service({ annotations: { 'service.cilium.io/weight': '5' } })],
    finding: { path: ['metadata', 'annotations', 'service.cilium.io/weight'] },
    sound: [service()],
  },
  'maglev-table-small': {
    objects: [balancer(), many(30)],
    init: { algorithm: 'maglev', maglevTableSize: 251 },
    finding: { message: expect.stringContaining('30 backends share 251 slots, 8 each') as string, severity: 'warning' },
    sound: [balancer(), many(2)],
  },
  'service-ids-exhausted': {
    objects: [service(), service({ name: 'other', clusterIP: '10.96.0.2' })],
    init: { maxServiceId: 2 },
    finding: { object: { kind: 'Service', namespace: 'shop', name: 'other' } },
    sound: [service()],
  },
  'exposed-nowhere': {
    objects: [...nodes, service({ annotations: { 'service.cilium.io/node-selector': 'tier=edge' } })],
    finding: { message: '"tier=edge" matches none of 2 nodes: the Service exists nowhere' },
    sound: [...nodes, service({ annotations: { 'service.cilium.io/node-selector': '!tier' } })],
  },
  'port-without-backends': {
    objects: [service({ ports: [{ name: 'https', port: 443 }] }), many(1)],
    finding: { path: ['spec', 'ports', 0, 'name'], message: 'port "https" has no backends: its endpoints have http' },
    sound: [service(), many(1)],
  },
  'source-ranges-of-other-family': {
    objects: [balancer({ loadBalancerSourceRanges: ['fd00::/8'] })],
    finding: { message: 'no range is IPv4: every client of the IPv4 frontends is refused' },
    sound: [balancer({ loadBalancerSourceRanges: ['fd00::/8', '10.0.0.0/8'] })],
  },
  'annotation-without-option': {
    objects: [service({ annotations: { 'service.cilium.io/lb-algorithm': 'maglev' } })],
    finding: { message: 'counts only with bpf-lb-algorithm-annotation, which is off' },
    sound: [service()],
  },
  'unknown-traffic-distribution': {
    objects: [service({ trafficDistribution: 'PreferSameZone' })],
    finding: {
      path: ['spec', 'trafficDistribution'],
      message: '"PreferSameZone" means nothing to this agent, which knows PreferClose: all endpoints are used',
    },
    sound: [service({ trafficDistribution: 'PreferClose' })],
  },
  'source-ranges-on-node-ports': {
    objects: [balancer({ loadBalancerSourceRanges: ['198.51.100.0/24'], externalIPs: ['192.0.2.77'] })],
    finding: {
      severity: 'info',
      message: 'clients outside are held against the ranges at the NodePorts and external IPs, too',
    },
    sound: [balancer()],
  },
  'object-without-option': {
    objects: [service(), redirect()],
    finding: { message: 'has no effect: enable-local-redirect-policy is off (localRedirectPolicy=true)' },
    sound: [service()],
  },
  'redirect-of-nothing': {
    objects: [...nodes, redirect(), ...local('worker-a', 'worker-b')],
    init: { localRedirectPolicy: true },
    finding: { message: 'there is no Service shop/web: nothing is redirected' },
    sound: [...nodes, service(), redirect(), ...local('worker-a', 'worker-b')],
  },
  'redirect-to-nobody': {
    objects: [...nodes, service(), redirect(), ...local('worker-a')],
    init: { localRedirectPolicy: true },
    finding: { nodes: ['worker-b'], path: ['spec', 'redirectBackend'] },
    sound: [...nodes, service(), redirect(), ...local('worker-a', 'worker-b')],
  },
  'frontend-not-written': {
    objects: [
      service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: 20_000_000 } } }),
    ],
    finding: { message: expect.stringContaining('does not fit into 24 bits') as string },
    sound: [service({ sessionAffinity: 'ClientIP' })],
  },
  'object-refused': {
    objects: [service({ ports: 'none' })],
    finding: { path: ['spec', 'ports'] },
    sound: [service()],
  },
  'unknown-annotation-value': {
    objects: [service({ annotations: { 'service.cilium.io/type': 'nodeport' } })],
    finding: { severity: 'warning' },
    sound: [service({ annotations: { 'service.cilium.io/type': 'NodePort' } })],
  },
  'unparsable-node-selector': {
    objects: [service({ annotations: { 'service.cilium.io/node-selector': 'a b' } })],
    finding: { severity: 'warning' },
    sound: [service()],
  },
  'unparsable-address': {
    objects: [service({ externalIPs: ['10.1'] })],
    finding: { path: ['spec', 'externalIPs', 0] },
    sound: [service()],
  },
  'unparsable-source-range': {
    objects: [service({ loadBalancerSourceRanges: ['10.9.8.7'] })],
    finding: { path: ['spec', 'loadBalancerSourceRanges', 0] },
    sound: [service()],
  },
};

describe('lintObjects', () => {
  it.each(Object.keys(LINT_RULES) as LintRule[])('%s', (rule) => {
    const { objects, init, finding, sound } = EXAMPLES[rule];
    const found = lintObjects(objects, init).filter((one) => one.rule === rule);
    expect(found.length).toBe(1);
    expect(found[0]).toMatchObject(finding);
    expect(lintObjects(sound, init).filter((one) => one.rule === rule)).toEqual([]);
  });

  it.each([
    ['nowhere', 'web', 'no listener "nowhere" is among the resources: nothing is redirected'],
    ['web', 'wbe', 'there is no Service shop/wbe: nothing is redirected'],
  ])('tells an Envoy configuration of listener %s for %s', (listener, name, message) => {
    const objects = [service(), envoy(listener, name)];
    expect(lintObjects(objects, { envoyConfig: true })).toMatchObject([{ rule: 'redirect-of-nothing', message }]);
    expect(lintObjects(objects)).toMatchObject([{ rule: 'object-without-option' }]);
    expect(lintObjects([service(), envoy('web')], { envoyConfig: true })).toEqual([]);
  });

  it('of profile 1.17 a local redirect without pods falls back to the service', () => {
    const objects = [...nodes, service(), redirect(), ...local('worker-a')];
    expect(lintObjects(objects, { localRedirectPolicy: true, profile: '1.17' })).toEqual([]);
  });

  it('has nothing to say about a plain cluster', () => {
    expect(lintObjects([...nodes, balancer(), slice(['10.0.0.1'])])).toEqual([]);
  });

  it('tells conflicts of hostPorts with the node', () => {
    const objects = [
      ...nodes,
      pod([host({})]),
      pod([host({})], { name: 'pod-b' }),
      pod([host({})], { name: 'pod-c', node: 'worker-b' }),
    ];
    expect(lintObjects(objects)).toMatchObject([
      { rule: 'address-conflict', object: { kind: 'Pod', name: 'pod-b' }, nodes: ['worker-a'] },
    ]);
  });
});
