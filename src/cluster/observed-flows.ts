import type { HubbleFlow } from '../lab/hubble.ts';
import { formatAddress, type IpAddress } from '../net/address.ts';
import { formatEndpoint, formatL4Address, type L4Address } from '../net/endpoint.ts';
import { protocolName } from '../net/protocol.ts';
import { type ObservedServices, type ServiceAnswer, serviceText } from './observed-services.ts';
import { type FlowVerdict, judgeFlow } from './observed-verdict.ts';

/** Which side of the translation a flow shows. */
export type FlowHop =
  'before translation' | 'after translation' | 'before reverse translation' | 'after reverse translation';

/** A flow of Hubble's with what the objects say of it. */
export interface AnnotatedFlow extends FlowVerdict {
  readonly line: number;
  readonly node: string | undefined;
  /** Where it was seen: Hubble's observation point, or `socket`. */
  readonly point: string | undefined;
  readonly protocol: string | undefined;
  /** As the line has them, `ip:port`; the address alone where no port is told. */
  readonly source: string | undefined;
  readonly destination: string | undefined;
  readonly hop: FlowHop | undefined;
  /** `namespace/name:port` */
  readonly service: string | undefined;
  readonly frontend: { readonly address: string; readonly type: string } | undefined;
  /** `ip:port`, as observed. */
  readonly backend: string | undefined;
  readonly pod: string | undefined;
  readonly drop: string | undefined;
}

/** A flow the right way round: from the client to whom it talks to. */
interface Oriented {
  readonly flow: HubbleFlow;
  readonly client: L4Address;
  readonly peer: L4Address;
  readonly reply: boolean;
  readonly isFrontend: boolean;
}

/** What one client port talked to. */
interface Conversation {
  readonly frontends: Map<string, { readonly at: L4Address; readonly nodes: Set<string> }>;
  readonly others: Map<string, L4Address>;
  /** Peers whose first packet was seen. */
  readonly opened: Set<string>;
}

/**
 * Annotates flows with their services. Frontend and backend of a connection are in different flows: those of one socket call, or of one client
 * address and port, are put together, and what that does not settle is told as undecided.
 */
export function annotateFlows(flows: readonly HubbleFlow[], services: ObservedServices): AnnotatedFlow[] {
  return new Annotator(flows, services).run();
}

class Annotator {
  readonly #services: ObservedServices;
  readonly #flows: readonly HubbleFlow[];
  readonly #oriented: readonly (Oriented | string)[];
  readonly #conversations = new Map<string, Conversation>();
  /** The other half of a socket's translation, by line. */
  readonly #partners = new Map<number, Oriented>();

  constructor(flows: readonly HubbleFlow[], services: ObservedServices) {
    this.#services = services;
    this.#flows = flows;
    this.#oriented = flows.map((flow) => this.#orient(flow));
    const pending = new Map<string, Oriented>();
    for (const one of this.#oriented) {
      if (typeof one === 'string') continue;
      if (one.flow.socket === undefined) this.#note(one);
      else this.#pair(one, pending);
    }
  }

  run(): AnnotatedFlow[] {
    return this.#oriented.map((one, i) =>
      typeof one === 'string' ? this.#plain(this.#flows[i]!, one) : this.#annotate(one),
    );
  }

  #orient(flow: HubbleFlow): Oriented | string {
    const { source, destination, sport, dport, protocol, socket } = flow;
    if (protocol === undefined) return 'no-service: neither TCP nor UDP nor SCTP';
    if (source === undefined || destination === undefined) return 'undecided: the line tells no addresses';
    const from: L4Address = { address: source, port: sport, protocol };
    const to: L4Address = { address: destination, port: dport, protocol };
    const reply = socket === undefined ? this.#isReply(flow, from, to) : socket.reverse;
    if (reply === undefined) return 'undecided: neither the line nor the objects tell who is the client';
    // A socket's own port is not told.
    const turned = socket === undefined ? reply : dport === 0 && sport !== 0;
    const [client, peer] = turned ? [to, from] : [from, to];
    return { flow, client, peer, reply, isFrontend: this.#services.isFrontend(peer) };
  }

  #isReply({ reply, opens, accepts }: HubbleFlow, from: L4Address, to: L4Address): boolean | undefined {
    if (reply !== undefined) return reply;
    if (opens || accepts) return accepts;
    const services = this.#services;
    for (const is of [
      (at: L4Address) => services.isFrontend(at),
      (at: L4Address) => services.servicesOf(at).length > 0,
    ]) {
      const [source, destination] = [is(from), is(to)];
      if (source !== destination) return source;
      if (source) return undefined;
    }
    return false;
  }

  #note({ flow, client, peer, reply, isFrontend }: Oriented): void {
    const key = formatL4Address(client);
    let known = this.#conversations.get(key);
    if (known === undefined) {
      known = { frontends: new Map(), others: new Map(), opened: new Set() };
      this.#conversations.set(key, known);
    }
    const to = formatL4Address(peer);
    if (flow.opens) known.opened.add(to);
    if (!isFrontend) {
      known.others.set(to, peer);
      return;
    }
    const found = known.frontends.get(to) ?? { at: peer, nodes: new Set<string>() };
    known.frontends.set(to, found);
    // Answers of DSR leave from the backend's node, which has translated nothing.
    if (!reply && flow.node !== undefined) found.nodes.add(flow.node);
  }

  #pair(one: Oriented, pending: Map<string, Oriented>): void {
    const { cookie, stage, reverse } = one.flow.socket!;
    const key = `${one.flow.node ?? ''} ${cookie} ${reverse} ${one.peer.protocol}`;
    const before = pending.get(key);
    if (stage === 'before') pending.set(key, one);
    else if (before !== undefined) {
      this.#partners.set(one.flow.line, before).set(before.flow.line, one);
      pending.delete(key);
    }
  }

  #annotate(one: Oriented): AnnotatedFlow {
    if (one.flow.socket !== undefined) return this.#ofSocket(one);
    const conversation = this.#conversations.get(formatL4Address(one.client))!;
    return one.isFrontend ? this.#toFrontend(one, conversation) : this.#toOther(one, conversation);
  }

  #ofSocket(one: Oriented): AnnotatedFlow {
    const partner = this.#partners.get(one.flow.line);
    const [frontend, backend] = one.isFrontend ? [one, partner] : [partner, one];
    if (frontend?.isFrontend === true && backend?.isFrontend !== true) {
      const answer = this.#services.answer(one.client, frontend.peer, undefined);
      return this.#judged(one, answer, frontend.peer, backend?.peer, true);
    }
    return this.#unproven(one);
  }

  #toFrontend(one: Oriented, conversation: Conversation): AnnotatedFlow {
    const { client, peer } = one;
    const answer = this.#answer(client, conversation, peer);
    const found = [...conversation.others.values()].filter((other) => this.#fits(answer, other));
    // Two frontends at once from one port: which of them the backend belongs to is told by neither.
    const shared = found.filter((other) =>
      [...conversation.frontends.values()].some(
        ({ at }) =>
          at !== peer &&
          formatL4Address(at) !== formatL4Address(peer) &&
          this.#fits(this.#answer(client, conversation, at), other),
      ),
    );
    if (found.length > 1 || shared.length > 0) {
      const reason = `the client port reached ${[...found].map(formatEndpoint).join(' and ')}, and no flow tells which by this frontend`;
      return this.#told(one, answer, peer, undefined, { status: 'undecided', reason });
    }
    return this.#judged(one, answer, peer, found[0], this.#isFresh(conversation, peer, found[0]));
  }

  #toOther(one: Oriented, conversation: Conversation): AnnotatedFlow {
    const { client, peer } = one;
    const through = [...conversation.frontends.values()]
      .map(({ at }) => ({ at, answer: this.#answer(client, conversation, at) }))
      .filter(({ answer }) => this.#fits(answer, peer));
    if (through.length !== 1) return this.#unproven(one, through.length);
    const { at, answer } = through[0]!;
    return this.#judged(one, answer, at, peer, this.#isFresh(conversation, at, peer));
  }

  #answer(client: L4Address, { frontends }: Conversation, at: L4Address): ServiceAnswer {
    const { nodes } = frontends.get(formatL4Address(at))!;
    return this.#services.answer(client, at, nodes.size === 1 ? [...nodes][0] : undefined);
  }

  /** Whether the other end of a client's port may be what a frontend was translated to: a backend of it, or a pod at the port of its backends. */
  #fits({ frontend, views }: ServiceAnswer, other: L4Address): boolean {
    if (frontend === undefined || other.protocol !== frontend.protocol) return false;
    const address = formatAddress(other.address);
    const isAt = (one: { address: string; port: number }): boolean =>
      one.address === address && one.port === other.port;
    if (views.some(({ service }) => service?.backends.some(isAt))) return true;
    if (this.#services.servicesOf(other).includes(serviceText(frontend))) return true;
    const ports = (frontend.redirectTo ?? frontend.entry).instances.map(({ backend }) => backend.port);
    return ports.includes(other.port) && this.#services.inventory.podOf(other.address) !== undefined;
  }

  #isFresh = ({ opened }: Conversation, frontend: L4Address, backend: L4Address | undefined): boolean =>
    opened.has(formatL4Address(frontend)) || (backend !== undefined && opened.has(formatL4Address(backend)));

  #judged(
    one: Oriented,
    answer: ServiceAnswer,
    at: L4Address,
    backend: L4Address | undefined,
    fresh: boolean,
  ): AnnotatedFlow {
    const { client, flow } = one;
    return this.#told(
      one,
      answer,
      at,
      backend,
      judgeFlow(answer, {
        client,
        backend,
        fresh,
        drop: flow.drop,
        cookie: flow.socket?.cookie,
        bar: this.#services.barOf(answer),
      }),
    );
  }

  #told(
    one: Oriented,
    { frontend }: ServiceAnswer,
    at: L4Address,
    backend: L4Address | undefined,
    verdict: FlowVerdict,
  ): AnnotatedFlow {
    if (frontend === undefined) return { ...this.#bare(one.flow), ...verdict };
    const pod = backend === undefined ? undefined : this.#services.inventory.podOf(backend.address)?.name;
    return {
      ...this.#bare(one.flow),
      hop: hopOf(one),
      service: serviceText(frontend),
      frontend: { address: formatL4Address(at), type: frontend.type },
      backend: backend === undefined ? undefined : formatEndpoint(backend),
      pod,
      ...verdict,
    };
  }

  /** A peer that no flow connects with a frontend. */
  #unproven(one: Oriented, several = 0): AnnotatedFlow {
    const { inventory } = this.#services;
    const { flow, peer, client } = one;
    const listed = this.#services.servicesOf(peer);
    const others = this.#services.servedByOthers(peer);
    if (others !== undefined) {
      const reason = `${formatL4Address(peer)} is ${others}, and Cilium has no frontend for it in this configuration: others decide`;
      return { ...this.#bare(flow), status: 'undecided', reason };
    }
    if (listed.length === 0 && several === 0) {
      return { ...this.#bare(flow), status: 'no-service', reason: 'neither a frontend nor a backend of a service' };
    }
    const node = inventory.nodeOf(client.address);
    const why =
      several > 1
        ? 'the client port called several frontends that it may be of'
        : node === undefined
          ? 'no flow shows whether by the service or directly'
          : `the source is ${node}: who stands behind it no flow shows`;
    return {
      ...this.#bare(flow),
      hop: hopOf(one),
      backend: formatEndpoint(peer),
      pod: inventory.podOf(peer.address)?.name,
      status: 'undecided',
      reason: `${listed.length === 0 ? 'no backend that the objects list' : `a backend of ${listed.join(', ')}`}; ${why}`,
    };
  }

  #plain(flow: HubbleFlow, told: string): AnnotatedFlow {
    const [status, reason] = told.split(': ') as ['no-service' | 'undecided', string];
    return { ...this.#bare(flow), status, reason };
  }

  #bare({
    line,
    node,
    point,
    socket,
    protocol,
    source,
    destination,
    sport,
    dport,
    drop,
  }: HubbleFlow): Omit<AnnotatedFlow, 'status' | 'reason'> {
    return {
      line,
      node,
      point: socket === undefined ? point : 'socket',
      protocol: protocol === undefined ? undefined : protocolName(protocol),
      source: endText(source, sport),
      destination: endText(destination, dport),
      hop: undefined,
      service: undefined,
      frontend: undefined,
      backend: undefined,
      pod: undefined,
      drop,
    };
  }
}

/** `ip:port`, or the address alone where the line tells no port. */
const endText = (address: IpAddress | undefined, port: number): string | undefined =>
  address === undefined ? undefined : port === 0 ? formatAddress(address) : formatEndpoint({ address, port });

function hopOf({ reply, isFrontend }: Oriented): FlowHop {
  if (reply) return isFrontend ? 'after reverse translation' : 'before reverse translation';
  return isFrontend ? 'before translation' : 'after translation';
}
