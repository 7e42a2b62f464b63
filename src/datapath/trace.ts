import { traceCtUpdate } from '../conntrack/trace.ts';
import { type CtTuple, viewTuple } from '../conntrack/tuple.ts';
import { viewNatEntry } from '../nat/entry.ts';
import { formatAddress, formatWords, type IpAddress } from '../net/address.ts';
import { dropReasonName } from '../net/drop-reason.ts';
import { formatMac } from '../node/mac.ts';
import type { IpCacheEntry, LocalEndpoint, Route } from '../node/tables.ts';
import type { HookContext } from './context.ts';
import type { NodeFamily } from './node-family.ts';
import { actionOf, fibResultName } from './verdict.ts';

/*
 * What a listener is told, step by step. These are called only when somebody listens (`ctx.trace`); addresses, ports and entries
 * are made into text and objects here and nowhere else.
 */

interface EndpointText {
  readonly address: string;
  readonly port: number;
}

const endpoint = (f: NodeFamily, words: ArrayLike<number>, at: number, port: number): EndpointText => ({
  address: formatWords(f.family, words, at),
  port,
});

export function traceRoute(f: NodeFamily, ctx: HookContext, route: Route | undefined): void {
  const source = formatWords(f.family, ctx.fibSource);
  const destination = formatWords(f.family, ctx.fibDestination);
  const value = route && {
    result: fibResultName(route.result),
    ifindex: route.ifindex,
    dmac: formatMac(route.dmac),
    smac: formatMac(route.smac),
  };
  ctx.trace?.event({ kind: 'lookup', map: 'routes', key: { source, destination }, value });
}

export function traceTtl(f: NodeFamily, ctx: HookContext, ttl: number): void {
  ctx.trace?.event({ kind: 'rewrite', field: f.family === 4 ? 'ttl' : 'hopLimit', from: ttl + 1, to: ttl });
}

export function traceDecision(ctx: HookContext, what: string, result: unknown, detail?: unknown): void {
  ctx.trace?.event({ kind: 'decision', what, result, ...(detail === undefined ? {} : { detail }) });
}

/** An address looked up among the node's endpoints. */
export function traceEndpoint(
  f: NodeFamily,
  ctx: HookContext,
  words: ArrayLike<number>,
  found: LocalEndpoint | undefined,
): void {
  const value = found && { id: found.id, ifindex: found.ifindex, host: found.host };
  ctx.trace?.event({ kind: 'lookup', map: 'endpoints', key: { address: formatWords(f.family, words) }, value });
}

/** An address looked up in the ipcache. */
export function traceIpCache(
  f: NodeFamily,
  ctx: HookContext,
  words: ArrayLike<number>,
  found: IpCacheEntry | undefined,
): void {
  const value = found && {
    identity: found.identity,
    ...(found.tunnelEndpoint && { tunnelEndpoint: formatAddress(found.tunnelEndpoint) }),
    ...(found.skipTunnel === true && { skipTunnel: true }),
  };
  ctx.trace?.event({ kind: 'lookup', map: 'ipcache', key: { address: formatWords(f.family, words) }, value });
}

export function traceEncapsulation(f: NodeFamily, ctx: HookContext, remote: IpAddress, optionBytes: number): void {
  const detail = { protocol: f.node.tunnelProtocol, remote: formatAddress(remote), optionBytes };
  traceDecision(ctx, 'encapsulation', ctx.xdp ? 'headers written' : 'left to the tunnel device', detail);
}

/** A conntrack entry that was made. */
export function traceCreated(f: NodeFamily, ctx: HookContext, tuple: CtTuple): void {
  if (ctx.trace !== undefined) traceCtUpdate(ctx.trace, f.conntrack, tuple);
}

/** The NAT entry that a tuple has now, as a read or as a write. */
export function traceNat(f: NodeFamily, ctx: HookContext, tuple: CtTuple, written: boolean): void {
  const { table } = f.nat;
  const row = table.find(tuple);
  const key = viewTuple(f.family, tuple);
  const value = row < 0 ? undefined : viewNatEntry(f.family, table, row);
  ctx.trace?.event({ kind: written ? 'update' : 'lookup', map: 'nat', key, value });
}

/** The source that NAT gave the packet of `tuple` (NAT layout), and whether the mapping was made for it. */
export function traceSnat(f: NodeFamily, ctx: HookContext, tuple: CtTuple): void {
  const { nat, words } = f;
  traceNat(f, ctx, tuple, nat.created === ctx.now);
  const from = endpoint(f, tuple, words, tuple[2 * words]! & 0xffff);
  ctx.trace?.event({ kind: 'rewrite', field: 'source', from, to: endpoint(f, nat.toAddr, 0, nat.toPort) });
}

/** The destination that NAT gave back to the packet of `tuple`. */
export function traceUnSnat(f: NodeFamily, ctx: HookContext, tuple: CtTuple): void {
  const { nat, words } = f;
  traceNat(f, ctx, tuple, false);
  const from = endpoint(f, tuple, 0, tuple[2 * words]! >>> 16);
  ctx.trace?.event({ kind: 'rewrite', field: 'destination', from, to: endpoint(f, nat.toAddr, 0, nat.toPort) });
}

export function traceSource(
  f: NodeFamily,
  ctx: HookContext,
  address: Uint32Array,
  oldPort: number,
  port: number,
): void {
  const from = endpoint(f, ctx.tuple, f.words, oldPort);
  ctx.trace?.event({ kind: 'rewrite', field: 'source', from, to: endpoint(f, address, 0, port) });
}

/** A reverse NAT entry looked up; `row` -1 if there is none. */
export function traceReverseNat(f: NodeFamily, ctx: HookContext, revNatIndex: number, row: number): void {
  const { reverseNat } = f.lb;
  const value = row < 0 ? undefined : reverseNat.get(revNatIndex);
  const text = value && { address: formatAddress(value.address), port: value.port };
  ctx.trace?.event({ kind: 'lookup', map: 'reverseNat', key: { revNatIndex }, value: text });
}

export function traceNeighbour(
  f: NodeFamily,
  ctx: HookContext,
  words: ArrayLike<number>,
  high: number,
  low: number,
): void {
  const key = { address: formatWords(f.family, words) };
  ctx.trace?.event({ kind: 'update', map: 'neighbours', key, value: { mac: formatMac({ high, low }) } });
}

/** The last event of a packet. */
export function traceVerdict(ctx: HookContext, act: number): void {
  const reason = act < 0 ? -act : ctx.answeredReason;
  const detail = {
    ...(reason === 0 ? {} : { dropReason: dropReasonName(reason), code: reason }),
    ...(ctx.extError === 0 ? {} : { extError: ctx.extError }),
    ...(act > 0 && ctx.redirectIfindex !== 0 ? { ifindex: ctx.redirectIfindex } : {}),
    ...(ctx.delivered === undefined ? {} : { endpoint: ctx.delivered.id }),
  };
  const verdict = actionOf(ctx, act);
  ctx.trace?.event({ kind: 'verdict', verdict, ...(Object.keys(detail).length === 0 ? {} : { detail }) });
}
