import { LbtwinError } from '../errors.ts';
import { type Cidr, formatAddress, type IpAddress, Protocol } from '../net/index.ts';
import { ReservedIdentity, worldIdentity } from '../node/identity.ts';
import { assignIdentities, type ClusterIdentities, nodeIdentityLabels } from './cluster-identities.ts';
import { type ClusterObjects, type ClusterPod, readClusterObjects } from './cluster-objects.ts';
import { type DnsView, fqdnLabels } from './dns.ts';
import { type PolicyConfig, type PolicyEndpoint, PolicyEngine, parsePolicy } from './engine.ts';
import { explainVerdict, type PolicyVerdict } from './explain.ts';
import { FIRST_NODE_IDENTITY } from './identity.ts';
import {
  cidrLabel,
  compareText,
  label,
  type Label,
  LabelKey,
  LabelSource,
  reservedLabel,
  sortLabels,
} from './labels.ts';
import { Direction } from './layout.ts';
import type { ParsedPolicy, PolicyNotice, PolicyRule } from './rule.ts';
import { type PolicyDatapathConfig, type PolicyPacket, policyPacket } from './verdict.ts';

/** One side of a connection. */
export type PolicyParty =
  | { readonly kind: 'pod'; readonly name: string }
  | { readonly kind: 'node'; readonly name: string }
  | { readonly kind: 'address'; readonly address: IpAddress }
  | { readonly kind: 'entity'; readonly name: string };

/** `x/a`, `node:n1`, `ip:192.0.2.1`, `entity:world`. */
export function partyName(party: PolicyParty): string {
  if (party.kind === 'pod') return party.name;
  return party.kind === 'address' ? `ip:${formatAddress(party.address)}` : `${party.kind}:${party.name}`;
}

export interface PolicyTraffic {
  readonly proto: number;
  /** Destination port as policy sees it: of the backend. */
  readonly port?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
}

/** A packet of some traffic, with direction and identities to be filled in. */
export const trafficPacket = (traffic: PolicyTraffic): PolicyPacket =>
  policyPacket({
    proto: traffic.proto,
    dport: traffic.port ?? 0,
    family: traffic.proto === Protocol.ICMPV6 ? 6 : 4,
    icmpType: traffic.icmpType ?? -1,
    icmpCode: traffic.icmpCode ?? 0,
  });

/** The answer about one connection. A side that no policy of this cluster governs is undefined. */
export interface PolicyCheck {
  readonly from: PolicyParty;
  readonly to: PolicyParty;
  readonly traffic: PolicyTraffic;
  readonly allowed: boolean;
  readonly undecided: boolean;
  readonly egress: PolicyVerdict | undefined;
  readonly ingress: PolicyVerdict | undefined;
}

export interface PolicyClusterOptions {
  readonly config?: PolicyConfig;
  readonly datapath?: PolicyDatapathConfig;
  readonly dns?: DnsView;
}

const ENTITY_IDENTITIES: Readonly<Record<string, number>> = {
  host: ReservedIdentity.HOST,
  world: ReservedIdentity.WORLD,
  'world-ipv4': ReservedIdentity.WORLD_IPV4,
  'world-ipv6': ReservedIdentity.WORLD_IPV6,
  unmanaged: ReservedIdentity.UNMANAGED,
  health: ReservedIdentity.HEALTH,
  init: ReservedIdentity.INIT,
  'remote-node': ReservedIdentity.REMOTE_NODE,
  'kube-apiserver': ReservedIdentity.KUBE_APISERVER,
  ingress: ReservedIdentity.INGRESS,
};

/** Entities that can be one side of a connection. */
export const PARTY_ENTITIES: readonly string[] = Object.keys(ENTITY_IDENTITIES);

/** Policy objects that the agent refuses, with the reason. */
export interface RefusedPolicy {
  readonly object: unknown;
  readonly error: LbtwinError;
}

/**
 * Policy in a whole cluster: pods, nodes and outside addresses by name, and for any two of them what policy says on both
 * sides. Built from Kubernetes objects; policies that the agent would refuse take no effect and are listed.
 */
export class PolicyCluster {
  readonly objects: ClusterObjects;
  /** What had to be assumed because no object says it. */
  readonly assumptions: readonly string[];
  readonly refused: readonly RefusedPolicy[];
  readonly config: PolicyConfig;
  readonly datapath: PolicyDatapathConfig;
  readonly #dns: DnsView;
  readonly #parsed: readonly ParsedPolicy[];
  readonly #who: ClusterIdentities;
  /** Some peer selector tells hosts apart by their labels: every node then sees other identities. */
  readonly #byHostLabels: boolean;
  readonly #engines = new Map<string, PolicyEngine>();

  constructor(objects: Iterable<unknown>, options: PolicyClusterOptions = {}) {
    this.config = options.config ?? {};
    this.datapath = options.datapath ?? {};
    this.#dns = options.dns ?? new Map();
    this.objects = readClusterObjects(objects);
    const refused: RefusedPolicy[] = [];
    const parsed: ParsedPolicy[] = [];
    for (const object of this.objects.policies) {
      if (this.config.networkPolicy === false && (object as { kind?: unknown }).kind === 'NetworkPolicy') continue;
      try {
        parsed.push(parsePolicy(object, this.config));
      } catch (error) {
        if (!(error instanceof LbtwinError)) throw error;
        refused.push({ object, error });
      }
    }
    this.refused = refused;
    this.#parsed = parsed;
    this.#byHostLabels = parsed.some(({ rules }) => rules.some(selectsHostsByLabel));
    this.#who = assignIdentities(this.objects, this.config);
    this.assumptions = this.#who.assumptions;
  }

  /** Pods that have an identity of their own, by `namespace/name`. */
  get pods(): ReadonlyMap<string, PolicyEndpoint> {
    return this.#who.pods;
  }

  /** The objects in force. */
  get policies(): readonly ParsedPolicy[] {
    return this.#parsed;
  }

  /** What users should know about the objects in force. */
  get notices(): PolicyNotice[] {
    return this.engineOf('').notices;
  }

  /** The node a pod is on; empty if unknown. A node is on itself. */
  nodeOf(party: PolicyParty): string {
    if (party.kind === 'node') return party.name;
    return party.kind === 'pod' ? (this.objects.pods.get(party.name)?.node ?? '') : '';
  }

  /** The policy engine of a node; empty: of a node that nothing is known about. */
  engineOf(node: string): PolicyEngine {
    const runsApiServer = this.#who.apiServerNodes.has(node);
    const key = this.#byHostLabels ? node : String(runsApiServer);
    const known = this.#engines.get(key);
    if (known !== undefined) return known;
    const engine = this.#makeEngine(node, runsApiServer);
    this.#engines.set(key, engine);
    return engine;
  }

  /** The endpoint whose policy governs a party, on its own node: pods, and nodes (their host). */
  endpointOf(party: PolicyParty): PolicyEndpoint | undefined {
    if (party.kind === 'pod') return this.#who.pods.get(party.name);
    if (party.kind !== 'node') return undefined;
    return {
      name: `node:${party.name}`,
      identity: ReservedIdentity.HOST,
      labels: this.#hostLabels(party.name),
      namedPorts: [],
    };
  }

  /** The identity of a party as a node sees it. */
  identityOf(party: PolicyParty, node: string): number {
    switch (party.kind) {
      case 'pod':
        return this.#who.pods.get(party.name)!.identity;
      case 'node':
        return party.name === node ? ReservedIdentity.HOST : this.#who.nodes.get(party.name)!;
      case 'address': {
        const owner = this.partyAt(party.address);
        return owner.kind === 'address' ? this.engineOf(node).identityOf(party.address) : this.identityOf(owner, node);
      }
      case 'entity':
        return this.#entityIdentity(party.name);
    }
  }

  /** The party that an address belongs to: a pod, a node, or the address itself. */
  partyAt(address: IpAddress): PolicyParty {
    const text = formatAddress(address);
    const pod = this.#who.podByAddress.get(text);
    if (pod !== undefined) return { kind: 'pod', name: pod };
    const node = this.#who.nodeByAddress.get(text);
    return node === undefined ? { kind: 'address', address } : { kind: 'node', name: node };
  }

  /** A pod as a party: its node if it shares the node's network. @throws LbtwinError `unknown-pod` */
  pod(name: string): PolicyParty {
    const pod = this.objects.pods.get(name);
    if (pod === undefined) throw unknown('pod', name, this.objects.pods.keys());
    return pod.hostNetwork ? this.node(pod.node) : { kind: 'pod', name };
  }

  /** @throws LbtwinError `unknown-node` */
  node(name: string): PolicyParty {
    if (!this.objects.nodes.has(name)) throw unknown('node', name, this.objects.nodes.keys());
    return { kind: 'node', name };
  }

  /** What policy says about a connection, on both sides. @throws LbtwinError `policy-conflict` */
  check(from: PolicyParty, to: PolicyParty, traffic: PolicyTraffic): PolicyCheck {
    // A pod's packets to itself never leave it.
    const itself = from.kind === 'pod' && to.kind === 'pod' && from.name === to.name;
    const egress = itself ? undefined : this.verdict(from, to, Direction.EGRESS, traffic);
    const ingress = itself ? undefined : this.verdict(to, from, Direction.INGRESS, traffic);
    return {
      from,
      to,
      traffic,
      allowed: (egress?.allowed ?? true) && (ingress?.allowed ?? true),
      undecided: egress?.undecided === true || ingress?.undecided === true,
      egress,
      ingress,
    };
  }

  /** What the policy of `subject` says about a packet to or from `peer`; undefined where it has none here. */
  verdict(
    subject: PolicyParty,
    peer: PolicyParty,
    direction: Direction,
    traffic: PolicyTraffic,
  ): PolicyVerdict | undefined {
    const endpoint = this.endpointOf(subject);
    if (endpoint === undefined) return undefined;
    const node = this.nodeOf(subject);
    const engine = this.engineOf(node);
    const packet = trafficPacket(traffic);
    packet.direction = direction;
    packet.local = endpoint.identity;
    packet.remote = this.identityOf(peer, node);
    return explainVerdict(engine.policyOf(endpoint), packet, this.datapath, engine.selectors);
  }

  /** Pods behind a service, by its selector. */
  podsOfService(name: string): ClusterPod[] {
    const service = this.objects.services.get(name);
    if (service === undefined) throw unknown('service', name, this.objects.services.keys());
    const wanted = Object.entries(service.selector ?? {});
    if (wanted.length === 0) return [];
    return [...this.objects.pods.values()].filter(
      (pod) => pod.namespace === service.namespace && wanted.every(([key, value]) => pod.labels[key] === value),
    );
  }

  #entityIdentity(name: string): number {
    const id = ENTITY_IDENTITIES[name];
    if (id === undefined) throw unknown('entity', name, PARTY_ENTITIES);
    return id === ReservedIdentity.WORLD ? worldIdentity(4, this.config.dualStack === true) : id;
  }

  #hostLabels(node: string): Label[] {
    const labels = Object.entries(this.objects.nodes.get(node)?.labels ?? {});
    return sortLabels([
      reservedLabel('host'),
      ...(this.#who.apiServerNodes.has(node) ? [reservedLabel('kube-apiserver')] : []),
      ...labels.map(([key, value]) => label(LabelSource.K8S, key, value)),
    ]);
  }

  #makeEngine(node: string, runsApiServer: boolean): PolicyEngine {
    const hostLabels = this.#byHostLabels
      ? this.#hostLabels(node).filter(({ source }) => source !== LabelSource.RESERVED)
      : [];
    const engine = new PolicyEngine(this.config, [
      ...hostLabels,
      ...(runsApiServer ? [reservedLabel('kube-apiserver')] : []),
    ]);
    for (const [id, labels] of this.#who.labels) engine.addIdentity(id, labels);
    for (const [name, endpoint] of this.#who.pods) {
      engine.addNamedPorts(endpoint.namedPorts);
      for (const address of this.objects.pods.get(name)!.addresses) engine.setAddress(address, endpoint.identity);
    }
    for (const other of this.objects.nodes.values()) {
      const id = this.#who.nodes.get(other.name)!;
      if (id >= FIRST_NODE_IDENTITY) {
        engine.addIdentity(id, nodeIdentityLabels(other, this.#who.apiServerNodes.has(other.name)));
      }
      for (const address of other.addresses) engine.setAddress(address, id);
    }
    engine.setServices([...this.objects.services.values()]);
    engine.applyPolicies(this.#parsed);
    engine.addPrefixLabels(this.#prefixLabels());
    return engine;
  }

  *#prefixLabels(): Generator<readonly [prefix: Cidr, label: Label]> {
    for (const { name, labels, cidrs } of this.objects.cidrGroups) {
      for (const cidr of cidrs) {
        yield [cidr, cidrLabel(cidr)];
        yield [cidr, label(LabelSource.CIDR_GROUP, `${LabelKey.CIDR_GROUP_NAME}/${name}`)];
        for (const [key, value] of Object.entries(labels)) yield [cidr, label(LabelSource.CIDR_GROUP, key, value)];
      }
    }
    for (const address of this.objects.apiServer ?? []) {
      if (this.#who.nodeByAddress.has(formatAddress(address))) continue;
      const cidr = { address, bits: address.family === 4 ? 32 : 128 };
      yield [cidr, cidrLabel(cidr)];
      yield [cidr, reservedLabel('kube-apiserver')];
    }
    yield* fqdnLabels(
      this.#parsed.flatMap(({ rules }) => rules),
      this.#dns,
    );
  }
}

/** True if a peer selector combines a reserved label with others. */
const selectsHostsByLabel = ({ ingress, egress }: PolicyRule): boolean =>
  [...ingress, ...egress].some(({ peers }) =>
    peers.some(
      ({ kind, selector: { requirements } }) =>
        kind === 'endpoints' &&
        requirements.some(({ source }) => source === LabelSource.RESERVED) &&
        requirements.some(({ source }) => source !== LabelSource.RESERVED),
    ),
  );

function unknown(what: string, name: string, known: Iterable<string>): LbtwinError {
  const all = [...known].sort(compareText);
  const shown = all.slice(0, 8).join(', ') + (all.length > 8 ? `, … (${all.length})` : '');
  return new LbtwinError(`unknown-${what}`, `${JSON.stringify(name)} is no ${what} of this cluster`, {
    allowed: all.length === 0 ? `there is no ${what}` : shown,
  });
}
