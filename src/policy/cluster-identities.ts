import { formatAddress } from '../net/index.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { type ClusterNode, type ClusterObjects, podIdentityLabels } from './cluster-objects.ts';
import type { PolicyConfig, PolicyEndpoint } from './engine.ts';
import { FIRST_CLUSTER_IDENTITY, FIRST_NODE_IDENTITY, labelsKey } from './identity.ts';
import { compareText, type Label, label, LabelSource, reservedLabel, sortLabels } from './labels.ts';

/** Who is who in a cluster, as its objects tell. */
export interface ClusterIdentities {
  /** Pods with an identity of their own, by `namespace/name`. */
  readonly pods: Map<string, PolicyEndpoint>;
  /** Labels by cluster identity. */
  readonly labels: Map<number, readonly Label[]>;
  /** What other nodes take a node for. */
  readonly nodes: Map<string, number>;
  readonly podByAddress: Map<string, string>;
  readonly nodeByAddress: Map<string, string>;
  readonly apiServerNodes: Set<string>;
  readonly assumptions: string[];
}

/** Gives every pod and node its identity: the recorded one where there is one, else the next free number, by labels. */
export function assignIdentities(objects: ClusterObjects, config: PolicyConfig): ClusterIdentities {
  const found: ClusterIdentities = {
    pods: new Map(),
    labels: new Map(),
    nodes: new Map(),
    podByAddress: new Map(),
    nodeByAddress: new Map(),
    apiServerNodes: new Set(),
    assumptions: [],
  };
  completeObjects(objects, found.assumptions);
  for (const { name, addresses } of objects.nodes.values()) {
    for (const address of addresses) found.nodeByAddress.set(formatAddress(address), name);
  }
  for (const address of objects.apiServer ?? []) {
    const node = found.nodeByAddress.get(formatAddress(address));
    if (node !== undefined) found.apiServerNodes.add(node);
  }
  if (objects.apiServer === undefined) {
    found.assumptions.push('No EndpointSlice default/kubernetes: nothing is taken for the API server.');
  }
  assignNodes(objects, found, config.nodeSelectorLabels === true);
  assignPods(objects, found, config.clusterName ?? 'default');
  return found;
}

/** Namespaces and nodes that only pods name. */
function completeObjects(objects: ClusterObjects, assumptions: string[]): void {
  const namespaces = new Set<string>();
  const nodes = new Set<string>();
  for (const { namespace, node } of objects.pods.values()) {
    if (!objects.namespaces.has(namespace)) namespaces.add(namespace);
    if (node !== '' && !objects.nodes.has(node)) nodes.add(node);
  }
  for (const name of namespaces) objects.namespaces.set(name, { 'kubernetes.io/metadata.name': name });
  for (const name of nodes) objects.nodes.set(name, { name, labels: {}, addresses: [] });
  if (namespaces.size > 0) {
    assumptions.push(`No Namespace object for ${listed(namespaces)}: taken to have no label but its name.`);
  }
  if (nodes.size > 0)
    assumptions.push(`No Node object for ${listed(nodes)}: taken to have neither labels nor addresses.`);
}

const listed = (names: Iterable<string>): string => {
  const all = [...names].sort(compareText);
  return all.length > 4 ? `${all.slice(0, 4).join(', ')} and ${all.length - 4} more` : all.join(', ');
};

/** Labels of a remote node's identity where nodes can be selected by their labels. */
export function nodeIdentityLabels(node: ClusterNode, runsApiServer: boolean): Label[] {
  return [
    reservedLabel('remote-node'),
    ...(runsApiServer ? [reservedLabel('kube-apiserver')] : []),
    ...Object.entries(node.labels).map(([key, value]) => label(LabelSource.NODE, key, value)),
  ];
}

function assignNodes(objects: ClusterObjects, found: ClusterIdentities, withLabels: boolean): void {
  const known = new Map<string, number>();
  for (const node of [...objects.nodes.values()].sort((a, b) => compareText(a.name, b.name))) {
    const runsApiServer = found.apiServerNodes.has(node.name);
    let id: number = runsApiServer ? ReservedIdentity.KUBE_APISERVER : ReservedIdentity.REMOTE_NODE;
    if (withLabels && Object.keys(node.labels).length > 0) {
      const key = labelsKey(nodeIdentityLabels(node, runsApiServer));
      id = known.get(key) ?? FIRST_NODE_IDENTITY + known.size;
      known.set(key, id);
    }
    found.nodes.set(node.name, id);
  }
}

function assignPods(objects: ClusterObjects, found: ClusterIdentities, clusterName: string): void {
  const waiting: { name: string; labels: readonly Label[]; key: string }[] = [];
  const byKey = new Map<string, number>();
  const place = (name: string, identity: number, labels: readonly Label[]): void => {
    const pod = objects.pods.get(name)!;
    found.pods.set(name, { name, identity, labels, namedPorts: pod.namedPorts });
    found.labels.set(identity, labels);
    byKey.set(labelsKey(labels), identity);
    for (const address of pod.addresses) found.podByAddress.set(formatAddress(address), name);
  };
  for (const [name, pod] of objects.pods) {
    if (pod.hostNetwork) continue;
    const recorded = objects.endpoints.get(name);
    if (recorded !== undefined && sameIdentity(found, recorded.identity, recorded.labels)) {
      place(name, recorded.identity, recorded.labels);
      continue;
    }
    const labels = sortLabels(podIdentityLabels(pod, objects.namespaces.get(pod.namespace)!, clusterName));
    waiting.push({ name, labels, key: labelsKey(labels) });
  }
  let next = FIRST_CLUSTER_IDENTITY;
  for (const { name, labels, key } of waiting.sort(
    (a, b) => compareText(a.key, b.key) || compareText(a.name, b.name),
  )) {
    let identity = byKey.get(key);
    if (identity === undefined) {
      while (found.labels.has(next)) next++;
      identity = next;
    }
    place(name, identity, labels);
  }
  if (waiting.length > 0) {
    found.assumptions.push(
      `No CiliumEndpoint for ${waiting.length} of ${found.pods.size} pods: their identities are numbered from ${FIRST_CLUSTER_IDENTITY}, by labels, under the default label filter.`,
    );
  }
}

/** A recorded identity counts unless another pod's record gives the number other labels. */
const sameIdentity = (found: ClusterIdentities, id: number, labels: readonly Label[]): boolean =>
  !found.labels.has(id) || labelsKey(found.labels.get(id)!) === labelsKey(labels);
