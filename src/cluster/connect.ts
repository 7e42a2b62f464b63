import { LbtwinError } from '../errors.ts';
import { type Frontend, keyOfText } from '../k8s/model.ts';
import type { ServiceValue } from '../lb/service-map.ts';
import type { TraceEvent } from '../lb/trace.ts';
import { parseAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import type { U64 } from '../net/u64.ts';
import { peerStatus, type PeerStatus, socketsToDestroy } from '../socket/peer.ts';
import { Socket, type SocketResult } from '../socket/socket.ts';
import type { Cluster } from './cluster.ts';
import type { Target } from './party.ts';
import { nodeNamed, podNamed, unknownName } from './party.ts';
import { podAddress, type TopologyPod } from './topology.ts';
import { HOST_NETNS_COOKIE, netnsCookieOf, type TwinNode } from './twin-node.ts';

/** A system call of an application that is to be answered. */
export interface ConnectQuestion {
  readonly to: Target;
  /** `namespace/name`; the host's network namespace if absent. */
  readonly pod?: string | undefined;
  /** Needed without a pod. */
  readonly node?: string | undefined;
  /** sendto() on an unconnected UDP socket instead of connect(). */
  readonly sendTo?: boolean | undefined;
  /** Cookie of the socket, by which everything but TCP chooses; without it the choice is left open. */
  readonly socketCookie?: U64 | number | string | undefined;
  /** Cookie of the network namespace, by which session affinity goes; one of our own if absent. */
  readonly netnsCookie?: U64 | number | string | undefined;
  /** The word (u32) that TCP draws; without it the choice is left open. */
  readonly random?: number | undefined;
}

/** What the application gets. */
export interface ConnectAnswer {
  readonly node: string;
  readonly pod: string | undefined;
  readonly call: 'connect' | 'sendto';
  readonly to: Target;
  /** False: sockets of this namespace, or of this cluster, are not translated. */
  readonly hasSocketLb: boolean;
  /** The call; of an open choice the first way it may go. */
  readonly result: SocketResult;
  /** What getpeername() shows, or the source that recvfrom() shows of the answer. */
  readonly shown: Endpoint | undefined;
  /** Every backend that may be picked, if the choice is open; else empty. */
  readonly candidates: readonly Endpoint[];
  /** What an open choice hangs on. */
  readonly chosenBy: 'random' | 'cookie' | undefined;
  /** The service's master entry that was found, with its address in the maps. */
  readonly service: { readonly key: string; readonly value: ServiceValue } | undefined;
  readonly frontend: Frontend | undefined;
  readonly events: readonly TraceEvent[];
  /** The socket, to be looked at again when objects have changed. */
  readonly socket: Socket;
}

/** How a connected socket stands after the cluster has changed. */
export interface LaterAnswer {
  readonly status: PeerStatus | undefined;
  /** The agent closes it. */
  readonly closed: boolean;
  /** What getpeername() shows now. */
  readonly shown: Endpoint | undefined;
}

const UDP_LITE = 136;
const DEFAULT_COOKIE = 1;
const MAX_CANDIDATES = 4096;

interface Caller {
  readonly node: TwinNode;
  readonly pod: TopologyPod | undefined;
  readonly netnsCookie: U64 | number | string;
}

function callerOf(cluster: Cluster, question: ConnectQuestion): Caller {
  const { topology } = cluster;
  const { to } = question;
  if (question.pod === undefined) {
    if (question.node === undefined) {
      throw unknownName('node-required', 'node', '', topology.nodes.keys());
    }
    const node = cluster.node(nodeNamed(topology, question.node).name);
    return { node, pod: undefined, netnsCookie: question.netnsCookie ?? HOST_NETNS_COOKIE };
  }
  const pod = podNamed(topology, question.pod);
  if (question.node !== undefined && question.node !== pod.node) {
    nodeNamed(topology, question.node);
    throw new LbtwinError('node-mismatch', `pod ${question.pod} runs on ${pod.node}`, {
      allowed: `node ${pod.node}, or none`,
    });
  }
  if (!pod.hostNetwork && !isMapped(to) && podAddress(pod, to.address.family) === undefined) {
    throw new LbtwinError('family-mismatch', `pod ${question.pod} has no IPv${to.address.family} address`, {
      allowed: pod.addresses.map(({ family }) => `an IPv${family} destination`).join(', '),
    });
  }
  return { node: cluster.node(pod.node), pod, netnsCookie: question.netnsCookie ?? netnsCookieOf(pod) };
}

/** `::ffff:a.b.c.d` is IPv4 to the network. */
const isMapped = ({ address: { family, words } }: Target): boolean =>
  family === 6 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;

interface Attempt {
  readonly socket: Socket;
  readonly result: SocketResult;
  readonly events: readonly TraceEvent[];
  readonly drew: boolean;
}

function attempt(
  cluster: Cluster,
  caller: Caller,
  question: ConnectQuestion,
  word: number,
  cookie: U64 | number | string,
): Attempt {
  const events: TraceEvent[] = [];
  let drew = false;
  const { to } = question;
  const lb = caller.node.sockets!;
  const random = (): number => {
    drew = true;
    return word;
  };
  const socket = new Socket(
    { lb, now: () => cluster.now, random },
    { cookie, netnsCookie: caller.netnsCookie, protocol: to.protocol, family: to.address.family },
  );
  socket.trace = { event: (event) => void events.push(event) };
  const endpoint = { address: to.address, port: to.port };
  const result = question.sendTo === true ? socket.sendTo(endpoint) : socket.connect(endpoint);
  socket.trace = undefined;
  return { socket, result, events, drew };
}

/**
 * Answers a system call on a cluster that has seen no traffic, as the socket programs of the caller's node do.
 * @throws LbtwinError `unknown-node`, `unknown-pod`, `node-mismatch`, `family-mismatch`, `invalid-call`, `no-socket-lb`
 */
export function connectSocket(cluster: Cluster, question: ConnectQuestion): ConnectAnswer {
  const { to, sendTo = false } = question;
  if (sendTo && to.protocol !== Protocol.UDP && to.protocol !== UDP_LITE) {
    throw new LbtwinError('invalid-call', 'sendto() with an address is for UDP', { allowed: 'a UDP destination' });
  }
  const caller = callerOf(cluster, question);
  const { node, pod } = caller;
  if (node.sockets === undefined) {
    throw new LbtwinError('no-socket-lb', 'sockets are not translated under this configuration', {
      allowed: 'kubeProxyReplacement=true or socketLB.enabled=true',
    });
  }
  const first = attempt(cluster, caller, question, question.random ?? 0, question.socketCookie ?? DEFAULT_COOKIE);
  const service = serviceOf(first.events);
  const { outcome } = first.result.hook ?? {};
  const byCookie = !first.drew && outcome === 'translated' && to.protocol !== Protocol.TCP && drewSlot(first.events);
  const open = first.drew ? question.random === undefined : byCookie && question.socketCookie === undefined;
  const candidates: Endpoint[] = [];
  let chosen = first;
  if (open) {
    const count = Math.min(service?.value.count ?? 1, MAX_CANDIDATES);
    for (let i = 0; i < count; i++) {
      node.resetDatapath();
      chosen = attempt(cluster, caller, question, first.drew ? i : 0, first.drew ? DEFAULT_COOKIE : count + i);
      if (chosen.result.to !== undefined) candidates.push(chosen.result.to);
    }
  }
  return {
    node: node.name,
    pod: pod === undefined ? undefined : question.pod,
    call: sendTo ? 'sendto' : 'connect',
    to,
    hasSocketLb: outcome !== 'pod-namespace',
    result: chosen.result,
    shown: shownOf(chosen, sendTo),
    candidates,
    chosenBy: open ? (first.drew ? 'random' : 'cookie') : undefined,
    service,
    frontend: frontendOf(node, service?.key),
    events: chosen.events,
    socket: chosen.socket,
  };
}

/** True if a slot was looked up: not so where affinity, a proxy or nothing decided. */
const drewSlot = (events: readonly TraceEvent[]): boolean =>
  events.some(
    (event) => event.kind === 'lookup' && event.map === 'services' && (event.key as { slot: number }).slot > 0,
  );

function shownOf({ socket, result }: Attempt, sendTo: boolean): Endpoint | undefined {
  if (result.errno !== 'OK' || result.to === undefined) return undefined;
  return (sendTo ? socket.receiveFrom(result.to) : socket.getPeerName()).shown;
}

interface KeyParts {
  readonly address: string;
  readonly port: number;
  readonly slot: number;
  readonly protocol: number;
  readonly scope: number;
}

const keyOf = ({ address, port, protocol, scope }: KeyParts): string =>
  keyOfText(address, parseAddress(address).family, port, protocol, scope);

/** The last master entry that was found. */
function serviceOf(events: readonly TraceEvent[]): ConnectAnswer['service'] {
  let found: ConnectAnswer['service'];
  for (const event of events) {
    if (event.kind !== 'lookup' || event.map !== 'services') continue;
    const key = event.key as KeyParts;
    if (key.slot !== 0) continue;
    found = event.value === undefined ? undefined : { key: keyOf(key), value: event.value as ServiceValue };
  }
  return found;
}

/** The row of a map address; a node's own address stands for the wildcard frontend. */
function frontendOf(node: TwinNode, key: string | undefined): Frontend | undefined {
  if (key === undefined) return undefined;
  const wildcard = key.startsWith('[') ? key.replace(/^\[.*\]/, '[::]') : key.replace(/^[^:]*/, '0.0.0.0');
  return node.plane.frontend(key) ?? node.plane.frontend(wildcard);
}

/** Looks at a connected socket again, after objects have changed. */
export function laterStatus(cluster: Cluster, answer: ConnectAnswer): LaterAnswer {
  const lb = cluster.node(answer.node).sockets!;
  const { socket } = answer;
  const status = peerStatus(lb, socket);
  const { peer } = socket;
  const gone =
    status !== undefined && status.state !== 'direct' && status.state !== 'active' && status.state !== 'terminating';
  const closed = gone && peer !== undefined && socketsToDestroy(lb, [socket], peer).length > 0;
  const shown = peer === undefined ? undefined : socket.getPeerName().shown;
  return { status, closed, shown };
}
