import { partyName, type PolicyMatrix, Reach, REACH_SYMBOLS, type ReachChange } from '../policy/index.ts';
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

/** A matrix as it is shown: parties with names, cells as symbols. */
interface Shown {
  readonly names: readonly string[];
  symbol(traffic: number, from: number, to: number): string;
}

/** More parties than this are shown in groups that policy treats the same. */
const SHOWN_SINGLY = 24;

function shown(matrix: PolicyMatrix, grouped: boolean = matrix.parties.length > SHOWN_SINGLY): Shown {
  const { parties, cells } = matrix;
  const symbolAt = (traffic: number, from: number, to: number): string =>
    REACH_SYMBOLS[cells[traffic]![from * parties.length + to]!]!;
  if (!grouped) return { names: parties.map(partyName), symbol: symbolAt };
  const groups = groupsOf(matrix);
  return {
    names: groups.map(([first, ...more]) => {
      const name = partyName(parties[first!]!);
      return more.length === 0 ? name : `${name} (+${more.length})`;
    }),
    // Within a group the first two stand for all.
    symbol: (traffic, from, to) =>
      symbolAt(traffic, groups[from]![0]!, from === to ? (groups[to]![1] ?? groups[to]![0]!) : groups[to]![0]!),
  };
}

/**
 * Parties by index that policy cannot tell apart: whose rows and columns say the same. Their own cells say nothing, so those
 * of a group have to agree with what its members say of each other.
 */
function groupsOf({ parties, cells }: PolicyMatrix): number[][] {
  const count = parties.length;
  const groups: number[][] = [];
  const candidates = new Map<string, number[][]>();
  const same = (a: number, b: number): boolean =>
    cells.every((square) => {
      if (square[a * count + b] !== square[b * count + a]) return false;
      for (let other = 0; other < count; other++) {
        if (other === a || other === b) continue;
        if (square[a * count + other] !== square[b * count + other]) return false;
        if (square[other * count + a] !== square[other * count + b]) return false;
      }
      return true;
    });
  for (let party = 0; party < count; party++) {
    // Few parties share these counts: only they are compared in full.
    let key = parties[party]!.kind;
    for (const square of cells) {
      let sum = 0;
      for (let other = 0; other < count; other++)
        sum += square[party * count + other]! * 31 + square[other * count + party]!;
      key += ` ${sum}`;
    }
    const near = candidates.get(key) ?? [];
    candidates.set(key, near);
    const group = near.find(([first]) => same(first!, party));
    if (group !== undefined) group.push(party);
    else {
      const started = [party];
      groups.push(started);
      near.push(started);
    }
  }
  return groups;
}

const legendLine = (used: ReadonlySet<string>): string =>
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
  const { names, symbol } = shown(matrix);
  const digits = String(names.length).length;
  let text = `rows: from, columns: to; ${legendLine(usedSymbols(matrix))}\n`;
  matrix.traffic.forEach((traffic, t) => {
    text += `\n${trafficText(traffic)}\n`;
    const head = names.map((_, index) => String(index + 1).padStart(digits));
    const rows = names.map((name, from) => [
      String(from + 1),
      name,
      names.map((_, to) => symbol(t, from, to).padStart(digits)).join(' '),
    ]);
    text += textTable([['', '', head.join(' ')], ...rows], new Set([0]));
  });
  return text;
}

/** Tables in Markdown, one per traffic. */
export function matrixMarkdown(matrix: PolicyMatrix): string {
  const { names, symbol } = shown(matrix);
  const used = REACH_LEGEND.filter(([sign]) => usedSymbols(matrix).has(sign));
  let text = `${used.map(([sign, meaning]) => `\`${sign}\` ${meaning}`).join(', ')}\n`;
  matrix.traffic.forEach((traffic, t) => {
    text += `\n### ${trafficText(traffic)}\n\n`;
    text += `| from \\ to | ${names.join(' | ')} |\n|---|${names.map(() => ':-:').join('|')}|\n`;
    names.forEach((name, from) => {
      text += `| ${name} | ${names.map((_, to) => symbol(t, from, to)).join(' | ')} |\n`;
    });
  });
  return text;
}

/** Every party by itself, whatever their number. */
export function matrixJson(matrix: PolicyMatrix): unknown {
  const { names, symbol } = shown(matrix, false);
  return {
    parties: names,
    legend: Object.fromEntries(REACH_LEGEND),
    traffic: matrix.traffic.map((traffic, t) => ({
      name: trafficText(traffic),
      rows: names.map((_, from) => names.map((__, to) => symbol(t, from, to)).join('')),
    })),
  };
}

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
  const { names, symbol } = shown(matrix, true);
  const left = 20 + 7 * Math.max(...names.map((name) => name.length), 4);
  const side = names.length * CELL;
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
    names.forEach((_, row) => {
      names.forEach((__, column) => {
        const sign = symbol(t, row, column);
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
