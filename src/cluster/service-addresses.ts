import type { RawObject } from '../k8s/raw.ts';
import { formatAddress, type IpAddress, tryParseAddress } from '../net/address.ts';
import { IPV4, IPV6 } from '../net/headers.ts';
import { addressOf } from './kernel.ts';
import { hasPorts, type PacketParts, partsOf } from './packet-view.ts';
import { isRecord, listOf, type Raw, recordOf } from './raw-fields.ts';
import { ServiceFrontends } from './service-frontends.ts';

/**
 * Where services may have frontends, on whatever node: more than any node has, never less. By it a journey knows, without running a node's
 * control plane, that a packet meets no service there.
 */
export class ServiceAddresses {
  /** Addresses that services have outside of any node, VIPs and external IPs: canonical texts, each with its service's `namespace/name`. */
  readonly outside: Map<string, string> = new Map();
  /** All, as canonical texts. */
  readonly #addresses = new Set<string>();
  /** NodePorts and hostPorts, which are at addresses of the node. */
  readonly #nodePorts = new Set<unknown>();
  /** Something makes frontends that this does not look into. */
  #anywhere = false;
  readonly #objects: Iterable<RawObject>;
  #frontends: ServiceFrontends | undefined;

  constructor(objects: Iterable<RawObject>) {
    this.#objects = objects;
    for (const object of objects) {
      if (object.kind === 'Service') this.#addService(object);
      else if (object.kind === 'Pod') this.#addPod(object);
      else if (object.kind === 'CiliumLocalRedirectPolicy') this.#anywhere = true;
    }
  }

  /** The same in detail; made when first asked for. */
  get frontends(): ServiceFrontends {
    return (this.#frontends ??= new ServiceFrontends(this.#objects));
  }

  /**
   * Whether a packet may meet a service on the node that has the addresses that `owns` tells. Programs look services up by the destination of
   * plain packets; of others, such as errors that quote a packet or packets with DSR information, nothing is said.
   */
  mayConcern(frame: Uint8Array, owns: (address: IpAddress) => boolean): boolean {
    const parts = partsOf(frame);
    if (this.#anywhere || parts === undefined || !isPlain(frame, parts)) return true;
    const destination = addressOf(parts.family, parts.daddr);
    if (this.#addresses.has(formatAddress(destination))) return true;
    return this.#nodePorts.has(parts.dport) && owns(destination);
  }

  #addService(object: RawObject): void {
    const name = `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`;
    const spec = recordOf(object, 'spec');
    const clusterIps = listOf(spec, 'clusterIPs');
    for (const text of clusterIps.length === 0 ? [spec['clusterIP']] : clusterIps) this.#addAddress(text);
    for (const entry of listOf(recordOf(recordOf(object, 'status'), 'loadBalancer'), 'ingress')) {
      if (isRecord(entry)) this.#addOutside(entry['ip'], name);
    }
    for (const text of listOf(spec, 'externalIPs')) this.#addOutside(text, name);
    for (const port of listOf(spec, 'ports')) if (isRecord(port)) this.#nodePorts.add(port['nodePort']);
  }

  #addPod(object: Raw): void {
    const spec = recordOf(object, 'spec');
    for (const container of [...listOf(spec, 'containers'), ...listOf(spec, 'initContainers')]) {
      for (const port of isRecord(container) ? listOf(container, 'ports') : []) {
        if (!isRecord(port) || port['hostPort'] === undefined) continue;
        this.#nodePorts.add(port['hostPort']);
        this.#addAddress(port['hostIP']);
      }
    }
  }

  #addOutside(text: unknown, service: string): void {
    const address = typeof text === 'string' ? tryParseAddress(text) : undefined;
    if (address === undefined) return;
    const canonical = formatAddress(address);
    this.outside.set(canonical, service);
    this.#addresses.add(canonical);
  }

  #addAddress(text: unknown): void {
    if (typeof text !== 'string') return;
    // An IPv4 address has one text; what is no address is never asked for.
    const address = text.includes(':') ? tryParseAddress(text) : undefined;
    this.#addresses.add(address === undefined ? text : formatAddress(address));
  }
}

/** A packet with ports, whole, and with nothing between its headers. */
function isPlain(frame: Uint8Array, { family, protocol, l3, l4 }: PacketParts): boolean {
  if (!hasPorts(protocol) || l4 !== l3 + (family === 4 ? IPV4.SIZE : IPV6.SIZE)) return false;
  if (family === 6) return true;
  const fragment = (frame[l3 + IPV4.FRAGMENT]! << 8) | frame[l3 + IPV4.FRAGMENT + 1]!;
  return (fragment & (IPV4.MORE_FRAGMENTS | IPV4.OFFSET_MASK)) === 0;
}
