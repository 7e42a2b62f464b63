import { DropReason } from '../net/drop-reason.ts';
import { replaceEndpoint, Rewrite } from '../net/rewrite.ts';
import type { HookContext } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import { traceReverseNat, traceSource } from './trace.ts';

const scratch = new Uint32Array(4);

/**
 * Gives a reply the service's address for its source; `ctx.tuple` is its tuple. Without an entry nothing changes.
 * @param ported false for packets without ports (ICMP)
 */
export function translateReply(f: NodeFamily, ctx: HookContext, revNatIndex: number, ported = true): number {
  const { reverseNat } = f.lb;
  const row = reverseNat.find(revNatIndex);
  if (ctx.trace !== undefined) traceReverseNat(f, ctx, revNatIndex, row);
  if (row < 0) return 0;
  reverseNat.copyAddress(row, scratch);
  return replaceSource(f, ctx, scratch, ported ? reverseNat.port(row) : 0);
}

/** Replaces the source of the packet; `port` 0 leaves the port. The old port is the one in `ctx.tuple`, packet layout. */
export function replaceSource(f: NodeFamily, ctx: HookContext, address: Uint32Array, port: number): number {
  const { packet, headers, tuple } = ctx;
  const oldPort = tuple[2 * f.words]! >>> 16;
  const l4 = headers.laterFragment ? -1 : headers.l4;
  const newPort = port === 0 ? oldPort : port;
  if (ctx.trace !== undefined) traceSource(f, ctx, address, oldPort, newPort);
  const result = replaceEndpoint(
    packet,
    f.family,
    headers.l3,
    f.sourceOffset,
    address,
    0,
    l4,
    headers.protocol,
    0,
    oldPort,
    newPort,
  );
  if (result === Rewrite.OK) return 0;
  return result === Rewrite.L4_CHECKSUM ? -DropReason.CSUM_L4 : -DropReason.WRITE_ERROR;
}
