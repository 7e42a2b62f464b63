import type { Hook, Verdict } from '../datapath/index.ts';
import { type CapturedFrame, ethernetOf } from '../net/pcap.ts';
import type { Cluster } from './cluster.ts';
import { type PacketView, viewOf } from './packet-view.ts';
import { withMacs } from './kernel.ts';
import { GATEWAY_MAC } from './node-tables.ts';

/** What a node made of one captured frame. */
export interface ReplayedFrame {
  readonly number: number;
  readonly before: PacketView | undefined;
  readonly after: PacketView | undefined;
  readonly action: string;
  readonly drop: { readonly code: number; readonly name: string } | undefined;
  /** Seconds of the node's clock. */
  readonly at: number;
}

/**
 * Gives captured frames to a node's program one after the other, with the time between them as captured. Frames without IP are left out.
 * @param hook where they come in; `xdp` is followed by `fromNetdev` only in journeys
 */
export function replayFrames(
  cluster: Cluster,
  node: string,
  frames: readonly CapturedFrame[],
  random: () => number,
  hook: Hook = 'fromNetdev',
): ReplayedFrame[] {
  const twin = cluster.node(node);
  const first = frames[0]?.seconds ?? 0;
  const replayed: ReplayedFrame[] = [];
  frames.forEach((captured, i) => {
    const ethernet = ethernetOf(captured);
    if (ethernet === undefined) return;
    const frame = withMacs(ethernet, twin.topology.mac, GATEWAY_MAC);
    const at = cluster.now + Math.max(0, captured.seconds - first);
    const verdict: Verdict = twin.datapath.receive(hook, frame, { now: at, random });
    const { drop } = verdict;
    replayed.push({
      number: i + 1,
      before: viewOf(frame),
      after: verdict.frame === undefined ? undefined : viewOf(verdict.frame),
      action: verdict.action,
      drop: drop === undefined ? undefined : { code: drop.code, name: drop.name },
      at,
    });
  });
  return replayed;
}
