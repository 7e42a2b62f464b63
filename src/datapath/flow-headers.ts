import { csumApply, csumDiff16, csumDiff32, l4ChecksumOffset, replaceL4Checksum } from '../net/checksum.ts';
import { ETH, IPV4, IPV6 } from '../net/headers.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import { type FlowRecords, FlowWord, isPushed, ttlOf } from './flow-records.ts';
import type { NodeFamily } from './node-family.ts';

/** All bits of a checksum. */
const ONES = 0xffff;

/**
 * What became of the headers of a flow's packet: read off the packet before and after its program, and done again to the next one. Addresses, ports,
 * MAC addresses, TTL and checksums change; an option or extension header may come behind the IP base header, or (IPIP) a copy of it before.
 */
export class FlowHeaders {
  /** Of the packet in hand, before its program. */
  ttl = 0;
  /** What the IP header of the packet in hand says before its program: the whole length, for IPv6 without the header. */
  length = 0;
  readonly headerLength: number = 0;
  readonly ttlOffset: number = 0;
  readonly lengthOffset: number = 0;
  /** Of the word that has the length. */
  readonly #lengthWordOffset: number = 0;
  /** Of the half word of TTL and protocol, or next header and hop limit. */
  readonly #halfOffset: number = 0;
  readonly #f: NodeFamily;
  readonly #records: FlowRecords;
  readonly #w: number = 1;
  #l3Checksum = 0;
  #l4Checksum = 0;
  #head = 0;
  #frameLength = 0;
  #lengthWord = 0;

  constructor(f: NodeFamily, records: FlowRecords) {
    this.#f = f;
    this.#records = records;
    this.#w = f.words;
    this.headerLength = f.family === 4 ? IPV4.SIZE : IPV6.SIZE;
    this.ttlOffset = f.family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT;
    this.lengthOffset = f.family === 4 ? IPV4.TOTAL_LENGTH : IPV6.PAYLOAD_LENGTH;
    this.#lengthWordOffset = f.family === 4 ? 0 : IPV6.PAYLOAD_LENGTH;
    this.#halfOffset = f.family === 4 ? IPV4.TTL : IPV6.NEXT_HEADER;
  }

  /** The words of a packet that become others: destination, source, ports (`added` bytes later), MAC addresses. */
  readWords({ packet, headers }: HookContext, added: number, to: Uint32Array, at: number): void {
    const f = this.#f;
    const w = this.#w;
    packet.address(headers.l3 + f.destinationOffset, w, to, at);
    packet.address(headers.l3 + f.sourceOffset, w, to, at + w);
    to[at + 2 * w] = packet.u32(headers.l4 + added);
    to[at + 2 * w + 1] = packet.u32(ETH.DST);
    to[at + 2 * w + 2] = packet.u32(ETH.DST + 4);
    to[at + 2 * w + 3] = packet.u32(ETH.DST + 8);
  }

  /** Remembers the packet before its program, for `learn`. */
  watch({ packet, headers }: HookContext): void {
    const { l3, l4, protocol } = headers;
    this.#head = packet.head;
    this.#frameLength = packet.length;
    this.#lengthWord = packet.u32(l3 + this.#lengthWordOffset);
    this.#l3Checksum = packet.u16(l3 + IPV4.CHECKSUM);
    this.#l4Checksum = packet.u16(l4 + l4ChecksumOffset(protocol));
  }

  /** Bytes that the program added to the watched packet, in one place; -1 if it is longer or shorter otherwise. */
  added({ packet, inserted, pushed }: HookContext): number {
    const added = inserted + pushed;
    if (packet.head !== this.#head - added || packet.length !== this.#frameLength + added) return -1;
    // A length that is no more than this will not overflow either.
    if (this.length + added > ONES) return -1;
    if (pushed === 0) return added;
    // Tunnels push more. With the defect off the outer header's checksum is computed anew, not amended.
    const { dsrDispatch, defects } = this.#f.node.options;
    const copied = dsrDispatch === 'ipip' && (this.#f.family === 6 || defects.ipip4OuterOptions);
    return copied && inserted === 0 && pushed === this.headerLength ? added : -1;
  }

  /** What was taken off the TTL; an outer header has one of its own. */
  hops({ packet, headers, pushed }: HookContext): number {
    return pushed > 0 ? 0 : this.ttl - packet.u8(headers.l3 + this.ttlOffset);
  }

  /**
   * Writes to the record whose key is there what became of the watched packet. False if doing it again would not give
   * the packet the checksums that its program gave it, and for what changes nothing, which is of no use.
   */
  learn(ctx: HookContext, at: number, added: number): boolean {
    const { packet, headers, pushed } = ctx;
    const { words, after, inserted: option } = this.#records;
    this.readWords(ctx, added, words, at + after);
    words[at + FlowWord.ADDED] = added;
    const word = packet.u32(headers.l3 + this.#lengthWordOffset);
    words[at + option] = this.length;
    words[at + option + 1] = word - this.#lengthWord;
    // For IPv6 next header and hop limit are in that word: what inserts leaves the hop limit alone, and of an outer header they are written by themselves.
    if (pushed > 0) words[at + option + 2] = packet.u16(headers.l3 + this.#halfOffset);
    else {
      for (let i = 0; 4 * i < added; i++) {
        words[at + option + 2 + i] = packet.u32(headers.l3 + this.headerLength + 4 * i);
      }
    }
    this.#sumUp(ctx, at, csumDiff32(this.#lengthWord, word));
    return this.#explains(ctx, at);
  }

  /** Does to a packet of the flow, unchanged so far, what was learned. On the view itself: a dozen calls for a few bytes each would take longer than the rest. */
  rewrite(packet: PacketBuffer, headers: Headers, at: number): void {
    const f = this.#f;
    const w = this.#w;
    const { words, after } = this.#records;
    const outcome = words[at + FlowWord.OUTCOME]!;
    if (isPushed(outcome)) {
      this.#push(packet, headers.l3, at);
      return;
    }
    const { view, head } = packet;
    const l3 = head + headers.l3;
    const to = at + after;
    const ttl = l3 + this.ttlOffset;
    view.setUint8(ttl, view.getUint8(ttl) - ttlOf(outcome));
    if (f.family === 4) {
      const checksum = l3 + IPV4.CHECKSUM;
      view.setUint16(checksum, csumApply(view.getUint16(checksum), words[at + FlowWord.L3_CHANGE]!));
    }
    replaceL4Checksum(packet, headers.l4, headers.protocol, words[at + FlowWord.L4_CHANGE]!);
    view.setUint32(head + headers.l4, words[to + 2 * w]!);
    this.#writeAddresses(packet, headers.l3, to);
    const added = words[at + FlowWord.ADDED]!;
    if (added !== 0) this.#insert(packet, headers.l3, at + this.#records.inserted, added);
  }

  #writeAddresses(packet: PacketBuffer, l3: number, to: number): void {
    const { view, head } = packet;
    const f = this.#f;
    const w = this.#w;
    const { words } = this.#records;
    packet.setAddress(l3 + f.destinationOffset, w, words, to);
    packet.setAddress(l3 + f.sourceOffset, w, words, to + w);
    view.setUint32(head + ETH.DST, words[to + 2 * w + 1]!);
    view.setUint32(head + ETH.DST + 4, words[to + 2 * w + 2]!);
    view.setUint32(head + ETH.DST + 8, words[to + 2 * w + 3]!);
  }

  #insert(packet: PacketBuffer, l3: number, from: number, bytes: number): void {
    const { words } = this.#records;
    const to = l3 + this.headerLength;
    const at = l3 + this.#lengthWordOffset;
    // Signed words: V8 may pass an unsigned one as an object on the heap.
    packet.setU32(at, (packet.u32(at) + words[from + 1]!) | 0);
    packet.makeRoom(to, bytes);
    for (let i = 0; 4 * i < bytes; i++) packet.setU32(to + 4 * i, words[from + 2 + i]! | 0);
  }

  /** IPIP: a copy of the base header comes in front, and it is this one that changes. */
  #push(packet: PacketBuffer, l3: number, at: number): void {
    const { headerLength } = this;
    const { words, after, inserted } = this.#records;
    packet.makeRoom(l3, headerLength);
    const { view, head } = packet;
    const to = (head + l3) | 0;
    const from = (to + headerLength) | 0;
    for (let i = 0; i < headerLength; i += 4) view.setInt32(to + i, view.getInt32(from + i, true), true);
    const half = words[at + inserted + 2]!;
    const halfAt = to + this.#halfOffset;
    if (this.#f.family === 4) {
      const sum = words[at + FlowWord.L3_CHANGE]! + csumDiff16(view.getUint16(halfAt), half);
      view.setUint16(to + IPV4.CHECKSUM, csumApply(view.getUint16(to + IPV4.CHECKSUM), sum));
    }
    const lengthAt = to + this.#lengthWordOffset;
    view.setInt32(lengthAt, (view.getInt32(lengthAt) + words[at + inserted + 1]!) | 0);
    view.setUint16(halfAt, half);
    this.#writeAddresses(packet, l3, at + after);
  }

  /** The changes of the checksums: what the programs' own steps add up to. */
  #sumUp({ packet, headers, pushed }: HookContext, at: number, lengthened: number): void {
    const { words, after, inserted } = this.#records;
    const addresses = 2 * this.#w;
    const from = at + FlowWord.KEY;
    const to = at + after;
    let sum = 0;
    for (let i = 0; i < addresses; i++) {
      if (words[from + i] !== words[to + i]) sum += csumDiff32(words[from + i]!, words[to + i]!);
    }
    const ports = words[from + addresses]!;
    const newPorts = words[to + addresses]!;
    const l4 = ports === newPorts ? sum : sum + csumDiff32(ports, newPorts);
    const option = at + inserted;
    const bytes = words[at + FlowWord.ADDED]!;
    if (bytes !== 0) sum += lengthened;
    if (pushed === 0) {
      const ttl = packet.u8(headers.l3 + this.ttlOffset);
      if (ttl !== this.ttl) sum += csumDiff16(this.ttl << 8, ttl << 8);
      for (let i = 0; 4 * i < bytes; i++) sum += csumDiff32(0, words[option + 2 + i]!);
    }
    words[at + FlowWord.L4_CHANGE] = pushed > 0 ? 0 : l4;
    // Steps that come to nothing, such as an address becoming itself, still make a checksum of 0xffff one of 0: a sum carried around.
    words[at + FlowWord.L3_CHANGE] = sum + ONES;
  }

  #explains({ packet, headers, pushed }: HookContext, at: number): boolean {
    const { words, inserted: option } = this.#records;
    const { l3, l4, protocol } = headers;
    const l4Checksum = packet.u16(l4 + words[at + FlowWord.ADDED]! + l4ChecksumOffset(protocol));
    let l3Change = words[at + FlowWord.L3_CHANGE]!;
    const l4Change = words[at + FlowWord.L4_CHANGE]!;
    if (pushed > 0) {
      if (l4Checksum !== this.#l4Checksum) return false;
      l3Change += csumDiff16((this.ttl << 8) | protocol, words[at + option + 2]!);
    } else {
      if (l4Change === 0) return false;
      const udp = protocol === Protocol.UDP;
      const changed = csumApply(this.#l4Checksum, l4Change);
      if (l4Checksum !== (udp && this.#l4Checksum === 0 ? 0 : udp && changed === 0 ? ONES : changed)) return false;
    }
    return this.#f.family === 6 || packet.u16(l3 + IPV4.CHECKSUM) === csumApply(this.#l3Checksum, l3Change);
  }
}
