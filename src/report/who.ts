import { BackendState, Scope } from '../lb/layout.ts';
import type { ReachingFrontend } from '../lb/who.ts';
import { formatL4Address } from '../net/endpoint.ts';
import { percent, textTable } from './table.ts';

const STATES: Readonly<Record<number, string>> = {
  [BackendState.ACTIVE]: 'active',
  [BackendState.TERMINATING]: 'terminating',
  [BackendState.QUARANTINED]: 'quarantined',
  [BackendState.MAINTENANCE]: 'maintenance',
};

export const backendStateName = (state: number): string => STATES[state] ?? String(state);

/** Ranges as `1024, 1027-1029, …`, the first `most` of them. */
export function rangesText(ranges: readonly (readonly [number, number])[], most: number = Infinity): string {
  const shown = ranges.slice(0, most).map(([from, to]) => (from === to ? String(from) : `${from}-${to}`));
  return ranges.length > most ? `${shown.join(', ')}, …` : shown.join(', ');
}

/** How many numbers the ranges hold. */
export const rangesSize = (ranges: readonly (readonly [number, number])[]): number =>
  ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0);

/** Numbers in ascending order as ranges. */
export function rangesOf(numbers: readonly number[]): [number, number][] {
  const ranges: [number, number][] = [];
  for (const number of numbers) {
    const open = ranges.at(-1);
    if (open !== undefined && open[1] === number - 1) open[1] = number;
    else ranges.push([number, number]);
  }
  return ranges;
}

/** The frontends that reach a backend, with their shares of new flows. */
export function whoTable(list: readonly ReachingFrontend[]): string {
  const rows = list.map((one) => [
    `${formatL4Address(one.frontend)}${one.scope === Scope.INTERNAL ? '/i' : ''}`,
    String(one.revNatIndex),
    one.routable ? 'packets' : 'sockets',
    one.algorithm,
    one.algorithm === 'maglev' ? `${one.tableSlots.length} of ${one.tableSize}` : `${one.slots.length} of ${one.count}`,
    one.algorithm === 'maglev' ? percent(one.tableSlots.length, one.tableSize) : percent(one.slots.length, one.count),
    one.affinity ? 'yes' : 'no',
  ]);
  return textTable(
    [['frontend', 'id', 'for', 'algorithm', 'slots', 'new flows', 'affinity'], ...rows],
    new Set([1, 4, 5]),
  );
}
