import { ForwardReason } from '../net/drop-reason.ts';
import type { IpAddress } from '../net/address.ts';
import { ETH } from '../net/headers.ts';
import { pushTunnel, tunnelSourcePort } from '../net/tunnel.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { type HookContext, RedirectKind } from './context.ts';
import { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';
import { send } from './send.ts';
import { traceEncapsulation } from './trace.ts';

/**
 * Sends the frame through the overlay to another node: a tc program sets the tunnel's metadata and leaves the headers to the
 * tunnel device, the XDP program writes them. `hash` is the flow's, for the UDP source port; the first `optionBytes` bytes of
 * `ctx.tunnelOut` are Geneve options.
 * @param identity of the source, which is the tunnel's VNI
 * @param decrement whether the outer TTL is decremented when the packet is sent
 */
export function encapsulate(
  f: NodeFamily,
  ctx: HookContext,
  endpoint: IpAddress,
  hash: number,
  optionBytes: number,
  decrement: boolean,
  identity: number = ReservedIdentity.WORLD,
): number {
  const { options, metrics } = f.node;
  // The outer header is IPv4 always: IPv6 underlays are not in the reference.
  const remote = endpoint.words[0]!;
  metrics.count(ForwardReason.FORWARDED, MetricDirection.EGRESS, ctx.packet.length);
  ctx.tunnelOutBytes = optionBytes;
  if (ctx.trace !== undefined) traceEncapsulation(f, ctx, endpoint, optionBytes);
  if (!ctx.xdp) {
    ctx.tunnelVni = identity;
    ctx.tunnelRemote = remote;
    return ctx.redirect(RedirectKind.REDIRECT, options.tunnelIfindex);
  }
  const outer = f.node.v4;
  const { length } = ctx.packet;
  pushTunnel(
    ctx.packet,
    f.node.tunnelProtocol,
    outer.nodeAddress[0]!,
    remote,
    tunnelSourcePort(hash),
    options.tunnelPort,
    identity,
    ctx.tunnelOut,
    optionBytes,
  );
  ctx.pushed = ctx.packet.length - length;
  return send(outer, ctx, ETH.SIZE, false, decrement);
}
