import { DropReason } from '../net/drop-reason.ts';
import { ETH } from '../net/headers.ts';
import { destinationOffset, sourceOffset } from '../net/packet-buffer.ts';
import { decrementTtl, ttlOf } from '../net/rewrite.ts';
import { FibResult, type Route } from '../node/tables.ts';
import { type HookContext, RedirectKind } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import { answerTimeExceeded } from './time-exceeded.ts';
import { traceRoute, traceTtl } from './trace.ts';

/** The detail of NO_FIB when the neighbour map does not know a client that the kernel has no neighbour for. */
const NO_MAPPED_NEIGHBOUR = 100;

/** Writes both MAC addresses. */
export function writeMacs(
  ctx: HookContext,
  dmacHigh: number,
  dmacLow: number,
  smacHigh: number,
  smacLow: number,
): void {
  const { packet } = ctx;
  packet.setU32(ETH.DST, dmacHigh);
  packet.setU16(ETH.DST + 4, dmacLow);
  packet.setU32(ETH.SRC, smacHigh);
  packet.setU16(ETH.SRC + 4, smacLow);
}

/** Asks for the route between the addresses in `ctx.fibSource` and `ctx.fibDestination`. */
export function lookupRoute(f: NodeFamily, ctx: HookContext): Route | undefined {
  const route = f.tables.routes.lookup(ctx.fibDestination, 0);
  ctx.fibFamily = f.family;
  ctx.fibResult = route === undefined ? FibResult.NOT_FORWARDED : route.result;
  ctx.fibIfindex = route === undefined ? 0 : route.ifindex;
  ctx.fibLookups++;
  if (ctx.trace !== undefined) traceRoute(f, ctx, route);
  return route;
}

/**
 * Routes the packet by the addresses in the IP header at `l3` and sends it. Without a neighbour of the kernel's, a tc program
 * leaves the resolving to the kernel; the XDP program knows the clients in the neighbour map, if `mayMap` allows to ask it.
 * With `decrement` the TTL is taken down between routing and sending.
 */
export function send(f: NodeFamily, ctx: HookContext, l3: number, mayMap: boolean, decrement = false): number {
  const { packet } = ctx;
  packet.address(l3 + sourceOffset(f.family), f.words, ctx.fibSource, 0);
  packet.address(l3 + destinationOffset(f.family), f.words, ctx.fibDestination, 0);
  const route = lookupRoute(f, ctx);
  if (route === undefined || (route.result !== FibResult.SUCCESS && route.result !== FibResult.NO_NEIGHBOUR)) {
    ctx.extError = ctx.fibResult;
    return -DropReason.NO_FIB;
  }
  if (decrement && !decrementTtl(packet, f.family, l3)) return -DropReason.TTL_EXCEEDED;
  if (route.result === FibResult.SUCCESS) {
    writeMacs(ctx, route.dmac.high, route.dmac.low, route.smac.high, route.smac.low);
    return ctx.redirect(RedirectKind.REDIRECT, route.ifindex);
  }
  if (!ctx.xdp) return ctx.redirect(RedirectKind.REDIRECT_NEIGH, route.ifindex);
  const { neighbours } = f.tables;
  f.memory.log.spoil();
  const row = mayMap ? neighbours.lookup(ctx.fibDestination, 0) : -1;
  if (row < 0) {
    ctx.extError = NO_MAPPED_NEIGHBOUR;
    return -DropReason.NO_FIB;
  }
  writeMacs(ctx, neighbours.macHigh(row), neighbours.macLow(row), f.mac.high, f.mac.low);
  return ctx.redirect(RedirectKind.REDIRECT, route.ifindex);
}

/**
 * Takes one off the TTL of the packet. 0, or what becomes of a packet whose TTL is used up: dropped, or for IPv6 in tc answered.
 * A positive answer is the caller's verdict.
 */
export function passTtl(f: NodeFamily, ctx: HookContext): number {
  const { l3 } = ctx.headers;
  if (decrementTtl(ctx.packet, f.family, l3)) {
    if (ctx.trace !== undefined) traceTtl(f, ctx, ttlOf(ctx.packet, f.family, l3));
    return 0;
  }
  if (f.family === 6 && !ctx.xdp) return answerTimeExceeded(f, ctx);
  return -DropReason.TTL_EXCEEDED;
}
