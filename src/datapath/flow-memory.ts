import { Use, USE_BY_PODS, USE_WORDS, UseLog } from '../conntrack/use-log.ts';
import { copyAddress, storeAddress } from '../net/address.ts';
import type { FrameSpec } from '../net/frame.ts';
import { ETH, IPV6, TCP, TcpFlag, UDP } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import { ZERO_MAC } from '../node/mac.ts';
import type { HookContext } from './context.ts';
import { FlowHeaders } from './flow-headers.ts';
import {
  FlowRecords,
  FlowWord,
  isPushed,
  packOutcome,
  ttlOf,
  type TranslatedFlow,
  unpackOutcome,
  usesOf,
} from './flow-records.ts';
import type { NodeFamily } from './node-family.ts';
import type { PodInterface } from './pod-family.ts';

/** The programs whose flows are remembered; part of the key. Replies have programs of their own where DSR looks at them first. */
export const Program = { XDP: 1, NETDEV: 2, POD: 3, XDP_REPLY: 4, NETDEV_REPLY: 5 } as const;

/** After so many flows learned over others or anew it is asked whether that pays; if not, so many packets pass without being asked about. */
const TRIAL = 4096;
const PAUSE = 65_536;

const CLOSES = TcpFlag.FIN | TcpFlag.RST;
/** Bits that a key and an outcome have room for: `Transfer`, and one more. */
const TRANSFER_BITS = 15;
const TARGETS = 256;
/** In a key's word of the program. */
const SYN = 1 << 24;

/**
 * Flows whose packets have no decision left to make (docs/performance.md): what a packet used and what became of it is remembered, and the
 * next one of its flow gets the same without lookups. Nothing here knows what the programs do: a flow is learned by watching them.
 * What was learned holds for packets that are alike in all that the programs look at, as long as no entry of a map that they read is
 * changed or deleted, and the flow's own conntrack entries say what they said.
 */
export class FlowMemory {
  readonly log: UseLog = new UseLog();
  /** Packets that were answered from memory. */
  hits = 0;
  readonly #f: NodeFamily;
  readonly #enabled: boolean = false;
  readonly #w: number = 1;
  readonly #keepsSyn: boolean = false;
  readonly #records: FlowRecords;
  readonly #headers: FlowHeaders;
  /** Words: addresses, ports, MAC addresses, protocol with program and `Transfer` bits, interface. */
  readonly #key: Uint32Array;
  /** Interfaces of pods by record; part of the key. */
  #pods: (PodInterface | undefined)[] = [];
  /** Where the record of the packet in hand is, or -1. */
  #at = -1;
  /** Whether the packet in hand, if it is not known, can be learned: the key is its. */
  #learns = false;
  /** The program that asked about the packet in hand; 0 if none did. */
  #asked = 0;
  /** Not 0 for addresses that known flows go to, by `foldAddress`, and for others of that number. */
  readonly #targets = new Uint8Array(TARGETS);
  #wasted = 0;
  #hitsBefore = 0;
  #pause = 0;

  constructor(f: NodeFamily) {
    this.#f = f;
    this.#w = f.words;
    this.#keepsSyn = f.node.options.mode !== 'snat';
    const changing = 2 * f.words + 4;
    this.#key = new Uint32Array(changing + 2);
    this.#records = new FlowRecords(f.words, this.#key.length, changing);
    this.#headers = new FlowHeaders(f, this.#records);
    const { conntrack, nat, pods } = f;
    // Tables that something else watches, or that do not belong together, are not for us.
    if (conntrack.log !== undefined || nat.log !== undefined || nat.conntrack !== conntrack) return;
    this.#enabled = true;
    conntrack.log = this.log;
    nat.log = this.log;
    pods.conntrack.log = this.log;
    pods.conntrack.logAs = USE_BY_PODS;
  }

  /** Nothing is watched and nothing was asked: at the beginning of a program. */
  idle(): void {
    this.log.active = false;
    this.#learns = false;
    this.#asked = 0;
  }

  /**
   * `knows` at the very beginning, for packets to addresses that known flows go to: others would pay for it and have nothing of it. What comes
   * between here and the program's `knows` must follow from the key and the maps.
   */
  recalls(ctx: HookContext, program: number): boolean {
    const at = ctx.packet.head + ctx.headers.l3 + this.#f.destinationOffset;
    return this.#targets[foldAddress(ctx.packet.view, at, this.#w)] !== 0 && this.#ask(ctx, program, ctx.transfer);
  }

  /**
   * Whether the packet in the context, its headers read, nothing of it changed yet, is of a known flow: then `repeat` is to be called.
   * Otherwise the rest of its program is watched, and `learn` told how it ended.
   * @param transfer what the program was given
   */
  knows(ctx: HookContext, program: number, transfer: number = ctx.transfer): boolean {
    if (this.#asked !== program && this.#ask(ctx, program, transfer)) return true;
    if (this.#learns) {
      this.#headers.watch(ctx);
      this.log.begin();
    }
    return false;
  }

  #ask(ctx: HookContext, program: number, transfer: number): boolean {
    this.idle();
    this.#asked = program;
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    if (!this.#enabled || ctx.trace !== undefined || !this.#readKey(ctx, program, transfer)) return false;
    this.#learns = true;
    const at = this.#records.find(this.#key);
    this.#at = at;
    const headers = this.#headers;
    headers.length = ctx.packet.u16(ctx.headers.l3 + headers.lengthOffset);
    return at >= 0 && this.#isAsLearned(at, ctx.pod);
  }

  /** What the rest of the program would do with the packet that `knows` just said to know. */
  repeat(ctx: HookContext): number {
    const at = this.#at;
    const { packet, headers } = ctx;
    const flags = headers.protocol === Protocol.TCP ? packet.u8(headers.l4 + TCP.FLAGS) : 0;
    this.#useAll(at, ctx, flags, packet.length, packet.u32(ETH.SRC) | 0, packet.u16(ETH.SRC + 4));
    this.#headers.rewrite(packet, headers, at);
    return this.#decide(at, ctx);
  }

  /**
   * `knows` for the packet that `flow` stands for, without SYN, FIN and RST, at the XDP program: the context is prepared, but there are no bytes.
   * @param length of the IP packet
   */
  knowsFlow(ctx: HookContext, program: number, flow: FrameSpec, ttl: number, length: number): boolean {
    this.idle();
    if (this.#pause > 0 || ctx.mark !== 0) return false;
    const key = this.#key;
    const w = this.#w;
    const { sport = 0, dport = 0, sourceMac = ZERO_MAC, destinationMac = ZERO_MAC } = flow;
    storeAddress(key, 0, flow.destination.words);
    storeAddress(key, w, flow.source.words);
    key[2 * w] = (sport << 16) | dport;
    key[2 * w + 1] = destinationMac.high;
    key[2 * w + 2] = (destinationMac.low << 16) | (sourceMac.high >>> 16);
    key[2 * w + 3] = (sourceMac.high << 16) | sourceMac.low;
    key[2 * w + 4] = (ctx.transfer << 16) | (flow.protocol << 8) | program;
    key[2 * w + 5] = ctx.ifindex;
    this.#headers.ttl = ttl;
    this.#headers.length = this.#f.family === 4 ? length : length - IPV6.SIZE;
    const at = this.#records.find(key);
    this.#at = at;
    return at >= 0 && this.#isAsLearned(at, ctx.pod);
  }

  /** `repeat` for a packet that `knowsFlow` knows; what the flow becomes goes to `out`. @param length of the IP packet */
  repeatFlow(ctx: HookContext, flow: FrameSpec, ttl: number, length: number, out: TranslatedFlow): number {
    const at = this.#at;
    const w = this.#w;
    const { words, after } = this.#records;
    const { protocol, sourceMac = ZERO_MAC } = flow;
    const flags = protocol === Protocol.TCP ? flow.tcpFlags! : 0;
    this.#useAll(at, ctx, flags, ETH.SIZE + length, sourceMac.high | 0, sourceMac.low);
    // With an outer header what is inside stays as it was.
    const to = at + (isPushed(words[at + FlowWord.OUTCOME]!) ? FlowWord.KEY : after);
    const ports = words[to + 2 * w]!;
    copyAddress(out.destination, 0, words, to, w);
    copyAddress(out.source, 0, words, to + w, w);
    out.family = this.#f.family;
    out.protocol = protocol;
    out.sport = ports >>> 16;
    out.dport = ports & 0xffff;
    out.ttl = ttl - ttlOf(words[at + FlowWord.OUTCOME]!);
    return this.#decide(at, ctx);
  }

  /** Does again what the first packet did to the entries of the flow. */
  #useAll(at: number, ctx: HookContext, flags: number, length: number, macHigh: number, macLow: number): void {
    const { words, uses } = this.#records;
    this.hits++;
    for (let i = usesOf(words[at + FlowWord.OUTCOME]!), use = at + uses; i > 0; i--, use += USE_WORDS) {
      this.#use(words[use]!, words[use + 1]!, ctx, flags, length, macHigh, macLow);
    }
  }

  /** Puts what was decided into the context; answers `Act`. */
  #decide(at: number, ctx: HookContext): number {
    const { words, route } = this.#records;
    const w = this.#w;
    const outcome = words[at + FlowWord.OUTCOME]!;
    const added = words[at + FlowWord.ADDED]!;
    if (added !== 0) {
      if (isPushed(outcome)) ctx.pushed = added;
      else ctx.inserted = added;
    }
    ctx.mark = words[at + FlowWord.MARK]!;
    ctx.redirectIfindex = words[at + FlowWord.REDIRECT_IFINDEX]!;
    ctx.fibFamily = this.#f.family;
    ctx.fibIfindex = words[at + FlowWord.FIB_IFINDEX]!;
    copyAddress(ctx.fibSource, 0, words, at + route, w);
    copyAddress(ctx.fibDestination, 0, words, at + route + w, w);
    return unpackOutcome(ctx, outcome);
  }

  /** What the program, watched since `knows`, did with the packet. What comes behind it is not remembered. */
  learn(ctx: HookContext, act: number): void {
    const { log } = this;
    const learns = this.#learns;
    this.idle();
    if (!learns || log.spoiled || act < 0 || !isPlain(ctx)) return;
    const headers = this.#headers;
    const added = headers.added(ctx);
    if (added < 0) return;
    const outcome = packOutcome(ctx, act, log.count, headers.hops(ctx));
    if (outcome < 0) return;
    const at = this.#place();
    const { words, route, uses, stride } = this.#records;
    const w = this.#w;
    copyAddress(words, at + route, ctx.fibSource, 0, w);
    copyAddress(words, at + route + w, ctx.fibDestination, 0, w);
    for (let i = 0; i < log.count * USE_WORDS; i++) words[at + uses + i] = log.uses[i]!;
    words[at + FlowWord.CHANGES] = this.#changes();
    words[at + FlowWord.MARK] = ctx.mark;
    words[at + FlowWord.REDIRECT_IFINDEX] = ctx.redirectIfindex;
    words[at + FlowWord.FIB_IFINDEX] = ctx.fibIfindex;
    if (ctx.pod !== undefined) this.#pods[at / stride] = ctx.pod;
    this.#targets[foldWords(this.#key, w)] = 1;
    words[at + FlowWord.OUTCOME] = headers.learn(ctx, at, added) ? outcome : 0;
  }

  /** Fills the key; false for packets that are looked at more closely than it tells. */
  #readKey(ctx: HookContext, program: number, transfer: number): boolean {
    const { packet, headers } = ctx;
    const { l3, l4, protocol } = headers;
    let kind = (transfer << 16) | (protocol << 8) | program;
    if (ctx.mark !== 0 || ctx.overlay) return false;
    // A caller's own bits beside those of `Transfer` have no place in the key.
    if ((transfer & ~TRANSFER_BITS) !== 0) return false;
    if (headers.fragment || headers.headerLength !== this.#headers.headerLength) return false;
    if (protocol === Protocol.TCP) {
      if (!packet.has(l4, TCP.SIZE)) return false;
      const flags = packet.u8(l4 + TCP.FLAGS);
      if ((flags & CLOSES) !== 0) return false;
      if ((flags & TcpFlag.SYN) !== 0) {
        // The first of a flow; only where it carries more than the others is it worth the trouble.
        if (!this.#keepsSyn) return false;
        kind |= SYN;
      }
    } else if (protocol !== Protocol.UDP || !packet.has(l4, UDP.SIZE)) return false;
    const ttl = packet.u8(l3 + this.#headers.ttlOffset);
    // The last hop's packets expire.
    if (ttl <= 1) return false;
    const key = this.#key;
    this.#headers.ttl = ttl;
    this.#headers.readWords(ctx, 0, key, 0);
    key[2 * this.#w + 4] = kind;
    key[2 * this.#w + 5] = ctx.ifindex;
    return true;
  }

  #isAsLearned(at: number, pod: PodInterface | undefined): boolean {
    const { words, uses, stride, inserted } = this.#records;
    if (words[at + FlowWord.OUTCOME] === 0 || words[at + FlowWord.CHANGES] !== this.#changes()) return false;
    if (pod !== undefined && this.#pods[at / stride] !== pod) return false;
    // A pod's packet may pass two hops of the node: its own, and one back to a proxy.
    if (this.#headers.ttl <= ttlOf(words[at + FlowWord.OUTCOME]!)) return false;
    // Where something is added, a longer packet might be too long.
    if (words[at + FlowWord.ADDED] !== 0 && this.#headers.length > words[at + inserted]!) return false;
    for (let i = usesOf(words[at + FlowWord.OUTCOME]!), use = at + uses; i > 0; i--, use += USE_WORDS) {
      const kind = words[use]!;
      if ((kind & Use.MASK) > Use.CT_READ) continue;
      const conntrack = (kind & USE_BY_PODS) === 0 ? this.#f.conntrack : this.#f.pods.conntrack;
      if (!conntrack.isAsNoted(kind, words[use + 1]!, words[use + 2]!, words[use + 3]!)) return false;
    }
    return true;
  }

  /** Counts up whenever something changes that a program could have met, apart from new flows. */
  #changes(): number {
    const { lb, tables, conntrack, nat } = this.#f;
    const services = lb.services.changes + lb.backends.changes + lb.reverseNat.changes;
    const rules = lb.sourceRanges.changes + lb.skipLb.changes;
    const places = tables.endpoints.changes + tables.routes.changes + tables.ipCache.changes;
    const flows = tables.neighbours.changes + conntrack.tcp.changes + conntrack.any.changes + nat.table.changes;
    return (services + rules + places + flows) >>> 0;
  }

  #use(
    kind: number,
    row: number,
    ctx: HookContext,
    flags: number,
    length: number,
    macHigh: number,
    macLow: number,
  ): void {
    const f = this.#f;
    switch (kind & Use.MASK) {
      case Use.NAT:
        f.nat.table.use(row);
        return;
      case Use.NEIGHBOUR:
        f.tables.neighbours.storeAgain(row, macHigh, macLow);
        return;
      default: {
        const conntrack = (kind & USE_BY_PODS) === 0 ? f.conntrack : f.pods.conntrack;
        conntrack.repeat(kind, row, flags, length, ctx.now);
      }
    }
  }

  /** Where what was learned goes. If too much goes over others or is learned anew it is asked whether that pays. */
  #place(): number {
    const at = this.#at;
    if ((at >= 0 || this.#records.isFull) && ++this.#wasted === TRIAL) this.#judge();
    return at >= 0 ? at : this.#records.add(this.#key);
  }

  #judge(): void {
    if (this.hits - this.#hitsBefore < TRIAL) this.#pause = PAUSE;
    this.#wasted = 0;
    this.#hitsBefore = this.hits;
  }
}

const fold = (word: number): number => {
  const half = word ^ (word >>> 16);
  return (half ^ (half >>> 8)) & (TARGETS - 1);
};

/** Of the address at `at`, a number below `TARGETS`. */
function foldAddress(view: DataView, at: number, words: number): number {
  let word = view.getInt32(at);
  if (words > 1) word ^= view.getInt32(at + 4) ^ view.getInt32(at + 8) ^ view.getInt32(at + 12);
  return fold(word);
}

/** The same of an address's words. */
const foldWords = (key: Uint32Array, words: number): number =>
  fold(words === 1 ? key[0]! : key[0]! ^ key[1]! ^ key[2]! ^ key[3]!);

/** Whether all that became of the packet is in its headers and in what a record has of the context. */
const isPlain = (ctx: HookContext): boolean =>
  ctx.answeredReason === 0 &&
  ctx.tunnelVni < 0 &&
  ctx.tunnelOutBytes === 0 &&
  ctx.extError === 0 &&
  ctx.delivered === undefined &&
  !ctx.punt;
