import {
  partyName,
  type PolicyMatrix,
  type PolicyParty,
  Reach,
  REACH_SYMBOLS,
  type ReachChange,
} from '../policy/index.ts';
import { trafficText } from './policy.ts';
import { textTable } from './table.ts';

/** What each symbol of a matrix stands for. */
export const REACH_LEGEND: readonly (readonly [symbol: string, meaning: string])[] = [
  ['X', 'allowed'],
  ['P', 'allowed through a proxy'],
  ['e', 'dropped at the source: default deny'],
  ['E', 'dropped at the source: deny rule'],
  ['u', 'source has to authenticate'],
  ['i', 'dropped at the destination: default deny'],
  ['I', 'dropped at the destination: deny rule'],
  ['U', 'destination asks for authentication'],
  ['d', 'dropped before policy is asked'],
  ['?', 'depends on the order in which the agent takes its rules'],
  ['-', 'not asked'],
];

const symbol = (matrix: PolicyMatrix, traffic: number, from: number, to: number): string =>
  REACH_SYMBOLS[matrix.cells[traffic]![from * matrix.parties.length + to]!]!;

/** Rows and columns that say the same for every traffic are one. */
function merged(matrix: PolicyMatrix): { index: number; parties: PolicyParty[] }[] {
  const count = matrix.parties.length;
  const groups: { index: number; parties: PolicyParty[] }[] = [];
  const byLine = new Map<string, { index: number; parties: PolicyParty[] }>();
  for (let party = 0; party < count; party++) {
    let line = matrix.parties[party]!.kind;
    for (const cells of matrix.cells) {
      // Its own cell says nothing; what stands there must not tell parties apart.
      for (let other = 0; other < count; other++) line += other === party ? '' : cells[party * count + other];
      for (let other = 0; other < count; other++) line += other === party ? '' : cells[other * count + party];
    }
    const known = byLine.get(line);
    if (known !== undefined) {
      known.parties.push(matrix.parties[party]!);
      continue;
    }
    const group = { index: party, parties: [matrix.parties[party]!] };
    byLine.set(line, group);
    groups.push(group);
  }
  return groups;
}

const LEGEND_LINE = (used: ReadonlySet<string>): string =>
  REACH_LEGEND.filter(([sign]) => used.has(sign))
    .map(([sign, meaning]) => `${sign} ${meaning}`)
    .join(', ');

function usedSymbols(matrix: PolicyMatrix): Set<string> {
  const used = new Set<string>();
  for (const cells of matrix.cells) for (const cell of cells) used.add(REACH_SYMBOLS[cell]!);
  return used;
}

/** Squares for a terminal: rows are sources, columns destinations by number. */
export function formatMatrix(matrix: PolicyMatrix): string {
  const { parties } = matrix;
  const digits = String(parties.length).length;
  let text = `rows: from, columns: to; ${LEGEND_LINE(usedSymbols(matrix))}\n`;
  matrix.traffic.forEach((traffic, t) => {
    text += `\n${trafficText(traffic)}\n`;
    const head = parties.map((_, index) => String(index + 1).padStart(digits));
    const rows = parties.map((party, from) => [
      String(from + 1),
      partyName(party),
      parties.map((_, to) => symbol(matrix, t, from, to).padStart(digits)).join(' '),
    ]);
    text += textTable([['', '', head.join(' ')], ...rows], new Set([0]));
  });
  return text;
}

/** Tables in Markdown, one per traffic. */
export function matrixMarkdown(matrix: PolicyMatrix): string {
  const { parties } = matrix;
  let text = `${REACH_LEGEND.filter(([sign]) => usedSymbols(matrix).has(sign))
    .map(([sign, meaning]) => `\`${sign}\` ${meaning}`)
    .join(', ')}\n`;
  matrix.traffic.forEach((traffic, t) => {
    text += `\n### ${trafficText(traffic)}\n\n`;
    text += `| from \\ to | ${parties.map(partyName).join(' | ')} |\n|---|${parties.map(() => ':-:').join('|')}|\n`;
    parties.forEach((party, from) => {
      text += `| ${partyName(party)} | ${parties.map((_, to) => symbol(matrix, t, from, to)).join(' | ')} |\n`;
    });
  });
  return text;
}

export const matrixJson = (matrix: PolicyMatrix): unknown => ({
  parties: matrix.parties.map(partyName),
  legend: Object.fromEntries(REACH_LEGEND),
  traffic: matrix.traffic.map((traffic, t) => ({
    name: trafficText(traffic),
    rows: matrix.parties.map((_, from) => matrix.parties.map((__, to) => symbol(matrix, t, from, to)).join('')),
  })),
});

const COLORS: Readonly<Record<string, string>> = {
  X: '#2e7d32',
  P: '#00838f',
  e: '#ef9a9a',
  i: '#ffcc80',
  E: '#b71c1c',
  I: '#e65100',
  u: '#9575cd',
  U: '#5e35b1',
  d: '#616161',
  '?': '#fdd835',
  '-': '#eceff1',
};

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');

const CELL = 14;
const GAP = 40;

/** A heat map: one square per traffic side by side; parties that policy cannot tell apart share a row and a column. */
export function matrixSvg(matrix: PolicyMatrix): string {
  const groups = merged(matrix);
  const names = groups.map(({ parties }) =>
    parties.length === 1 ? partyName(parties[0]!) : `${partyName(parties[0]!)} (+${parties.length - 1})`,
  );
  const left = 20 + 7 * Math.max(...names.map((name) => name.length), 4);
  const side = groups.length * CELL;
  const width = left + matrix.traffic.length * (side + GAP);
  const used = REACH_LEGEND.filter(([sign]) => usedSymbols(matrix).has(sign));
  const height = 40 + side + 24 + used.length * 18;
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="11">`,
    '<rect width="100%" height="100%" fill="#fff"/>',
  ];
  names.forEach((name, row) => {
    out.push(`<text x="${left - 6}" y="${40 + row * CELL + 11}" text-anchor="end">${escaped(name)}</text>`);
  });
  matrix.traffic.forEach((traffic, t) => {
    const x = left + t * (side + GAP);
    out.push(`<text x="${x}" y="30" font-weight="bold">${escaped(trafficText(traffic))}</text>`);
    groups.forEach((from, row) => {
      groups.forEach((to, column) => {
        // Within a group the first two stand for all.
        const other = from === to && from.parties.length > 1 ? matrix.parties.indexOf(from.parties[1]!) : to.index;
        const sign = symbol(matrix, t, from.index, other);
        const title = `${names[row]} → ${names[column]}: ${REACH_LEGEND.find(([one]) => one === sign)![1]}`;
        out.push(
          `<rect x="${x + column * CELL}" y="${40 + row * CELL}" width="${CELL - 1}" height="${CELL - 1}" fill="${COLORS[sign]}"><title>${escaped(title)}</title></rect>`,
        );
      });
    });
  });
  used.forEach(([sign, meaning], index) => {
    const y = 40 + side + 16 + index * 18;
    out.push(`<rect x="${left}" y="${y}" width="12" height="12" fill="${COLORS[sign]}"/>`);
    out.push(`<text x="${left + 18}" y="${y + 10}">${escaped(meaning)}</text>`);
  });
  out.push('</svg>');
  return `${out.join('\n')}\n`;
}

const meaningOf = (reach: Reach): string => REACH_LEGEND.find(([sign]) => sign === REACH_SYMBOLS[reach])![1];

/** Changes of connectivity, one line each: `+` what is new, `-` what is gone, `~` what is treated in another way. */
export function formatReachChanges(changes: readonly ReachChange[]): string {
  const reached = (reach: Reach): boolean => reach === Reach.ALLOWED || reach === Reach.REDIRECTED;
  const rows = changes.map(({ from, to, traffic, before, after }) => {
    const mark = reached(before) === reached(after) ? '~' : reached(after) ? '+' : '-';
    return [mark, `${from} → ${to}`, trafficText(traffic), `${meaningOf(before)} ⇒ ${meaningOf(after)}`];
  });
  return textTable(rows);
}

export const reachChangesJson = (changes: readonly ReachChange[]): unknown =>
  changes.map(({ from, to, traffic, before, after }) => ({
    from,
    to,
    traffic: trafficText(traffic),
    before: meaningOf(before),
    after: meaningOf(after),
    gained:
      (after === Reach.ALLOWED || after === Reach.REDIRECTED) &&
      before !== Reach.ALLOWED &&
      before !== Reach.REDIRECTED,
    lost:
      (before === Reach.ALLOWED || before === Reach.REDIRECTED) &&
      after !== Reach.ALLOWED &&
      after !== Reach.REDIRECTED,
  }));
