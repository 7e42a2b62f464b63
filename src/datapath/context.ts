import { CtState } from '../conntrack/entry.ts';
import { createTuple, type CtTuple } from '../conntrack/tuple.ts';
import { swap16 } from '../lb/layout.ts';
import type { RandomU32 } from '../lb/select.ts';
import type { Trace } from '../lb/trace.ts';
import { Headers } from '../net/parse.ts';
import { PacketBuffer } from '../net/packet-buffer.ts';
import type { LocalEndpoint } from '../node/tables.ts';
import { MetricDirection } from './metrics.ts';
import type { PodInterface } from './pod-family.ts';

/** What a program answers to its caller; drops are negative drop reasons. */
export const Act = { OK: 0, REDIRECT: 1, TRANSMIT: 2 } as const;

/** Bits that the XDP program hands to the tc program behind it. */
export const Transfer = { NO_SERVICE: 1, SNAT_DONE: 4 } as const;

/** The mark of a packet whose source was translated, and the part of the mark it lies in. */
export const Mark = { SNAT_DONE: 0x0300, MASK: 0x0f00 } as const;

/** Kinds of mark, in `Mark.MASK`, that pods' programs give and take. */
const MARK_TO_PROXY = 0x0200;
const MARK_FROM_EGRESS_PROXY = 0x0b00;
const MARK_IDENTITY = 0x0f00;

/** The mark of a packet from a pod with a security identity (24 bits). */
export const identityMark = (identity: number): number =>
  (((identity & 0xffff) << 16) | MARK_IDENTITY | ((identity >>> 16) & 0xff)) >>> 0;

/** The identity in a mark of that kind, or -1. */
export const identityOfMark = (mark: number): number =>
  (mark & Mark.MASK) === MARK_IDENTITY ? ((mark & 0xff) << 16) | (mark >>> 16) : -1;

/** The mark of a packet for an L7 proxy: the port lies in it in network order. */
export const proxyMark = (port: number): number => ((swap16(port) << 16) | MARK_TO_PROXY) >>> 0;

/** The port in a mark of that kind, or 0. */
export const proxyPortOfMark = (mark: number): number =>
  (mark & Mark.MASK) === MARK_TO_PROXY ? swap16(mark >>> 16) : 0;

export const isFromEgressProxy = (mark: number): boolean => (mark & Mark.MASK) === MARK_FROM_EGRESS_PROXY;

/** How a packet leaves by an interface. */
export const RedirectKind = { NONE: 0, REDIRECT: 1, REDIRECT_NEIGH: 2 } as const;

const NO_OPTIONS = new Uint8Array(0);

/** The highest tunnel option that is made: a DSR option with an IPv6 address. */
const MAX_TUNNEL_OPTIONS = 24;

/**
 * One packet on its way through a hook: the frame, what the hook was given with it, scratch space of the programs, and what
 * they decided. A node has one and uses it again for each packet; nothing in it outlives the next.
 */
export class HookContext {
  readonly packet: PacketBuffer;
  readonly headers: Headers = new Headers();
  /** True in the XDP program, false in tc programs. */
  xdp = false;
  /** True in the programs of the tunnel device. */
  overlay = false;
  /** Datapath clock in seconds, u32. */
  now = 0;
  /** The same clock in nanoseconds. */
  nowNs = 0;
  random: RandomU32 = () => 0;
  trace: Trace | undefined = undefined;
  /** The interface that the packet came in by, or leaves by. */
  ifindex = 0;
  mark = 0;
  /** The pod whose program runs; pods' hooks only. */
  pod: PodInterface | undefined = undefined;
  /** Security identity of the source that another program tells a pod's; `podPolicy` only. */
  sourceIdentity = 0;
  /** `Transfer` bits: from the XDP program, or, in it, for the tc program. */
  transfer = 0;
  /** Tunnel metadata that came with the packet. */
  tunnelOptions: Uint8Array = NO_OPTIONS;

  // Scratch space.

  /** The packet's tuple, by family. */
  readonly tuple4: CtTuple = createTuple(4);
  readonly tuple6: CtTuple = createTuple(6);
  /** A second tuple, by family. */
  readonly other4: CtTuple = createTuple(4);
  readonly other6: CtTuple = createTuple(6);
  readonly serviceState: CtState = new CtState();
  readonly state: CtState = new CtState();
  /** The service that a packet was sent to: address in words 0..3, port in word 4. */
  readonly service: Uint32Array = new Uint32Array(5);

  // Decisions.

  /** Direction in which a drop is counted. */
  dropDirection: MetricDirection = MetricDirection.INGRESS;
  /** The detail that goes with a drop reason: a negative errno, or a route lookup's answer. */
  extError = 0;
  redirectKind = 0;
  redirectIfindex = 0;
  /** The local endpoint whose policy program takes over. */
  delivered: LocalEndpoint | undefined = undefined;
  /** The last route lookup, if `fibLookups` is not 0. */
  readonly fibSource: Uint32Array = new Uint32Array(4);
  readonly fibDestination: Uint32Array = new Uint32Array(4);
  fibFamily: 4 | 6 = 4;
  fibResult = 0;
  fibIfindex = 0;
  fibLookups = 0;
  /** A tunnel key set on the packet: its VNI, or -1. */
  tunnelVni = -1;
  tunnelRemote = 0;
  readonly tunnelOut: Uint8Array = new Uint8Array(MAX_TUNNEL_OPTIONS);
  readonly tunnelView: DataView = new DataView(this.tunnelOut.buffer);
  tunnelOutBytes = 0;
  /** Bytes that were put in behind the packet's IP base header. */
  inserted = 0;
  /** Bytes that an encapsulation put before the packet's own IP header. */
  pushed = 0;
  /** The packet is the kernel's: no local delivery by the program. */
  punt = false;
  /** A reason that was counted as a drop although an answer is sent. */
  answeredReason = 0;

  constructor(packet: PacketBuffer = new PacketBuffer()) {
    this.packet = packet;
  }

  /** Forgets the packet before. */
  reset(): void {
    this.mark = 0;
    this.pod = undefined;
    this.transfer = 0;
    this.tunnelOptions = NO_OPTIONS;
    this.dropDirection = MetricDirection.INGRESS;
    this.extError = 0;
    this.redirectKind = RedirectKind.NONE;
    this.redirectIfindex = 0;
    this.delivered = undefined;
    this.fibLookups = 0;
    this.tunnelVni = -1;
    this.tunnelOutBytes = 0;
    this.inserted = 0;
    this.pushed = 0;
    this.punt = false;
    this.answeredReason = 0;
    this.trace = undefined;
  }

  get tuple(): CtTuple {
    return this.headers.family === 4 ? this.tuple4 : this.tuple6;
  }

  get other(): CtTuple {
    return this.headers.family === 4 ? this.other4 : this.other6;
  }

  /** Marks the packet as source-translated, for the programs behind this one. */
  snatDone(): void {
    if (this.xdp) this.transfer |= Transfer.SNAT_DONE;
    else this.mark = (this.mark & ~Mark.MASK) | Mark.SNAT_DONE;
  }

  get isSnatDone(): boolean {
    return (this.mark & Mark.MASK) === Mark.SNAT_DONE;
  }

  /** Sends the packet by an interface. */
  redirect(kind: number, ifindex: number): number {
    this.redirectKind = kind;
    this.redirectIfindex = ifindex;
    return Act.REDIRECT;
  }

  /** Sends the packet by an interface, its MAC addresses being right. */
  redirectTo(ifindex: number): number {
    return this.redirect(RedirectKind.REDIRECT, ifindex);
  }

  /** Sends the packet back by the interface that it came in by. */
  redirectSelf(): number {
    if (this.xdp) return Act.TRANSMIT;
    return this.redirect(RedirectKind.REDIRECT, this.ifindex);
  }
}
