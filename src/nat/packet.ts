import { type CtTuple, setTupleFlags, setTuplePorts, TupleFlag, tupleWords } from '../conntrack/tuple.ts';
import { type Family, wordsOf } from '../net/address.ts';
import { csumBytes, csumSub, replaceChecksum } from '../net/checksum.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ICMP, Icmp6Type, IcmpType, TCP } from '../net/headers.ts';
import { destinationOffset, type PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import { Headers, Parse, readIp } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import { ALL_DEFECTS, type Defects } from '../node/defects.ts';
import { type Nat, type Random, SnatTarget } from './nat.ts';
import { Missing, NO_PORT, translateHeaders } from './rewrite.ts';

const hasPorts = (protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;

/** Highest known code of an ICMP destination unreachable. */
const MAX_UNREACHABLE_4 = 15;
const MAX_UNREACHABLE_6 = 6;

// What to do with an ICMP packet by its type; other values are drop reasons.
const ECHO_REQUEST = 0;
const ECHO_REPLY = 1;
const ERROR = 2;
const OTHER = 3;
const NEIGHBOUR = 4;
const BAD_CODE = 5;

function icmpKind(family: Family, type: number, code: number): number {
  if (family === 4) {
    if (type === IcmpType.ECHO_REQUEST) return ECHO_REQUEST;
    if (type === IcmpType.ECHO_REPLY) return ECHO_REPLY;
    if (type === IcmpType.DEST_UNREACHABLE) return code <= MAX_UNREACHABLE_4 ? ERROR : BAD_CODE;
    if (type === IcmpType.TIME_EXCEEDED) return code <= 1 ? ERROR : BAD_CODE;
    return OTHER;
  }
  if (type === Icmp6Type.ECHO_REQUEST) return ECHO_REQUEST;
  if (type === Icmp6Type.ECHO_REPLY) return ECHO_REPLY;
  if (type === Icmp6Type.DEST_UNREACHABLE) return code <= MAX_UNREACHABLE_6 ? ERROR : BAD_CODE;
  if (type === Icmp6Type.TIME_EXCEEDED) return code <= 1 ? ERROR : BAD_CODE;
  if (type === Icmp6Type.PACKET_TOO_BIG) return ERROR;
  return type === Icmp6Type.NEIGHBOUR_SOLICITATION || type === Icmp6Type.NEIGHBOUR_ADVERTISEMENT ? NEIGHBOUR : OTHER;
}

const unknownCode = (family: Family): number =>
  family === 4 ? -DropReason.UNKNOWN_ICMP4_CODE : -DropReason.UNKNOWN_ICMP6_CODE;

/**
 * Fills `tuple` (NAT layout) with a packet's addresses, protocol and, for TCP, UDP and SCTP, ports. For a later fragment the
 * caller sets the ports itself, from the first.
 * @returns 0, or a negative drop reason if the ports are not in the frame.
 */
export function readNatTuple(packet: PacketBuffer, headers: Headers, tuple: CtTuple): number {
  const { family, l3, l4, protocol } = headers;
  const w = wordsOf(family);
  packet.address(l3 + destinationOffset(family), w, tuple, 0);
  packet.address(l3 + sourceOffset(family), w, tuple, w);
  tuple[2 * w] = 0;
  tuple[2 * w + 1] = protocol << 8;
  if (!hasPorts(protocol) || headers.laterFragment) return 0;
  if (!packet.has(l4, 4)) return -DropReason.CT_INVALID_HDR;
  setTuplePorts(tuple, w, packet.u16(l4), packet.u16(l4 + 2));
  return 0;
}

/** The reproduced defects that concern NAT (docs/fidelity.md). */
export type NatDefects = Pick<Defects, 'natIcmp4OuterChecksum' | 'natIcmp4ShortTcp' | 'natIcmp6EmbeddedOffset'>;

/**
 * Source NAT of whole packets, in place (docs/nat.md). Answers are 0 (translated) or a negative drop reason, of which
 * `-DropReason.NAT_NOT_NEEDED` means: leave the packet alone. After a failure a packet may be partly rewritten, as in the kernel.
 */
export class PacketNat {
  readonly nat: Nat;
  readonly #defects: NatDefects;
  readonly #sctp: boolean = true;
  readonly #w: number = 1;
  readonly #echoTarget: SnatTarget;
  readonly #inner = new Headers();
  readonly #innerTuple: CtTuple;
  #innerPortOffset = 0;

  /** @param sctp whether the programs know SCTP; without, it is one of the protocols that have no ports (`enable-sctp`) */
  constructor(nat: Nat, defects: NatDefects = ALL_DEFECTS, sctp = true) {
    this.nat = nat;
    this.#defects = defects;
    this.#sctp = sctp;
    this.#w = wordsOf(nat.family);
    this.#echoTarget = new SnatTarget(nat.family);
    this.#echoTarget.setRange(0, 65_535);
    this.#innerTuple = new Uint32Array(tupleWords(nat.family));
  }

  /** Outgoing packet; `tuple` as `readNatTuple` leaves it. */
  forward(
    packet: PacketBuffer,
    headers: Headers,
    tuple: CtTuple,
    target: SnatTarget,
    now: number,
    random: Random,
  ): number {
    const { nat } = this;
    const { family, l4, protocol } = headers;
    let effective = target;
    let portOffset = 0;
    setTupleFlags(tuple, this.#w, TupleFlag.OUT);
    if (this.#hasPorts(protocol)) {
      const sport = tuple[2 * this.#w]! & 0xffff;
      if (sport < target.minEgress && !target.fromLocalEndpoint) return -DropReason.NAT_NOT_NEEDED;
    } else if (protocol === icmpOf(family)) {
      const kind = readIcmpKind(packet, headers);
      if (kind === ERROR) return this.#forwardError(packet, headers);
      if (kind === BAD_CODE) return unknownCode(family);
      if (kind === OTHER) return -DropReason.NAT_UNSUPP_PROTO;
      if (kind !== ECHO_REQUEST) return kind < 0 ? kind : -DropReason.NAT_NOT_NEEDED;
      setTuplePorts(tuple, this.#w, packet.u16(l4 + ICMP.ID), 0);
      portOffset = ICMP.ID;
      effective = this.#echoTarget;
      effective.addr.set(target.addr);
      effective.needsCt = target.needsCt;
    } else {
      return -DropReason.NAT_NOT_NEEDED;
    }
    const flags = target.needsCt ? flagsOf(packet, headers) : 0;
    if (flags < 0) return flags;
    const failure = nat.forward(tuple, effective, flags, packet.length, now, random);
    if (failure !== 0) return failure;
    return this.#translate(packet, headers, sourceOffset(family), portOffset);
  }

  /** Incoming packet, to be translated back; `tuple` as `readNatTuple` leaves it. */
  reverse(packet: PacketBuffer, headers: Headers, tuple: CtTuple, target: SnatTarget, now: number): number {
    const { nat } = this;
    const { family, l4, protocol } = headers;
    let portOffset = 2;
    setTupleFlags(tuple, this.#w, TupleFlag.IN);
    if (this.#hasPorts(protocol)) {
      const dport = tuple[2 * this.#w]! >>> 16;
      if (dport < target.minPort || dport > target.maxPort) return -DropReason.NAT_NOT_NEEDED;
    } else if (protocol === icmpOf(family)) {
      const kind = readIcmpKind(packet, headers);
      if (kind < 0) return kind;
      if (kind === ERROR) return this.#reverseError(packet, headers);
      if (kind !== ECHO_REPLY) return -DropReason.NAT_NOT_NEEDED;
      setTuplePorts(tuple, this.#w, 0, packet.u16(l4 + ICMP.ID));
      portOffset = ICMP.ID;
    } else {
      return -DropReason.NAT_NOT_NEEDED;
    }
    const row = nat.table.find(tuple);
    const flags = row >= 0 && nat.needsTracking(row) ? flagsOf(packet, headers) : 0;
    if (flags < 0) return flags;
    const failure = nat.reverse(tuple, flags, packet.length, now);
    if (failure !== 0) return failure;
    return this.#translate(packet, headers, destinationOffset(family), portOffset);
  }

  #hasPorts(protocol: number): boolean {
    return hasPorts(protocol) && (this.#sctp || protocol !== Protocol.SCTP);
  }

  #translate(packet: PacketBuffer, headers: Headers, addressOffset: number, portOffset: number): number {
    const { family, l3, protocol } = headers;
    const l4 = headers.laterFragment ? -1 : headers.l4;
    return translateHeaders(
      packet,
      family,
      l3,
      l4,
      protocol,
      addressOffset,
      this.nat.toAddr,
      portOffset,
      this.nat.toPort,
    );
  }

  // The embedded packet is one that this node sent back to the flow's source: its destination, and the error's source, change.
  #forwardError(packet: PacketBuffer, headers: Headers): number {
    const failure = this.#readInner(packet, headers, headers.l4 + ICMP.SIZE, TupleFlag.OUT);
    if (failure !== 0) return failure;
    return this.#translateError(packet, headers, destinationOffset(headers.family), sourceOffset(headers.family));
  }

  // The embedded packet is one that was translated on its way out: its source, and the error's destination, change back.
  #reverseError(packet: PacketBuffer, headers: Headers): number {
    const { family, l4 } = headers;
    if (family === 6 && packet.u8(l4) !== Icmp6Type.PACKET_TOO_BIG) return -DropReason.NAT_NOT_NEEDED;
    const early = family === 6 && this.#defects.natIcmp6EmbeddedOffset;
    const inner = l4 + (early ? ICMP.SIZE - 4 : ICMP.SIZE);
    const failure = this.#readInner(packet, headers, inner, TupleFlag.IN);
    if (failure !== 0) return failure;
    return this.#translateError(packet, headers, sourceOffset(family), destinationOffset(family));
  }

  /** Reads the packet embedded in an ICMP error and looks up its mapping, seen from the other side. */
  #readInner(packet: PacketBuffer, headers: Headers, at: number, flags: number): number {
    const { family } = headers;
    const inner = this.#inner;
    const tuple = this.#innerTuple;
    const w = this.#w;
    const outgoing = flags === TupleFlag.OUT;
    const parsed = readIp(packet, at, family, inner);
    if (parsed !== Parse.OK) return parsed === Parse.TRUNCATED ? -DropReason.INVALID : -DropReason.INVALID_EXTHDR;
    const { l4, protocol } = inner;
    packet.address(at + sourceOffset(family), w, tuple, 0);
    packet.address(at + destinationOffset(family), w, tuple, w);
    tuple[2 * w + 1] = (protocol << 8) | flags;
    if (this.#hasPorts(protocol)) {
      if (!packet.has(l4, 4)) return -DropReason.INVALID;
      setTuplePorts(tuple, w, packet.u16(l4 + 2), packet.u16(l4));
      this.#innerPortOffset = outgoing ? 2 : 0;
    } else if (protocol === icmpOf(family)) {
      const failure = this.#readInnerEcho(packet, inner, outgoing);
      if (failure !== 0) return failure;
    } else {
      return outgoing ? -DropReason.UNKNOWN_L4 : -DropReason.NAT_NOT_NEEDED;
    }
    return this.nat.lookup(tuple) ? 0 : -DropReason.NAT_NOT_NEEDED;
  }

  // Only a reply can have been sent back to a mapped flow, only a request can have been translated on its way out.
  #readInnerEcho(packet: PacketBuffer, inner: Headers, outgoing: boolean): number {
    const { family, l4 } = inner;
    if (!packet.has(l4, 1)) return -DropReason.INVALID;
    const kind = icmpKind(family, packet.u8(l4 + ICMP.TYPE), 0);
    if (kind !== (outgoing ? ECHO_REPLY : ECHO_REQUEST)) {
      if (family === 6 && !outgoing) return -DropReason.INVALID;
      return kind === ECHO_REQUEST || kind === ECHO_REPLY ? -DropReason.NAT_NOT_NEEDED : unknownCode(family);
    }
    if (!packet.has(l4 + ICMP.ID, 2)) return -DropReason.INVALID;
    const id = packet.u16(l4 + ICMP.ID);
    setTuplePorts(this.#innerTuple, this.#w, outgoing ? id : 0, outgoing ? 0 : id);
    this.#innerPortOffset = ICMP.ID;
    return 0;
  }

  #translateError(packet: PacketBuffer, headers: Headers, innerAddress: number, outerAddress: number): number {
    const { family, l3, l4, protocol } = headers;
    const inner = this.#inner;
    const defects = this.#defects;
    const { toAddr, toPort } = this.nat;
    const embedded = l4 + ICMP.SIZE;
    const before = defects.natIcmp4OuterChecksum
      ? 0
      : csumBytes(packet.bytes, packet.head + embedded, packet.length - embedded);
    const failure = translateHeaders(
      packet,
      family,
      inner.l3,
      inner.l4,
      inner.protocol,
      innerAddress,
      toAddr,
      this.#innerPortOffset,
      toPort,
      defects.natIcmp4ShortTcp ? Missing.FAILS : Missing.SKIPPED,
    );
    if (failure !== 0) return failure;
    if (!defects.natIcmp4OuterChecksum) {
      const after = csumBytes(packet.bytes, packet.head + embedded, packet.length - embedded);
      const change = csumSub(after, before);
      replaceChecksum(packet, l4 + ICMP.CHECKSUM, (change >>> 16) + (change & 0xffff));
    }
    // ICMP of IPv4 has no pseudo header: nothing here amends the outer checksum by what the embedded L4 checksum was.
    return translateHeaders(packet, family, l3, l4, protocol, outerAddress, toAddr, NO_PORT, 0);
  }
}

const icmpOf = (family: Family): number => (family === 4 ? Protocol.ICMP : Protocol.ICMPV6);

function readIcmpKind(packet: PacketBuffer, headers: Headers): number {
  const { l4 } = headers;
  if (headers.fragment || !packet.has(l4, ICMP.SIZE)) return -DropReason.INVALID;
  return icmpKind(headers.family, packet.u8(l4 + ICMP.TYPE), packet.u8(l4 + ICMP.CODE));
}

/** The TCP flags for conntrack: 0 for other protocols and later fragments; negative drop reason if they are not in the frame. */
function flagsOf(packet: PacketBuffer, headers: Headers): number {
  if (headers.protocol !== Protocol.TCP || headers.laterFragment) return 0;
  const at = headers.l4 + TCP.FLAGS;
  return packet.has(at, 1) ? packet.u8(at) : -DropReason.CT_INVALID_HDR;
}
