import type { RawObject } from '../../src/k8s/raw.ts';

/** Small clusters for tests: three nodes, pods of one application, a service of each kind. */

export const node = (name: string, host: number, zone = 'a'): RawObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels: { 'topology.kubernetes.io/zone': zone } },
  spec: { podCIDRs: [`10.0.${host}.0/24`, `fd00:10:0:${host}::/64`] },
  status: {
    addresses: [
      { type: 'InternalIP', address: `192.168.0.${host}` },
      { type: 'InternalIP', address: `fd00:192::${host}` },
    ],
  },
});

export const ciliumNode = (name: string, host: number): RawObject => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumNode',
  metadata: { name },
  spec: {
    addresses: [
      { type: 'InternalIP', ip: `192.168.0.${host}` },
      { type: 'InternalIP', ip: `fd00:192::${host}` },
      { type: 'CiliumInternalIP', ip: `10.0.${host}.254` },
      { type: 'CiliumInternalIP', ip: `fd00:10:0:${host}::fe` },
    ],
    ipam: { podCIDRs: [`10.0.${host}.0/24`, `fd00:10:0:${host}::/64`] },
  },
});

export const pod = (name: string, host: number, number: number, labels: Record<string, string> = {}): RawObject => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name, namespace: 'shop', labels },
  spec: { nodeName: `node-${host}`, containers: [{ name: 'main' }] },
  status: {
    phase: 'Running',
    podIPs: [{ ip: `10.0.${host}.${number}` }, { ip: `fd00:10:0:${host}::${number}` }],
  },
});

type Endpoint = readonly [name: string, host: number, number: number, conditions?: Record<string, boolean>];

export const slice = (
  service: string,
  family: 4 | 6,
  endpoints: readonly Endpoint[],
  port = 8080,
  protocol = 'TCP',
): RawObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `${service}-v${family}`, namespace: 'shop', labels: { 'kubernetes.io/service-name': service } },
  addressType: `IPv${family}`,
  ports: [{ name: 'http', port, protocol }],
  endpoints: endpoints.map(([name, host, number, conditions = { ready: true, serving: true, terminating: false }]) => ({
    addresses: [family === 4 ? `10.0.${host}.${number}` : `fd00:10:0:${host}::${number}`],
    conditions,
    nodeName: `node-${host}`,
    targetRef: { kind: 'Pod', name, namespace: 'shop' },
  })),
});

export const service = (name: string, number: number, spec: Record<string, unknown> = {}): RawObject => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name, namespace: 'shop', ...(spec['metadata'] as object | undefined) },
  spec: {
    type: 'LoadBalancer',
    clusterIP: `10.96.0.${number}`,
    clusterIPs: [`10.96.0.${number}`, `fd00:96::${number}`],
    ipFamilies: ['IPv4', 'IPv6'],
    ipFamilyPolicy: 'RequireDualStack',
    ports: [{ name: 'http', port: 80, targetPort: 8080, nodePort: 30000 + number, protocol: 'TCP' }],
    ...Object.fromEntries(Object.entries(spec).filter(([key]) => key !== 'metadata')),
  },
  status: { loadBalancer: { ingress: [{ ip: `203.0.113.${number}` }, { ip: `2001:db8:ff::${number}` }] } },
});

export const WEB: readonly Endpoint[] = [
  ['web-1', 1, 11],
  ['web-2', 2, 12],
  ['web-3', 3, 13],
];

/** Three nodes with a pod of `web` each, a client pod on node-1, and the service `web` (VIP 203.0.113.10). */
export const shop = (spec: Record<string, unknown> = {}, endpoints: readonly Endpoint[] = WEB): RawObject[] => [
  ...[1, 2, 3].flatMap((host) => [node(`node-${host}`, host), ciliumNode(`node-${host}`, host)]),
  ...WEB.map(([name, host, number]) => pod(name, host, number, { app: 'web' })),
  pod('client', 1, 50, { app: 'client' }),
  service('web', 10, spec),
  slice('web', 4, endpoints),
  slice('web', 6, endpoints),
];

/** Helm values under which everything is native and Maglev. */
export const values = (more: Record<string, unknown> = {}): { name: string; values: Record<string, unknown> }[] => [
  {
    name: 'values',
    values: {
      kubeProxyReplacement: true,
      ipv6: { enabled: true },
      routingMode: 'native',
      autoDirectNodeRoutes: true,
      ipv4NativeRoutingCIDR: '10.0.0.0/8',
      ipv6NativeRoutingCIDR: 'fd00:10::/32',
      loadBalancer: { algorithm: 'maglev' },
      ...more,
    },
  },
];
