import { envelopeCells } from '../../lab/envelope.ts';
import type { FlowReport, FlowStep } from '../../lab/flows.ts';
import { sharePercent } from './plan.ts';
import { COLORS, type Drawing, label, line, polyline, rect, stack } from './svg.ts';

const WIDTH = 896;
const LEFT = 56;

type Class = readonly [key: 'lost' | 'evictedMoved' | 'saved', color: string, text: string];

const CLASSES: readonly Class[] = [
  ['lost', COLORS.lost, 'moved: the backend is gone'],
  ['evictedMoved', COLORS.needless, 'moved needlessly: the conntrack entry was evicted'],
  ['saved', COLORS.saved, 'stayed thanks to conntrack'],
];

/** Flows that moved, and those that conntrack kept, step by step: one panel for each algorithm, all to one scale. */
export function flowChart(reports: readonly FlowReport[]): Drawing {
  const sum = (step: FlowStep): number => CLASSES.reduce((total, [key]) => total + step[key], 0);
  const flows = reports[0]?.flows ?? 1;
  const highest = reports.reduce((max, { steps }) => steps.reduce((m, step) => Math.max(m, sum(step)), max), 1);
  let x = 0;
  let legend = label(0, 12, 'Flows, step by step', { bold: true, size: 13 });
  for (const [, color, text] of CLASSES) {
    legend += rect(x, 24, 10, 10, color) + label(x + 15, 33, text);
    x += 30 + text.length * 6;
  }
  return stack(
    [{ width: WIDTH, height: 36, body: legend }, ...reports.map((report) => panel(report, highest, flows))],
    14,
  );
}

function panel({ title, steps }: FlowReport, highest: number, flows: number): Drawing {
  const height = 84;
  const base = 20 + height;
  const shown = steps.slice(1);
  const width = (WIDTH - LEFT) / Math.max(1, shown.length);
  const every = Math.max(1, Math.ceil(58 / width));
  let body = label(0, 10, title, { bold: true }) + line(LEFT, 20, WIDTH, 20, COLORS.rule, 0.6);
  body += label(LEFT - 6, 24, sharePercent(highest / flows), { anchor: 'end', color: COLORS.faint, size: 10 });
  body += label(LEFT - 6, base, '0', { anchor: 'end', color: COLORS.faint, size: 10 });
  shown.forEach((step, i) => {
    let y = base;
    const x = LEFT + i * width;
    const bar = Math.min(64, width * 0.8);
    for (const [key, color, text] of CLASSES) {
      const tall = (step[key] / highest) * height;
      y -= tall;
      if (step[key] > 0) body += rect(x, y, bar, tall, color, `${step.label}: ${step[key]} ${text}`);
    }
    if (i % every === 0)
      body += label(x, base + 13, step.label.slice(0, Math.max(8, Math.floor((every * width) / 5.4))), { size: 10 });
  });
  return { width: WIDTH, height: base + 16, body: body + line(LEFT, base, WIDTH, base, COLORS.ink, 0.8) };
}

/** Needless moves of one removal over slots per backend, as measured for Cilium's algorithm; the asked size stands out. */
export function needlessChart(tableSize: number, backends: number): Drawing {
  const [top, bottom] = [34, 234];
  const cells = envelopeCells.filter((cell) => cell.mean > 0);
  const ratio = (cell: { tableSize: number; backends: number }): number => Math.log10(cell.tableSize / cell.backends);
  const [least, most] = [0.2, 4.8];
  const xOf = (value: number): number => LEFT + ((value - least) / (most - least)) * (WIDTH - LEFT - 60);
  const yOf = (share: number): number => bottom - ((Math.log10(Math.max(share, 1e-4)) + 4) / 3) * (bottom - top);
  let body = label(0, 12, 'Needless moves when one backend is removed, over slots per backend (mean; measured)', {
    bold: true,
    size: 13,
  });
  for (const share of [0.0001, 0.001, 0.01, 0.1]) {
    body += line(LEFT, yOf(share), WIDTH - 60, yOf(share), COLORS.rule, 0.6);
    body += label(LEFT - 6, yOf(share) + 4, `${Number((share * 100).toPrecision(1))} %`, {
      anchor: 'end',
      size: 10,
      color: COLORS.faint,
    });
  }
  for (const tick of [1, 2, 3, 4]) {
    body += line(xOf(tick), top, xOf(tick), bottom, COLORS.rule, 0.6);
    body += label(xOf(tick), bottom + 14, String(10 ** tick), { anchor: 'middle', size: 10, color: COLORS.faint });
  }
  body += label(WIDTH - 60, bottom + 14, 'slots per backend', { anchor: 'end', size: 10, color: COLORS.faint });
  for (const size of new Set(cells.map((cell) => cell.tableSize))) {
    const points = cells
      .filter((cell) => cell.tableSize === size && ratio(cell) >= least && ratio(cell) <= most)
      .map((cell): [number, number] => [xOf(ratio(cell)), yOf(cell.mean)]);
    const chosen = size === tableSize;
    body += polyline(points, chosen ? COLORS.needless : '#9a9a9a', chosen ? 2.5 : 0.9);
    const [x, y] = points[0] ?? [0, 0];
    body += label(x + 4, y + 4, String(size), {
      size: 10,
      bold: chosen,
      color: chosen ? COLORS.needless : COLORS.faint,
    });
  }
  const here = xOf(Math.log10(tableSize / backends));
  if (here >= LEFT && here <= WIDTH) {
    body += line(here, top, here, bottom, COLORS.ink, 1);
    body += label(here + 4, top + 10, `${tableSize} slots, ${backends} backends`, { size: 10 });
  }
  return { width: WIDTH, height: bottom + 20, body };
}
