import { bar, percent, textTable } from './table.ts';

/** A Maglev table in short: who owns how much, and how long the runs of one owner are. */
export interface MaglevView {
  readonly size: number;
  /** By backend id, in falling order of slots. */
  readonly shares: readonly { readonly id: number; readonly slots: number }[];
  /** The table as runs: backend id and how many slots in a row it owns. */
  readonly runs: readonly (readonly [id: number, length: number])[];
}

export function viewMaglev(table: Uint32Array): MaglevView {
  const slots = new Map<number, number>();
  const runs: [number, number][] = [];
  for (const id of table) {
    slots.set(id, (slots.get(id) ?? 0) + 1);
    const last = runs.at(-1);
    if (last !== undefined && last[0] === id) last[1]++;
    else runs.push([id, 1]);
  }
  const shares = [...slots]
    .map(([id, count]) => ({ id, slots: count }))
    .sort((a, b) => b.slots - a.slots || a.id - b.id);
  return { size: table.length, shares, runs };
}

/** The view as text; `nameOf` says who a backend id is. */
export function formatMaglevView(view: MaglevView, nameOf: (id: number) => string): string {
  const most = view.shares[0]?.slots ?? 0;
  const rows = view.shares.map(({ id, slots }) => [
    String(id),
    nameOf(id),
    String(slots),
    percent(slots, view.size),
    bar(slots, most, 20),
  ]);
  const table = textTable([['id', 'backend', 'slots', 'share', ''], ...rows], new Set([0, 2, 3]));
  const lengths = new Map<number, number>();
  for (const [, length] of view.runs) lengths.set(length, (lengths.get(length) ?? 0) + 1);
  const listed = [...lengths].sort(([a], [b]) => a - b).map(([length, count]) => `${count} of length ${length}`);
  const shown = listed.length > 8 ? [...listed.slice(0, 7), `… the longest ${Math.max(...lengths.keys())}`] : listed;
  return `${table}${view.size} slots, ${view.shares.length} backends, ${view.runs.length} runs: ${shown.join(', ')}\n`;
}
