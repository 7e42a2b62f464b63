import { LbtwinError } from '../errors.ts';
import { type IpAddress, parseAddress } from '../net/address.ts';
import { type Cidr, cidrContains } from '../net/cidr.ts';
import type { Labels } from './labels.ts';
import { compareBytes, compareText } from './model.ts';
import type { NodeObject } from './objects/pod.ts';
import type { NodeView } from './select.ts';

/** An address of the node. */
export interface NodeAddress {
  readonly address: IpAddress;
  readonly device: string;
  /** NodePort frontends get entries for it. */
  readonly nodePort: boolean;
}

export const ZONE_LABEL = 'topology.kubernetes.io/zone';

/** The node whose maps are made: its labels and addresses, from its Node object or given. */
export class LocalNode implements NodeView {
  readonly name: string;
  #labels: Labels = {};
  #addresses: readonly NodeAddress[] = [];
  /** Addresses were given; those of objects no longer count. */
  #given = false;
  /** Nodes seen, whatever their name. */
  readonly #known = new Set<string>();

  /** `nodeport-addresses` */
  readonly #ranges: readonly Cidr[];

  constructor(name: string, ranges: readonly Cidr[] = []) {
    this.name = name;
    this.#ranges = ranges;
  }

  get labels(): Labels {
    return this.#labels;
  }

  /** `''` without; an empty label is no zone. */
  get zone(): string {
    return this.#labels[ZONE_LABEL] ?? '';
  }

  /** In the order in which wildcard frontends get their entries: by address bytes, then device. */
  get addresses(): readonly NodeAddress[] {
    return this.#addresses;
  }

  readonly owns = (address: IpAddress): boolean =>
    this.#addresses.some((own) => compareBytes(own.address, address) === 0);

  get nodePortAddresses(): readonly IpAddress[] {
    const found: IpAddress[] = [];
    for (const { address, nodePort } of this.#addresses) {
      const last = found.at(-1);
      if (nodePort && (last === undefined || compareBytes(last, address) !== 0)) found.push(address);
    }
    return found;
  }

  /** Names of the nodes that objects told of, sorted. */
  get known(): string[] {
    return [...this.#known].sort(compareText);
  }

  setLabels(labels: Labels): void {
    this.#labels = labels;
  }

  setAddresses(addresses: readonly NodeAddress[]): void {
    this.#given = true;
    this.#addresses = sorted(addresses);
  }

  /** Takes a Node or CiliumNode object in; those of other nodes are only remembered by name. */
  observe(node: NodeObject): void {
    this.#known.add(node.name);
    if (node.name !== this.name) return;
    if (node.kind === 'Node') this.#labels = node.labels;
    if (this.#given || (node.kind === 'CiliumNode' && this.#addresses.length > 0)) return;
    this.#addresses = sorted(addressesOfNode(node.addresses, this.#ranges));
  }

  /** @throws LbtwinError `unknown-node`, telling the nodes there are, when objects told of nodes but not of this one */
  require(): void {
    if (this.#known.size === 0 || this.#known.has(this.name)) return;
    throw new LbtwinError('unknown-node', `there is no node ${JSON.stringify(this.name)}`, {
      allowed: this.known.join(', '),
    });
  }
}

/**
 * A node's addresses, where no object tells its devices: those in the ranges serve NodePorts; without ranges the first of each family does,
 * which stands for the one that a device would have.
 * @param addresses internal ones first
 * @param ranges `nodeport-addresses`
 */
export const addressesOfNode = (addresses: readonly IpAddress[], ranges: readonly Cidr[]): NodeAddress[] =>
  addresses.map((address, i) => ({
    address,
    device: '',
    nodePort:
      ranges.length > 0
        ? ranges.some((range) => cidrContains(range, address))
        : addresses.findIndex(({ family }) => family === address.family) === i,
  }));

const sorted = (addresses: readonly NodeAddress[]): readonly NodeAddress[] =>
  addresses.toSorted((a, b) => compareBytes(a.address, b.address) || compareText(a.device, b.device));

/** A node address as callers give it. */
export interface NodeAddressInput {
  readonly address: string | IpAddress;
  readonly device?: string;
  /** True if absent. */
  readonly nodePort?: boolean;
}

export function nodeAddress(input: NodeAddressInput): NodeAddress {
  const { address, device = '', nodePort = true } = input;
  return { address: typeof address === 'string' ? parseAddress(address) : address, device, nodePort };
}
