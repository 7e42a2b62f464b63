import { ForwardReason } from '../net/drop-reason.ts';
import { destinationOffset } from '../net/packet-buffer.ts';
import { Act, type HookContext } from './context.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { passTtl, writeMacs } from './send.ts';
import { traceEndpoint } from './trace.ts';

/**
 * What a tc program does with a packet that is no load-balancing traffic any more: if its destination is a pod here, hands it to
 * the pod's policy program; all else, and everything without BPF host routing, is the kernel's.
 */
export function deliver(f: NodeFamily, ctx: HookContext): number {
  if (!f.node.options.hostRouting && !ctx.overlay) return Act.OK;
  const { packet, headers } = ctx;
  packet.address(headers.l3 + destinationOffset(f.family), f.words, ctx.fibDestination, 0);
  const endpoint = f.tables.endpoints.lookup(ctx.fibDestination, 0);
  if (ctx.trace !== undefined) traceEndpoint(f, ctx, ctx.fibDestination, endpoint);
  if (endpoint === undefined || endpoint.host) return Act.OK;
  const passed = passTtl(f, ctx);
  if (passed !== 0) return passed;
  writeMacs(ctx, endpoint.mac.high, endpoint.mac.low, endpoint.nodeMac.high, endpoint.nodeMac.low);
  if (!ctx.overlay) f.node.metrics.count(ForwardReason.FORWARDED, MetricDirection.INGRESS, packet.length);
  ctx.delivered = endpoint;
  return Act.REDIRECT;
}
