import { LbtwinError } from '../errors.ts';
import { parseAddress, type IpAddress, tryParseAddress } from '../net/address.ts';
import { parseEndpoint, parsePort, splitProtocol } from '../net/endpoint.ts';
import { parseProtocol, Protocol } from '../net/protocol.ts';
import { didYouMean, nearest } from '../text/nearest.ts';
import type { Topology, TopologyNode, TopologyPod } from './topology.ts';

/** Who sends. A port that is not given is chosen by the sender's kernel. */
export type Party =
  | { readonly kind: 'external'; readonly address: IpAddress; readonly port: number | undefined }
  | { readonly kind: 'pod'; readonly pod: TopologyPod; readonly node: TopologyNode; readonly port: number | undefined }
  | { readonly kind: 'node'; readonly node: TopologyNode; readonly port: number | undefined };

/** `did you mean …?` for a name that does not exist; the allowed ones otherwise. */
export function unknownName(code: string, what: string, name: string, known: Iterable<string>): LbtwinError {
  const names = [...known];
  const near = nearest(name, names);
  const hint = didYouMean(near);
  const allowed = near.length > 0 || names.length === 0 ? {} : { allowed: names.slice(0, 12).join(', ') };
  return new LbtwinError(code, `there is no ${what} ${JSON.stringify(name)}${hint}`, allowed);
}

export function nodeNamed(topology: Topology, name: string): TopologyNode {
  const node = topology.nodes.get(name);
  if (node === undefined) throw unknownName('unknown-node', 'node', name, topology.nodes.keys());
  return node;
}

export function podNamed(topology: Topology, name: string): TopologyPod {
  const pod = topology.pods.get(name);
  if (pod !== undefined) return pod;
  // The namespace may be what is wrong, or was left out.
  const bare = name.slice(name.indexOf('/'));
  const elsewhere = [...topology.pods.keys()].filter((one) => one.endsWith(bare));
  throw unknownName('unknown-pod', 'pod', name, elsewhere.length > 0 ? elsewhere : topology.pods.keys());
}

/** `name` and `name:port`: names of nodes and pods hold no colon. */
function splitPort(text: string): { name: string; port: number | undefined } {
  const colon = text.lastIndexOf(':');
  return colon < 0
    ? { name: text, port: undefined }
    : { name: text.slice(0, colon), port: parsePort(text.slice(colon + 1), 1) };
}

/**
 * `external:198.51.100.7`, `external:198.51.100.7:40000`, `external:[2001:db8::1]:40000`, `pod:shop/web-1`, `pod:shop/web-1:40000`, `node:worker-1`.
 * @throws LbtwinError `invalid-party`, `unknown-pod`, `unknown-node`, `invalid-address`, `invalid-port`
 */
export function parseParty(text: string, topology: Topology): Party {
  const colon = text.indexOf(':');
  const [kind, rest] = [text.slice(0, Math.max(colon, 0)), text.slice(colon + 1)];
  if (kind === 'external') {
    const withPort = rest.startsWith('[') ? rest.includes(']:') : (rest.match(/:/g)?.length ?? 0) === 1;
    if (withPort) {
      const { address, port } = parseEndpoint(rest);
      return { kind, address, port };
    }
    return { kind, address: parseAddress(rest.replace(/^\[(.*)\]$/, '$1')), port: undefined };
  }
  if (kind === 'pod') {
    const { name, port } = splitPort(rest);
    const pod = podNamed(topology, name.includes('/') ? name : `default/${name}`);
    const node = nodeNamed(topology, pod.node);
    return pod.hostNetwork ? { kind: 'node', node, port } : { kind, pod, node, port };
  }
  if (kind === 'node') {
    const { name, port } = splitPort(rest);
    return { kind, node: nodeNamed(topology, name), port };
  }
  throw new LbtwinError('invalid-party', `${JSON.stringify(text)} does not say who sends`, {
    allowed: 'external:IP[:PORT], pod:NAMESPACE/NAME[:PORT] or node:NAME[:PORT]',
  });
}

/** Where to: `10.0.0.1:80/TCP`, or an address alone for ICMP. */
export interface Target {
  readonly address: IpAddress;
  /** 0 for ICMP. */
  readonly port: number;
  readonly protocol: number;
}

/**
 * `203.0.113.10:443/TCP` (TCP if no protocol is given), `203.0.113.10/ICMP`, or with `protocol` ICMP an address alone.
 * @throws LbtwinError `invalid-endpoint`, `invalid-address`, `invalid-port`, `unknown-protocol`
 */
export function parseTarget(text: string, protocol?: string): Target {
  const [place, named = protocol ?? 'TCP'] = splitProtocol(text);
  const number = parseProtocol(named);
  if (number === Protocol.ICMP || number === Protocol.ICMPV6) {
    const address = tryParseAddress(place.replace(/^\[(.*)\]$/, '$1'));
    if (address === undefined) {
      throw new LbtwinError('invalid-address', `${JSON.stringify(place)} is not an IP address, and ICMP has no ports`, {
        allowed: 'ADDRESS/ICMP',
      });
    }
    return { address, port: 0, protocol: address.family === 4 ? Protocol.ICMP : Protocol.ICMPV6 };
  }
  return { ...parseEndpoint(place), protocol: number };
}
