import type { Topology, TopologyNode, TopologyPod } from '../cluster/topology.ts';
import type { EndpointSliceObject } from '../k8s/objects/endpointslice.ts';
import { decodeObjects } from '../k8s/objects/read.ts';
import type { ServiceObject, ServicePort } from '../k8s/objects/service.ts';
import type { RawObject } from '../k8s/raw.ts';
import {
  type Family,
  formatAddress,
  formatEndpoint,
  type IpAddress,
  parseAddress,
  protocolName,
} from '../net/index.ts';
import type { FrontendKind, ProxyEndpoint } from './kube-proxy.ts';

/** Who asks, and from where. */
export interface Client {
  readonly kind: 'pod' | 'host' | 'external';
  /** For people: `pod shop/web-1 on worker-1, where a backend is`. */
  readonly label: string;
  /** As `Cluster.send` takes it, without a port. */
  readonly from: string;
  readonly address: IpAddress;
  readonly node: string | undefined;
  /** The node that gets a packet from outside. */
  readonly via: string | undefined;
}

/** One cell of the comparison: a client, a frontend, a service. */
export interface Question {
  readonly service: ServiceObject;
  readonly port: ServicePort;
  readonly endpoints: readonly ProxyEndpoint[];
  readonly frontend: { readonly kind: FrontendKind; readonly address: IpAddress; readonly port: number };
  /** `ip:port/PROTO`. */
  readonly to: string;
  readonly client: Client;
  /** Whose rules decide under kube-proxy. */
  readonly node: TopologyNode;
}

/** A client outside of every cluster: documentation ranges. */
const OUTSIDE = { 4: parseAddress('198.51.100.7'), 6: parseAddress('2001:db8:ffff::7') } as const;
const LOOPBACK = { 4: parseAddress('127.0.0.1'), 6: parseAddress('::1') } as const;

/** The endpoints of a service's port. */
function endpointsOf(
  service: ServiceObject,
  port: ServicePort,
  slices: readonly EndpointSliceObject[],
): ProxyEndpoint[] {
  const found = new Map<string, ProxyEndpoint>();
  for (const slice of slices) {
    if (slice.namespace !== service.namespace || slice.service !== service.name) continue;
    const target = slice.ports.find(({ name, protocol }) => name === port.name && protocol === port.protocol);
    if (target === undefined) continue;
    for (const { addresses, nodeName, state, forZones } of slice.endpoints) {
      for (const address of addresses) {
        const text = formatEndpoint({ address, port: target.port });
        found.set(text, { text, address, node: nodeName, state, forZones });
      }
    }
  }
  return [...found.values()];
}

function podClient(pod: TopologyPod, family: 4 | 6, where: string): Client | undefined {
  const address = pod.addresses.find((one) => one.family === family);
  if (address === undefined || pod.hostNetwork) return undefined;
  const name = `${pod.namespace}/${pod.name}`;
  return {
    kind: 'pod',
    label: `pod ${name} on ${pod.node}, ${where}`,
    from: `pod:${name}`,
    address,
    node: pod.node,
    via: undefined,
  };
}

/** Representative clients: on a node with a backend and on one without, a backend itself, hosts, and outside through both. */
function clientsOf(topology: Topology, endpoints: readonly ProxyEndpoint[], family: 4 | 6): Client[] {
  const nodes = [...topology.nodes.values()].filter(({ addresses }) => addresses.some((one) => one.family === family));
  const has = new Set(endpoints.map(({ node }) => node));
  const picked = [nodes.find(({ name }) => has.has(name)), nodes.find(({ name }) => !has.has(name))];
  const backends = new Set(endpoints.map(({ address }) => formatAddress(address)));
  const pods = [...topology.pods.values()];
  const isBackend = (pod: TopologyPod): boolean => pod.addresses.some((one) => backends.has(formatAddress(one)));
  const clients: (Client | undefined)[] = [];
  for (const node of picked) {
    if (node === undefined) continue;
    const where = has.has(node.name) ? 'where a backend is' : 'where no backend is';
    const pod = pods.find((one) => one.node === node.name && !one.hostNetwork && !isBackend(one));
    if (pod !== undefined) clients.push(podClient(pod, family, where));
    const address = node.addresses.find((one) => one.family === family)!;
    clients.push({
      kind: 'host',
      label: `host ${node.name}, ${where}`,
      from: `node:${node.name}`,
      address,
      node: node.name,
      via: undefined,
    });
    const outside = OUTSIDE[family];
    const text = family === 6 ? `[${formatAddress(outside)}]` : formatAddress(outside);
    clients.push({
      kind: 'external',
      label: `outside through ${node.name}, ${where}`,
      from: `external:${text}`,
      address: outside,
      node: undefined,
      via: node.name,
    });
  }
  const self = pods.find((pod) => isBackend(pod));
  if (self !== undefined) clients.push(podClient(self, family, 'a backend itself'));
  return clients.filter((client) => client !== undefined);
}

type Frontend = Question['frontend'];

function frontendsOf(service: ServiceObject, port: ServicePort, node: TopologyNode): Frontend[] {
  const list: Frontend[] = service.clusterIps.map((address) => ({ kind: 'ClusterIP', address, port: port.port }));
  const families = new Set(service.clusterIps.map(({ family }) => family));
  if (port.nodePort !== 0) {
    for (const address of node.addresses) {
      if (families.has(address.family)) list.push({ kind: 'NodePort', address, port: port.nodePort });
    }
    for (const family of families)
      list.push({ kind: 'NodePort on loopback', address: LOOPBACK[family], port: port.nodePort });
  }
  for (const { address } of service.ingress) list.push({ kind: 'LoadBalancer', address, port: port.port });
  for (const address of service.externalIps) list.push({ kind: 'ExternalIP', address, port: port.port });
  return list;
}

/** The services that both serve; `only` keeps one (`namespace/name`). */
export const servicesOf = (objects: Iterable<RawObject>, only?: string): ServiceObject[] =>
  decodeObjects(objects).objects.filter(
    (one): one is ServiceObject =>
      one.kind === 'Service' &&
      !one.clusterIpNone &&
      one.type !== 'ExternalName' &&
      (only === undefined || `${one.namespace}/${one.name}` === only),
  );

/** All questions that a cluster's services raise in the families that Cilium serves; `only` keeps one service (`namespace/name`). */
export function questionsOf(
  objects: Iterable<RawObject>,
  topology: Topology,
  serves: (family: Family) => boolean,
  only?: string,
): Question[] {
  const decoded = decodeObjects(objects).objects;
  const slices = decoded.filter((one): one is EndpointSliceObject => one.kind === 'EndpointSlice');
  const questions: Question[] = [];
  for (const service of servicesOf(objects, only)) {
    for (const port of service.ports) {
      const endpoints = endpointsOf(service, port, slices);
      for (const family of new Set(service.clusterIps.map((address) => address.family))) {
        if (!serves(family)) continue;
        for (const client of clientsOf(topology, endpoints, family)) {
          const node = topology.nodes.get(client.node ?? client.via ?? '');
          if (node === undefined) continue;
          for (const frontend of frontendsOf(service, port, node)) {
            if (
              frontend.address.family !== family ||
              (frontend.kind === 'NodePort on loopback' && client.kind !== 'host')
            )
              continue;
            const to = `${formatEndpoint({ address: frontend.address, port: frontend.port })}/${protocolName(port.protocol)}`;
            questions.push({ service, port, endpoints, frontend, to, client, node });
          }
        }
      }
    }
  }
  return questions;
}
