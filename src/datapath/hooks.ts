import { DropReason, ForwardReason } from '../net/drop-reason.ts';
import { Parse, readHeaders } from '../net/parse.ts';
import { Act, type HookContext, Transfer } from './context.ts';
import { deliver } from './deliver.ts';
import { egress } from './egress.ts';
import { MetricDirection } from './metrics.ts';
import type { Node } from './node.ts';
import type { NodeFamily } from './node-family.ts';
import { nodePort } from './nodeport.ts';
import { traceVerdict } from './trace.ts';

/** Where a packet meets the node's programs. */
export type Hook = 'xdp' | 'fromNetdev' | 'toNetdev' | 'fromOverlay';

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
  return readable < 0 ? readable : nodePort(familyOf(node, ctx), ctx);
}

/** tc ingress of a device facing the network, or of the tunnel device. */
function ingress(node: Node, ctx: HookContext): number {
  node.metrics.count(ForwardReason.PLAINTEXT, MetricDirection.INGRESS, ctx.packet.length);
  const readable = read(node, ctx);
  if (readable === NOT_OURS) return Act.OK;
  if (readable < 0) return readable;
  const f = familyOf(node, ctx);
  if (f.family === 4 && !f.tracksFragments && ctx.headers.fragment) return -DropReason.FRAG_NOSUPPORT;
  if ((ctx.transfer & Transfer.NO_SERVICE) === 0) {
    const act = nodePort(f, ctx);
    if (act !== Act.OK || ctx.punt) return act;
  }
  return deliver(f, ctx);
}

/** tc egress of a device facing the network. */
function toNetdev(node: Node, ctx: HookContext): number {
  const readable = read(node, ctx);
  if (readable < 0) return readable;
  const act = readable === NOT_OURS ? Act.OK : egress(familyOf(node, ctx), ctx);
  if (act === Act.OK) node.metrics.count(ForwardReason.FORWARDED, MetricDirection.EGRESS, ctx.packet.length);
  return act;
}

/** Runs a hook's program on the packet in the context; counts a drop. Answers `Act` or a negative drop reason. */
export function runHook(node: Node, hook: Hook, ctx: HookContext): number {
  ctx.xdp = hook === 'xdp';
  ctx.overlay = hook === 'fromOverlay';
  ctx.dropDirection = hook === 'toNetdev' ? MetricDirection.EGRESS : MetricDirection.INGRESS;
  // What XDP hands on starts empty; only tc is handed anything.
  if (ctx.xdp) ctx.transfer = 0;
  const { length } = ctx.packet;
  const act = hook === 'xdp' ? xdp(node, ctx) : hook === 'toNetdev' ? toNetdev(node, ctx) : ingress(node, ctx);
  if (act < 0) node.metrics.count(-act, ctx.dropDirection, length);
  if (ctx.trace !== undefined) traceVerdict(ctx, act);
  return act;
}
