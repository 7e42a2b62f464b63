import { type Cidr, type IpAddress, parseProtocol, tryParseAddress, tryParseCidr } from '../net/index.ts';
import { type Label, label, LabelKey, LabelSource, parseLabel, sortLabels } from './labels.ts';
import { isIdentityLabel } from './label-filter.ts';
import type { NamedPort } from './engine.ts';
import type { PolicyService } from './services.ts';

type Fields = Readonly<Record<string, unknown>>;

const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const fieldsOf = (parent: Fields, key: string): Fields => (isFields(parent[key]) ? parent[key] : {});
const listOf = (parent: Fields, key: string): unknown[] => (Array.isArray(parent[key]) ? parent[key] : []);
const recordsOf = (parent: Fields, key: string): Fields[] => listOf(parent, key).filter(isFields);
const textOf = (parent: Fields, key: string): string => (typeof parent[key] === 'string' ? parent[key] : '');

function stringsOf(parent: Fields, key: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fieldsOf(parent, key)).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

const addressesOf = (texts: readonly unknown[]): IpAddress[] =>
  texts.map((text) => tryParseAddress(text as string)).filter((address) => address !== undefined);

export interface ClusterPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly serviceAccount: string;
  readonly hostNetwork: boolean;
  readonly addresses: readonly IpAddress[];
  readonly namedPorts: readonly NamedPort[];
}

export interface ClusterNode {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly addresses: readonly IpAddress[];
}

export interface ServicePort {
  readonly name: string;
  readonly proto: number;
  readonly port: number;
  readonly targetPort: number | string;
}

export interface ClusterService extends PolicyService {
  readonly ports: readonly ServicePort[];
  readonly virtualAddresses: readonly IpAddress[];
}

/** What policy needs to know of a cluster's objects. */
export interface ClusterObjects {
  /** By `namespace/name`. */
  readonly pods: Map<string, ClusterPod>;
  readonly nodes: Map<string, ClusterNode>;
  /** Labels by name. */
  readonly namespaces: Map<string, Readonly<Record<string, string>>>;
  readonly services: Map<string, ClusterService>;
  readonly cidrGroups: {
    readonly name: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly cidrs: readonly Cidr[];
  }[];
  /** What CiliumEndpoint objects say about pods, by `namespace/name`. */
  readonly endpoints: Map<string, { readonly identity: number; readonly labels: readonly Label[] }>;
  /** Addresses of the API server, from the `kubernetes` EndpointSlice; undefined where there is none. */
  apiServer: IpAddress[] | undefined;
  readonly policies: unknown[];
}

/** Sorts a cluster's objects; kinds and fields that policy does not look at are left alone. */
export function readClusterObjects(objects: Iterable<unknown>): ClusterObjects {
  const found: ClusterObjects = {
    pods: new Map(),
    nodes: new Map(),
    namespaces: new Map(),
    services: new Map(),
    cidrGroups: [],
    endpoints: new Map(),
    apiServer: undefined,
    policies: [],
  };
  const slices: Fields[] = [];
  for (const object of objects) {
    if (!isFields(object)) continue;
    const read = READERS[textOf(object, 'kind')];
    if (read !== undefined) read(object, found);
    else if (object['kind'] === 'EndpointSlice') slices.push(object);
  }
  for (const slice of slices) readSlice(slice, found);
  return found;
}

const metaOf = (object: Fields): { namespace: string; name: string; labels: Record<string, string> } => {
  const metadata = fieldsOf(object, 'metadata');
  return {
    namespace: textOf(metadata, 'namespace') || 'default',
    name: textOf(metadata, 'name'),
    labels: stringsOf(metadata, 'labels'),
  };
};

const READERS: Readonly<Record<string, (object: Fields, found: ClusterObjects) => void>> = {
  Pod: readPod,
  Node: (object, { nodes }) => {
    const { name, labels } = metaOf(object);
    const texts = recordsOf(fieldsOf(object, 'status'), 'addresses').map((entry) => entry['address']);
    nodes.set(name, { name, labels, addresses: [...addressesOf(texts), ...(nodes.get(name)?.addresses ?? [])] });
  },
  CiliumNode: (object, { nodes }) => {
    const { name } = metaOf(object);
    const texts = recordsOf(fieldsOf(object, 'spec'), 'addresses').map((entry) => entry['ip']);
    const known = nodes.get(name);
    nodes.set(name, {
      name,
      labels: known?.labels ?? {},
      addresses: [...(known?.addresses ?? []), ...addressesOf(texts)],
    });
  },
  Namespace: (object, { namespaces }) => {
    const { name, labels } = metaOf(object);
    namespaces.set(name, labels);
  },
  Service: readService,
  CiliumCIDRGroup: (object, { cidrGroups }) => {
    const { name, labels } = metaOf(object);
    const cidrs = listOf(fieldsOf(object, 'spec'), 'externalCIDRs').map((text) => tryParseCidr(text as string));
    cidrGroups.push({ name, labels, cidrs: cidrs.filter((cidr) => cidr !== undefined) });
  },
  CiliumEndpoint: (object, { endpoints }) => {
    const { namespace, name } = metaOf(object);
    const identity = fieldsOf(fieldsOf(object, 'status'), 'identity');
    if (typeof identity['id'] !== 'number') return;
    const labels = listOf(identity, 'labels').filter((text) => typeof text === 'string');
    endpoints.set(`${namespace}/${name}`, { identity: identity['id'], labels: sortLabels(labels.map(parseLabel)) });
  },
  NetworkPolicy: (object, { policies }) => policies.push(object),
  CiliumNetworkPolicy: (object, { policies }) => policies.push(object),
  CiliumClusterwideNetworkPolicy: (object, { policies }) => policies.push(object),
};

function readPod(object: Fields, { pods }: ClusterObjects): void {
  const { namespace, name, labels } = metaOf(object);
  const spec = fieldsOf(object, 'spec');
  const status = fieldsOf(object, 'status');
  const phase = textOf(status, 'phase');
  if (phase === 'Succeeded' || phase === 'Failed') return;
  const ips = recordsOf(status, 'podIPs').map((entry) => entry['ip']);
  const namedPorts: NamedPort[] = [];
  for (const container of [...recordsOf(spec, 'containers'), ...recordsOf(spec, 'initContainers')]) {
    for (const port of recordsOf(container, 'ports')) {
      const number = port['containerPort'];
      if (textOf(port, 'name') === '' || typeof number !== 'number') continue;
      namedPorts.push({ name: textOf(port, 'name'), proto: protocolOf(port), port: number });
    }
  }
  pods.set(`${namespace}/${name}`, {
    namespace,
    name,
    labels,
    node: textOf(spec, 'nodeName'),
    serviceAccount: textOf(spec, 'serviceAccountName') || 'default',
    hostNetwork: spec['hostNetwork'] === true,
    addresses: addressesOf(ips.length > 0 ? ips : [status['podIP']]),
    namedPorts,
  });
}

function protocolOf(port: Fields): number {
  const text = textOf(port, 'protocol').toUpperCase();
  return text === 'UDP' || text === 'SCTP' ? parseProtocol(text) : parseProtocol('TCP');
}

function readService(object: Fields, { services }: ClusterObjects): void {
  const { namespace, name, labels } = metaOf(object);
  const spec = fieldsOf(object, 'spec');
  const ingress = recordsOf(fieldsOf(fieldsOf(object, 'status'), 'loadBalancer'), 'ingress').map(
    (entry) => entry['ip'],
  );
  const ips = [...listOf(spec, 'clusterIPs'), spec['clusterIP'], ...listOf(spec, 'externalIPs'), ...ingress];
  services.set(`${namespace}/${name}`, {
    namespace,
    name,
    labels,
    selector: stringsOf(spec, 'selector'),
    addresses: [],
    virtualAddresses: addressesOf(ips),
    ports: recordsOf(spec, 'ports').map((port) => {
      const target = port['targetPort'];
      const number = typeof port['port'] === 'number' ? port['port'] : 0;
      const targetPort = typeof target === 'number' || (typeof target === 'string' && target !== '') ? target : number;
      return { name: textOf(port, 'name'), proto: protocolOf(port), port: number, targetPort };
    }),
  });
}

function readSlice(object: Fields, found: ClusterObjects): void {
  const { namespace, labels } = metaOf(object);
  const owner = labels['kubernetes.io/service-name'] ?? '';
  const addresses = recordsOf(object, 'endpoints').flatMap((endpoint) => addressesOf(listOf(endpoint, 'addresses')));
  if (namespace === 'default' && owner === 'kubernetes') found.apiServer = [...(found.apiServer ?? []), ...addresses];
  const service = found.services.get(`${namespace}/${owner}`);
  if (service === undefined) return;
  found.services.set(`${namespace}/${owner}`, { ...service, addresses: [...service.addresses, ...addresses] });
}

/** The labels of a pod's identity, as the agent takes them from pod, namespace and service account. */
export function podIdentityLabels(
  pod: Pick<ClusterPod, 'namespace' | 'labels' | 'serviceAccount'>,
  namespaceLabels: Readonly<Record<string, string>>,
  clusterName: string,
): Label[] {
  const all = [
    ...Object.entries(pod.labels),
    [LabelKey.NAMESPACE, pod.namespace] as const,
    [LabelKey.CLUSTER, clusterName] as const,
    [LabelKey.SERVICE_ACCOUNT, pod.serviceAccount] as const,
    ...Object.entries(namespaceLabels).map(([key, value]) => [`${LabelKey.NAMESPACE_LABELS}.${key}`, value] as const),
  ];
  return sortLabels(
    all.filter(([key]) => isIdentityLabel(key)).map(([key, value]) => label(LabelSource.K8S, key, value)),
  );
}
