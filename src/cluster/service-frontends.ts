import type { RawObject } from '../k8s/raw.ts';
import { formatAddress, type IpAddress, tryParseAddress } from '../net/address.ts';
import { formatL4Address, type L4Address } from '../net/endpoint.ts';
import { protocolName } from '../net/protocol.ts';
import { addressOf, isLoopback } from './kernel.ts';
import type { PacketParts } from './packet-view.ts';
import { listOf, type Raw, recordOf, recordsOf, textOf } from './raw-fields.ts';

const CLUSTER_IP = 'a cluster IP';

/** Addresses and ports of Services and hostPorts as the objects name them, whoever serves them. */
export class ServiceFrontends {
  /** Frontends with an address of their own, `10.96.0.1:80/TCP`, and what has them. */
  readonly #own = new Map<string, string>();
  /** Ports at every address of a node, `30080/TCP`. */
  readonly #onNodes = new Map<string, string>();
  /** Cluster IPs, and the Service of each. */
  readonly #clusterIps = new Map<string, string>();

  constructor(objects: Iterable<RawObject>) {
    for (const object of objects) {
      if (object.kind === 'Service') this.#addService(object);
      else if (object.kind === 'Pod') this.#addPod(object);
    }
  }

  /** The Service that has a cluster IP: `Service shop/web`. */
  ofClusterIp(address: IpAddress): string | undefined {
    return this.#clusterIps.get(formatAddress(address));
  }

  /**
   * Without kube-proxy replacement the kernel's own rules serve these, kube-proxy's and those of the CNI's port mapping. Which of them meet a
   * packet is known, what they do with it is not modelled: why it is not followed; undefined if no such rule is about it.
   */
  leftToKubeProxy({ family, daddr, dport, protocol }: PacketParts, node: string, owns: boolean): string | undefined {
    const address = addressOf(family, daddr);
    const at = { address, port: dport, protocol };
    const what = this.whatIs(at, owns || isLoopback(address));
    return what === undefined
      ? undefined
      : `${formatL4Address(at)} is ${what}: without kube-proxy replacement the rules of kube-proxy and the CNI plugins on ${node} decide, and those are not modelled`;
  }

  /** `a NodePort of Service shop/web`; `onNode`: whether the address is a node's. */
  whatIs(at: L4Address, onNode: boolean): string | undefined {
    const own = this.#own.get(formatL4Address(at));
    return own ?? (onNode ? this.#onNodes.get(`${at.port}/${protocolName(at.protocol)}`) : undefined);
  }

  #addService(object: RawObject): void {
    const name = `Service ${object.metadata.namespace ?? 'default'}/${object.metadata.name}`;
    const spec = recordOf(object, 'spec');
    const status = recordOf(recordOf(object, 'status'), 'loadBalancer');
    const addresses: [unknown, string][] = [
      ...[spec['clusterIP'], ...listOf(spec, 'clusterIPs')].map((ip): [unknown, string] => [ip, CLUSTER_IP]),
      ...listOf(spec, 'externalIPs').map((ip): [unknown, string] => [ip, 'an external IP']),
      ...recordsOf(status, 'ingress').map(({ ip }): [unknown, string] => [ip, 'a load balancer address']),
    ];
    for (const port of recordsOf(spec, 'ports')) {
      const protocol = protocolOf(port);
      for (const [ip, kind] of addresses) {
        const address = typeof ip === 'string' ? tryParseAddress(ip) : undefined;
        if (address === undefined) continue;
        const host = address.family === 4 ? formatAddress(address) : `[${formatAddress(address)}]`;
        if (kind === CLUSTER_IP) this.#clusterIps.set(formatAddress(address), name);
        this.#own.set(`${host}:${String(port['port'])}/${protocol}`, `${kind} of ${name}`);
      }
      if (typeof port['nodePort'] === 'number') {
        this.#onNodes.set(`${port['nodePort']}/${protocol}`, `a NodePort of ${name}`);
      }
    }
  }

  /** Ports of pods in the host network are their processes' own. */
  #addPod(object: RawObject): void {
    const spec = recordOf(object, 'spec');
    if (spec['hostNetwork'] === true) return;
    const name = `pod ${object.metadata.namespace ?? 'default'}/${object.metadata.name}`;
    for (const container of [...recordsOf(spec, 'containers'), ...recordsOf(spec, 'initContainers')]) {
      for (const port of recordsOf(container, 'ports')) {
        if (typeof port['hostPort'] !== 'number') continue;
        this.#onNodes.set(`${port['hostPort']}/${protocolOf(port)}`, `a hostPort of ${name}`);
      }
    }
  }
}

const protocolOf = (port: Raw): string => textOf(port, 'protocol') || 'TCP';
