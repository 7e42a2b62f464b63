import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit } from '../conntrack/entry.ts';
import { traceCtLookup } from '../conntrack/trace.ts';
import { reverseTuple } from '../conntrack/tuple.ts';
import { isL7LoadBalancer, isLocalRedirect, l7ProxyPort } from '../lb/layout.ts';
import { DropReason } from '../net/drop-reason.ts';
import { Act, type HookContext, identityMark, proxyMark } from './context.ts';
import { encapsulate } from './encapsulate.ts';
import { extractTuple } from './extract.ts';
import { Program } from './flow-memory.ts';
import { MetricDirection } from './metrics.ts';
import { answerNoBackend } from './no-backend.ts';
import type { PodFamily, PodInterface } from './pod-family.ts';
import { enterPod } from './pod-ingress.ts';
import { readPodTuple } from './pod-tuple.ts';
import { replyOfService } from './reverse.ts';
import { passTtl, writeMacs } from './send.ts';
import { translateService } from './service-step.ts';
import { traceCreated, traceDecision, traceEndpoint, traceIpCache } from './trace.ts';

/** The packet goes on to the next step. */
const CONTINUE = 1000;

/**
 * A packet that leaves a pod, its headers read already (docs/eastwest.md): source check, service translation, conntrack,
 * delivery. Network policy is not looked at: it is decided beside.
 */
export function fromContainer(p: PodFamily, ctx: HookContext, pod: PodInterface): number {
  const { f, created } = p;
  const { options } = f.node;
  if (f.family === 4 && !f.tracksFragments && ctx.headers.fragment) return -DropReason.FRAG_NOSUPPORT;
  if (options.sipVerification && !hasSource(p, ctx, pod)) return -DropReason.INVALID_SIP;
  created.clear();
  if (!p.balances) return track(p, ctx, pod, 0);
  f.memory.idle();
  if (f.memory.recalls(ctx, Program.POD)) return f.memory.repeat(ctx);
  const balanced = balance(p, ctx, pod);
  if (balanced < CONTINUE) return balanced;
  const act = track(p, ctx, pod, balanced - CONTINUE);
  f.memory.learn(ctx, act);
  return act;
}

function hasSource(p: PodFamily, ctx: HookContext, pod: PodInterface): boolean {
  const own = p.addressOf(pod);
  if (own === undefined) return false;
  const { f } = p;
  const at = ctx.headers.l3 + f.sourceOffset;
  for (let i = 0; i < f.words; i++) if (ctx.packet.u32(at + 4 * i) !== own[i]) return false;
  return true;
}

/** The service stage: CONTINUE plus the port of an L7 proxy, 0 for none; or what becomes of the packet. */
function balance(p: PodFamily, ctx: HookContext, pod: PodInterface): number {
  const { f, service, created } = p;
  const { options } = f.node;
  const { packet, headers, tuple } = ctx;
  const extracted = extractTuple(packet, headers, tuple, options.sctp, f.fragments);
  if (extracted !== 0) {
    const left = extracted === -DropReason.UNSUPP_SERVICE_PROTO || extracted === -DropReason.UNKNOWN_L4;
    return left ? CONTINUE : extracted;
  }
  if (!service.find(tuple, ctx.trace)) return CONTINUE;
  if (f.memory.knows(ctx, Program.POD)) return f.memory.repeat(ctx);
  const { services } = f.lb;
  const { row } = service.hit;
  const flags = services.flags(row);
  const union = services.union(row);
  if (options.l7 && isL7LoadBalancer(flags, union)) return CONTINUE + l7ProxyPort(union);
  // Sockets are redirected already; what still comes to the address is meant for it.
  if (options.localRedirect && options.socketLb === 'full' && isLocalRedirect(flags)) return CONTINUE;
  const translated = translateService(f, service, ctx, false, pod.netnsCookie);
  if (translated === -DropReason.NO_SERVICE) return answerNoBackend(f, ctx);
  if (translated !== 0) return translated;
  created.revNatIndex = ctx.serviceState.revNatIndex;
  created.bits = ctx.serviceState.bits & CtBit.LOOPBACK;
  return CONTINUE;
}

/** Conntrack of the packet as it is now, and delivery. */
function track(p: PodFamily, ctx: HookContext, pod: PodInterface, proxyPort: number): number {
  const { f, conntrack, created } = p;
  const { tuple, state } = ctx;
  const tcpFlags = readPodTuple(f, ctx, MetricDirection.EGRESS);
  if (tcpFlags < 0) return tcpFlags;
  const forward = created.revNatIndex !== 0 || proxyPort > 0;
  if (forward) reverseTuple(tuple, f.words);
  state.clear();
  const scope = forward ? CtScope.FORWARD : CtScope.BIDIR;
  const { length } = ctx.packet;
  const status = conntrack.lookupRelated(tuple, CtDir.EGRESS, scope, CtType.ANY, state, tcpFlags, length, ctx.now);
  if (ctx.trace !== undefined) traceCtLookup(ctx.trace, conntrack, tuple, status);
  if (proxyPort > 0) created.bits |= CtBit.PROXY_REDIRECT;
  if (status === CtStatus.NEW || (status === CtStatus.ESTABLISHED && isStale(p, ctx))) {
    created.srcSecId = pod.endpoint.identity ?? 0;
    const failure = conntrack.create(tuple, CtDir.EGRESS, created, true, length, ctx.now);
    ctx.extError = conntrack.extErr;
    if (failure !== 0) return failure;
    if (ctx.trace !== undefined) traceCreated(f, ctx, tuple);
  } else if (f.node.options.nodePort && status === CtStatus.REPLY && (state.bits & CtBit.NODE_PORT) !== 0) {
    const sent = replyOfService(f, ctx);
    // The program that it is handed to has nothing else for it.
    return sent === Act.OK ? -DropReason.NAT_NO_MAPPING : sent;
  }
  if (proxyPort > 0) {
    ctx.mark = proxyMark(proxyPort);
    if (ctx.trace !== undefined) traceDecision(ctx, 'proxy', { port: proxyPort });
    return Act.OK;
  }
  const hairpin = ((created.bits | state.bits) & CtBit.LOOPBACK) !== 0;
  return forwardPacket(p, ctx, pod, hairpin, hairpin && status === CtStatus.REPLY);
}

/** An entry of the same tuple that belongs to another service, or to none. */
const isStale = ({ created }: PodFamily, { state }: HookContext): boolean =>
  state.revNatIndex !== created.revNatIndex || ((state.bits ^ created.bits) & CtBit.PROXY_REDIRECT) !== 0;

/** Delivers to a pod here, or hands the packet to the overlay or to the kernel. */
function forwardPacket(p: PodFamily, ctx: HookContext, pod: PodInterface, hairpin: boolean, bySource: boolean): number {
  const { f } = p;
  const { options } = f.node;
  const { packet, headers } = ctx;
  const identity = pod.endpoint.identity ?? 0;
  packet.address(headers.l3 + f.destinationOffset, f.words, ctx.fibDestination, 0);
  if (!options.endpointRoutes || hairpin) {
    packet.address(headers.l3 + f.sourceOffset, f.words, ctx.fibSource, 0);
    // The answer of a pod to itself goes back to where it comes from: the loopback address is nobody's.
    const endpoint = f.tables.endpoints.lookup(bySource ? ctx.fibSource : ctx.fibDestination, 0);
    if (ctx.trace !== undefined) traceEndpoint(f, ctx, bySource ? ctx.fibSource : ctx.fibDestination, endpoint);
    if (endpoint !== undefined && !endpoint.host) {
      const passed = passTtl(f, ctx);
      if (passed !== 0) return passed;
      writeMacs(ctx, endpoint.mac.high, endpoint.mac.low, endpoint.nodeMac.high, endpoint.nodeMac.low);
      if (!options.endpointRoutes) return enterPod(p, ctx, endpoint, identity);
      ctx.mark = identityMark(identity);
      return ctx.redirectTo(endpoint.ifindex);
    }
  }
  if (options.tunnel !== undefined) {
    const remote = f.tables.ipCache.lookup(ctx.fibDestination, 0);
    if (ctx.trace !== undefined) traceIpCache(f, ctx, ctx.fibDestination, remote);
    if (remote?.tunnelEndpoint !== undefined && remote.skipTunnel !== true) {
      return encapsulate(f, ctx, remote.tunnelEndpoint, 0, 0, false, identity);
    }
  }
  if (!options.endpointRoutes) {
    const passed = passTtl(f, ctx);
    if (passed !== 0) return passed;
  }
  ctx.mark = identityMark(identity);
  return Act.OK;
}
