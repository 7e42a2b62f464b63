/**
 * Text in columns as Go's text/tabwriter aligns it, with the settings of the agent's command line: a cell is text that a tab ends, a column
 * is a run of consecutive lines that have a cell there, its width is that of its widest cell plus the padding, and at least
 * the minimum. What follows a line's last tab is no cell and aligns nothing.
 * @param lines cells joined by tabs
 */
export function alignColumns(lines: readonly string[], minWidth = 5, padding = 3): string {
  const cells = lines.map((line) => line.split('\t'));
  const widths: number[][] = cells.map(() => []);
  layOut(cells, widths, 0, cells.length, 0, minWidth, padding);
  return cells.map((row, i) => `${row.map((cell, c) => pad(cell, widths[i]![c] ?? 0)).join('')}\n`).join('');
}

const lengthOf = (cell: string): number => [...cell].length;

const pad = (cell: string, width: number): string => cell + ' '.repeat(Math.max(0, width - lengthOf(cell)));

function layOut(
  cells: readonly string[][],
  widths: number[][],
  from: number,
  to: number,
  column: number,
  minWidth: number,
  padding: number,
): void {
  const has = (row: number): boolean => column < cells[row]!.length - 1;
  for (let start = from; start < to; start++) {
    if (!has(start)) continue;
    let end = start;
    let width = minWidth;
    for (; end < to && has(end); end++) width = Math.max(width, lengthOf(cells[end]![column]!) + padding);
    for (let row = start; row < end; row++) widths[row]![column] = width;
    layOut(cells, widths, start, end, column + 1, minWidth, padding);
    start = end;
  }
}
