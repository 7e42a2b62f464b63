import { LbtwinError } from '../errors.ts';
import { ETH, EtherType } from '../net/headers.ts';
import { DropReason, ForwardReason } from '../net/drop-reason.ts';
import { Parse, readHeaders } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import { Act, type HookContext, Transfer } from './context.ts';
import { deliver } from './deliver.ts';
import { egress } from './egress.ts';
import { MetricDirection } from './metrics.ts';
import type { Node } from './node.ts';
import type { NodeFamily } from './node-family.ts';
import { nodePort } from './nodeport.ts';
import { fromContainer } from './pod-egress.ts';
import type { PodInterface } from './pod-family.ts';
import { enterPod, toContainer } from './pod-ingress.ts';
import { traceVerdict } from './trace.ts';

/** Where a packet meets the node's programs. */
export type Hook =
  | 'xdp'
  | 'fromNetdev'
  | 'toNetdev'
  | 'fromOverlay'
  /** Packets that leave a pod. */
  | 'fromContainer'
  /** Packets that enter a pod by its interface's own program (endpoint routes). */
  | 'toContainer'
  /** The policy program of a pod, to which another program hands a packet (`Verdict.delivered`). */
  | 'podPolicy';

export const HOOKS: readonly Hook[] = [
  'xdp',
  'fromNetdev',
  'toNetdev',
  'fromOverlay',
  'fromContainer',
  'toContainer',
  'podPolicy',
];

/** No IP packet of an enabled family: not the programs' business. */
const NOT_OURS = 1;

/** Reads the headers; `NOT_OURS`, a negative drop reason, or 0. */
function read(node: Node, ctx: HookContext): number {
  const parsed = readHeaders(ctx.packet, ctx.headers);
  if (parsed === Parse.OK) return node.handles(ctx.headers.family) ? 0 : NOT_OURS;
  if (parsed === Parse.NOT_IP) return NOT_OURS;
  return parsed === Parse.TRUNCATED ? -DropReason.INVALID : -DropReason.INVALID_EXTHDR;
}

const familyOf = (node: Node, ctx: HookContext): NodeFamily => (ctx.headers.family === 4 ? node.v4 : node.v6);

/** XDP, on a device facing the network. */
function xdp(node: Node, ctx: HookContext): number {
  const readable = read(node, ctx);
  if (readable === NOT_OURS) return Act.OK;
  if (readable < 0) return readable;
  return node.options.nodePort ? nodePort(familyOf(node, ctx), ctx) : Act.OK;
}

/** The program at a device looks for neighbour solicitations in all ICMPv6, service or not. */
const isIcmp6WithoutType = ({ packet, headers }: HookContext): boolean =>
  headers.family === 6 && headers.protocol === Protocol.ICMPV6 && !packet.has(headers.l4, 1);

/** tc ingress of a device facing the network, or of the tunnel device. */
function ingress(node: Node, ctx: HookContext): number {
  node.metrics.count(ForwardReason.PLAINTEXT, MetricDirection.INGRESS, ctx.packet.length);
  // Only programs that know tunnels ask what XDP did to the addresses.
  if (node.hasTunnel && (ctx.transfer & Transfer.SNAT_DONE) !== 0) ctx.snatDone();
  const readable = read(node, ctx);
  if (readable === NOT_OURS) return Act.OK;
  if (readable < 0) return readable;
  const f = familyOf(node, ctx);
  if (f.family === 4 && !f.tracksFragments && ctx.headers.fragment) return -DropReason.FRAG_NOSUPPORT;
  if (!ctx.overlay && isIcmp6WithoutType(ctx)) return -DropReason.INVALID;
  if (node.options.nodePort && (ctx.transfer & Transfer.NO_SERVICE) === 0) {
    const act = nodePort(f, ctx);
    if (act !== Act.OK || ctx.punt) return act;
  }
  return deliver(f, ctx);
}

function leave(node: Node, ctx: HookContext): number {
  const readable = read(node, ctx);
  if (readable < 0) return readable;
  return readable === NOT_OURS ? Act.OK : egress(familyOf(node, ctx), ctx);
}

/** tc egress of a device facing the network. A packet whose source is translated already is not looked at. */
function toNetdev(node: Node, ctx: HookContext): number {
  const act = ctx.isSnatDone || !node.options.nodePort ? Act.OK : leave(node, ctx);
  if (act === Act.OK) node.metrics.count(ForwardReason.FORWARDED, MetricDirection.EGRESS, ctx.packet.length);
  return act;
}

/** A pod's hooks. What is no IP packet is dropped, except ARP, which is the kernel's. */
function atPod(node: Node, hook: Hook, ctx: HookContext, pod: PodInterface): number {
  const readable = read(node, ctx);
  if (readable === NOT_OURS) {
    const { packet } = ctx;
    const arp = packet.has(0, ETH.SIZE) && packet.u16(ETH.TYPE) === EtherType.ARP;
    return arp ? Act.OK : -DropReason.UNKNOWN_L3;
  }
  if (readable < 0) return readable;
  const { pods } = familyOf(node, ctx);
  if (hook === 'fromContainer') return fromContainer(pods, ctx, pod);
  if (hook === 'toContainer') return toContainer(pods, ctx);
  return enterPod(pods, ctx, pod.endpoint, ctx.sourceIdentity);
}

function program(node: Node, hook: Hook, ctx: HookContext): number {
  switch (hook) {
    case 'xdp':
      return xdp(node, ctx);
    case 'toNetdev':
      return toNetdev(node, ctx);
    case 'fromNetdev':
    case 'fromOverlay':
      return ingress(node, ctx);
    default:
      if (ctx.pod !== undefined) return atPod(node, hook, ctx, ctx.pod);
      throw new LbtwinError('missing-pod', `hook ${hook} is at a pod`, {
        path: ['pod'],
        allowed: 'the interface of the pod whose program runs',
      });
  }
}

/** Prepares a context, given to `Node.prepare` before, for a hook's program. */
export function enterHook(hook: Hook, ctx: HookContext): void {
  ctx.xdp = hook === 'xdp';
  ctx.overlay = hook === 'fromOverlay';
  const leaves = hook === 'toNetdev' || hook === 'fromContainer';
  ctx.dropDirection = leaves ? MetricDirection.EGRESS : MetricDirection.INGRESS;
  // What XDP hands on starts empty; only tc is handed anything.
  if (ctx.xdp) ctx.transfer = 0;
}

/** Runs a hook's program on the packet in the context; counts a drop. Answers `Act` or a negative drop reason. */
export function runHook(node: Node, hook: Hook, ctx: HookContext): number {
  enterHook(hook, ctx);
  const { length } = ctx.packet;
  const act = program(node, hook, ctx);
  if (act < 0) node.metrics.count(-act, ctx.dropDirection, length);
  if (ctx.trace !== undefined) traceVerdict(ctx, act);
  return act;
}
