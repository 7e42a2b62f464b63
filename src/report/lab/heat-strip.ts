import { COLORS, type Drawing, label, line, rect } from './svg.ts';
import { sharePercent } from './plan.ts';

const WIDTH = 896;
const SHOWN = 224;

/** A colour per backend that differs most from its neighbours': steps of the golden angle. */
const ownerColor = (id: number): string => `hsl(${Math.round((id * 137.508) % 360)} 45% ${62 + ((id * 7) % 3) * 9}%)`;

/** Which slots changed, and whether they had to: 0 no, 1 unavoidably, 2 needlessly. */
function kinds(before: Uint32Array, after: Uint32Array): Uint8Array {
  const [old, young] = [new Set(before), new Set(after)];
  return Uint8Array.from(before, (from, s) => {
    const to = after[s]!;
    if (from === to) return 0;
    return young.has(from) && old.has(to) ? 2 : 1;
  });
}

/**
 * A table before and after a change: its first slots one by one (colour is the backend, ticks mark changes), and
 * the whole table in bins: above the line what changed unavoidably, below it needlessly.
 */
export function heatStrip(before: Uint32Array, after: Uint32Array, title: string): Drawing {
  const kind = kinds(before, after);
  const count = (wanted: number): number => kind.reduce((sum, k) => sum + (k === wanted ? 1 : 0), 0);
  const [unavoidable, needless] = [count(1), count(2)];
  const size = before.length;
  const shown = Math.min(SHOWN, size);
  let body =
    label(0, 12, title, { bold: true, size: 13 }) +
    label(
      0,
      30,
      `${size} slots: ${unavoidable} changed unavoidably (${sharePercent(unavoidable / size)}), ${needless} needlessly (${sharePercent(needless / size)})`,
    ) +
    label(0, 52, `the first ${shown} slots; a colour is a backend, ticks mark changed slots`, { color: COLORS.faint });
  const cell = WIDTH / shown;
  [before, after].forEach((table, row) => {
    const y = 60 + row * 30;
    for (let s = 0; s < shown; s++) body += rect(s * cell, y, cell, 20, ownerColor(table[s]!));
    body += label(WIDTH + 8, y + 14, row === 0 ? 'before' : 'after');
  });
  for (let s = 0; s < shown; s++) {
    if (kind[s] !== 0) body += rect(s * cell, 81, cell, 8, kind[s] === 1 ? COLORS.unavoidable : COLORS.needless);
  }
  return { width: WIDTH + 60, height: 258, body: body + bins(kind, size) };
}

function bins(kind: Uint8Array, size: number): string {
  const count = Math.min(SHOWN, size);
  const sums = Array.from({ length: count }, () => [0, 0, 0] as [number, number, number]);
  kind.forEach((k, s) => {
    const bin = sums[Math.floor((s * count) / size)]!;
    bin[0]++;
    if (k > 0) bin[k]!++;
  });
  const largest = (k: 1 | 2): number => sums.reduce((max, bin) => Math.max(max, bin[k] / bin[0]), 0);
  const [up, down] = [largest(1), largest(2)];
  const scale = 90 / Math.max(up + down, 1e-9);
  const zero = 158 + up * scale;
  const width = WIDTH / count;
  let body = label(
    0,
    146,
    `the whole table in ${count} bins: share of each bin changed unavoidably (up, at most ${sharePercent(up)}) and needlessly (down, at most ${sharePercent(down)})`,
    { color: COLORS.faint },
  );
  sums.forEach(([slots, a, b], i) => {
    const heights = [(a / slots) * scale, (b / slots) * scale] as const;
    if (a > 0) body += rect(i * width, zero - heights[0], width * 0.86, heights[0], COLORS.unavoidable);
    if (b > 0) body += rect(i * width, zero, width * 0.86, heights[1], COLORS.needless);
  });
  return (
    body + line(0, zero, WIDTH, zero, COLORS.ink, 0.6) + label(WIDTH + 8, zero + 4, 'slots →', { color: COLORS.faint })
  );
}
