import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit } from '../conntrack/entry.ts';
import { copyTuple, reverseTuple } from '../conntrack/tuple.ts';
import { Use } from '../conntrack/use-log.ts';
import {
  hasSourceRange,
  isForwardingModeDsr,
  isHostPort,
  isL7LoadBalancer,
  isNat46x64,
  isRoutable,
  l7ProxyPort,
} from '../lb/layout.ts';
import { sourceRangeAllows } from '../lb/lookup.ts';
import { copyAddress } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { ETH } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import { Act, type HookContext, proxyMark, Transfer } from './context.ts';
import { lookupConntrack } from './ct.ts';
import { receiveDsr } from './dsr-receive.ts';
import { forwardDsr } from './dsr-send.ts';
import { encapsulatedRequest } from './encapsulated.ts';
import { extractTuple } from './extract.ts';
import { Program } from './flow-memory.ts';
import { answerNoBackend } from './no-backend.ts';
import type { NodeFamily } from './node-family.ts';
import { notModelled } from './not-modelled.ts';
import { reverseNat } from './reverse.ts';
import { translateService } from './service-step.ts';
import { forwardSnat } from './snat-send.ts';
import { traceCreated, traceDecision, traceEndpoint, traceNeighbour } from './trace.ts';

/**
 * North-south load balancing of a packet that came in from outside, its headers read already: requests to services, replies of
 * remote backends, requests that another node's DSR forwarded here. `Act.OK` means: go on with the packet as it is now.
 */
export function nodePort(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, tuple } = ctx;
  const { options } = f.node;
  const { memory } = f;
  memory.idle();
  if (f.looksInside && ctx.xdp) {
    const act = encapsulatedRequest(f, ctx);
    if (act !== undefined) return act;
  }
  if (memory.recalls(ctx, ctx.xdp ? Program.XDP : Program.NETDEV)) return memory.repeat(ctx);
  const extracted = extractTuple(packet, headers, tuple, options.sctp, f.fragments);
  if (extracted !== 0) {
    if (extracted === -DropReason.UNSUPP_SERVICE_PROTO) return withoutService(f, ctx, false);
    if (extracted !== -DropReason.UNKNOWN_L4) return extracted;
    ctx.transfer |= Transfer.NO_SERVICE;
    return Act.OK;
  }
  const w = f.words;
  const port = tuple[2 * w]! & 0xffff;
  return f.service.find(tuple, ctx.trace) ? rememberedRequest(f, ctx, port) : withoutService(f, ctx, true);
}

function rememberedRequest(f: NodeFamily, ctx: HookContext, port: number): number {
  const { memory } = f;
  if (memory.knows(ctx, ctx.xdp ? Program.XDP : Program.NETDEV)) return memory.repeat(ctx);
  const act = request(f, ctx, port);
  memory.learn(ctx, act);
  return act;
}

function usesDsr(f: NodeFamily, protocol: number, flags: number): boolean {
  switch (f.node.options.mode) {
    case 'dsr':
      return true;
    case 'hybrid':
      return protocol === Protocol.TCP;
    case 'annotation':
      return isForwardingModeDsr(flags);
    default:
      return false;
  }
}

function request(f: NodeFamily, ctx: HookContext, port: number): number {
  const { tuple, headers, service } = ctx;
  const { services } = f.lb;
  const { row } = f.service.hit;
  const w = f.words;
  const flags = services.flags(row);
  const allowed = sourceRangeAllows(f.lb, flags, services.revNatIndex(row), tuple, w);
  if (ctx.trace !== undefined && hasSourceRange(flags)) traceDecision(ctx, 'source range', allowed);
  if (!allowed) return -DropReason.NOT_IN_SRC_RANGE;
  if (ctx.trace !== undefined) traceDecision(ctx, 'routable', isRoutable(flags));
  if (!isRoutable(flags)) return -DropReason.IS_CLUSTER_IP;
  const union = services.union(row);
  if (f.node.options.l7 && isL7LoadBalancer(flags, union)) return toProxy(ctx, l7ProxyPort(union));
  if (isNat46x64(flags)) throw notModelled('NAT46/64 services', 'services without them');
  copyAddress(service, 0, tuple, 0, w);
  service[4] = port;
  const dsr = usesDsr(f, headers.protocol, flags);
  const translated = translateService(f, f.service, ctx, dsr && f.node.options.dsrDispatch === 'ipip');
  if (translated !== 0) {
    if (translated === -DropReason.NO_SERVICE) return answerNoBackend(f, ctx);
    if (translated !== -DropReason.PUNT_PROXY) return translated;
    ctx.punt = true;
    return Act.OK;
  }
  const endpoint = f.tables.endpoints.lookup(tuple, 0);
  const local = endpoint !== undefined;
  if (ctx.trace !== undefined) {
    traceEndpoint(f, ctx, tuple, endpoint);
    traceDecision(ctx, 'forwarding', local ? 'local' : dsr ? 'dsr' : 'snat');
  }
  if (!local && isHostPort(flags)) return -DropReason.INVALID;
  if (local || !dsr) {
    const failure = trackNodePort(f, ctx);
    if (failure !== 0) return failure;
  }
  if (local) {
    ctx.transfer |= Transfer.NO_SERVICE;
    return Act.OK;
  }
  if (dsr) return forwardDsr(f, ctx);
  recordNeighbour(f, ctx);
  return forwardSnat(f, ctx);
}

/** An L7 service's packets are for a proxy on this node: the XDP program leaves that to tc, which gives them to the kernel with the proxy's mark. */
function toProxy(ctx: HookContext, port: number): number {
  if (ctx.xdp) return Act.OK;
  ctx.mark = proxyMark(port);
  ctx.punt = true;
  if (ctx.trace !== undefined) traceDecision(ctx, 'proxy', { port });
  return Act.OK;
}

/** The entry by which replies are recognised: an egress entry of the backend's connection, marked node-port. */
function trackNodePort(f: NodeFamily, ctx: HookContext): number {
  const tuple = ctx.other;
  const { state } = ctx;
  copyTuple(tuple, ctx.tuple, f.words);
  reverseTuple(tuple, f.words);
  state.clear();
  state.revNatIndex = ctx.serviceState.revNatIndex;
  const status = lookupConntrack(f, ctx, tuple, CtDir.EGRESS, CtScope.FORWARD, CtType.NODE_PORT, state);
  if (status < 0) return status;
  if (status !== CtStatus.NEW) return 0;
  state.clear();
  state.revNatIndex = ctx.serviceState.revNatIndex;
  state.srcSecId = f.worldId;
  state.bits = CtBit.NODE_PORT;
  const failure = f.conntrack.create(tuple, CtDir.EGRESS, state, false, ctx.packet.length, ctx.now);
  ctx.extError = f.conntrack.extErr;
  if (ctx.trace !== undefined) traceCreated(f, ctx, tuple);
  return failure;
}

/** Remembers the MAC address that the client's packet came from. */
function recordNeighbour(f: NodeFamily, ctx: HookContext): void {
  const { packet } = ctx;
  packet.address(ctx.headers.l3 + f.sourceOffset, f.words, ctx.fibSource, 0);
  const high = packet.u32(ETH.SRC);
  const low = packet.u16(ETH.SRC + 4);
  f.memory.log.note(Use.NEIGHBOUR, f.tables.neighbours.store(ctx.fibSource, 0, high, low));
  if (ctx.trace !== undefined) traceNeighbour(f, ctx, ctx.fibSource, high, low);
}

/** A packet to no service: a DSR request for a pod here, a reply to a translated flow, or none of the node's business. */
function withoutService(f: NodeFamily, ctx: HookContext, isServiceProtocol: boolean): number {
  const { options } = f.node;
  ctx.transfer |= Transfer.NO_SERVICE;
  if (isServiceProtocol && options.mode !== 'snat') {
    const dispatch = ctx.overlay ? 'geneve' : 'opt';
    if (options.dsrDispatch === dispatch) {
      const received = receiveDsr(f, ctx);
      if (received !== 0) return received < 0 ? received : Act.OK;
    }
  }
  if (!isServiceProtocol && !f.bpfMasquerade) return Act.OK;
  return reverseNat(f, ctx, isServiceProtocol);
}
