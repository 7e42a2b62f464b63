import { DropReason } from '../net/drop-reason.ts';
import type { U64 } from '../net/u64.ts';
import type { HookContext } from './context.ts';
import { countFragment, packetTcpFlags } from './ct.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import type { ServicePath } from './service.ts';

/**
 * The service step of a hook on the packet in `ctx`, whose tuple (packet layout) found a service: see `ServicePath.translate`.
 * `ctx.serviceState` has the flow's state, `ctx.extError` the errno behind a failed creation.
 */
export function translateService(
  f: NodeFamily,
  service: ServicePath,
  ctx: HookContext,
  skip: boolean,
  netnsCookie?: U64,
): number {
  countFragment(f, ctx, MetricDirection.SERVICE);
  const flags = packetTcpFlags(ctx);
  if (flags < 0) return -DropReason.CT_INVALID_HDR;
  const result = service.translate(ctx, ctx.tuple, flags, skip, netnsCookie);
  if (result === -DropReason.CT_CREATE_FAILED) ctx.extError = service.extError;
  return result;
}
