import { bar, indented, percent, textTable } from './table.ts';

/** How a client's ports spread. */
export interface SpreadAnswer {
  readonly config: string;
  readonly assumptions: readonly string[];
  readonly from: string;
  readonly to: string;
  /** How many ports were tried. */
  readonly ports: number;
  /** Backend, or what became of the packet, to how many of them. */
  readonly counts: ReadonlyMap<string, number>;
}

export function formatSpread({ config, assumptions, from, to, ports, counts }: SpreadAnswer, columns: number): string {
  const rows = [...counts].sort(([, a], [, b]) => b - a);
  const most = rows[0]?.[1] ?? 0;
  const table = textTable(
    rows.map(([label, count]) => [
      label,
      String(count),
      percent(count, ports),
      bar(count, most, Math.max(10, Math.min(40, columns - 50))),
    ]),
    new Set([1, 2]),
  );
  const assumed = assumptions.length === 0 ? '' : `\nassumed\n${assumptions.map((line) => `  - ${line}\n`).join('')}`;
  return `${config}\n${from} -> ${to}\n\n${ports} client ports, each a new flow\n${indented(table)}${assumed}`;
}

export const spreadJson = ({ counts, ...rest }: SpreadAnswer): unknown => ({
  ...rest,
  spread: Object.fromEntries(counts),
});
