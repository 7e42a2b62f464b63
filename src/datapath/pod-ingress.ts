import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit } from '../conntrack/entry.ts';
import { traceCtLookup } from '../conntrack/trace.ts';
import { type CtTuple, setTupleFlags, tupleFlags } from '../conntrack/tuple.ts';
import { replaceL4Checksum } from '../net/checksum.ts';
import { ETH } from '../net/headers.ts';
import { DropReason } from '../net/drop-reason.ts';
import { Protocol } from '../net/protocol.ts';
import { replaceAddress } from '../net/rewrite.ts';
import { isReservedIdentity, ReservedIdentity } from '../node/identity.ts';
import type { LocalEndpoint } from '../node/tables.ts';
import { Act, type HookContext, identityOfMark, isFromEgressProxy } from './context.ts';
import { MetricDirection } from './metrics.ts';
import type { PodFamily } from './pod-family.ts';
import { readPodTuple } from './pod-tuple.ts';
import { translateReply } from './rev-dnat.ts';
import { passTtl } from './send.ts';
import { traceCreated } from './trace.ts';

/** A packet that enters a pod by its interface's own program: with endpoint routes, or from the kernel. */
export function toContainer(p: PodFamily, ctx: HookContext): number {
  const { f } = p;
  const marked = identityOfMark(ctx.mark);
  const identity = sourceIdentity(p, ctx, marked < 0 ? f.worldId : marked);
  const entered = ingress(p, ctx, identity);
  if (entered === Act.OK) ctx.mark = 0;
  return entered;
}

/** A packet that another program of the node hands to a pod: through the pod's ingress to its interface. */
export function enterPod(p: PodFamily, ctx: HookContext, endpoint: LocalEndpoint, identity: number): number {
  ctx.dropDirection = MetricDirection.INGRESS;
  const entered = ingress(p, ctx, identity);
  return entered === Act.OK ? ctx.redirectTo(endpoint.ifindex) : entered;
}

/** What the packet's mark says, and for reserved identities the ipcache, which knows better except about the host. */
function sourceIdentity(p: PodFamily, ctx: HookContext, given: number): number {
  if (!isReservedIdentity(given)) return given;
  const { f } = p;
  ctx.packet.address(ctx.headers.l3 + f.sourceOffset, f.words, ctx.fibSource, 0);
  const known = f.tables.ipCache.lookup(ctx.fibSource, 0)?.identity ?? 0;
  return known === 0 || known === ReservedIdentity.HOST ? given : known;
}

/** Conntrack and reverse translation of a packet for a pod. */
function ingress(p: PodFamily, ctx: HookContext, identity: number): number {
  const { f, conntrack, created } = p;
  const { tuple, state } = ctx;
  if (f.family === 4 && !f.tracksFragments && ctx.headers.fragment) return -DropReason.FRAG_NOSUPPORT;
  const tcpFlags = readPodTuple(f, ctx, MetricDirection.INGRESS);
  if (tcpFlags < 0) return tcpFlags;
  state.clear();
  const { length } = ctx.packet;
  const status = conntrack.lookupRelated(
    tuple,
    CtDir.INGRESS,
    CtScope.BIDIR,
    CtType.ANY,
    state,
    tcpFlags,
    length,
    ctx.now,
  );
  if (ctx.trace !== undefined) traceCtLookup(ctx.trace, conntrack, tuple, status);
  if (
    (state.bits & CtBit.FROM_L7LB) !== 0 ||
    ((state.bits & CtBit.PROXY_REDIRECT) !== 0 && !isFromEgressProxy(ctx.mark))
  ) {
    return backToProxy(p, ctx);
  }
  if (status === CtStatus.NEW) {
    created.clear();
    created.bits = inherited(p, tuple);
    created.srcSecId = identity;
    const failure = conntrack.create(tuple, CtDir.INGRESS, created, true, length, ctx.now);
    ctx.extError = conntrack.extErr;
    if (failure === 0 && ctx.trace !== undefined) traceCreated(f, ctx, tuple);
    return failure;
  }
  const answers = status === CtStatus.REPLY || status === CtStatus.RELATED;
  return answers && state.revNatIndex !== 0 ? reverse(p, ctx) : Act.OK;
}

/** A reply of a flow that a proxy has: it gets it by the host's device. */
function backToProxy(p: PodFamily, ctx: HookContext): number {
  const { netMac, hostIfindex } = p.f.node.options;
  const passed = passTtl(p.f, ctx);
  if (passed !== 0) return passed;
  ctx.packet.setU32(ETH.DST, netMac.high);
  ctx.packet.setU16(ETH.DST + 4, netMac.low);
  return ctx.redirectTo(hostIfindex);
}

/**
 * What a new entry takes over from the egress entry of the same tuple: that the pod reaches itself by the loopback address, and
 * that the request came to a service of this node from outside, whose address its replies need.
 */
function inherited(p: PodFamily, tuple: CtTuple): number {
  const w = p.f.words;
  const flags = tupleFlags(tuple, w);
  const bits = p.conntrack.egressBits(tuple);
  setTupleFlags(tuple, w, flags);
  if (bits < 0) return 0;
  // In forward layout the packet's source is the tuple's destination.
  const loopback = p.loopback !== undefined && tuple[0] === p.loopback ? bits & CtBit.LOOPBACK : 0;
  return loopback | (p.f.node.options.nodePort ? bits & CtBit.NODE_PORT : 0);
}

/** Gives a reply the service's address; one of a pod to itself also the pod's own as the destination. */
function reverse(p: PodFamily, ctx: HookContext): number {
  const { f } = p;
  const { packet, headers, state } = ctx;
  const { protocol, l3 } = headers;
  if (f.lb.reverseNat.find(state.revNatIndex) < 0) return Act.OK;
  if ((state.bits & CtBit.LOOPBACK) !== 0) {
    packet.address(l3 + f.sourceOffset, f.words, ctx.fibSource, 0);
    const diff = replaceAddress(packet, f.family, l3, f.destinationOffset, ctx.fibSource, 0);
    if (!headers.laterFragment && !replaceL4Checksum(packet, headers.l4, protocol, diff)) return -DropReason.CSUM_L4;
  }
  const ported = protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;
  return translateReply(f, ctx, state.revNatIndex, ported);
}
