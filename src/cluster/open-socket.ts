import { LbtwinError } from '../errors.ts';
import type { Family } from '../net/address.ts';
import { parseServiceProtocol } from '../net/protocol.ts';
import type { U64 } from '../net/u64.ts';
import { Socket } from '../socket/socket.ts';
import type { Cluster } from './cluster.ts';
import { nodeNamed, podNamed, unknownName } from './party.ts';
import { HOST_NETNS_COOKIE, netnsCookieOf } from './twin-node.ts';

export interface OpenSocketSpec {
  /** `namespace/name` of the pod whose application opens it. */
  readonly pod?: string;
  /** Without a pod: the node in whose own network namespace it is. */
  readonly node?: string;
  /** TCP if absent. */
  readonly protocol?: 'TCP' | 'UDP';
  /** 6 is a dual-stack socket; 4 if absent. */
  readonly family?: Family;
  /** Cookie of the socket; the next free number of this cluster if absent. UDP's choice of a backend depends on it. */
  readonly cookie?: U64 | number | string;
  /** SO_MARK. */
  readonly mark?: number;
  /** Random words (u32) that TCP draws; without it a draw is an error. */
  readonly random?: () => number;
}

const cookies = new WeakMap<Cluster, number>();

/**
 * Opens a socket of an application in the cluster, to be used as one uses sockets: connect, send, receive, look at the peer. It goes by the
 * clock and the maps of the cluster, also after objects have changed or time has passed.
 * @throws LbtwinError `unknown-pod`, `unknown-node`, `node-required`, `no-socket-lb`, `unknown-protocol`
 */
export function openSocket(cluster: Cluster, spec: OpenSocketSpec): Socket {
  const { topology } = cluster;
  const pod = spec.pod === undefined ? undefined : podNamed(topology, spec.pod);
  const name = pod?.node ?? spec.node;
  if (name === undefined) throw unknownName('node-required', 'node', '', topology.nodes.keys());
  const lb = cluster.node(nodeNamed(topology, name).name).sockets;
  if (lb === undefined) {
    throw new LbtwinError('no-socket-lb', 'sockets are not translated under this configuration', {
      allowed: 'kubeProxyReplacement=true or socketLB.enabled=true',
    });
  }
  const cookie = spec.cookie ?? (cookies.get(cluster) ?? 0) + 1;
  if (typeof cookie === 'number') cookies.set(cluster, Math.max(cookie, cookies.get(cluster) ?? 0));
  return new Socket(
    { lb, now: () => cluster.now, random: spec.random ?? noRandom },
    {
      cookie,
      netnsCookie: pod === undefined ? HOST_NETNS_COOKIE : netnsCookieOf(pod),
      protocol: parseServiceProtocol(spec.protocol ?? 'TCP'),
      family: spec.family ?? 4,
      mark: spec.mark ?? 0,
    },
  );
}

function noRandom(): number {
  throw new LbtwinError('random-required', 'the kernel draws a random word here', {
    path: ['random'],
    allowed: 'a function that returns a u32',
  });
}
