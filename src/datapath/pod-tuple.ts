import { readConntrackTuple } from '../conntrack/packet.ts';
import { DropReason } from '../net/drop-reason.ts';
import { Protocol } from '../net/protocol.ts';
import type { HookContext } from './context.ts';
import { countFragment, packetTcpFlags } from './ct.ts';
import type { MetricDirection } from './metrics.ts';
import type { NodeFamily } from './node-family.ts';

/**
 * Fills `ctx.tuple` (packet layout) for conntrack at a pod: like `readConntrackTuple`, with the ports of later fragments known
 * from the first.
 * @returns the TCP flags, 0 where there are none, or a negative drop reason
 */
export function readPodTuple(f: NodeFamily, ctx: HookContext, direction: MetricDirection): number {
  const { packet, headers, tuple } = ctx;
  const { protocol } = headers;
  if (protocol === Protocol.SCTP && !f.node.options.sctp) return -DropReason.CT_UNKNOWN_PROTO;
  const portless = protocol !== Protocol.TCP && protocol !== Protocol.UDP && protocol !== Protocol.SCTP;
  if (portless) return readConntrackTuple(packet, headers, tuple);
  const w = f.words;
  packet.address(headers.l3 + f.destinationOffset, w, tuple, 0);
  packet.address(headers.l3 + f.sourceOffset, w, tuple, w);
  tuple[2 * w + 1] = protocol << 8;
  const loaded = f.fragments.loadPorts(packet, headers, tuple);
  if (loaded !== 0) return loaded;
  countFragment(f, ctx, direction);
  const flags = packetTcpFlags(ctx);
  return flags < 0 ? -DropReason.CT_INVALID_HDR : flags;
}
