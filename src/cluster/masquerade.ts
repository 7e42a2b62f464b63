import type { DatapathConfig } from '../config/datapath-config.ts';
import { type IpAddress, sameAddress } from '../net/address.ts';
import { type Cidr, cidrContains, parseCidr } from '../net/cidr.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import type { TwinNode } from './twin-node.ts';
import { endpointText, type PacketParts } from './packet-view.ts';
import { addressOf, readdressed } from './kernel.ts';
import { nodeAddress, type Topology } from './topology.ts';

/**
 * The kernel's own masquerading by iptables rules, which the agent sets up where BPF masquerading is off: what pods send out of the cluster
 * leaves with the node's address. The kernel keeps the source port where it can, and takes another one where it is in use; the twin
 * takes the next free one, so only the fact that it changes is exact then.
 */
export class Masquerade {
  #topology: Topology;
  readonly #config: DatapathConfig;
  /** By node, protocol, remote end and port on the node: the pod's end. */
  readonly #flows = new Map<string, Endpoint>();
  readonly #native: readonly Cidr[];

  constructor(topology: Topology, config: DatapathConfig) {
    this.#topology = topology;
    this.#config = config;
    this.#native = [config.ipv4NativeRoutingCIDR, config.ipv6NativeRoutingCIDR]
      .filter((text) => text !== '')
      .map((text) => parseCidr(text));
  }

  /** The cluster has changed. */
  update(topology: Topology): void {
    this.#topology = topology;
  }

  /** The frame as it leaves; `undefined` if it keeps its source. */
  translate(node: TwinNode, frame: Uint8Array, parts: PacketParts): Uint8Array | undefined {
    const { family } = parts;
    const on = family === 4 ? this.#config.ipv4Masquerade : this.#config.ipv6Masquerade;
    const address = nodeAddress(node.topology, family);
    if (!on || this.#config.bpfMasquerade || address === undefined) return undefined;
    if (parts.protocol !== Protocol.TCP && parts.protocol !== Protocol.UDP) return undefined;
    const source = addressOf(family, parts.saddr);
    if (node.podAt(source) === undefined || this.#isInside(addressOf(family, parts.daddr))) return undefined;
    const port = this.#reserve(node.name, parts, { address: source, port: parts.sport });
    return readdressed(frame, parts, 'source', address, port);
  }

  /** Whose flow a packet to the node's address answers. */
  original(node: string, parts: PacketParts): Endpoint | undefined {
    const remote = endpointText(parts.family, parts.saddr, parts.sport);
    return this.#flows.get(keyOf(node, parts.protocol, remote, parts.dport));
  }

  #reserve(node: string, parts: PacketParts, owner: Endpoint): number {
    const remote = endpointText(parts.family, parts.daddr, parts.dport);
    const mine = endpointText(owner.address.family, owner.address.words, owner.port);
    for (let i = 0; i < 65536; i++) {
      const port = parts.sport + i > 65535 ? 1024 + ((parts.sport + i) % 64512) : parts.sport + i;
      const key = keyOf(node, parts.protocol, remote, port);
      const other = this.#flows.get(key);
      if (other !== undefined && endpointText(other.address.family, other.address.words, other.port) !== mine) continue;
      this.#flows.set(key, owner);
      return port;
    }
    return parts.sport;
  }

  /** Pods and nodes of the cluster, and what the native-routing CIDR says is reached without. */
  #isInside(destination: IpAddress): boolean {
    if (this.#native.some((cidr) => cidrContains(cidr, destination))) return true;
    for (const node of this.#topology.nodes.values()) {
      if (node.podCidrs.some((cidr) => cidrContains(cidr, destination))) return true;
      // With native routing the rules spare other nodes, too.
      if (this.#config.tunnel === undefined && node.addresses.some((one) => sameAddress(one, destination))) return true;
    }
    return false;
  }
}

const keyOf = (node: string, protocol: number, remote: string, port: number): string =>
  `${node} ${protocol} ${remote} ${port}`;
