import type { SpreadResult } from '../../lab/spread.ts';
import { bar, percent, textTable } from '../table.ts';
import { byteSize } from './plan.ts';

export interface SpreadReport {
  /** Which configuration the answer is for, in a line; `null` without a cluster. */
  readonly origin: string | null;
  /** Where the flows come from. */
  readonly source: string;
  readonly flows: number;
  readonly clients: number;
  readonly affinity: boolean;
  readonly tableSize: number;
  readonly seed: number;
  readonly results: readonly SpreadResult[];
  readonly findings: readonly string[];
  /** Name of each backend, by position. */
  readonly names: readonly string[];
}

const plural = (count: number, word: string): string => `${count} ${word}${count === 1 ? '' : 's'}`;

function section(result: SpreadResult, report: SpreadReport): string {
  const most = result.perBackend.reduce((max, { connections }) => Math.max(max, connections), 0);
  const counted = result.perBackend.some(({ packets }) => packets > 0);
  const weighed = result.perBackend.some(({ bytes }) => bytes > 0);
  const head = [
    'backend',
    'connections',
    'share',
    '',
    'peak open',
    ...(counted ? ['packets'] : []),
    ...(weighed ? ['bytes'] : []),
  ];
  const rows = result.perBackend.map(({ connections, peak, packets, bytes }, i) => [
    report.names[i]!,
    String(connections),
    percent(connections, report.flows),
    bar(connections, most, 24).padEnd(24),
    String(peak),
    ...(counted ? [String(packets)] : []),
    ...(weighed ? [byteSize(bytes)] : []),
  ]);
  const measures =
    `busiest ${percent(result.imbalance, 1)} above its share, chi-square ${result.chiSquare.toFixed(1)} ` +
    `(${plural(result.degrees, 'degree')} of freedom), p ${result.pValue < 1e-4 ? result.pValue.toExponential(1) : result.pValue.toFixed(4)}`;
  return `${result.algorithm}: ${measures}\n${textTable([head, ...rows], new Set([1, 2, 4, 5, 6]))}`;
}

/** A spread for people. */
export function formatSpread(report: SpreadReport): string {
  const { source, flows, clients, affinity, tableSize, results, findings, seed } = report;
  const head =
    `${plural(flows, 'connection')} of ${plural(clients, 'client')} from ${source}` +
    `${affinity ? ', session affinity' : ''}, table size ${tableSize}, seed ${seed}`;
  const notes = findings.map((finding) => `Note: ${finding}.\n`).join('');
  return `${report.origin === null ? '' : `${report.origin}\n\n`}${[head, ...results.map((result) => section(result, report).trimEnd())].join('\n\n')}\n${notes === '' ? '' : `\n${notes}`}`;
}
