import { type CtDir, type CtScope, type CtStatus, CtDir as Dir } from '../conntrack/kinds.ts';
import type { CtState } from '../conntrack/entry.ts';
import { traceCtLookup } from '../conntrack/trace.ts';
import type { CtTuple } from '../conntrack/tuple.ts';
import { DropReason, ForwardReason } from '../net/drop-reason.ts';
import { TCP } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';

/** The TCP flags of the packet for conntrack: 0 for other protocols and later fragments; -1 if they are cut off. */
export function packetTcpFlags(ctx: HookContext): number {
  const { headers, packet } = ctx;
  if (headers.protocol !== Protocol.TCP || headers.laterFragment) return 0;
  return packet.has(headers.l4 + TCP.FLAGS, 1) ? packet.u8(headers.l4 + TCP.FLAGS) : -1;
}

/**
 * A conntrack lookup of the packet in hand under `tuple`: counts fragments, reads the TCP flags.
 * @returns a `CtStatus`, or a negative drop reason
 */
export function lookupConntrack(
  f: NodeFamily,
  ctx: HookContext,
  tuple: CtTuple,
  dir: CtDir,
  scope: CtScope,
  types: number,
  state: CtState,
): CtStatus | number {
  countFragment(f, ctx, METRIC_OF[dir]!);
  const flags = packetTcpFlags(ctx);
  if (flags < 0) return -DropReason.CT_INVALID_HDR;
  const status = f.conntrack.lookup(tuple, dir, scope, types, state, flags, ctx.packet.length, ctx.now);
  if (ctx.trace !== undefined) traceCtLookup(ctx.trace, f.conntrack, tuple, status);
  return status;
}

/** Counts a packet that is a fragment, where fragments are tracked. */
export function countFragment(f: NodeFamily, ctx: HookContext, direction: MetricDirection): void {
  if (!f.tracksFragments || !ctx.headers.fragment) return;
  f.node.metrics.count(ForwardReason.FRAG_PACKET, direction, ctx.packet.length);
}

const METRIC_OF: Readonly<Record<number, MetricDirection>> = {
  [Dir.EGRESS]: MetricDirection.EGRESS,
  [Dir.INGRESS]: MetricDirection.INGRESS,
  [Dir.SERVICE]: MetricDirection.SERVICE,
};
