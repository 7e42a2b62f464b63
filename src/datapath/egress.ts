import { copyAddress, sameAddressAt } from '../net/address.ts';
import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit } from '../conntrack/entry.ts';
import { readConntrackTuple } from '../conntrack/packet.ts';
import { copyTuple, setTupleFlags, TupleFlag } from '../conntrack/tuple.ts';
import { Masquerade, masquerade, type MasqueradeFacts } from '../nat/masquerade.ts';
import { readNatTuple } from '../nat/packet.ts';
import { DropReason } from '../net/drop-reason.ts';
import { Protocol } from '../net/protocol.ts';
import { type Cidr, maskWord } from '../net/cidr.ts';
import { isRemoteNode } from '../node/identity.ts';
import { FibResult, type Route } from '../node/tables.ts';
import { Act, type HookContext, RedirectKind } from './context.ts';
import { countFragment, lookupConntrack } from './ct.ts';
import { extractTuple } from './extract.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { replaceSource } from './rev-dnat.ts';
import { lookupRoute, writeMacs } from './send.ts';
import { traceDecision, traceNat, traceReverseNat, traceSnat } from './trace.ts';

const serviceAddress = new Uint32Array(4);

/**
 * A packet that leaves the node: a pod's reply to a service's client gets the service's address; other packets are source-NATed
 * where they could collide with, or are, masqueraded flows (docs/northsouth.md).
 */
export function egress(f: NodeFamily, ctx: HookContext): number {
  const { options } = f.node;
  const replied = translatePodReply(f, ctx);
  if (replied !== NOT_A_REPLY) return replied;
  if (options.mode === 'dsr' && !f.bpfMasquerade) return Act.OK;
  return forwardOwn(f, ctx);
}

/** Distinct from all drop reasons and acts. */
const NOT_A_REPLY = 1000;

function translatePodReply(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, tuple, state } = ctx;
  const { options } = f.node;
  const extracted = extractTuple(packet, headers, tuple, options.sctp, f.fragments);
  if (extracted !== 0) {
    const left = extracted === -DropReason.UNSUPP_SERVICE_PROTO || extracted === -DropReason.UNKNOWN_L4;
    return left ? NOT_A_REPLY : extracted;
  }
  const port = findService(f, ctx);
  if (port < 0) return NOT_A_REPLY;
  copyAddress(ctx.fibSource, 0, serviceAddress, 0, f.words);
  copyAddress(ctx.fibDestination, 0, tuple, 0, f.words);
  const route = lookupRoute(f, ctx);
  if (route === undefined || (route.result !== FibResult.SUCCESS && route.result !== FibResult.NO_NEIGHBOUR)) {
    ctx.extError = ctx.fibResult;
    return -DropReason.NO_FIB;
  }
  if (route.ifindex !== ctx.ifindex) return redirectElsewhere(ctx, route);
  state.clear();
  const types = CtType.NODE_PORT | CtType.DSR;
  const status = lookupConntrack(f, ctx, tuple, CtDir.INGRESS, CtScope.REVERSE, types, state);
  if (status < 0) return status;
  if (status !== CtStatus.REPLY) return NOT_A_REPLY;
  const replaced = replaceSource(f, ctx, serviceAddress, port);
  if (replaced !== 0) return replaced;
  ctx.snatDone();
  return Act.OK;
}

/** The reply leaves by another device: there it comes by this program again, which then translates it. */
function redirectElsewhere(ctx: HookContext, route: Route): number {
  if (route.result === FibResult.NO_NEIGHBOUR) return ctx.redirect(RedirectKind.REDIRECT_NEIGH, route.ifindex);
  writeMacs(ctx, route.dmac.high, route.dmac.low, route.smac.high, route.smac.low);
  return ctx.redirect(RedirectKind.REDIRECT, route.ifindex);
}

/** The service behind the reply in `ctx.tuple`: its address to `serviceAddress`, its port as the answer; -1 if there is none. */
function findService(f: NodeFamily, ctx: HookContext): number {
  const { tuple, other } = ctx;
  const w = f.words;
  copyTuple(other, tuple, w);
  const bits = f.conntrack.egressBits(other);
  if (bits < 0) return -1;
  const revNatIndex = bits >>> 16;
  if ((bits & CtBit.NODE_PORT) !== 0 && revNatIndex !== 0) {
    const { reverseNat } = f.lb;
    const row = reverseNat.find(revNatIndex);
    if (ctx.trace !== undefined) traceReverseNat(f, ctx, revNatIndex, row);
    if (row < 0) return -1;
    reverseNat.copyAddress(row, serviceAddress);
    return reverseNat.port(row);
  }
  if (f.node.options.mode === 'snat' || (bits & CtBit.DSR_INTERNAL) === 0) return -1;
  // The NAT key is the reply's tuple in natural order.
  const ports = other[2 * w]!;
  other[2 * w] = ((ports << 16) | (ports >>> 16)) >>> 0;
  setTupleFlags(other, w, TupleFlag.OUT);
  const known = f.nat.lookup(other);
  if (ctx.trace !== undefined) traceNat(f, ctx, other, false);
  if (!known) return -1;
  copyAddress(serviceAddress, 0, f.nat.toAddr, 0, w);
  return f.nat.toPort;
}

/** Source NAT of the node's own traffic and, with BPF masquerading, of its pods'. */
function forwardOwn(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, other } = ctx;
  const { ownTarget: target, nat } = f;
  if (headers.protocol === Protocol.SCTP && !f.node.options.sctp) return Act.OK;
  const needed = needsNat(f, ctx);
  if (needed <= 0) return needed;
  if (isServiceProtocol(f, headers.protocol)) {
    if (!f.tracksFragments && headers.fragment) return -DropReason.FRAG_NOSUPPORT;
    const extracted = extractTuple(packet, headers, other, f.node.options.sctp, f.fragments);
    if (extracted !== 0) return extracted;
    const w = f.words;
    const ports = other[2 * w]!;
    other[2 * w] = ((ports << 16) | (ports >>> 16)) >>> 0;
  } else {
    const read = readNatTuple(packet, headers, other);
    if (read !== 0) return read;
  }
  nat.ctStatus = -1;
  const failure = f.packetNat.forward(packet, headers, other, target, ctx.now, ctx.random);
  if (nat.ctStatus >= 0) countFragment(f, ctx, MetricDirection.EGRESS);
  ctx.extError = nat.extErr;
  if (failure === -DropReason.NAT_NOT_NEEDED) {
    ctx.extError = 0;
    return Act.OK;
  }
  if (failure !== 0) return failure;
  if (ctx.trace !== undefined) traceSnat(f, ctx, other);
  ctx.snatDone();
  return Act.OK;
}

const isServiceProtocol = (f: NodeFamily, protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || (protocol === Protocol.SCTP && f.node.options.sctp);

/** 1, with the target set, if the packet is to be translated; 0 if not; or a negative drop reason. */
function needsNat(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers } = ctx;
  const { options } = f.node;
  const { ownTarget: target } = f;
  const w = f.words;
  packet.address(headers.l3 + f.sourceOffset, w, ctx.fibSource, 0);
  packet.address(headers.l3 + f.destinationOffset, w, ctx.fibDestination, 0);
  target.needsCt = false;
  target.fromLocalEndpoint = false;
  copyAddress(target.addr, 0, f.nodeAddress, 0, w);
  facts.fromNode = isOwnAddress(f, ctx.fibSource);
  // Without masquerading, connections of the node itself share the ports of SNAT on the direct-routing device only.
  const conflicts =
    facts.fromNode && isServiceProtocol(f, headers.protocol) && options.directRoutingIfindex === ctx.ifindex;
  if (!conflicts) {
    if (!f.bpfMasquerade) return 0;
    const failure = facts.fromNode ? 0 : gatherFacts(f, ctx);
    if (failure < 0) return failure;
  }
  const decision = masquerade(facts);
  if (ctx.trace !== undefined) traceDecision(ctx, 'masquerade', MASQUERADE_NAMES[decision], { ...facts });
  target.needsCt = decision === Masquerade.HOST;
  target.fromLocalEndpoint = decision === Masquerade.POD;
  return decision === Masquerade.NO ? 0 : 1;
}

const MASQUERADE_NAMES = ['no', 'host', 'pod'] as const;

const facts: MasqueradeFacts = {
  fromNode: false,
  fromEndpoint: false,
  endpointIsHost: false,
  isReply: false,
  toNativeCidr: false,
  toMasqExempt: false,
  toRemoteNode: false,
  overlay: false,
  skipTunnel: false,
};

/** What masquerading asks about a packet that is not the node's own: 0, or a negative drop reason. */
function gatherFacts(f: NodeFamily, ctx: HookContext): number {
  const { options, addresses } = f.node;
  const endpoint = f.tables.endpoints.lookup(ctx.fibSource, 0);
  facts.fromEndpoint = endpoint !== undefined;
  facts.endpointIsHost = endpoint?.host === true;
  facts.isReply = false;
  if (endpoint !== undefined) {
    const reply = isReplyOfInbound(f, ctx);
    if (reply < 0) return reply;
    facts.isReply = reply === 1;
  }
  const native = f.family === 4 ? options.nativeRouting4 : options.nativeRouting6;
  const pods = f.family === 4 ? addresses.podCidrs4 : addresses.podCidrs6;
  facts.toNativeCidr = native === undefined ? holdsAny(pods, ctx.fibDestination) : holds(native, ctx.fibDestination);
  const remote = f.tables.ipCache.lookup(ctx.fibDestination, 0);
  facts.toRemoteNode = remote !== undefined && isRemoteNode(remote.identity);
  facts.overlay = options.tunnel !== undefined;
  facts.skipTunnel = remote?.skipTunnel === true;
  return 0;
}

/** 1 if the packet of a pod answers a connection that came from outside. */
function isReplyOfInbound(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, other } = ctx;
  let read: number;
  if (isServiceProtocol(f, headers.protocol))
    read = extractTuple(packet, headers, other, f.node.options.sctp, f.fragments);
  else read = readConntrackTuple(packet, headers, other);
  if (read === -DropReason.CT_UNKNOWN_PROTO) return 0;
  if (read < 0) return read;
  return f.conntrack.isReply(other) ? 1 : 0;
}

const isOwnAddress = (f: NodeFamily, words: Uint32Array): boolean => sameAddressAt(words, 0, f.nodeAddress, 0, f.words);

function holdsAny(cidrs: readonly Cidr[], words: Uint32Array): boolean {
  for (const cidr of cidrs) if (holds(cidr, words)) return true;
  return false;
}

function holds(cidr: Cidr, words: Uint32Array): boolean {
  const prefix = cidr.address.words;
  for (let i = 0; i < prefix.length; i++) {
    if (((prefix[i]! ^ words[i]!) & maskWord(cidr.bits - 32 * i)) !== 0) return false;
  }
  return true;
}
