import type { ReplayedFrame } from '../cluster/replay.ts';
import { textTable } from './table.ts';

const arrow = (view: ReplayedFrame['before']): string =>
  view === undefined ? '(no IP)' : `${view.source} -> ${view.destination}`;

/** What a node made of a capture, a line for each frame. */
export function formatReplay(config: string, node: string, frames: readonly ReplayedFrame[]): string {
  const rows = frames.map(({ number, before, after, action, drop }) => {
    const [from, to] = [arrow(before), after === undefined ? '' : arrow(after)];
    return [String(number), from, action, drop?.name ?? (to === from ? '' : to)];
  });
  const dropped = frames.filter(({ drop }) => drop !== undefined).length;
  return `${config}\n${frames.length} frames at ${node}, ${dropped} dropped\n\n${textTable(rows, new Set([0]))}`;
}

export const replayJson = (config: string, node: string, frames: readonly ReplayedFrame[]): unknown => ({
  config,
  node,
  frames,
});
