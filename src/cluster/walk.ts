import { type Hook, proxyPortOfMark, type ReceiveOptions, type Verdict } from '../datapath/index.ts';
import type { Trace, TraceEvent } from '../lb/trace.ts';
import { formatAddress, parseAddress } from '../net/address.ts';

import { LbtwinError } from '../errors.ts';
import type { TwinNode } from './twin-node.ts';
import { isIcmpError, type PacketParts, partsOf } from './packet-view.ts';
import { Diary } from './diary.ts';
import type { Hop } from './journey.ts';
import {
  addressOf,
  decapsulated,
  encapsulated,
  forwarded,
  isLoopback,
  readdressed,
  sameWords,
  withMacs,
} from './kernel.ts';
import { dropReasonName } from '../net/drop-reason.ts';
import { type Arrival, isArrival, type Place, type Step, type WalkContext } from './place.ts';
import type { PolicySubject } from './policy-gate.ts';
import { GATEWAY_MAC } from './node-tables.ts';
import { Device } from './options.ts';
import { nodeAddress, routerAddress, type TopologyNode, type TopologyPod } from './topology.ts';

/** Frames that go round are given up after so many hops. */
export const MAX_HOPS = 64;

/** Takes frames from hook to hook until they end somewhere, and keeps the diary. */
export class Walk {
  readonly #diary: Diary;
  readonly #context: WalkContext;
  readonly #direction: Hop['direction'];

  constructor(context: WalkContext, direction: Hop['direction']) {
    this.#context = context;
    this.#diary = new Diary(direction, context.now, context.record);
    this.#direction = direction;
  }

  get hops(): readonly Hop[] {
    return this.#diary.hops;
  }

  run(frame: Uint8Array, place: Place): Arrival {
    let step: Step = { frame, place };
    while (this.#diary.count < MAX_HOPS) {
      const next = this.#next(step);
      if (isArrival(next)) return next;
      step = next;
    }
    return { kind: 'looped' };
  }

  #next(step: Step): Step | Arrival {
    const parts = partsOf(step.frame);
    if (parts === undefined) return { kind: 'undecided', reason: 'the frame holds no whole IP packet' };
    const { place, frame } = step;
    switch (place.at) {
      case 'network':
        return this.#network(frame, parts, place.from, place.via);
      case 'netdev':
        return this.#netdev(frame, place.node);
      case 'overlay':
        return this.#hook(frame, place.node, 'fromOverlay', { tunnelOptions: place.options, ifindex: Device.TUNNEL });
      case 'podOut':
        return this.#podOut(frame, parts, place.node, place.pod);
      case 'podIn':
        return this.#podIn(frame, place.node, place.pod, 'toContainer', place.mark);
      case 'podPolicy':
        return this.#podIn(frame, place.node, place.pod, 'podPolicy', 0);
      case 'stack':
        return this.#stack(frame, parts, place.node, place.mark);
      case 'output':
        return this.#output(frame, parts, place.node);
      default:
        return this.#netdevOut(frame, parts, place.node, place.mark);
    }
  }

  #network(frame: Uint8Array, parts: PacketParts, from: TopologyNode | undefined, via?: TopologyNode): Step | Arrival {
    const { fabric, mtu } = this.#context;
    const judged = fabric.judge(frame, parts, from, mtu);
    if (judged !== undefined) {
      return this.#diary.dropped(frame, 'network', 'network', { code: 0, name: judged.name }, judged.reason);
    }
    const found = via === undefined ? fabric.locate(parts) : ({ kind: 'node', node: via } as const);
    if (found.kind === 'outside') {
      if (from !== undefined) this.#diary.quiet('network', 'out of the cluster', frame, frame);
      return { kind: 'outside', address: found.address, frame, parts };
    }
    if ('assumed' in found && found.assumed !== undefined) this.#context.assume(found.assumed);
    const { node } = found;
    const unwrapped = via === undefined ? this.#ipip(frame, parts, node) : undefined;
    if (unwrapped !== undefined) return unwrapped;
    if (!fabric.isUp(node.name)) {
      return this.#diary.dropped(frame, 'network', 'network', { code: 0, name: 'NODE_DOWN' }, `${node.name} is down`);
    }
    return {
      frame: withMacs(frame, node.mac, from?.mac ?? GATEWAY_MAC),
      place: { at: 'netdev', node: this.#context.node(node) },
    };
  }

  /** DSR by IPIP ends at the backend: a device of its own takes the packet out, no program of Cilium's does. */
  #ipip(frame: Uint8Array, parts: PacketParts, topology: TopologyNode): Arrival | undefined {
    const inner = decapsulated(frame, parts);
    if (inner === undefined || inner.overlay) return undefined;
    const node = this.#context.node(topology);
    const pod = node.podAt(addressOf(parts.family, parts.daddr));
    const innerParts = partsOf(inner.frame);
    if (pod === undefined || innerParts === undefined) return undefined;
    this.#context.assume(
      'Backends open IPIP packets by a device of their own and have the service address (DSR by IPIP needs both).',
    );
    this.#diary.quiet(node.name, 'IPIP device', frame, inner.frame, 'decapsulated');
    return { kind: 'pod', node, pod, frame: inner.frame, parts: innerParts, unwrapped: true };
  }

  #netdev(frame: Uint8Array, node: TwinNode): Step | Arrival {
    if (node.programs.options.acceleration !== 'native') return this.#hook(frame, node, 'fromNetdev', {});
    const { verdict, ended } = this.#receive(frame, node, 'xdp', {});
    if (ended !== undefined) return ended;
    if (verdict.action !== 'XDP_PASS') return { frame: verdict.frame!, place: { at: 'network', from: node.topology } };
    const transfer = verdict.transfer ?? 0;
    return this.#hook(verdict.frame!, node, 'fromNetdev', { transfer });
  }

  /** A tc program at a device, and what the kernel does with its answer. */
  #hook(
    frame: Uint8Array,
    node: TwinNode,
    hook: 'fromNetdev' | 'toNetdev' | 'fromOverlay',
    options: Partial<ReceiveOptions>,
  ): Step | Arrival {
    const { verdict, ended } = this.#receive(frame, node, hook, options);
    return ended ?? this.#follow(verdict, node, hook);
  }

  #follow(verdict: Verdict, node: TwinNode, hook: string): Step | Arrival {
    const frame = verdict.frame!;
    const { tunnel, delivered, mark } = verdict;
    if (delivered !== undefined) {
      return { frame, place: { at: 'podPolicy', node, pod: node.podByIfindex(delivered.ifindex)! } };
    }
    if (tunnel !== undefined) return this.#tunnel(frame, node, tunnel.remote, tunnel.vni, tunnel.options);
    if (verdict.action === 'TC_ACT_REDIRECT' || hook === 'toNetdev') {
      return { frame, place: { at: 'network', from: node.topology } };
    }
    const proxy = proxyPortOfMark(mark);
    if (proxy !== 0) return { kind: 'undecided', reason: `the L7 proxy of ${node.name} takes it, at port ${proxy}` };
    return { frame, place: { at: 'stack', node, mark } };
  }

  /** The tunnel device puts the frame into its tunnel; the outer packet then goes by the network. */
  #tunnel(frame: Uint8Array, node: TwinNode, remote: string, vni: number, options: Uint8Array): Step | Arrival {
    const parts = partsOf(frame)!;
    const protocol = node.programs.tunnelProtocol;
    const source = node.programs.addresses.ipv4;
    if (source === undefined) return { kind: 'undecided', reason: `${node.name} has no IPv4 address to tunnel from` };
    const own = nodeAddress(node.topology, parts.family);
    if (
      own !== undefined &&
      sameWords(own.words, parts.saddr) &&
      routerAddress(node.topology, parts.family) === undefined
    ) {
      this.#context.assumeRouter(node.name);
    }
    const out = encapsulated(frame, parts, {
      protocol,
      port: node.programs.options.tunnelPort,
      source,
      remote: parseAddress(remote),
      vni,
      options,
    });
    this.#diary.quiet(node.name, `${protocol} device`, frame, out);
    return { frame: out, place: { at: 'network', from: node.topology } };
  }

  /** A packet that a process of the node sends: routed like any other, with all its TTL. */
  #output(frame: Uint8Array, parts: PacketParts, node: TwinNode): Step | Arrival {
    const left = this.#leftToKubeProxy(parts, node);
    if (left !== undefined) return left;
    const destination = addressOf(parts.family, parts.daddr);
    if (node.owns(destination) || isLoopback(destination)) return this.#own(frame, parts, node);
    // The host firewall of the sender, where it is on.
    const refused = this.#policy(frame, node, { host: node.name }, 'egress');
    if (refused !== undefined) return refused;
    const pod = node.podAt(destination);
    if (pod !== undefined) {
      this.#diary.quiet(node.name, 'host stack', frame, frame, 'to a pod of this node');
      return { frame: withMacs(frame, pod.mac, pod.nodeMac), place: { at: 'podPolicy', node, pod } };
    }
    const tunnelled = this.#overlay(frame, parts, node);
    if (tunnelled !== undefined) return tunnelled;
    return { frame: withMacs(frame, GATEWAY_MAC, node.topology.mac), place: { at: 'netdevOut', node, mark: 0 } };
  }

  /** What no program has translated meets the kernel's own rules where kube-proxy is not replaced. Answers follow their connection. */
  #leftToKubeProxy(parts: PacketParts, node: TwinNode): Arrival | undefined {
    const reason = this.#direction === 'reply' ? undefined : node.leftToKubeProxy(parts);
    return reason === undefined ? undefined : { kind: 'undecided', reason };
  }

  #stack(frame: Uint8Array, parts: PacketParts, node: TwinNode, mark: number): Step | Arrival {
    const left = this.#leftToKubeProxy(parts, node);
    if (left !== undefined) return left;
    const destination = addressOf(parts.family, parts.daddr);
    if (node.owns(destination)) return this.#own(frame, parts, node);
    const pod = node.podAt(destination);
    const out = forwarded(frame, parts);
    if (out === undefined) {
      return this.#diary.dropped(
        frame,
        node.name,
        'host stack',
        { code: 0, name: 'TTL' },
        'the kernel gives up a packet without TTL',
      );
    }
    if (pod !== undefined) return this.#toLocalPod(frame, out, node, pod, mark);
    if (node.isOwnPodCidr(destination)) {
      const reason = `${formatAddress(destination)} belongs to ${node.name}, and no pod there has it`;
      return this.#diary.dropped(frame, node.name, 'host stack', { code: 0, name: 'NO_POD' }, reason);
    }
    const tunnelled = this.#overlay(out, parts, node);
    if (tunnelled !== undefined) return tunnelled;
    this.#diary.quiet(node.name, 'host stack', frame, out, 'routed out');
    return { frame: withMacs(out, GATEWAY_MAC, node.topology.mac), place: { at: 'netdevOut', node, mark } };
  }

  /** The kernel's route to a pod of the node: straight to its interface, or by cilium_host, whose program hands it on. */
  #toLocalPod(frame: Uint8Array, routed: Uint8Array, node: TwinNode, pod: TopologyPod, mark: number): Step | Arrival {
    if (node.programs.options.endpointRoutes) {
      this.#diary.quiet(node.name, 'host stack', frame, routed, 'to a pod of this node');
      return { frame: withMacs(routed, pod.mac, pod.nodeMac), place: { at: 'podIn', node, pod, mark } };
    }
    const handed = forwarded(routed, partsOf(routed)!);
    if (handed === undefined) {
      return this.#diary.dropped(frame, node.name, 'cilium_host', { code: 196, name: 'TTL_EXCEEDED' }, 'no TTL left');
    }
    this.#diary.quiet(node.name, 'host stack', frame, handed, 'by cilium_host to a pod of this node');
    return { frame: withMacs(handed, pod.mac, pod.nodeMac), place: { at: 'podPolicy', node, pod } };
  }

  /** With overlay routing, what goes to a pod of another node goes by the tunnel. */
  #overlay(frame: Uint8Array, parts: PacketParts, node: TwinNode): Step | Arrival | undefined {
    if (node.programs.options.tunnel === undefined) return undefined;
    const { ipCache } = node.programs.tables.of(parts.family);
    const remote = ipCache.lookup(parts.daddr, 0)?.tunnelEndpoint;
    if (remote === undefined) return undefined;
    const identity = ipCache.lookup(parts.saddr, 0)?.identity ?? 0;
    return this.#tunnel(frame, node, formatAddress(remote), identity, new Uint8Array(0));
  }

  /** A packet to an address of the node itself: a tunnel's, a masqueraded flow's, or some process's. */
  #own(frame: Uint8Array, parts: PacketParts, node: TwinNode): Step | Arrival {
    const inner = decapsulated(frame, parts);
    if (inner !== undefined) {
      this.#diary.quiet(node.name, `${inner.by} device`, frame, inner.frame, 'decapsulated');
      return inner.overlay
        ? { frame: inner.frame, place: { at: 'overlay', node, options: inner.options } }
        : this.#hook(inner.frame, node, 'fromNetdev', {});
    }
    const original = this.#context.masquerade.original(node.name, parts);
    if (original !== undefined) {
      const out = readdressed(frame, parts, 'destination', original.address, original.port);
      this.#diary.quiet(node.name, 'iptables', frame, out, 'masquerading undone');
      return { frame: out, place: { at: 'stack', node, mark: 0 } };
    }
    const shut = this.#policy(frame, node, { host: node.name }, 'ingress');
    return shut ?? { kind: 'host', node, frame, parts };
  }

  #netdevOut(frame: Uint8Array, parts: PacketParts, node: TwinNode, mark: number): Step | Arrival {
    const masqueraded =
      this.#direction === 'reply' ? undefined : this.#context.masquerade.translate(node, frame, parts);
    if (masqueraded !== undefined) this.#diary.quiet(node.name, 'iptables', frame, masqueraded, 'masqueraded');
    return this.#hook(masqueraded ?? frame, node, 'toNetdev', { mark });
  }

  #podOut(frame: Uint8Array, parts: PacketParts, node: TwinNode, pod: TopologyPod): Step | Arrival {
    const { verdict, ended } = this.#receive(frame, node, 'fromContainer', { pod: node.interfaceOf(pod) });
    if (ended !== undefined) return ended;
    const refused = this.#policy(verdict.frame!, node, { pod }, 'egress');
    if (refused !== undefined) return refused;
    const target = node.podByIfindex(verdict.redirect?.ifindex ?? -1);
    if (target === undefined) return this.#follow(verdict, node, 'fromContainer');
    const out = verdict.frame!;
    const found = partsOf(out) ?? parts;
    if (target !== pod) {
      const shut = this.#policy(out, node, { pod: target }, 'ingress');
      if (shut !== undefined) return shut;
    }
    // With endpoint routes the other pod's own program comes next; the program's answers to the sender are final.
    if (node.programs.options.endpointRoutes && !isIcmpError(out, found)) {
      return { frame: out, place: { at: 'podIn', node, pod: target, mark: verdict.mark } };
    }
    return { kind: 'pod', node, pod: target, frame: out, parts: found };
  }

  #podIn(
    frame: Uint8Array,
    node: TwinNode,
    pod: TopologyPod,
    hook: 'toContainer' | 'podPolicy',
    mark: number,
  ): Step | Arrival {
    const refused = this.#policy(frame, node, { pod }, 'ingress');
    if (refused !== undefined) return refused;
    const parts = partsOf(frame)!;
    const sourceIdentity = node.programs.tables.of(parts.family).ipCache.lookup(parts.saddr, 0)?.identity ?? 0;
    const { verdict, ended } = this.#receive(frame, node, hook, { pod: node.interfaceOf(pod), mark, sourceIdentity });
    if (ended !== undefined) return ended;
    const out = verdict.frame!;
    return { kind: 'pod', node, pod, frame: out, parts: partsOf(out) ?? parts };
  }

  /** Asks network policy about a new flow; answers and related packets pass by their conntrack entry. */
  #policy(frame: Uint8Array, node: TwinNode, subject: PolicySubject, side: 'egress' | 'ingress'): Arrival | undefined {
    const { policy } = this.#context;
    const parts = partsOf(frame);
    if (policy === undefined || this.#direction === 'reply' || parts === undefined || isIcmpError(frame, parts)) {
      return undefined;
    }
    const said = policy.check(subject, parts, frame, side);
    const who = 'host' in subject ? `host ${subject.host}` : `${subject.pod.namespace}/${subject.pod.name}`;
    if (said === undefined) return undefined;
    const detail = { match: said.match, rules: said.rules };
    const events: TraceEvent[] = [
      {
        kind: 'decision',
        what: `${side} policy of ${who}`,
        result: said.allowed ? 'allowed' : 'denied',
        detail,
      },
    ];
    const hook = `${side} policy`;
    if (said.allowed) {
      this.#diary.write(
        node.name,
        hook,
        frame,
        frame,
        said.redirect === undefined ? 'allowed' : `to proxy ${said.redirect}`,
        events,
      );
      return undefined;
    }
    const drop = { code: said.code, name: dropReasonName(said.code) };
    this.#diary.write(node.name, hook, frame, undefined, 'denied', events, drop);
    const by = said.rules.length > 0 ? `by ${said.rules.join(', ')}` : 'since no rule allows it and policy is enforced';
    const reason = `${side} of ${who} is denied ${by}`;
    return { kind: 'dropped', drop: this.#diary.drop(drop.code, drop.name, node.name, hook), reason };
  }

  /** Runs a program, writes the hop down, and answers its verdict, or where the packet ended with it. */
  #receive(
    frame: Uint8Array,
    node: TwinNode,
    hook: Hook,
    options: Partial<ReceiveOptions>,
  ): { verdict: Verdict; ended?: Arrival } {
    const events: TraceEvent[] = [];
    const { now, random, record } = this.#context;
    const trace: Trace | undefined = record ? { event: (event) => events.push(event) } : undefined;
    let verdict: Verdict;
    try {
      verdict = node.receive(hook, frame, {
        now,
        random,
        ...(trace === undefined ? {} : { trace }),
        ...options,
      });
    } catch (error) {
      if (!(error instanceof LbtwinError) || error.code !== 'not-modelled') throw error;
      this.#diary.write(node.name, hook, frame, undefined, 'undecided', events);
      return { verdict: { action: 'TC_ACT_OK', mark: 0 }, ended: { kind: 'undecided', reason: error.reason } };
    }
    const { drop } = verdict;
    const lost = verdict.frame === undefined;
    this.#diary.write(node.name, hook, frame, verdict.frame, verdict.action, events, drop);
    if (!lost || drop === undefined) return { verdict };
    const { code, name } = drop;
    return { verdict, ended: { kind: 'dropped', drop: this.#diary.drop(code, name, node.name, hook) } };
  }
}
