import { churnHeadline, CLASSES_EXPLAINED, type ChurnReport, stepRows, summaryRows } from './churn.ts';
import { flowChart, needlessChart } from './charts.ts';
import { heatStrip } from './heat-strip.ts';
import { type Drawing, escapeXml, stack, svgDocument } from './svg.ts';

/** The table of the first algorithm that has one, before and after the first step that changes it most. */
function strip(report: ChurnReport): Drawing | undefined {
  const result = report.results.find(({ tables }) => tables !== undefined && tables.length > 1);
  if (result?.tables === undefined) return undefined;
  const changes = result.steps.map(({ table }) => table?.changed ?? 0);
  const step = Math.max(1, changes.indexOf(Math.max(...changes)));
  const title = `${result.title}: the table before and after "${result.steps[step]!.label}"`;
  return heatStrip(result.tables[step - 1]!, result.tables[step]!, title);
}

function drawings(report: ChurnReport): { readonly name: string; readonly drawing: Drawing }[] {
  const heat = strip(report);
  return [
    { name: 'Flows moved and kept at each step', drawing: flowChart(report.results) },
    ...(heat === undefined ? [] : [{ name: 'The table before and after', drawing: heat }]),
    { name: 'Needless moves over slots per backend', drawing: needlessChart(report.tableSize, report.backends) },
  ];
}

/** All pictures of a run in one SVG file. */
export const churnSvg = (report: ChurnReport): string =>
  svgDocument(stack(drawings(report).map(({ drawing }) => drawing)), churnHeadline(report));

function htmlTable([head, ...rows]: readonly (readonly string[])[]): string {
  const cells = (row: readonly string[], tag: 'td' | 'th'): string =>
    `<tr>${row.map((cell) => `<${tag}>${escapeXml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${cells(head!, 'th')}</thead><tbody>${rows.map((row) => cells(row, 'td')).join('')}</tbody></table></div>`;
}

const STYLE = `
body { font: 15px/1.45 system-ui, sans-serif; color: #222; background: #fff; max-width: 1160px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .4rem; }
p { max-width: 48rem; } figure { margin: 1rem 0; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .45rem; text-align: right; border-bottom: 1px solid #ddd; white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } .wide { overflow-x: auto; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } table { font-size: 9.5px; } th, td { padding: .1rem .3rem; }
  figure, table { break-inside: avoid; } h2 { break-after: avoid; } .wide { overflow: visible; } }
`.trim();

/** A run as one self-contained HTML file, for the screen and for paper: no script, nothing loaded from elsewhere. */
export function churnHtml(report: ChurnReport): string {
  const figures = drawings(report)
    .map(({ name, drawing }) => `<figure>${svgDocument(drawing, name)}</figure>`)
    .join('\n');
  const steps = report.results
    .map((result) => `<h2>${escapeXml(result.title)}, step by step</h2>\n${htmlTable(stepRows(result))}`)
    .join('\n');
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>lbtwin churn: ${escapeXml(report.plan)}</title>
<style>
${STYLE}
</style>
</head>
<body>
<h1>Which connections move: ${escapeXml(report.plan)}</h1>
${report.origin === null ? '' : `<p>${escapeXml(report.origin)}</p>\n`}<p>${escapeXml(churnHeadline(report))}.</p>
${htmlTable(summaryRows(report))}
<p>Moved: connections that were reset, as a share of all flows; one that is reset twice counts twice. Slots: share of the lookup table.</p>
${report.notes.map((note) => `<p>Note: ${escapeXml(note)}.</p>\n`).join('')}${figures}
${steps}
<p>${escapeXml(CLASSES_EXPLAINED)}</p>
</body>
</html>
`;
}
