/** A table for people: columns as wide as their widest cell, two blanks apart, no trailing blanks. `right` names right-aligned columns. */
export function textTable(rows: readonly (readonly string[])[], right: ReadonlySet<number> = new Set()): string {
  const widths: number[] = [];
  for (const row of rows) row.forEach((cell, c) => (widths[c] = Math.max(widths[c] ?? 0, lengthOf(cell))));
  return rows
    .map((row) =>
      row
        .map((cell, c) => align(cell, widths[c]!, right.has(c)))
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `${line}\n`)
    .join('');
}

const lengthOf = (text: string): number => [...text].length;

function align(cell: string, width: number, right: boolean): string {
  const blank = ' '.repeat(width - lengthOf(cell));
  return right ? blank + cell : cell + blank;
}

/** Every line of `text` moved right. */
export const indented = (text: string, by = '  '): string => text.replace(/^(?=.)/gm, by);

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A horizontal bar of `value` where `full` fills `width` characters; something above zero always shows. */
export function bar(value: number, full: number, width: number): string {
  const eighths = full === 0 ? 0 : Math.round((8 * width * value) / full);
  const shown = value > 0 ? Math.max(1, eighths) : 0;
  return '█'.repeat(shown >> 3) + EIGHTHS[shown & 7]!;
}

/** `9.1 %`; what is neither nothing nor everything never rounds to it. */
export function percent(part: number, whole: number): string {
  if (whole === 0 || part === 0) return '0 %';
  const share = (100 * part) / whole;
  if (part > 0 && share < 0.1) return '< 0.1 %';
  if (part < whole && share > 99.9) return '> 99.9 %';
  return part === whole ? '100 %' : `${share.toFixed(1)} %`;
}
