import { LbtwinError } from '../errors.ts';
import { type Family, type IpAddress, wordsOf } from '../net/address.ts';
import type { FrameSpec } from '../net/frame.ts';
import { ETH, EtherType, ICMP, Icmp6Type, IcmpType, IPV4, IPV6, SCTP, TCP, TcpFlag, UDP } from '../net/headers.ts';
import { destinationOffset, type PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import { Headers, Parse, readIp } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import { Act, HookContext } from './context.ts';
import { type FlowMemory, Program } from './flow-memory.ts';
import type { TranslatedFlow } from './flow-records.ts';
import { enterHook, type Hook } from './hooks.ts';
import type { Node, ReceiveOptions } from './node.ts';

/** A flow as it goes on after a hook; for an encapsulated packet, the inner one. */
export interface FlowOut {
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly protocol: number;
  /** 0 for ICMP errors; the id of an ICMP echo stands in `sport`. */
  readonly sport: number;
  readonly dport: number;
  readonly ttl: number;
}

/** Decrement-proof: the TTL of a flow that does not name one. */
const TTL = 64;

/** Packets that open or close a connection. */
const NO_DATA = TcpFlag.SYN | TcpFlag.FIN | TcpFlag.RST;

/**
 * The same programs for callers that have flows, not bytes: a headers-only packet is made in place and sent through, so every
 * decision, map entry and random word is the one a real packet would cause. Its checksums are not computed, only carried along.
 * Nothing is allocated per flow; the translated flow is left in the fields.
 */
export class FlowRunner implements TranslatedFlow {
  readonly node: Node;
  readonly context: HookContext = new HookContext();
  /** What the last flow that was not dropped has become: words as in `IpAddress`. */
  family: Family = 4;
  readonly source: Uint32Array = new Uint32Array(4);
  readonly destination: Uint32Array = new Uint32Array(4);
  protocol = 0;
  sport = 0;
  dport = 0;
  ttl = 0;
  readonly #headers = new Headers();
  /** Of the family of the flow in hand. */
  #memory: FlowMemory;

  constructor(node: Node) {
    this.node = node;
    this.#memory = node.v4.memory;
  }

  /**
   * Sends a packet of `flow` through a hook: `Act`, or a negative drop reason; the rest is in `context`.
   * @throws LbtwinError `family-mismatch`
   *
   * `flow.length` (of the IP packet) matters to byte counters and MTU checks only. The packet in `context` is not always made.
   */
  run(hook: Hook, flow: FrameSpec, options: ReceiveOptions): number {
    const { context } = this;
    if (hook === 'xdp' && options.trace === undefined && this.#isKnown(flow, options)) {
      return this.#memory.repeatFlow(context, flow, flow.ttl ?? TTL, ipLength(flow), this);
    }
    writePacket(context.packet, flow);
    const act = this.node.runLoaded(hook, options, context);
    if (act >= Act.OK) this.#read();
    return act;
  }

  /** Whether the flow has nothing left to decide, in either direction: then no packet is made of it. */
  #isKnown(flow: FrameSpec, options: ReceiveOptions): boolean {
    const { family } = flow.source;
    const { protocol, tcpFlags = TcpFlag.SYN, ttl = TTL } = flow;
    if (protocol === Protocol.TCP ? (tcpFlags & NO_DATA) !== 0 : protocol !== Protocol.UDP) return false;
    if (flow.destination.family !== family || !this.node.handles(family) || ttl <= 1) return false;
    const { context, node } = this;
    const { memory } = node.of(family);
    node.prepare(options, context);
    enterHook('xdp', context);
    this.#memory = memory;
    return memory.knowsFlow(context, Program.XDP, flow, ttl, ipLength(flow));
  }

  /** The translated flow as a value. */
  flow(): FlowOut {
    const words = wordsOf(this.family);
    const address = (from: Uint32Array): IpAddress => ({ family: this.family, words: [...from.subarray(0, words)] });
    return {
      source: address(this.source),
      destination: address(this.destination),
      protocol: this.protocol,
      sport: this.sport,
      dport: this.dport,
      ttl: this.ttl,
    };
  }

  #read(): void {
    const { packet, pushed } = this.context;
    const { family, l3 } = this.context.headers;
    const headers = this.#headers;
    this.family = family;
    if (readIp(packet, l3 + pushed, family, headers) !== Parse.OK) return;
    const words = wordsOf(family);
    packet.address(headers.l3 + sourceOffset(family), words, this.source, 0);
    packet.address(headers.l3 + destinationOffset(family), words, this.destination, 0);
    this.protocol = headers.protocol;
    this.ttl = packet.u8(headers.l3 + (family === 4 ? IPV4.TTL : IPV6.HOP_LIMIT));
    this.#readPorts(packet, headers);
  }

  #readPorts(packet: PacketBuffer, { l4, protocol }: Headers): void {
    this.sport = 0;
    this.dport = 0;
    if (isIcmp(protocol)) {
      if (isEcho(packet.u8(l4 + ICMP.TYPE))) this.sport = packet.u16(l4 + ICMP.ID);
      return;
    }
    this.sport = packet.u16(l4);
    this.dport = packet.u16(l4 + 2);
  }
}

const isIcmp = (protocol: number): boolean => protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;

const isEcho = (type: number): boolean =>
  type === IcmpType.ECHO_REQUEST ||
  type === IcmpType.ECHO_REPLY ||
  type === Icmp6Type.ECHO_REQUEST ||
  type === Icmp6Type.ECHO_REPLY;

function headerSize(protocol: number): number {
  if (protocol === Protocol.TCP) return TCP.SIZE;
  return protocol === Protocol.SCTP ? SCTP.SIZE : UDP.SIZE;
}

const ipSize = (family: Family): number => (family === 4 ? IPV4.SIZE : IPV6.SIZE);

/** Length of the IP packet that a flow stands for. */
const ipLength = ({ source, protocol, length = 0 }: FrameSpec): number =>
  Math.max(ipSize(source.family) + headerSize(protocol), length);

/** Writes Ethernet, IP and L4 headers; what `flow.length` adds is zeros. */
function writePacket(packet: PacketBuffer, flow: FrameSpec): void {
  const { family } = flow.source;
  if (flow.destination.family !== family) {
    throw new LbtwinError('family-mismatch', 'source and destination differ in family', { path: ['destination'] });
  }
  const protocol = isIcmp(flow.protocol) ? (family === 4 ? Protocol.ICMP : Protocol.ICMPV6) : flow.protocol;
  const ip = ipSize(family);
  const least = ip + headerSize(protocol);
  const length = ipLength(flow);
  packet.begin(ETH.SIZE + least);
  const { view, head } = packet;
  const { sourceMac, destinationMac } = flow;
  view.setUint32(head + ETH.DST, destinationMac?.high ?? 0);
  view.setUint16(head + ETH.DST + 4, destinationMac?.low ?? 0);
  view.setUint32(head + ETH.SRC, sourceMac?.high ?? 0);
  view.setUint16(head + ETH.SRC + 4, sourceMac?.low ?? 0);
  const ttl = flow.ttl ?? TTL;
  const l3 = head + ETH.SIZE;
  if (family === 4) {
    view.setUint16(head + ETH.TYPE, EtherType.IPV4);
    view.setUint32(l3, 0x45000000 | length);
    view.setUint32(l3 + IPV4.ID, ((flow.id ?? 0) << 16) | (flow.dontFragment === true ? IPV4.DONT_FRAGMENT : 0));
    view.setUint32(l3 + IPV4.TTL, (ttl << 24) | (protocol << 16));
  } else {
    view.setUint16(head + ETH.TYPE, EtherType.IPV6);
    view.setUint32(l3, 0x60000000);
    view.setUint32(l3 + IPV6.PAYLOAD_LENGTH, ((length - ip) << 16) | (protocol << 8) | ttl);
  }
  packet.setWords(ETH.SIZE + sourceOffset(family), flow.source.words);
  packet.setWords(ETH.SIZE + destinationOffset(family), flow.destination.words);
  writeL4(packet, ETH.SIZE + ip, protocol, flow);
  if (length > least) packet.resize(ETH.SIZE + length);
}

function writeL4(packet: PacketBuffer, l4: number, protocol: number, flow: FrameSpec): void {
  const { sport = 0, dport = 0 } = flow;
  if (isIcmp(protocol)) {
    const reply = flow.echoReply === true;
    const four = reply ? IcmpType.ECHO_REPLY : IcmpType.ECHO_REQUEST;
    const six = reply ? Icmp6Type.ECHO_REPLY : Icmp6Type.ECHO_REQUEST;
    packet.setU32(l4, (protocol === Protocol.ICMP ? four : six) << 24);
    packet.setU32(l4 + ICMP.ID, sport << 16);
    return;
  }
  const { view } = packet;
  const at = packet.head + l4;
  view.setUint32(at, (sport << 16) | dport);
  view.setUint32(at + 4, 0);
  if (protocol === Protocol.UDP) return;
  view.setUint32(at + 8, 0);
  if (protocol === Protocol.SCTP) return;
  view.setUint32(at + TCP.DATA_OFFSET, ((TCP.SIZE / 4) << 28) | ((flow.tcpFlags ?? TcpFlag.SYN) << 16) | 0xffff);
  view.setUint32(at + TCP.CHECKSUM, 0);
}
