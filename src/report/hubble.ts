import type { AnnotatedFlow, ObservedStatus } from '../cluster/index.ts';
import { indented, textTable } from './table.ts';

export interface HubbleReport {
  readonly config: string;
  readonly source: string;
  readonly flows: readonly AnnotatedFlow[];
  /** Lines with something else than a flow, and events that Hubble says it has lost. */
  readonly others: number;
  readonly lost: number;
}

const STATUS: Readonly<Record<ObservedStatus, string>> = {
  'as-computed': 'as computed',
  allowed: 'allowed',
  mismatch: 'MISMATCH',
  undecided: 'undecided',
  'not-seen': 'backend not seen',
  'no-service': 'no service',
};

/** How many flows came out how. */
export function countStatuses(flows: readonly AnnotatedFlow[]): Readonly<Record<ObservedStatus, number>> {
  const counts = { 'as-computed': 0, allowed: 0, mismatch: 0, undecided: 0, 'not-seen': 0, 'no-service': 0 };
  for (const { status } of flows) counts[status]++;
  return counts;
}

interface MismatchGroup {
  readonly service: string;
  readonly code: string;
  readonly reason: string;
  readonly backend: string;
  count: number;
  readonly firstLine: number;
}

/** Mismatches of one service, kind and backend together, in order of their first line. */
function mismatches(flows: readonly AnnotatedFlow[]): MismatchGroup[] {
  const groups = new Map<string, MismatchGroup>();
  for (const { line, service = '', mismatch: code, reason, backend = '' } of flows) {
    if (code === undefined) continue;
    const key = `${service} ${code} ${backend}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { service, code, reason, backend, count: 1, firstLine: line });
    else group.count++;
  }
  return [...groups.values()];
}

const row = (flow: AnnotatedFlow): string[] => [
  String(flow.line),
  flow.node ?? '-',
  flow.source === undefined
    ? '-'
    : `${flow.source} -> ${flow.destination}${flow.protocol === undefined ? '' : `/${flow.protocol}`}`,
  flow.hop ?? '-',
  flow.service === undefined ? '-' : `${flow.service} (${flow.frontend!.type})`,
  flow.backend ?? '-',
  `${STATUS[flow.status]}: ${flow.reason}`,
];

const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? '' : 's'}`;

/** Flows for people: a line each, and what does not fit the objects. */
export function formatHubble({ config, source, flows, others, lost }: HubbleReport): string {
  const head = ['line', 'node', 'flow', 'hop', 'service', 'backend', 'verdict'];
  const counts = Object.entries(countStatuses(flows)).filter(([, count]) => count > 0);
  const told = counts.map(([status, count]) => `${count} ${STATUS[status as ObservedStatus].toLowerCase()}`).join(', ');
  const parts = [`${config}\n`, textTable([head, ...flows.map(row)], new Set([0]))];
  let summary = `${plural(flows.length, 'flow')} of ${source}: ${told}\n`;
  if (others > 0) summary += `${plural(others, 'line')} with other events left out\n`;
  if (lost > 0) summary += `Hubble lost ${plural(lost, 'event')}: what belongs together may be missing\n`;
  parts.push(summary);
  const groups = mismatches(flows);
  if (groups.length > 0) {
    const rows = groups.map(({ service, backend, count, firstLine, reason }) => [
      service,
      backend,
      plural(count, 'flow'),
      `first in line ${firstLine}`,
      reason,
    ]);
    parts.push(`mismatches\n${indented(textTable(rows))}`);
  }
  return parts.join('\n');
}

/** A line of JSON for each flow, and one with the summary. */
export function hubbleJsonLines({ config, source, flows, others, lost }: HubbleReport): string {
  const summary = {
    config,
    source,
    flows: flows.length,
    ...countStatuses(flows),
    others,
    lost,
    mismatches: mismatches(flows),
  };
  return [...flows, { summary }].map((one) => `${JSON.stringify(one)}\n`).join('');
}
