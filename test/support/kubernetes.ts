/** Kubernetes objects for tests, with everything plain that is not given. */
type Fields = Readonly<Record<string, unknown>>;

interface ServiceParts extends Fields {
  readonly name?: string;
  readonly namespace?: string;
  readonly annotations?: Fields;
  readonly labels?: Fields;
  /** Addresses of the load balancer, or whole ingress entries. */
  readonly ingress?: readonly (string | Fields)[];
}

/** Fields beyond the named ones go to `spec`. */
export function service(parts: ServiceParts = {}): Fields {
  const { name = 'web', namespace = 'shop', annotations = {}, labels = {}, ingress = [], ...spec } = parts;
  const clusterIP = (spec['clusterIP'] as string | undefined) ?? '10.96.0.1';
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, annotations, labels },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ports: [{ name: 'http', port: 80, protocol: 'TCP' }],
      ...spec,
    },
    status: { loadBalancer: { ingress: ingress.map((entry) => (typeof entry === 'string' ? { ip: entry } : entry)) } },
  };
}

/** A LoadBalancer Service with a node port, at `203.0.113.1`. */
export const balancer = (parts: ServiceParts = {}): Fields =>
  service({
    type: 'LoadBalancer',
    ports: [{ name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 }],
    ingress: ['203.0.113.1'],
    ...parts,
  });

interface SliceParts {
  readonly name?: string;
  readonly namespace?: string;
  readonly service?: string;
  readonly labels?: Fields;
  readonly addressType?: string;
  readonly ports?: readonly Fields[];
}

/** Endpoints are addresses on worker-a, or whole endpoint entries. */
export function slice(endpoints: readonly (string | Fields)[], parts: SliceParts = {}): Fields {
  const { name = 'web-1', namespace = 'shop', service: of = 'web', labels = {}, addressType = 'IPv4' } = parts;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name, namespace, labels: { 'kubernetes.io/service-name': of, ...labels } },
    addressType,
    endpoints: endpoints.map((one) => (typeof one === 'string' ? { addresses: [one], nodeName: 'worker-a' } : one)),
    ports: parts.ports ?? [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

interface PodParts {
  readonly name?: string;
  readonly uid?: string;
  readonly node?: string;
  readonly phase?: string;
  readonly hostNetwork?: boolean;
  /** Set when the pod is about to be deleted. */
  readonly deletionTimestamp?: string;
  readonly ips?: readonly string[];
  readonly labels?: Fields;
  readonly init?: readonly Fields[];
}

export function pod(ports: readonly Fields[], parts: PodParts = {}): Fields {
  const { name = 'pod-a', uid = `uid-${name}`, node = 'worker-a', phase = 'Running', labels = {} } = parts;
  const ips = parts.ips ?? ['10.20.9.9'];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      name,
      namespace: 'shop',
      uid,
      labels,
      ...(parts.deletionTimestamp === undefined ? {} : { deletionTimestamp: parts.deletionTimestamp }),
    },
    spec: {
      nodeName: node,
      ...(parts.hostNetwork === undefined ? {} : { hostNetwork: parts.hostNetwork }),
      containers: [{ name: 'c', ports }],
      ...(parts.init === undefined ? {} : { initContainers: [{ name: 'i', ports: parts.init }] }),
    },
    status: { phase, podIP: ips[0], podIPs: ips.map((ip) => ({ ip })) },
  };
}

export const node = (name: string, addresses: readonly string[], labels: Fields = {}): Fields => ({
  apiVersion: 'v1',
  kind: 'Node',
  metadata: { name, labels },
  status: { addresses: addresses.map((address) => ({ type: 'InternalIP', address })) },
});
