import { formatAddress, type IpAddress, tryParseAddress } from '../net/address.ts';
import { type Cidr, cidrContains, tryParseCidr } from '../net/cidr.ts';
import { ZONE_LABEL } from './node-view.ts';
import { each, isRecord, type Raw, record, text, texts } from './objects/fields.ts';
import type { RawObject } from './raw.ts';

/** A node as the objects tell it. */
export interface KnownNode {
  readonly name: string;
  /** `''` if not labelled. */
  zone: string;
  /** Canonical texts; only addresses of the host itself. */
  readonly addresses: string[];
  /** Those of CiliumNode, which Cilium allocates from; those of Node where there are none. */
  podCidrs: readonly Cidr[];
  /** They are CiliumNode's. */
  ciliumCidrs: boolean;
}

/** Who has an address in the pod network. */
export interface KnownPod {
  /** `namespace/name`; `undefined` if only the address is known. */
  readonly name: string | undefined;
  /** `undefined` if not told. */
  readonly node: string | undefined;
  readonly zone: string | undefined;
}

const HOST_ADDRESSES: readonly string[] = ['InternalIP', 'ExternalIP'];

/** That of `cilium_host`: the node's, but nobody outside knows it. */
const ROUTER_ADDRESS = 'CiliumInternalIP';

/**
 * Who is who among the addresses of a cluster, from whatever objects there are: Nodes and CiliumNodes, Pods, and the targets that
 * EndpointSlices name. Unlike the control plane it sees all nodes at once. Parts that cannot be read are left out here: the
 * control plane is the one that refuses them.
 */
export class Inventory {
  readonly nodes: Map<string, KnownNode> = new Map();
  readonly #nodeByAddress = new Map<string, string>();
  readonly #pods = new Map<string, KnownPod>();

  constructor(objects: Iterable<RawObject>) {
    for (const object of objects) {
      try {
        this.#observe(object);
      } catch {
        // Refused, with the reason, by the control plane.
      }
    }
  }

  /** Name of the node that has the address. */
  nodeOf(address: IpAddress): string | undefined {
    return this.#nodeByAddress.get(formatAddress(address));
  }

  /** The pod that has the address; with pod CIDRs at least the node of one that is not known. */
  podOf(address: IpAddress): KnownPod | undefined {
    const known = this.#pods.get(formatAddress(address));
    if (known !== undefined) {
      const zone = known.zone ?? (known.node === undefined ? undefined : this.nodes.get(known.node)?.zone);
      return zone === known.zone ? known : { ...known, zone };
    }
    for (const node of this.nodes.values()) {
      if (node.podCidrs.some((cidr) => cidrContains(cidr, address))) {
        return { name: undefined, node: node.name, zone: node.zone };
      }
    }
    return undefined;
  }

  #node(name: string): KnownNode {
    let node = this.nodes.get(name);
    if (node === undefined) {
      node = { name, zone: '', addresses: [], podCidrs: [], ciliumCidrs: false };
      this.nodes.set(name, node);
    }
    return node;
  }

  #observe(object: RawObject): void {
    if (object.kind === 'Node') this.#observeNode(object);
    else if (object.kind === 'CiliumNode') this.#observeCiliumNode(object);
    else if (object.kind === 'Pod') this.#observePod(object);
    else if (object.kind === 'EndpointSlice') this.#observeSlice(object);
  }

  #observeNode(object: RawObject): void {
    const node = this.#node(object.metadata.name);
    node.zone = text(record(object.metadata, 'labels'), ZONE_LABEL);
    each(record(object, 'status'), 'addresses', (entry) => this.#address(node, entry, 'address'));
    const spec = record(object, 'spec');
    this.#cidrs(node, spec['podCIDRs'] === undefined ? [text(spec, 'podCIDR')] : texts(spec, 'podCIDRs'), false);
  }

  #observeCiliumNode(object: RawObject): void {
    const node = this.#node(object.metadata.name);
    const spec = record(object, 'spec');
    each(spec, 'addresses', (entry) => this.#address(node, entry, 'ip'));
    this.#cidrs(node, texts(record(spec, 'ipam'), 'podCIDRs'), true);
  }

  #address(node: KnownNode, entry: Raw, key: string): void {
    const address = tryParseAddress(text(entry, key));
    const type = text(entry, 'type');
    if (address === undefined || !(HOST_ADDRESSES.includes(type) || type === ROUTER_ADDRESS)) return;
    const canonical = formatAddress(address);
    if (type === ROUTER_ADDRESS) {
      this.#nodeByAddress.set(canonical, node.name);
      return;
    }
    if (!node.addresses.includes(canonical)) node.addresses.push(canonical);
    this.#nodeByAddress.set(canonical, node.name);
  }

  #cidrs(node: KnownNode, list: readonly string[], cilium: boolean): void {
    const cidrs = list.map(tryParseCidr).filter((cidr) => cidr !== undefined);
    if (cidrs.length === 0 || (node.ciliumCidrs && !cilium)) return;
    node.podCidrs = cidrs;
    node.ciliumCidrs = cilium;
  }

  #observePod(object: RawObject): void {
    const spec = record(object, 'spec');
    if (spec['hostNetwork'] === true) return;
    const status = record(object, 'status');
    const name = `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`;
    const node = text(spec, 'nodeName') || undefined;
    const pod: KnownPod = { name, node, zone: undefined };
    const add = (ip: string): void => {
      const address = tryParseAddress(ip);
      if (address !== undefined) this.#pods.set(formatAddress(address), pod);
    };
    each(status, 'podIPs', (entry) => add(text(entry, 'ip')));
    add(text(status, 'podIP'));
  }

  #observeSlice(object: RawObject): void {
    each(object, 'endpoints', (endpoint) => {
      const target = endpoint['targetRef'];
      const isPod = isRecord(target) && target['kind'] === 'Pod';
      const namespace = isPod ? text(target, 'namespace') || object.metadata.namespace || 'default' : '';
      const pod: KnownPod = {
        name: isPod ? `${namespace}/${text(target, 'name')}` : undefined,
        node: text(endpoint, 'nodeName') || undefined,
        zone: text(endpoint, 'zone') || undefined,
      };
      for (const ip of texts(endpoint, 'addresses')) {
        const address = tryParseAddress(ip);
        // Endpoints in the host network are the node's.
        if (address === undefined || this.nodeOf(address) !== undefined) continue;
        const key = formatAddress(address);
        if (this.#pods.get(key)?.name === undefined) this.#pods.set(key, pod);
      }
    });
  }
}
