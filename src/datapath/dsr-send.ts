import { hashTuple } from '../hash/tuple.ts';
import { ipv4Checksum } from '../net/checksum.ts';
import { formatWords } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { hasRoomForDsrOption, insertDsrExtension, insertDsrOption, writeDsrGeneveOption } from '../net/dsr.ts';
import { DSR_EXTENSION6, DSR_GENEVE, DSR_OPTION4 } from '../net/dsr.ts';
import { ETH, GENEVE, IPV4, IPV6, TCP, TcpFlag, UDP } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import { pushIpip4, pushIpip6 } from '../net/tunnel.ts';
import { maskWord } from '../net/cidr.ts';
import type { HookContext } from './context.ts';
import { answerTooBig } from './dsr-too-big.ts';
import { encapsulate } from './encapsulate.ts';
import { extractTuple } from './extract.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { send } from './send.ts';
import { traceDecision, traceIpCache } from './trace.ts';

/** What the sender of a DSR packet says of the service comes with the first packet of a TCP connection only. */
const ABSENT = 0;
const PRESENT = 1;

const scratch = new Uint32Array(4);

/** 1 if this packet has to carry the service, 0 if not, or a negative drop reason. */
function carriesService(ctx: HookContext, protocol: number): number {
  if (protocol !== Protocol.TCP) return PRESENT;
  const { packet, headers } = ctx;
  if (!packet.has(headers.l4 + TCP.FLAGS, 1)) return -DropReason.CT_INVALID_HDR;
  return (packet.u8(headers.l4 + TCP.FLAGS) & TcpFlag.SYN) === 0 ? ABSENT : PRESENT;
}

const isTooBig = (f: NodeFamily, length: number): boolean =>
  f.node.options.dsrIcmpErrors && (length & 0xffff) > f.node.options.mtu;

/** Length of the IP packet as its header says. */
function ipLength(f: NodeFamily, ctx: HookContext): number {
  const { l3 } = ctx.headers;
  return f.family === 4 ? ctx.packet.u16(l3 + IPV4.TOTAL_LENGTH) : ctx.packet.u16(l3 + IPV6.PAYLOAD_LENGTH) + IPV6.SIZE;
}

/**
 * Forwards a request to a remote backend by direct server return. `ctx.service` holds the frontend; the packet is translated
 * already, except for IPIP.
 */
export function forwardDsr(f: NodeFamily, ctx: HookContext): number {
  ctx.dropDirection = MetricDirection.EGRESS;
  const { dsrDispatch } = f.node.options;
  if (dsrDispatch === 'ipip') return forwardIpip(f, ctx);
  return dsrDispatch === 'opt' ? forwardOption(f, ctx) : forwardGeneve(f, ctx);
}

function forwardOption(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, service } = ctx;
  const { l3 } = headers;
  // IPv4 looks at the protocol field, IPv6 behind the extension headers; both are `headers.protocol`.
  const carries = carriesService(ctx, headers.protocol);
  if (carries < 0) return carries;
  if (carries === PRESENT) {
    const overhead = f.family === 4 ? DSR_OPTION4.SIZE : DSR_EXTENSION6.SIZE;
    if (f.family === 4 && !hasRoomForDsrOption(packet, l3)) return -DropReason.CT_INVALID_HDR;
    if (isTooBig(f, ipLength(f, ctx) + overhead)) return answerTooBig(f, ctx, overhead);
    if (f.family === 4) insertDsrOption(packet, l3, service, service[4]!);
    else insertDsrExtension(packet, l3, service, 0, service[4]!);
    ctx.inserted = overhead;
    if (ctx.trace !== undefined) traceDecision(ctx, 'dsr', f.family === 4 ? 'option' : 'extension header');
  }
  return routeOn(f, ctx);
}

/** The last step of DSR without a tunnel: IPv4 takes one off the TTL once the route is known, IPv6 does not. */
const routeOn = (f: NodeFamily, ctx: HookContext): number => send(f, ctx, ctx.headers.l3, false, f.family === 4);

function forwardIpip(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, tuple } = ctx;
  const { l3 } = headers;
  const overhead = f.family === 4 ? IPV4.SIZE : IPV6.SIZE;
  if (isTooBig(f, ipLength(f, ctx) + overhead)) return answerTooBig(f, ctx, overhead);
  rssSource(f, ctx);
  ctx.pushed = overhead;
  if (ctx.trace !== undefined) traceDecision(ctx, 'dsr', 'ipip', { source: formatWords(f.family, scratch) });
  if (f.family === 6) pushIpip6(packet, l3, scratch, tuple, 0);
  else {
    pushIpip4(packet, l3, scratch, tuple);
    if (!f.node.options.defects.ipip4OuterOptions) plainOuterHeader(ctx);
  }
  return routeOn(f, ctx);
}

/** With the defect off: an outer header without options says so. */
function plainOuterHeader(ctx: HookContext): void {
  const { packet, headers } = ctx;
  const { l3 } = headers;
  packet.setU8(l3, 0x45);
  packet.setU16(l3 + IPV4.CHECKSUM, ipv4Checksum(packet, l3));
}

const bswap32 = (word: number): number =>
  (word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);

/**
 * The outer source address, to `scratch`: the configured prefix, its other bits from a hash of client and ports, word by word.
 * Without a prefix the node's own address. Values are hashed as they lie in a little-endian memory.
 */
function rssSource(f: NodeFamily, ctx: HookContext): void {
  const prefix = f.family === 4 ? f.node.options.rss4 : f.node.options.rss6;
  for (let i = 0; i < f.words; i++) scratch[i] = prefix === undefined ? f.nodeAddress[i]! : prefix.address.words[i]!;
  if (prefix === undefined) return;
  const { tuple } = ctx;
  const w = f.words;
  // The ports word of the tuple is client port, frontend port; the hint has the frontend's above.
  const hint = bswap32(tuple[2 * w]!);
  for (let i = 0; i < w; i++) {
    const free = 32 - Math.min(32, Math.max(0, prefix.bits - 32 * i));
    if (free === 0) continue;
    const hash = Math.imul(bswap32(tuple[w + i]!) ^ hint, 0x9e3779b9) >>> (32 - free);
    scratch[i] = ((scratch[i]! & maskWord(32 - free)) | hash) >>> 0;
  }
}

/**
 * Geneve needs the tuple for the tunnel's source port and reads it again from the translated packet; only for fragments that shows: the first
 * one is remembered under its new address, a later one is looked up there. The tuple is in `ctx.other` then.
 */
function readAgain(f: NodeFamily, ctx: HookContext): number {
  if (!ctx.headers.fragment) return 0;
  return extractTuple(ctx.packet, ctx.headers, ctx.other, f.node.options.sctp, f.fragments);
}

function forwardGeneve(f: NodeFamily, ctx: HookContext): number {
  const { headers, packet, service } = ctx;
  // For IPv4 a tc program leaves the source port to the tunnel device.
  if (f.family === 4 && ctx.xdp) {
    const read = readAgain(f, ctx);
    if (read !== 0) return read;
  }
  packet.address(headers.l3 + f.destinationOffset, f.words, ctx.fibDestination, 0);
  const entry = f.tables.ipCache.lookup(ctx.fibDestination, 0);
  if (ctx.trace !== undefined) traceIpCache(f, ctx, ctx.fibDestination, entry);
  const endpoint = entry?.tunnelEndpoint;
  if (endpoint === undefined) return -DropReason.NO_TUNNEL_ENDPOINT;
  if (f.family === 6) {
    const read = readAgain(f, ctx);
    if (read !== 0) return read;
  }
  const carries = carriesService(ctx, headers.protocol);
  if (carries < 0) return carries;
  const option = carries === PRESENT ? (f.family === 4 ? DSR_GENEVE.SIZE4 : DSR_GENEVE.SIZE6) : 0;
  const ip = f.family === 4 ? IPV4.SIZE : IPV6.SIZE;
  const overhead = ip + UDP.SIZE + GENEVE.SIZE + ETH.SIZE + option;
  if (isTooBig(f, ipLength(f, ctx) + overhead)) return answerTooBig(f, ctx, overhead);
  if (option > 0) writeDsrGeneveOption(ctx.tunnelView, 0, f.words, service, 0, service[4]!);
  const w = f.words;
  const tuple = headers.fragment && ctx.xdp ? ctx.other : ctx.tuple;
  const ports = tuple[2 * w]!;
  const hash = hashTuple(f.family, tuple, w, ports & 0xffff, ports >>> 16, headers.protocol, f.hashSeed);
  return encapsulate(f, ctx, endpoint, hash, option, f.family === 4);
}
