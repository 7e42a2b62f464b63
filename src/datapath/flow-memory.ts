import { MAX_USES, Use, USE_BY_PODS, USE_WORDS, UseLog } from '../conntrack/use-log.ts';
import { hashWords, SAME, sameWords } from '../hash/words.ts';
import { copyAddress } from '../net/address.ts';
import { csumApply, csumDiff16, csumDiff32, l4ChecksumOffset, replaceL4Checksum } from '../net/checksum.ts';
import { ETH, IPV4, IPV6, TCP, TcpFlag, UDP } from '../net/headers.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import type { PodInterface } from './pod-family.ts';

/** The programs whose flows are remembered; part of the key. */
export const Program = { XDP: 1, NETDEV: 2, POD: 3, XDP_REPLY: 4, NETDEV_REPLY: 5 } as const;

const FIRST_FLOWS = 256;
const MAX_FLOWS = 65_536;
/** After so many flows learned over others or anew it is asked whether that pays; if not, so many packets pass without being asked about. */
const TRIAL = 4096;
const PAUSE = 65_536;

const CLOSES = TcpFlag.FIN | TcpFlag.RST;
/** In a key's word of the program. */
const SYN = 1 << 24;
/** Words that are inserted at most: a DSR extension header of IPv6. */
const MAX_INSERTED = 6;

/** What becomes of a flow's packets, apart from their headers. */
class Outcome {
  /** `FlowMemory.#changes` when it was learned. */
  changes = 0;
  pod: PodInterface | undefined = undefined;
  act = 0;
  mark = 0;
  transfer = 0;
  dropDirection: HookContext['dropDirection'] = 1;
  redirectKind = 0;
  redirectIfindex = 0;
  fibLookups = 0;
  fibResult = 0;
  fibIfindex = 0;
  /** Changes of TTL and of the sums under the two checksums. */
  ttl = 0;
  l3 = 0;
  l4 = 0;
  /** Bytes inserted behind the IP base header; then the header's word with the length is the same in all packets, and becomes another. */
  inserted = 0;
  lengthWord = 0;
  newLengthWord = 0;
  uses = 0;
}

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
  readonly #headerLength: number = 0;
  readonly #ttlOffset: number = 0;
  /** Of the word of the IP header that has the length. */
  readonly #lengthOffset: number = 0;
  /** Words of a key: addresses, ports, MAC addresses, protocol with program and `Transfer` bits, interface. */
  readonly #keyWords: number = 0;
  /** Words per flow in `#words`: its key, the key's first words as they become, route source and destination, uses, what is inserted. */
  readonly #stride: number = 0;
  readonly #key: Uint32Array;
  #words: Uint32Array = new Uint32Array(0);
  #outcomes: (Outcome | undefined)[] = [];
  /** The packet in hand before its program: its place, TTL, checksums and extent. */
  #slot = -1;
  #found = false;
  #ttl = 0;
  #lengthWord = 0;
  #l3Checksum = 0;
  #l4Checksum = 0;
  #head = 0;
  #length = 0;
  /** What is being learned. */
  #draft = new Outcome();
  #wasted = 0;
  #hitsBefore = 0;
  #displaced = 0;
  #pause = 0;

  constructor(f: NodeFamily) {
    this.#f = f;
    this.#w = f.words;
    this.#headerLength = f.family === 4 ? IPV4.SIZE : IPV6.SIZE;
    this.#ttlOffset = f.family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT;
    this.#lengthOffset = f.family === 4 ? 0 : IPV6.PAYLOAD_LENGTH;
    this.#keyWords = 2 * f.words + 6;
    this.#stride = this.#keyWords + (2 * f.words + 4) + 2 * f.words + MAX_USES * USE_WORDS + MAX_INSERTED;
    this.#key = new Uint32Array(this.#keyWords);
    const { conntrack, nat, pods } = f;
    // Tables that something else watches, or that do not belong together, are not for us.
    if (conntrack.log !== undefined || nat.log !== undefined || nat.conntrack !== conntrack) return;
    this.#enabled = true;
    conntrack.log = this.log;
    nat.log = this.log;
    pods.conntrack.log = this.log;
    pods.conntrack.logAs = USE_BY_PODS;
  }

  /** Nothing is watched: for a program that may end without having asked. */
  idle(): void {
    this.log.active = false;
    this.#slot = -1;
  }

  /**
   * Whether the packet in the context, its headers read, nothing of it changed yet, is of a known flow: then `repeat` is to be called.
   * Otherwise the rest of its program is watched, and `learn` told how it ended.
   */
  knows(ctx: HookContext, program: number): boolean {
    this.idle();
    if (this.#pause > 0) {
      this.#pause--;
      return false;
    }
    if (!this.#enabled || ctx.trace !== undefined || !this.#readKey(ctx, program)) return false;
    if (this.#outcomes.length === 0) this.#resize(FIRST_FLOWS);
    const slot = this.#find();
    this.#slot = slot;
    const known = this.#outcomes[slot];
    this.#lengthWord = ctx.packet.u32(ctx.headers.l3 + this.#lengthOffset);
    if (this.#found && this.#isAsLearned(slot, known!, ctx.pod, this.#lengthWord)) return true;
    this.#watch(ctx);
    this.log.begin();
    return false;
  }

  /** What the rest of the program would do with the packet that `knows` just said to know. */
  repeat(ctx: HookContext): number {
    const slot = this.#slot;
    const known = this.#outcomes[slot]!;
    const { packet, headers } = ctx;
    const f = this.#f;
    const words = this.#words;
    const w = this.#w;
    this.hits++;
    const at = slot * this.#stride;
    const routed = at + this.#keyWords + 2 * w + 4;
    const flags = headers.protocol === Protocol.TCP ? packet.u8(headers.l4 + TCP.FLAGS) : 0;
    for (let i = 0, use = routed + 2 * w; i < known.uses; i++, use += USE_WORDS) {
      this.#use(words[use]!, words[use + 1]!, ctx, flags);
    }
    this.#rewrite(packet, headers, known, at);
    ctx.inserted = known.inserted;
    ctx.mark = known.mark;
    ctx.transfer = known.transfer;
    ctx.dropDirection = known.dropDirection;
    ctx.redirectKind = known.redirectKind;
    ctx.redirectIfindex = known.redirectIfindex;
    ctx.fibFamily = f.family;
    ctx.fibLookups = known.fibLookups;
    ctx.fibResult = known.fibResult;
    ctx.fibIfindex = known.fibIfindex;
    copyAddress(ctx.fibSource, 0, words, routed, w);
    copyAddress(ctx.fibDestination, 0, words, routed + w, w);
    return known.act;
  }

  /** On the view itself: a dozen calls for a few bytes each would take longer than the rest. */
  #rewrite(packet: PacketBuffer, headers: Headers, known: Outcome, at: number): void {
    const { view, head } = packet;
    const f = this.#f;
    const words = this.#words;
    const w = this.#w;
    const l3 = head + headers.l3;
    const l4 = head + headers.l4;
    const after = at + this.#keyWords;
    const ttl = l3 + this.#ttlOffset;
    view.setUint8(ttl, view.getUint8(ttl) + known.ttl);
    if (f.family === 4) view.setUint16(l3 + IPV4.CHECKSUM, csumApply(view.getUint16(l3 + IPV4.CHECKSUM), known.l3));
    replaceL4Checksum(packet, headers.l4, headers.protocol, known.l4);
    packet.setAddress(headers.l3 + f.destinationOffset, w, words, after);
    packet.setAddress(headers.l3 + f.sourceOffset, w, words, after + w);
    view.setUint32(l4, words[after + 2 * w]!);
    view.setUint32(head + ETH.DST, words[after + 2 * w + 1]!);
    view.setUint32(head + ETH.DST + 4, words[after + 2 * w + 2]!);
    view.setUint32(head + ETH.DST + 8, words[after + 2 * w + 3]!);
    if (known.inserted === 0) return;
    view.setUint32(l3 + this.#lengthOffset, known.newLengthWord);
    packet.insert(headers.l3 + this.#headerLength, known.inserted);
    const from = at + this.#stride - MAX_INSERTED;
    const to = headers.l3 + this.#headerLength;
    for (let i = 0; 4 * i < known.inserted; i++) packet.setU32(to + 4 * i, words[from + i]! | 0);
  }

  /** What the program, watched since `knows`, did with the packet. What comes behind it is not remembered. */
  learn(ctx: HookContext, act: number): void {
    const slot = this.#slot;
    const { log } = this;
    this.idle();
    if (slot < 0 || log.spoiled || act < 0 || !isPlain(ctx)) return;
    const { packet, headers, inserted } = ctx;
    if (packet.head !== this.#head - inserted || packet.length !== this.#length + inserted) return;
    if (!this.#takes(slot)) return;
    const outcome = this.#draft;
    const words = this.#words;
    const w = this.#w;
    const at = slot * this.#stride;
    for (let i = 0; i < this.#keyWords; i++) words[at + i] = this.#key[i]!;
    const after = at + this.#keyWords;
    this.#readWords(ctx, inserted, words, after);
    const routed = after + 2 * w + 4;
    copyAddress(words, routed, ctx.fibSource, 0, w);
    copyAddress(words, routed + w, ctx.fibDestination, 0, w);
    for (let i = 0; i < log.count * USE_WORDS; i++) words[routed + 2 * w + i] = log.uses[i]!;
    outcome.pod = ctx.pod;
    outcome.act = act;
    outcome.mark = ctx.mark;
    outcome.transfer = ctx.transfer;
    outcome.dropDirection = ctx.dropDirection;
    outcome.redirectKind = ctx.redirectKind;
    outcome.redirectIfindex = ctx.redirectIfindex;
    outcome.fibLookups = ctx.fibLookups;
    outcome.fibResult = ctx.fibResult;
    outcome.fibIfindex = ctx.fibIfindex;
    outcome.uses = log.count;
    outcome.ttl = packet.u8(headers.l3 + this.#ttlOffset) - this.#ttl;
    outcome.inserted = inserted;
    outcome.lengthWord = this.#lengthWord;
    outcome.newLengthWord = packet.u32(headers.l3 + this.#lengthOffset);
    const to = at + this.#stride - MAX_INSERTED;
    for (let i = 0; 4 * i < inserted; i++) words[to + i] = packet.u32(headers.l3 + this.#headerLength + 4 * i);
    outcome.changes = this.#changes();
    this.#sumUp(outcome, words, at, after);
    const displaced = this.#outcomes[slot];
    if (!this.#explains(ctx, outcome)) {
      this.#outcomes[slot] = undefined;
      return;
    }
    this.#outcomes[slot] = outcome;
    this.#draft = displaced ?? new Outcome();
  }

  /** Fills the key; false for packets that are looked at more closely than it tells. */
  #readKey(ctx: HookContext, program: number): boolean {
    const { packet, headers } = ctx;
    const { l3, l4, protocol } = headers;
    let kind = (ctx.transfer << 16) | (protocol << 8) | program;
    if (ctx.mark !== 0 || ctx.overlay) return false;
    if (headers.fragment || headers.headerLength !== this.#headerLength) return false;
    if (protocol === Protocol.TCP) {
      if (!packet.has(l4, TCP.SIZE)) return false;
      const flags = packet.u8(l4 + TCP.FLAGS);
      if ((flags & CLOSES) !== 0) return false;
      if ((flags & TcpFlag.SYN) !== 0) kind |= SYN;
    } else if (protocol !== Protocol.UDP || !packet.has(l4, UDP.SIZE)) return false;
    // The last hop's packets expire.
    if (packet.u8(l3 + this.#ttlOffset) <= 1) return false;
    const key = this.#key;
    const at = this.#keyWords - 2;
    this.#readWords(ctx, 0, key, 0);
    key[at] = kind;
    key[at + 1] = ctx.ifindex;
    return true;
  }

  /** The words of a packet that become others: destination, source, ports (`inserted` bytes later), MAC addresses. */
  #readWords({ packet, headers }: HookContext, inserted: number, to: Uint32Array, at: number): void {
    const f = this.#f;
    const w = this.#w;
    packet.address(headers.l3 + f.destinationOffset, w, to, at);
    packet.address(headers.l3 + f.sourceOffset, w, to, at + w);
    to[at + 2 * w] = packet.u32(headers.l4 + inserted);
    to[at + 2 * w + 1] = packet.u32(ETH.DST);
    to[at + 2 * w + 2] = packet.u32(ETH.DST + 4);
    to[at + 2 * w + 3] = packet.u32(ETH.DST + 8);
  }

  /** The slot of the key in hand, `#found` there or to be learned there: one of two, so that few flows have to give way. */
  #find(): number {
    const slot = hashWords(this.#key, 0, this.#keyWords) & (this.#outcomes.length - 2);
    this.#found = true;
    if (this.#holds(slot)) return slot;
    if (this.#holds(slot + 1)) return slot + 1;
    this.#found = false;
    if (this.#outcomes[slot] === undefined) return slot;
    return this.#outcomes[slot + 1] === undefined ? slot + 1 : slot + (this.#displaced & 1);
  }

  #holds(slot: number): boolean {
    if (this.#outcomes[slot] === undefined) return false;
    return sameWords(this.#words, slot * this.#stride, this.#key, 0, this.#keyWords) === SAME;
  }

  #isAsLearned(slot: number, known: Outcome, pod: PodInterface | undefined, lengthWord: number): boolean {
    const words = this.#words;
    const at = slot * this.#stride;
    if (known.pod !== pod || known.changes !== this.#changes()) return false;
    if (known.inserted !== 0 && known.lengthWord !== lengthWord) return false;
    for (
      let i = 0, use = at + this.#stride - MAX_INSERTED - MAX_USES * USE_WORDS;
      i < known.uses;
      i++, use += USE_WORDS
    ) {
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
    return (services + rules + places + flows) | 0;
  }

  #watch({ packet, headers }: HookContext): void {
    const { l3, l4, protocol } = headers;
    this.#head = packet.head;
    this.#length = packet.length;
    this.#ttl = packet.u8(l3 + this.#ttlOffset);
    this.#l3Checksum = packet.u16(l3 + IPV4.CHECKSUM);
    this.#l4Checksum = packet.u16(l4 + l4ChecksumOffset(protocol));
  }

  #use(kind: number, row: number, ctx: HookContext, flags: number): void {
    const f = this.#f;
    const { packet } = ctx;
    switch (kind & Use.MASK) {
      case Use.NAT:
        f.nat.table.use(row);
        return;
      case Use.NEIGHBOUR:
        f.tables.neighbours.storeAgain(row, packet.u32(ETH.SRC), packet.u16(ETH.SRC + 4));
        return;
      default: {
        const conntrack = (kind & USE_BY_PODS) === 0 ? f.conntrack : f.pods.conntrack;
        conntrack.repeat(kind, row, flags, packet.length, ctx.now);
      }
    }
  }

  /** The changes of the checksums: what the programs' own steps add up to. */
  #sumUp(outcome: Outcome, words: Uint32Array, before: number, after: number): void {
    const addresses = 2 * this.#w;
    let sum = 0;
    for (let i = 0; i < addresses; i++) {
      if (words[before + i] !== words[after + i]) sum += csumDiff32(words[before + i]!, words[after + i]!);
    }
    const ports = words[before + addresses]!;
    const newPorts = words[after + addresses]!;
    outcome.l4 = ports === newPorts ? sum : sum + csumDiff32(ports, newPorts);
    if (outcome.ttl !== 0) sum += csumDiff16(this.#ttl << 8, (this.#ttl + outcome.ttl) << 8);
    if (outcome.inserted !== 0) sum += csumDiff32(outcome.lengthWord, outcome.newLengthWord);
    const from = before + this.#stride - MAX_INSERTED;
    for (let i = 0; 4 * i < outcome.inserted; i++) sum += csumDiff32(0, words[from + i]!);
    outcome.l3 = sum;
  }

  /** Whether an outcome gives the packet the checksums that its program gave it. One that changes nothing is not of use. */
  #explains({ packet, headers }: HookContext, { l3, l4, inserted }: Outcome): boolean {
    if (l4 === 0) return false;
    if (this.#f.family === 4 && packet.u16(headers.l3 + IPV4.CHECKSUM) !== csumApply(this.#l3Checksum, l3))
      return false;
    const udp = headers.protocol === Protocol.UDP;
    const changed = csumApply(this.#l4Checksum, l4);
    const expected = udp && this.#l4Checksum === 0 ? 0 : udp && changed === 0 ? 0xffff : changed;
    return packet.u16(headers.l4 + inserted + l4ChecksumOffset(headers.protocol)) === expected;
  }

  /** Whether a flow may have a place: what else is there gives way, and if that happens too often there will be more room. */
  #takes(slot: number): boolean {
    if (this.#outcomes[slot] === undefined) return true;
    if (++this.#wasted === TRIAL) this.#judge();
    const size = this.#outcomes.length;
    if (this.#found || ++this.#displaced < size / 4 || size === MAX_FLOWS) return true;
    this.#resize(4 * size);
    return false;
  }

  #resize(size: number): void {
    this.#words = new Uint32Array(size * this.#stride);
    this.#outcomes = Array.from({ length: size }, () => undefined);
    this.#displaced = 0;
  }

  #judge(): void {
    if (this.hits - this.#hitsBefore < TRIAL) this.#pause = PAUSE;
    this.#wasted = 0;
    this.#hitsBefore = this.hits;
  }
}

/** Whether all that became of the packet is in its headers and in the fields that an `Outcome` has. */
const isPlain = (ctx: HookContext): boolean =>
  ctx.answeredReason === 0 &&
  ctx.pushed === 0 &&
  ctx.tunnelVni < 0 &&
  ctx.tunnelOutBytes === 0 &&
  ctx.extError === 0 &&
  ctx.delivered === undefined &&
  !ctx.punt;
