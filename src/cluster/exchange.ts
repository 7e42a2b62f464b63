import type { TraceEvent } from '../lb/trace.ts';
import { type Family, formatAddress, type IpAddress } from '../net/address.ts';
import { type Endpoint, formatEndpoint, formatL4Address } from '../net/endpoint.ts';
import { buildFrame, type FrameSpec } from '../net/frame.ts';
import { TcpFlag } from '../net/headers.ts';
import { Protocol, protocolName } from '../net/protocol.ts';
import type { U64 } from '../net/u64.ts';
import { Socket, type SocketResult } from '../socket/socket.ts';
import { type TwinNode, netnsCookieOf } from './twin-node.ts';
import { endpointText, isIcmp, isIcmpError, type PacketParts, viewOf } from './packet-view.ts';
import { accessesOf, type Hop, type Outcome } from './journey.ts';
import { hostReason } from './host-reason.ts';
import { addressOf, isLoopback, sameWords, tcpFlagsOf, turned } from './kernel.ts';
import { GATEWAY_MAC } from './node-tables.ts';
import type { Party, Target } from './party.ts';
import { podAddress, type TopologyNode } from './topology.ts';
import type { Arrival, Place, WalkContext } from './place.ts';
import { Walk } from './walk.ts';

/** One packet to send, everything about it decided. */
export interface Request {
  readonly from: Party;
  readonly to: Target;
  readonly sport: number;
  /** The node that an external packet is brought to, whoever attracts its destination. */
  readonly via: TopologyNode | undefined;
  /** Whether the receiver answers. */
  readonly reply: boolean;
  readonly frame: Pick<FrameSpec, 'length' | 'ttl' | 'tcpFlags' | 'dontFragment' | 'id'>;
  readonly cookie: () => U64 | number;
  /** The peer of a socket that is connected already: no program runs for it again. */
  readonly connected?: Endpoint;
}

/** What an exchange found out, for the flow it belongs to. */
export interface Exchange {
  readonly outcome: Outcome;
  readonly hops: readonly Hop[];
  /** Where the socket went, if there is one. */
  readonly peer: Endpoint | undefined;
}

/** A packet's whole way, and that of its answer. */
export function exchange(context: WalkContext, request: Request): Exchange {
  const run = new ExchangeRun(context, request);
  const outcome = run.outcome();
  return { outcome, hops: run.hops, peer: run.peer };
}

class ExchangeRun {
  readonly hops: Hop[] = [];
  /** Destination on the wire: what the socket made of it. */
  peer: Endpoint | undefined;
  readonly #context: WalkContext;
  readonly #request: Request;
  #socket: Socket | undefined;
  #translatedAt: 'socket' | 'packet' | undefined;

  constructor(context: WalkContext, request: Request) {
    this.#context = context;
    this.#request = request;
  }

  outcome(): Outcome {
    const { from, to } = this.#request;
    const failed = from.kind === 'external' ? undefined : this.#connect();
    if (failed !== undefined) return failed;
    const destination = this.peer ?? to;
    if (from.kind === 'pod' && isLoopback(destination.address)) return ownLoopback(from, destination);
    const source = this.#source(destination.address);
    const frame = buildFrame({
      ...this.#request.frame,
      protocol: to.protocol,
      source,
      destination: destination.address,
      sport: this.#request.sport,
      dport: destination.port,
      ...(from.kind === 'pod'
        ? { sourceMac: from.pod.mac, destinationMac: from.pod.nodeMac }
        : { sourceMac: GATEWAY_MAC }),
    });
    const walk = new Walk(this.#context, 'request');
    const arrival = walk.run(frame, this.#start());
    this.hops.push(...walk.hops);
    const outcome = this.#judge(arrival, source);
    return this.#translatedAt === undefined ? outcome : { ...outcome, translatedAt: this.#translatedAt };
  }

  #start(): Place {
    const { from, via } = this.#request;
    if (from.kind === 'external') return { at: 'network', from: undefined, ...(via === undefined ? {} : { via }) };
    const node = this.#context.node(from.node);
    return from.kind === 'pod' ? { at: 'podOut', node, pod: from.pod } : { at: 'output', node };
  }

  #source(destination: IpAddress): IpAddress {
    const { from } = this.#request;
    const { family } = destination;
    if (from.kind === 'external') return from.address;
    if (from.kind === 'pod') return podAddress(from.pod, family) ?? unspecified(family);
    const node = this.#context.node(from.node);
    if (node.owns(destination) || isLoopback(destination)) return destination;
    const { address, assumed } = node.sourceTo(destination);
    if (assumed) this.#context.assumeRouter(from.node.name);
    return address ?? unspecified(family);
  }

  /** The socket's part. An outcome if the call failed. */
  #connect(): Outcome | undefined {
    const { from, to, connected, cookie } = this.#request;
    if (from.kind === 'external' || (to.protocol !== Protocol.TCP && to.protocol !== Protocol.UDP)) return undefined;
    const node = this.#context.node(from.node);
    if (node.sockets === undefined) return undefined;
    if (connected !== undefined) {
      this.peer = connected;
      return undefined;
    }
    const host = { lb: node.sockets, now: () => this.#context.now, random: this.#context.random };
    const { family } = to.address;
    const netnsCookie = from.kind === 'pod' ? netnsCookieOf(from.pod) : node.sockets.options.hostNetnsCookie;
    const socket = new Socket(host, { cookie: cookie(), netnsCookie, protocol: to.protocol, family });
    const events: TraceEvent[] = [];
    if (this.#context.record) socket.trace = { event: (event) => events.push(event) };
    const udp = to.protocol === Protocol.UDP;
    const result = udp ? socket.sendTo(to) : socket.connect(to);
    socket.trace = undefined;
    this.#socket = socket;
    this.#writeSocket(node, result, events);
    if (result.errno !== 'OK') {
      return {
        kind: 'socketError',
        errno: result.errno,
        reason: SOCKET_REASONS[result.hook?.outcome ?? ''] ?? 'the call fails',
      };
    }
    this.peer = result.to;
    if (result.hook?.outcome === 'translated' || result.hook?.outcome === 'l7-proxy') this.#translatedAt = 'socket';
    return undefined;
  }

  #writeSocket(node: TwinNode, result: SocketResult, events: readonly TraceEvent[]): void {
    const { to, from } = this.#request;
    if (result.hook === undefined || !this.#context.record) return;
    const view = (endpoint: Endpoint) => ({
      protocol: protocolName(to.protocol),
      source: from.kind === 'pod' ? `${from.pod.namespace}/${from.pod.name}` : node.name,
      destination: formatEndpoint(endpoint),
      ttl: 64,
      length: 0,
    });
    this.hops.push({
      node: node.name,
      hook: result.hook.hook,
      direction: 'request',
      before: view(to),
      ...(result.to === undefined ? {} : { after: view(result.to) }),
      verdict: result.errno === 'OK' ? result.hook.outcome : result.errno,
      ...accessesOf(events),
      events,
      at: this.#context.now,
    });
  }

  #judge(arrival: Arrival, source: IpAddress): Outcome {
    switch (arrival.kind) {
      case 'dropped':
        return {
          kind: 'dropped',
          dropReason: arrival.drop,
          ...(arrival.reason === undefined ? {} : { reason: arrival.reason }),
        };
      case 'looped':
        return {
          kind: 'looped',
          reason: this.#passedBy() ?? `after ${this.hops.length} hops the frame still goes round: ${this.#round()}`,
        };
      case 'undecided':
        return { kind: 'undecided', reason: arrival.reason };
      case 'pod':
        if (this.#isBack(arrival, source)) return this.#rejected(arrival.frame);
        return this.#arrived(arrival, `${arrival.pod.namespace}/${arrival.pod.name}`);
      case 'host':
        return this.#atHost(arrival, source);
      default:
        return this.#outside(arrival, source);
    }
  }

  /** A node lets a packet to a service's address pass that it has no frontend for; routed out, it comes back. */
  #passedBy(): string | undefined {
    const { to } = this.#request;
    const service = this.#context.fabric.serviceOf(to.address);
    const entry = this.hops.find(({ hook }) => hook === 'fromNetdev' || hook === 'xdp');
    const isFound = entry?.reads.some(({ map, value }) => map === 'services' && value !== undefined);
    if (service === undefined || entry === undefined || isFound === true) return undefined;
    const at = isIcmp(to.protocol) ? `that answers pings of ${formatAddress(to.address)}` : formatL4Address(to);
    return `${entry.node} has no frontend ${at}, though the address is that of Service ${service}: the packet is let pass, routed out again, and the network brings it back`;
  }

  /** The last hops, to show how a loop goes. */
  #round(): string {
    return this.hops
      .slice(-4)
      .map(({ node, hook }) => `${node} ${hook}`)
      .join(', ');
  }

  /** An ICMP error that came back to the sender. */
  #isBack(arrival: Arrival & { frame: Uint8Array; parts: PacketParts }, source: IpAddress): boolean {
    return isIcmpError(arrival.frame, arrival.parts) && sameWords(arrival.parts.daddr, source.words);
  }

  #rejected(frame: Uint8Array): Outcome {
    const view = viewOf(frame);
    return {
      kind: 'rejected',
      icmp: view?.icmp ?? 'ICMP error',
      ...(view === undefined ? {} : { replySource: view.source }),
    };
  }

  #atHost(arrival: Extract<Arrival, { kind: 'host' }>, source: IpAddress): Outcome {
    const { node, parts } = arrival;
    if (this.#isBack(arrival, source)) return this.#rejected(arrival.frame);
    const backend = endpointText(parts.family, parts.daddr, portOf(parts, parts.dport));
    const isBackend = node.plane.backendId(`${backend}/${protocolName(parts.protocol)}`) > 0;
    if (!isBackend) {
      return {
        kind: 'passedToHost',
        node: node.name,
        backend,
        sourceSeen: endpointText(parts.family, parts.saddr, portOf(parts, parts.sport)),
        reason: hostReason(node, parts, backend, this.#isTranslated(parts)),
      };
    }
    return this.#arrived(arrival, undefined);
  }

  #outside(arrival: Extract<Arrival, { kind: 'outside' }>, source: IpAddress): Outcome {
    const { from } = this.#request;
    if (this.#isBack(arrival, source)) return this.#rejected(arrival.frame);
    if (from.kind === 'external' && this.#isTranslated(arrival.parts)) return this.#arrived(arrival, undefined);
    if (from.kind === 'external') {
      const place = formatAddress(arrival.address);
      return {
        kind: 'undecided',
        reason: this.#context.fabric.isEmpty
          ? 'the objects tell of no node (no Nodes, and no Pods or EndpointSlices that name theirs)'
          : `no node attracts ${place}: the packet never reaches the cluster (see --via and --announce)`,
      };
    }
    const service = this.#context.fabric.clusterIpOf(arrival.address);
    if (service === undefined) return this.#arrived(arrival, undefined);
    const at = formatL4Address(this.#request.to);
    return {
      kind: 'undecided',
      reason: `${from.node.name} has no frontend ${at}, though the address is a cluster IP of ${service}: untranslated, the packet leaves the cluster, and what becomes of it there is not known`,
    };
  }

  #isTranslated({ daddr, dport }: PacketParts): boolean {
    const { address, port } = this.#request.to;
    return !sameWords(daddr, address.words) || dport !== port;
  }

  /** The request is where it should be: what is seen there, and the answer. */
  #arrived(arrival: Extract<Arrival, { kind: 'pod' | 'host' | 'outside' }>, pod: string | undefined): Outcome {
    const { parts } = arrival;
    if (arrival.kind === 'pod' && arrival.unwrapped === true) {
      const own = podAddress(arrival.pod, parts.family);
      const service = endpointText(parts.family, parts.daddr, portOf(parts, parts.dport));
      return {
        kind: 'delivered',
        backend: endpointText(parts.family, own?.words ?? parts.daddr, portOf(parts, parts.dport)),
        ...(pod === undefined ? {} : { pod }),
        node: arrival.node.name,
        sourceSeen: endpointText(parts.family, parts.saddr, portOf(parts, parts.sport)),
        reason: `inside, the packet is still for ${service}: the backend answers from there itself, past Cilium`,
      };
    }
    if (this.#translatedAt === undefined && this.#isTranslated(parts)) this.#translatedAt = 'packet';
    const seen = {
      backend: endpointText(parts.family, parts.daddr, portOf(parts, parts.dport)),
      ...(pod === undefined ? {} : { pod }),
      ...(arrival.kind === 'outside' ? {} : { node: arrival.node.name }),
      sourceSeen: endpointText(parts.family, parts.saddr, portOf(parts, parts.sport)),
    };
    if (!this.#request.reply || !answersTo(arrival.frame, parts)) return { kind: 'delivered', ...seen };
    return { ...this.#answer(arrival), ...seen };
  }

  /** Sends the receiver's answer back. */
  #answer(arrival: Extract<Arrival, { kind: 'pod' | 'host' | 'outside' }>): Outcome {
    const { parts, frame } = arrival;
    const macs = arrival.kind === 'pod' ? { sourceMac: arrival.pod.mac, destinationMac: arrival.pod.nodeMac } : {};
    const reply = buildFrame({
      ...turned(parts),
      ...(isIcmp(parts.protocol) ? { sport: viewOf(frame)?.id ?? 0, echoReply: true } : {}),
      tcpFlags: (tcpFlagsOf(frame, parts) & TcpFlag.SYN) === 0 ? TcpFlag.ACK : TcpFlag.SYN | TcpFlag.ACK,
      ...macs,
    });
    const place: Place =
      arrival.kind === 'pod'
        ? { at: 'podOut', node: arrival.node, pod: arrival.pod }
        : arrival.kind === 'host'
          ? { at: 'output', node: arrival.node }
          : { at: 'network', from: undefined };
    const walk = new Walk(this.#context, 'reply');
    const end = walk.run(reply, place);
    this.hops.push(...walk.hops);
    return this.#judgeAnswer(end);
  }

  #judgeAnswer(end: Arrival): Outcome {
    const { from } = this.#request;
    if (end.kind === 'dropped') {
      return { kind: 'dropped', dropReason: end.drop, reason: end.reason ?? 'the answer is dropped' };
    }
    if (end.kind === 'looped' || end.kind === 'undecided') {
      return { kind: end.kind, reason: end.kind === 'looped' ? 'the answer goes round' : end.reason };
    }
    const { parts, frame } = end;
    if (isIcmpError(frame, parts))
      return { kind: 'rejected', icmp: viewOf(frame)?.icmp ?? 'ICMP error', reason: 'the answer is refused' };
    const home =
      (end.kind === 'outside' && from.kind === 'external' && sameWords(from.address.words, parts.daddr)) ||
      (end.kind === 'pod' && from.kind === 'pod' && end.pod === from.pod) ||
      (end.kind === 'host' && from.kind === 'node' && end.node.name === from.node.name);
    const shown = endpointText(parts.family, parts.saddr, portOf(parts, parts.sport));
    if (!home) {
      const where = endpointText(parts.family, parts.daddr, portOf(parts, parts.dport));
      return {
        kind: 'wrongSource',
        replySource: shown,
        reason: `the answer goes to ${where}, which is not the client`,
      };
    }
    const expected = this.peer ?? this.#request.to;
    const right =
      sameWords(expected.address.words, parts.saddr) &&
      (isIcmp(parts.protocol) || (parts.sport === expected.port && parts.dport === this.#request.sport));
    if (!right) {
      const wanted = endpointText(expected.address.family, expected.address.words, portOf(parts, expected.port));
      return {
        kind: 'wrongSource',
        replySource: shown,
        reason: `the client sent to ${wanted}, the answer comes from ${shown}: it is discarded`,
      };
    }
    return {
      kind: 'replied',
      replySource: this.#shownToApplication(
        { address: addressOf(parts.family, parts.saddr), port: parts.sport },
        shown,
      ),
    };
  }

  /** What the application is told of who answers: sockets translate back. */
  #shownToApplication(source: Endpoint, wire: string): string {
    const socket = this.#socket;
    if (socket === undefined || this.#translatedAt !== 'socket') return wire;
    const shown = (socket.protocol === Protocol.UDP ? socket.receiveFrom(source) : socket.getPeerName()).shown;
    return shown === undefined ? wire : formatEndpoint(shown);
  }
}

const SOCKET_REASONS: Readonly<Record<string, string>> = {
  'no-backends': 'the service has no backend that may be picked',
  'missing-slot': 'the service lists a slot that the map does not have',
  'missing-backend': 'the service lists a backend that the map does not have',
};

/** A pod's loopback is its own: nothing leaves it. */
const ownLoopback = ({ pod, node }: Extract<Party, { kind: 'pod' }>, { address, port }: Endpoint): Outcome => ({
  kind: 'passedToHost',
  node: node.name,
  pod: `${pod.namespace}/${pod.name}`,
  backend: endpointText(address.family, address.words, port === 0 ? undefined : port),
  reason: `loopback is the pod's own: it is for a process in ${pod.namespace}/${pod.name}, if one listens there`,
});

const unspecified = (family: Family): IpAddress => ({ family, words: family === 4 ? [0] : [0, 0, 0, 0] });

const portOf = (parts: PacketParts, port: number): number | undefined => (isIcmp(parts.protocol) ? undefined : port);

/** Errors and echo replies are not answered. */
function answersTo(frame: Uint8Array, parts: PacketParts): boolean {
  if (!isIcmp(parts.protocol)) return (tcpFlagsOf(frame, parts) & TcpFlag.RST) === 0;
  return viewOf(frame)?.icmp === 'echo request';
}
