import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { DropReason } from '../net/drop-reason.ts';
import { hashTuple } from '../hash/tuple.ts';
import { readNatTuple } from '../nat/packet.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { Act, type HookContext, Transfer } from './context.ts';
import { countFragment, lookupConntrack } from './ct.ts';
import { encapsulate } from './encapsulate.ts';
import { extractTuple } from './extract.ts';
import { Program } from './flow-memory.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { translateReply } from './rev-dnat.ts';
import { passTtl, send } from './send.ts';
import { traceIpCache, traceNat, traceUnSnat } from './trace.ts';

/**
 * A packet that may be a reply: its destination is translated back to the client whose flow went out under an address of the node,
 * and if it comes from a remote backend, its source to the service's; such a reply is sent to the client from here.
 * @param ported whether `ctx.tuple` has the packet's ports
 */
export function reverseNat(f: NodeFamily, ctx: HookContext, ported: boolean): number {
  const { memory } = f;
  if (!isForSnatPort(f, ctx)) {
    // Most of what is no reply goes to other ports. A later fragment asks for its ports again, which keeps them.
    return ported && !ctx.headers.laterFragment ? Act.OK : reverse(f, ctx);
  }
  // Before it came here it was found to be for no service, and said so.
  if (memory.knows(ctx, replyProgram(f, ctx), ctx.transfer & ~Transfer.NO_SERVICE)) return memory.repeat(ctx);
  const act = reverse(f, ctx);
  memory.learn(ctx, act);
  return act;
}

/** Without DSR nothing but the maps decides whether a packet is a request or may be a reply. */
function replyProgram(f: NodeFamily, { xdp }: HookContext): number {
  if (f.node.options.mode === 'snat') return xdp ? Program.XDP : Program.NETDEV;
  return xdp ? Program.XDP_REPLY : Program.NETDEV_REPLY;
}

/** Whether the destination port is one that SNAT gives away. */
function isForSnatPort({ words, target }: NodeFamily, { tuple }: HookContext): boolean {
  const port = tuple[2 * words]! & 0xffff;
  return port >= target.minPort && port <= target.maxPort;
}

function reverse(f: NodeFamily, ctx: HookContext): number {
  const reversed = readReverse(f, ctx);
  if (reversed === -DropReason.NAT_NOT_NEEDED || reversed === -DropReason.NAT_NO_MAPPING) return Act.OK;
  if (reversed !== 0) return reversed;
  ctx.snatDone();
  if (f.node.options.mode === 'dsr') return Act.OK;
  // For IPv6 the rest is a program of its own, which counts its drops as egress.
  if (f.family === 6) ctx.dropDirection = MetricDirection.EGRESS;
  return replyOfService(f, ctx);
}

/** A packet that may be a reply of a service's backend: its source becomes the service's, and it is sent to the client. */
export function replyOfService(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, tuple, state } = ctx;
  const extracted = extractTuple(packet, headers, tuple, f.node.options.sctp, f.fragments);
  if (extracted !== 0) {
    const left = extracted === -DropReason.UNSUPP_SERVICE_PROTO || extracted === -DropReason.UNKNOWN_L4;
    return left ? Act.OK : extracted;
  }
  state.clear();
  const status = lookupConntrack(f, ctx, tuple, CtDir.INGRESS, CtScope.REVERSE, CtType.NODE_PORT, state);
  if (status < 0) return status;
  if (status !== CtStatus.REPLY) return Act.OK;
  return f.family === 4 ? reply4(f, ctx) : reply6(f, ctx);
}

function readReverse(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, other } = ctx;
  const { nat } = f;
  if (headers.laterFragment) {
    // Its ports are known from the first fragment, if at all.
    const extracted = extractTuple(packet, headers, other, f.node.options.sctp, f.fragments);
    if (extracted === 0) {
      const w = f.words;
      const ports = other[2 * w]!;
      other[2 * w] = ((ports << 16) | (ports >>> 16)) >>> 0;
    } else if (extracted !== -DropReason.UNSUPP_SERVICE_PROTO) return extracted;
  } else {
    const read = readNatTuple(packet, headers, other);
    if (read !== 0) return read;
  }
  nat.ctStatus = -1;
  const failure = f.packetNat.reverse(packet, headers, other, f.target, ctx.now);
  if (nat.ctStatus >= 0) countFragment(f, ctx, MetricDirection.INGRESS);
  ctx.extError = nat.extErr;
  if (ctx.trace !== undefined && failure !== -DropReason.NAT_NOT_NEEDED) {
    if (failure === 0) traceUnSnat(f, ctx, other);
    else traceNat(f, ctx, other, false);
  }
  return failure;
}

/** IPv4: the source is translated before the TTL is looked at. */
function reply4(f: NodeFamily, ctx: HookContext): number {
  const translated = translateReply(f, ctx, ctx.state.revNatIndex);
  if (translated !== 0) return translated;
  const passed = passTtl(f, ctx);
  return passed !== 0 ? passed : toClient(f, ctx);
}

function reply6(f: NodeFamily, ctx: HookContext): number {
  const passed = passTtl(f, ctx);
  if (passed !== 0) return passed;
  const translated = translateReply(f, ctx, ctx.state.revNatIndex);
  return translated !== 0 ? translated : toClient(f, ctx);
}

/** To the client: by the overlay if it is a pod of another node, with this node as the sender; else by its route. */
function toClient(f: NodeFamily, ctx: HookContext): number {
  const { packet, headers, tuple } = ctx;
  ctx.snatDone();
  if (f.node.options.tunnel !== undefined) {
    // The reply's tuple: its destination comes first.
    const remote = f.tables.ipCache.lookup(tuple, 0);
    if (ctx.trace !== undefined) traceIpCache(f, ctx, tuple, remote);
    if (remote?.tunnelEndpoint !== undefined && remote.skipTunnel !== true) {
      const w = f.words;
      const ports = tuple[2 * w]!;
      packet.address(headers.l3 + f.sourceOffset, w, ctx.fibSource, 0);
      const hash = hashTuple(f.family, ctx.fibSource, 0, ports & 0xffff, ports >>> 16, headers.protocol, f.hashSeed);
      return encapsulate(f, ctx, remote.tunnelEndpoint, hash, 0, false, ReservedIdentity.REMOTE_NODE);
    }
  }
  return send(f, ctx, headers.l3, true);
}
