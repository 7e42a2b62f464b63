import fc from 'fast-check';

/** A Kubernetes object, as `kubectl get -o json` gives it. */
export type KubernetesObject = Readonly<Record<string, unknown>> & { readonly kind: string };

export interface ClusterOptions {
  /** Up to 4 unless given. */
  readonly nodes?: number;
  /** Up to 3 unless given. */
  readonly services?: number;
  /** Endpoints per service: up to 6 unless given. */
  readonly endpoints?: number;
}

const node = (i: number): KubernetesObject => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name: `node-${i}`, labels: { 'topology.kubernetes.io/zone': `zone-${i % 3}` } },
  spec: { podCIDR: `10.244.${i}.0/24`, podCIDRs: [`10.244.${i}.0/24`] },
  status: { addresses: [{ type: 'InternalIP', address: `192.168.0.${10 + i}` }] },
});

interface ServiceShape {
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer';
  readonly externalTrafficPolicy: 'Cluster' | 'Local';
  readonly sessionAffinity: 'None' | 'ClientIP';
  readonly port: number;
  readonly endpoints: readonly { readonly ready: boolean; readonly terminating: boolean; readonly node: number }[];
}

function service(shape: ServiceShape, i: number): KubernetesObject {
  const outside = shape.type !== 'ClusterIP';
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${i}`, namespace: 'default' },
    spec: {
      type: shape.type,
      clusterIP: `10.96.0.${10 + i}`,
      clusterIPs: [`10.96.0.${10 + i}`],
      ipFamilies: ['IPv4'],
      sessionAffinity: shape.sessionAffinity,
      ...(shape.sessionAffinity === 'ClientIP'
        ? { sessionAffinityConfig: { clientIP: { timeoutSeconds: 10800 } } }
        : {}),
      ...(outside ? { externalTrafficPolicy: shape.externalTrafficPolicy } : {}),
      ports: [
        {
          name: 'main',
          port: shape.port,
          targetPort: 8080,
          protocol: 'TCP',
          ...(outside ? { nodePort: 30000 + i } : {}),
        },
      ],
    },
    status: shape.type === 'LoadBalancer' ? { loadBalancer: { ingress: [{ ip: `203.0.113.${10 + i}` }] } } : {},
  };
}

const slice = ({ endpoints }: ServiceShape, i: number): KubernetesObject => ({
  apiVersion: 'discovery.k8s.io/v1',
  kind: 'EndpointSlice',
  metadata: { name: `service-${i}-0`, namespace: 'default', labels: { 'kubernetes.io/service-name': `service-${i}` } },
  addressType: 'IPv4',
  ports: [{ name: 'main', port: 8080, protocol: 'TCP' }],
  endpoints: endpoints.map(({ ready, terminating, node: on }, k) => ({
    addresses: [`10.244.${on}.${1 + i * 16 + k}`],
    nodeName: `node-${on}`,
    conditions: { ready: ready && !terminating, serving: ready, terminating },
  })),
});

/**
 * A small IPv4 cluster as Kubernetes objects: nodes, services, one EndpointSlice for each service. It shrinks to one node and
 * one ClusterIP service without endpoints.
 */
export function cluster(options: ClusterOptions = {}): fc.Arbitrary<KubernetesObject[]> {
  const { nodes = 4, services = 3, endpoints = 6 } = options;
  return fc.integer({ min: 1, max: nodes }).chain((count) => {
    const shape = fc.record({
      type: fc.constantFrom('ClusterIP' as const, 'NodePort' as const, 'LoadBalancer' as const),
      externalTrafficPolicy: fc.constantFrom('Cluster' as const, 'Local' as const),
      sessionAffinity: fc.constantFrom('None' as const, 'ClientIP' as const),
      port: fc.constantFrom(80, 443, 5353),
      endpoints: fc.array(
        fc.record({
          ready: fc.boolean().map((not) => !not),
          terminating: fc.boolean(),
          node: fc.nat(count - 1),
        }),
        { maxLength: endpoints },
      ),
    });
    return fc
      .array(shape, { minLength: 1, maxLength: services })
      .map((shapes) => [
        ...Array.from({ length: count }, (_, i) => node(i)),
        ...shapes.map(service),
        ...shapes.map(slice),
      ]);
  });
}
