import { LbtwinError } from '../errors.ts';
import { hashTuple } from '../hash/tuple.ts';
import type { RawObject } from '../k8s/raw.ts';
import { formatAddress, type IpAddress } from '../net/address.ts';
import { ETH, IPV4 } from '../net/headers.ts';
import type { PacketParts } from './packet-view.ts';
import type { ServiceAddresses } from './service-addresses.ts';
import { nodeOfPodCidr, type Topology, type TopologyNode } from './topology.ts';

/** What the network between nodes does to packets, beyond carrying them. */
export interface FabricRules {
  /** Drops packets with IP options or IPv6 destination options, as many routers and clouds do. */
  readonly dropIpOptions?: boolean;
  /** Drops packets that leave a node from an address that is not the node's, as clouds' source checks do. */
  readonly checkSource?: boolean;
  /** Largest IP packet that it carries; that of the nodes if absent. */
  readonly mtu?: number;
}

/** Where the network takes a packet. */
export type Destination =
  | { readonly kind: 'node'; readonly node: TopologyNode; readonly assumed?: string }
  | { readonly kind: 'outside'; readonly address: IpAddress };

/** Why the network dropped a packet. */
export interface FabricDrop {
  readonly name: 'IP_OPTIONS' | 'SOURCE_CHECK' | 'MTU';
  readonly reason: string;
}

type Raw = Readonly<Record<string, unknown>>;

const L2_LEASE = /^cilium-l2announce-/;

/** Which node holds a service's addresses on layer 2, by the Leases of L2 announcements: `namespace-name` to node. */
export function leaseHolders(objects: Iterable<RawObject>): Map<string, string> {
  const holders = new Map<string, string>();
  for (const object of objects) {
    if (object.kind !== 'Lease' || !L2_LEASE.test(object.metadata.name)) continue;
    const holder = ((object['spec'] ?? {}) as Raw)['holderIdentity'];
    if (typeof holder === 'string' && holder !== '') holders.set(object.metadata.name.replace(L2_LEASE, ''), holder);
  }
  return holders;
}

/** The network around the nodes: who gets a packet, and what happens to it between nodes. */
export class Fabric {
  readonly rules: FabricRules;
  #topology: Topology;
  #services: ServiceAddresses;
  #leases: ReadonlyMap<string, string>;
  /** Address text to the nodes that were said to announce it. */
  readonly #announced = new Map<string, readonly TopologyNode[]>();
  /** Nodes that are gone. */
  readonly #failed = new Set<string>();
  /** Changes where the routers send flows, as when one of them restarts. */
  ecmpSeed = 0;

  constructor(topology: Topology, objects: readonly RawObject[], services: ServiceAddresses, rules: FabricRules) {
    this.rules = rules;
    this.#topology = topology;
    this.#services = services;
    this.#leases = leaseHolders(objects);
  }

  /** The cluster has changed. */
  update(topology: Topology, objects: readonly RawObject[], services: ServiceAddresses): void {
    this.#topology = topology;
    this.#services = services;
    this.#leases = leaseHolders(objects);
  }

  /** Says which nodes attract an address. @throws LbtwinError `unknown-node` */
  announce(address: IpAddress, nodes: readonly string[]): void {
    this.#announced.set(
      formatAddress(address),
      nodes.map((name) => {
        const node = this.#topology.nodes.get(name);
        if (node !== undefined) return node;
        throw new LbtwinError('unknown-node', `there is no node ${JSON.stringify(name)}`, {
          allowed: [...this.#topology.nodes.keys()].join(', '),
        });
      }),
    );
  }

  fail(node: string): void {
    this.#failed.add(node);
  }

  recover(node: string): void {
    this.#failed.delete(node);
  }

  isUp(node: string): boolean {
    return !this.#failed.has(node);
  }

  /** There is no node at all. */
  get isEmpty(): boolean {
    return this.#topology.nodes.size === 0;
  }

  /** The service that has an address of its own, `namespace/name`. */
  serviceOf(address: IpAddress): string | undefined {
    return this.#services.outside.get(formatAddress(address));
  }

  /** The Service whose cluster IP an address is: `Service shop/web`. */
  clusterIpOf(address: IpAddress): string | undefined {
    return this.#services.frontends.ofClusterIp(address);
  }

  /** Where a packet goes once it is on the network. */
  locate(parts: PacketParts): Destination {
    const address: IpAddress = { family: parts.family, words: parts.daddr };
    const text = formatAddress(address);
    const owner = this.#topology.nodeByAddress.get(text);
    if (owner !== undefined) return { kind: 'node', node: owner };
    const pod = this.#topology.podByAddress.get(text);
    if (pod !== undefined) return { kind: 'node', node: this.#topology.nodes.get(pod.node)! };
    const announcers = this.#announcers(address);
    if (announcers !== undefined)
      return announcers.length === 0 ? { kind: 'outside', address } : this.#pick(announcers, parts);
    const cidrOwner = nodeOfPodCidr(this.#topology, address);
    return cidrOwner === undefined ? { kind: 'outside', address } : { kind: 'node', node: cidrOwner };
  }

  /** The nodes among which routers outside choose for an address; none where the address itself says who has it, or nobody attracts it. */
  entriesOf(address: IpAddress): readonly TopologyNode[] {
    const text = formatAddress(address);
    if (this.#topology.nodeByAddress.has(text) || this.#topology.podByAddress.has(text)) return [];
    return (this.#announcers(address) ?? []).filter(({ name }) => this.isUp(name));
  }

  /** The nodes that attract an address; undefined for one that no service has. */
  #announcers(address: IpAddress): readonly TopologyNode[] | undefined {
    const text = formatAddress(address);
    const told = this.#announced.get(text);
    if (told !== undefined) return told;
    const service = this.#services.outside.get(text);
    if (service === undefined) return undefined;
    const holder = this.#topology.nodes.get(this.#leases.get(service.replace('/', '-')) ?? '');
    return holder === undefined ? [...this.#topology.nodes.values()] : [holder];
  }

  #pick(announcers: readonly TopologyNode[], parts: PacketParts): Destination {
    const up = announcers.filter(({ name }) => this.isUp(name));
    if (up.length === 0) return { kind: 'outside', address: { family: parts.family, words: parts.daddr } };
    const hash = hashTuple(parts.family, parts.saddr, 0, parts.sport, parts.dport, parts.protocol, this.ecmpSeed);
    const node = up[hash % up.length]!;
    const address = formatAddress({ family: parts.family, words: parts.daddr });
    const told = this.#announced.has(address) || up.length === 1;
    return told
      ? { kind: 'node', node }
      : {
          kind: 'node',
          node,
          assumed: `Nothing says which node attracts ${address}: routers spread flows over all ${up.length} nodes.`,
        };
  }

  /** What the network between two places makes of a frame; undefined if it just carries it. `from`: the node that sent it. */
  judge(frame: Uint8Array, parts: PacketParts, from: TopologyNode | undefined, mtu: number): FabricDrop | undefined {
    const { rules } = this;
    if (rules.dropIpOptions === true && hasOptions(frame, parts)) {
      return { name: 'IP_OPTIONS', reason: 'the network drops packets with IP options' };
    }
    if (rules.checkSource === true && from !== undefined && !this.#isOwnSource(parts, from)) {
      const source = formatAddress({ family: parts.family, words: parts.saddr });
      return {
        name: 'SOURCE_CHECK',
        reason: `the network drops what leaves ${from.name} from ${source}, which is not the node's`,
      };
    }
    const limit = rules.mtu ?? mtu;
    const length = frame.length - ETH.SIZE;
    if (length > limit && (parts.family === 6 || isUnfragmentable(frame))) {
      return { name: 'MTU', reason: `the packet has ${length} bytes and the network carries ${limit}` };
    }
    return undefined;
  }

  #isOwnSource(parts: PacketParts, from: TopologyNode): boolean {
    const text = formatAddress({ family: parts.family, words: parts.saddr });
    return this.#topology.nodeByAddress.get(text) === from || this.#topology.podByAddress.get(text)?.node === from.name;
  }
}

const hasOptions = (frame: Uint8Array, { family, l3, l4, protocol }: PacketParts): boolean =>
  family === 4 ? (frame[l3]! & 15) > 5 : frame[l3 + 6] === 60 && protocol !== 60 && l4 > l3 + 40;

const isUnfragmentable = (frame: Uint8Array): boolean => (frame[ETH.SIZE + IPV4.FRAGMENT]! & 0x40) !== 0;
