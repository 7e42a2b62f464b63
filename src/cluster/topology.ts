import { LbtwinError } from '../errors.ts';
import { compareText } from '../k8s/model.ts';
import type { RawObject } from '../k8s/raw.ts';
import { type Family, formatAddress, type IpAddress, sameAddress, tryParseAddress } from '../net/address.ts';
import { type Cidr, cidrContains, tryParseCidr } from '../net/cidr.ts';
import type { Mac } from '../node/mac.ts';
import { listOf, type Raw, recordOf, recordsOf, textOf } from './raw-fields.ts';

/** A node as the objects describe it. */
export interface TopologyNode {
  readonly name: string;
  /** Position in the order of names; addresses of links are made from it. */
  readonly index: number;
  readonly labels: Readonly<Record<string, string>>;
  /** Addresses that other nodes and clients reach it by; the first of a family is the one that SNAT and tunnels use. */
  readonly addresses: readonly IpAddress[];
  /** The agent's own addresses inside the pod network (CiliumInternalIP), by which tunnelled SNAT goes. */
  readonly routers: readonly IpAddress[];
  readonly podCidrs: readonly Cidr[];
  /** Of its network device. */
  readonly mac: Mac;
}

export interface TopologyPod {
  readonly namespace: string;
  readonly name: string;
  readonly node: string;
  readonly addresses: readonly IpAddress[];
  /** It has the node's addresses and network namespace. */
  readonly hostNetwork: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** Endpoint id on its node: 1.. */
  readonly endpointId: number;
  readonly ifindex: number;
  readonly mac: Mac;
  /** The node's end of the pod's link. */
  readonly nodeMac: Mac;
}

/** Nodes and pods of a cluster, and what had to be assumed because no object says it. */
export interface Topology {
  readonly nodes: ReadonlyMap<string, TopologyNode>;
  /** By `namespace/name`. */
  readonly pods: ReadonlyMap<string, TopologyPod>;
  /** Pods that have an address of their own, by its text. */
  readonly podByAddress: ReadonlyMap<string, TopologyPod>;
  /** Nodes by the text of each of their addresses, routers' included. */
  readonly nodeByAddress: ReadonlyMap<string, TopologyNode>;
  /** Sentences, in the order of their weight. */
  readonly assumptions: readonly string[];
}

const labelsOf = (object: RawObject): Readonly<Record<string, string>> =>
  recordOf(object.metadata as Raw, 'labels') as Readonly<Record<string, string>>;

/** Locally administered; the last three bytes number nodes and pods. */
const macOf = (kind: number, number: number): Mac => ({
  high: (0x02000000 | (kind << 16) | ((number >>> 16) & 0xffff)) >>> 0,
  low: number & 0xffff,
});

/** MAC addresses begin 02:kind; interface numbers of pods start above those of the node's own devices. */
const MacKind = { NODE: 0x0a, POD: 0x0b, LINK: 0x0c } as const;
const FIRST_POD_IFINDEX = 100;

interface NodeDraft {
  labels: Readonly<Record<string, string>>;
  addresses: IpAddress[];
  external: IpAddress[];
  routers: IpAddress[];
  /** As CiliumNode has them, and as Node does: what Cilium allocates from, and what counts only where no CiliumNode says so. */
  podCidrs: { cilium: Cidr[]; kubernetes: Cidr[] };
}

/**
 * Reads nodes and pods out of a cluster's objects: Node, CiliumNode, Pod; where there is no Pod, the endpoints of EndpointSlices stand in.
 * @param gone pods (`namespace/name`) that are known to be gone, whatever EndpointSlices say
 * @throws LbtwinError `contradiction` when two pods share an address or a pod is on a node that does not exist
 */
export function readTopology(objects: Iterable<RawObject>, gone: ReadonlySet<string> = new Set()): Topology {
  const drafts = new Map<string, NodeDraft>();
  const pods: RawObject[] = [];
  const slices: RawObject[] = [];
  for (const object of objects) {
    if (object.kind === 'Node' || object.kind === 'CiliumNode') readNode(object, draftOf(drafts, object.metadata.name));
    else if (object.kind === 'Pod') pods.push(object);
    else if (object.kind === 'EndpointSlice') slices.push(object);
  }
  const assumptions: string[] = [];
  const found = podsOfPods(pods);
  const missing = missingPods(pods, found, podsOfSlices(slices), gone);
  if (missing.length > 0) {
    assumptions.push(
      `No Pod objects for ${missing.length} endpoints: pods of the names that EndpointSlices give stand in, without labels.`,
    );
  }
  found.push(...missing);
  if (drafts.size === 0) {
    for (const name of new Set(found.map(({ node }) => node))) draftOf(drafts, name);
    if (drafts.size > 0) assumptions.push('No Node objects: nodes are those that pods name.');
  }
  const nodes = finishNodes(drafts, assumptions);
  return { nodes, ...finishPods(found, nodes), nodeByAddress: indexNodes(nodes), assumptions };
}

/** Endpoints whose pods no object describes; `gone` ones were deleted, and an endpoint does not bring them back. */
function missingPods(
  objects: readonly RawObject[],
  found: readonly PodDraft[],
  endpoints: readonly PodDraft[],
  gone: ReadonlySet<string>,
): PodDraft[] {
  const known = new Set(objects.map(({ metadata }) => `${metadata.namespace ?? 'default'}/${metadata.name}`));
  const taken = new Set(found.flatMap(({ texts }) => texts));
  if (known.size === 0 && gone.size === 0) return [...endpoints];
  return endpoints.filter(
    ({ key, texts }) => !known.has(key) && !gone.has(key) && !texts.some((text) => taken.has(text)),
  );
}

function draftOf(drafts: Map<string, NodeDraft>, name: string): NodeDraft {
  const draft = drafts.get(name) ?? {
    labels: {},
    addresses: [],
    external: [],
    routers: [],
    podCidrs: { cilium: [], kubernetes: [] },
  };
  drafts.set(name, draft);
  return draft;
}

function addOnce(list: IpAddress[], address: IpAddress | undefined): void {
  if (address === undefined) return;
  const text = formatAddress(address);
  if (!list.some((one) => formatAddress(one) === text)) list.push(address);
}

function readNode(object: RawObject, draft: NodeDraft): void {
  const cilium = object.kind === 'CiliumNode';
  const from = recordOf(object as Raw, cilium ? 'spec' : 'status');
  for (const entry of recordsOf(from, 'addresses')) {
    const address = tryParseAddress(textOf(entry, cilium ? 'ip' : 'address'));
    const type = textOf(entry, 'type');
    if (type === 'InternalIP') addOnce(draft.addresses, address);
    else if (type === 'ExternalIP') addOnce(draft.external, address);
    else if (type === 'CiliumInternalIP') addOnce(draft.routers, address);
  }
  const spec = recordOf(object as Raw, 'spec');
  const cidrs = cilium ? recordOf(spec, 'ipam')['podCIDRs'] : (spec['podCIDRs'] ?? [spec['podCIDR']]);
  for (const text of Array.isArray(cidrs) ? cidrs : []) {
    const cidr = tryParseCidr(text as string);
    if (cidr !== undefined) draft.podCidrs[cilium ? 'cilium' : 'kubernetes'].push(cidr);
  }
  if (!cilium) draft.labels = labelsOf(object);
}

function finishNodes(drafts: Map<string, NodeDraft>, assumptions: string[]): Map<string, TopologyNode> {
  const nodes = new Map<string, TopologyNode>();
  const without: string[] = [];
  [...drafts]
    .sort(([a], [b]) => compareText(a, b))
    .forEach(([name, draft], index) => {
      const addresses = [...draft.addresses, ...draft.external];
      if (addresses.length === 0) {
        // RFC 2544's range for tests: no real node has such an address.
        addresses.push({ family: 4, words: [(0xc6120001 + index) >>> 0] });
        without.push(name);
      }
      const { cilium, kubernetes } = draft.podCidrs;
      const podCidrs = cilium.length > 0 ? cilium : kubernetes;
      const unique = new Map(podCidrs.map((cidr) => [`${formatAddress(cidr.address)}/${cidr.bits}`, cidr]));
      nodes.set(name, {
        name,
        index,
        labels: draft.labels,
        addresses,
        routers: draft.routers,
        podCidrs: [...unique.values()],
        mac: macOf(MacKind.NODE, index + 1),
      });
    });
  if (without.length > 0) {
    assumptions.push(`No address is known of ${listed(without)}: addresses from 198.18.0.0/15 stand in.`);
  }
  return nodes;
}

/** The first few of a list, and how many more. */
function listed(names: readonly string[]): string {
  const shown = names.slice(0, 4).join(', ');
  return names.length > 4 ? `${shown} and ${names.length - 4} more` : shown;
}

const NO_LABELS: Readonly<Record<string, string>> = Object.freeze({});

type PodDraft = Omit<TopologyPod, 'endpointId' | 'ifindex' | 'mac' | 'nodeMac'> & {
  /** `namespace/name` */
  readonly key: string;
  /** Of `addresses`, canonical. */
  readonly texts: readonly string[];
};

function podsOfPods(objects: readonly RawObject[]): PodDraft[] {
  const drafts: PodDraft[] = [];
  for (const object of objects) {
    const spec = recordOf(object as Raw, 'spec');
    const status = recordOf(object as Raw, 'status');
    const phase = textOf(status, 'phase');
    const node = textOf(spec, 'nodeName');
    // What has ended has given its address back; what is not scheduled has none yet.
    if (node === '' || phase === 'Succeeded' || phase === 'Failed') continue;
    const texts = recordsOf(status, 'podIPs').map((entry) => textOf(entry, 'ip'));
    if (texts.length === 0) texts.push(textOf(status, 'podIP'));
    const { namespace = 'default', name } = object.metadata;
    const addresses = texts.map((text) => tryParseAddress(text)).filter((address) => address !== undefined);
    drafts.push({
      key: `${namespace}/${name}`,
      namespace,
      name,
      node,
      addresses,
      texts: addresses.map(formatAddress),
      hostNetwork: spec['hostNetwork'] === true,
      labels: labelsOf(object),
    });
  }
  return drafts;
}

/** Who is behind an endpoint: the pod that it names, or something at its first address; undefined if it is on no node, or no pod. */
function targetOf(endpoint: Raw, slice: RawObject): Pick<PodDraft, 'key' | 'namespace' | 'name'> | undefined {
  const target = recordOf(endpoint, 'targetRef');
  const namespace = textOf(target, 'namespace') || (slice.metadata.namespace ?? 'default');
  const kind = textOf(target, 'kind');
  const [first] = listOf(endpoint, 'addresses');
  if (kind === 'Pod') return { key: `${namespace}/${textOf(target, 'name')}`, namespace, name: textOf(target, 'name') };
  // Several services, of other namespaces too, may list the address: it is one endpoint all the same.
  return kind === '' && typeof first === 'string'
    ? { key: `${UNNAMED}${first}`, namespace, name: `endpoint-${first}` }
    : undefined;
}

/** Begins the key of what stands in for an endpoint without a target; no namespace does. */
const UNNAMED = '@';

/** Pods as EndpointSlices know them: one for each endpoint's target, with the addresses of all slices that name it. */
function podsOfSlices(slices: readonly RawObject[]): PodDraft[] {
  const drafts = new Map<string, PodDraft & { addresses: IpAddress[]; texts: string[] }>();
  for (const slice of slices) {
    for (const endpoint of recordsOf(slice as Raw, 'endpoints')) {
      const node = textOf(endpoint, 'nodeName');
      const target = node === '' ? undefined : targetOf(endpoint, slice);
      if (target === undefined) continue;
      const { key, namespace, name } = target;
      const draft = drafts.get(key) ?? {
        key,
        namespace,
        name,
        node,
        addresses: [],
        texts: [],
        hostNetwork: false,
        labels: NO_LABELS,
      };
      drafts.set(key, draft);
      const addresses = endpoint['addresses'];
      for (const text of Array.isArray(addresses) ? addresses : []) {
        const address = tryParseAddress(text as string);
        if (address === undefined || draft.addresses.some((one) => sameAddress(one, address))) continue;
        draft.addresses.push(address);
        // An IPv4 address has one text only.
        draft.texts.push(address.family === 4 ? text : formatAddress(address));
      }
    }
  }
  const all = [...drafts.values()];
  const isNamed = ({ key }: PodDraft): boolean => !key.startsWith(UNNAMED);
  const named = new Set(all.filter(isNamed).flatMap(({ texts }) => texts));
  return all.filter((draft) => isNamed(draft) || !draft.texts.some((text) => named.has(text)));
}

function finishPods(
  drafts: readonly PodDraft[],
  nodes: ReadonlyMap<string, TopologyNode>,
): Pick<Topology, 'pods' | 'podByAddress'> {
  const pods = new Map<string, TopologyPod>();
  const podByAddress = new Map<string, TopologyPod>();
  const perNode = new Map<string, number>();
  const owners = indexNodes(nodes);
  for (const draft of drafts.toSorted((a, b) => compareText(a.key, b.key))) {
    const node = nodes.get(draft.node);
    if (node === undefined) {
      throw new LbtwinError(
        'contradiction',
        `Pod ${draft.key} is on node ${draft.node}, and there is no such Node object`,
        {
          allowed: `a Node ${draft.node}, or one of ${listed([...nodes.keys()])}`,
        },
      );
    }
    const { key, namespace, name, addresses, texts, labels } = draft;
    const hostNetwork = draft.hostNetwork || texts.some((one) => owners.has(one));
    const number = (perNode.get(draft.node) ?? 0) + 1;
    perNode.set(draft.node, number);
    const pod: TopologyPod = {
      namespace,
      name,
      node: node.name,
      addresses,
      hostNetwork,
      labels,
      endpointId: number,
      ifindex: FIRST_POD_IFINDEX + number,
      mac: macOf(MacKind.POD, (node.index << 12) + number),
      nodeMac: macOf(MacKind.LINK, (node.index << 12) + number),
    };
    pods.set(key, pod);
    if (hostNetwork) continue;
    for (const text of texts) {
      const other = podByAddress.get(text);
      if (other !== undefined) {
        throw new LbtwinError('contradiction', `Pods ${other.namespace}/${other.name} and ${key} both have ${text}`, {
          allowed: 'each pod address once among pods that run',
        });
      }
      podByAddress.set(text, pod);
    }
  }
  return { pods, podByAddress };
}

function indexNodes(nodes: ReadonlyMap<string, TopologyNode>): Map<string, TopologyNode> {
  const index = new Map<string, TopologyNode>();
  for (const node of nodes.values()) {
    for (const address of [...node.addresses, ...node.routers]) index.set(formatAddress(address), node);
  }
  return index;
}

/** The node's first address of a family. */
export const nodeAddress = (node: TopologyNode, family: Family): IpAddress | undefined =>
  node.addresses.find((address) => address.family === family);

export const routerAddress = (node: TopologyNode, family: Family): IpAddress | undefined =>
  node.routers.find((address) => address.family === family);

/** What is assumed where the router's address would be the source and no object tells it. */
export const routersAssumed = (names: Iterable<string>): string =>
  `No CiliumNode tells the address of cilium_host (CiliumInternalIP) of ${listed([...names].sort(compareText))}: the node's own stands in as the source towards pods.`;

export const podAddress = (pod: TopologyPod, family: Family): IpAddress | undefined =>
  pod.addresses.find((address) => address.family === family);

/** The node whose pod CIDR holds an address. */
export function nodeOfPodCidr(topology: Topology, address: IpAddress): TopologyNode | undefined {
  for (const node of topology.nodes.values()) {
    if (node.podCidrs.some((cidr) => cidrContains(cidr, address))) return node;
  }
  return undefined;
}
