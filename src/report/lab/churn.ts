import type { ChurnResult } from '../../lab/run.ts';
import type { FlowStep } from '../../lab/flows.ts';
import { percent, textTable } from '../table.ts';
import { sharePercent } from './plan.ts';

/** A churn run and what it was asked. */
export interface ChurnReport {
  /** Which configuration the answer is for, in a line; `null` for random backends. */
  readonly origin: string | null;
  readonly plan: string;
  /** Who changes: `10 random backends`, or a service's name. */
  readonly subject: string;
  readonly backends: number;
  readonly flows: number;
  readonly clients: number | null;
  readonly ctSize: number | null;
  readonly affinity: boolean;
  readonly turnover: number;
  readonly tableSize: number;
  readonly seed: number;
  readonly results: readonly ChurnResult[];
  /** What the reader should know about these backends. */
  readonly notes: readonly string[];
  /** True if the run was stopped before all trials were done. */
  readonly partial: boolean;
}

/** The settings of a run in one line. */
export function churnHeadline(report: ChurnReport): string {
  const conntrack = report.ctSize === null ? 'conntrack holds all' : `conntrack holds ${report.ctSize}`;
  const extras = [
    ...(report.affinity ? ['session affinity'] : []),
    ...(report.turnover > 0 ? [`${percent(report.turnover, 1)} renewed per step`] : []),
    ...(report.partial ? ['partial: stopped early'] : []),
  ];
  return [
    `${report.plan} of ${report.subject}`,
    `${report.flows} flows`,
    conntrack,
    ...extras,
    `table size ${report.tableSize}`,
    `seed ${report.seed}`,
  ].join(', ');
}

const SUMMARY = ['algorithm', 'moved', 'of them needlessly', 'worst run', 'slots changed', 'needlessly', 'runs'];

/** One row per algorithm: flows moved in a whole run, and slots. */
export function summaryRows(report: ChurnReport): string[][] {
  const rows = report.results.map(({ title, moved, movedNeedlessly, steps, trials }) => {
    const slots = (key: 'changed' | 'needless'): string =>
      steps[0]?.table === undefined
        ? '-'
        : sharePercent(steps.reduce((sum, { table }) => sum + (table?.[key] ?? 0), 0) / report.tableSize);
    const half = moved.interval === undefined ? '' : ` ±${(100 * (moved.interval[1] - moved.mean)).toFixed(2)}`;
    return [
      title,
      `${sharePercent(moved.mean)}${half}`,
      sharePercent(movedNeedlessly.mean),
      sharePercent(moved.max),
      slots('changed'),
      slots('needless'),
      String(trials),
    ];
  });
  return [SUMMARY, ...rows];
}

const STEP_HEAD = [
  'step',
  'active',
  'draining',
  'slots changed',
  'needless',
  'kept',
  'saved by conntrack',
  'lost',
  'evicted, same',
  'evicted, moved',
  'moved',
  'without conntrack',
];

const stepCells = (step: FlowStep): string[] => [
  step.label,
  String(step.active),
  String(step.draining),
  step.table === undefined ? '-' : String(step.table.changed),
  step.table === undefined ? '-' : String(step.table.needless),
  ...[step.kept, step.saved, step.lost, step.evictedKept, step.evictedMoved, step.moved].map(String),
  step.table === undefined ? '-' : String(step.stateless),
];

/** The steps of one algorithm's (first) run as rows, the first being the heading. */
export const stepRows = ({ steps }: ChurnResult): string[][] => [STEP_HEAD, ...steps.map(stepCells)];

/** What the classes mean. */
export const CLASSES_EXPLAINED: string =
  'kept: a new lookup would give the same backend; saved by conntrack: it would not, or the backend drains; lost: the backend is gone; ' +
  'evicted: the entry had no room and the flow was looked up anew. Moved flows are reset connections. Without conntrack: what the change of the table alone moves, as for flows that reach another node.';

/** A run for people. */
export function formatChurn(report: ChurnReport): string {
  const right = (columns: number): Set<number> => new Set(Array.from({ length: columns - 1 }, (_, i) => i + 1));
  const parts = report.results.map(
    (result) => `${result.title}\n${textTable(stepRows(result), right(STEP_HEAD.length))}\n`,
  );
  const origin = report.origin === null ? '' : `${report.origin}\n\n`;
  return `${origin}${churnHeadline(report)}\n\n${parts.join('')}${textTable(summaryRows(report), right(SUMMARY.length))}\n${CLASSES_EXPLAINED}\n${report.notes.map((note) => `Note: ${note}.\n`).join('')}`;
}

/** A run for programs: everything but the tables. */
export const churnJson = (report: ChurnReport): unknown => ({
  ...report,
  results: report.results.map((result) => ({ ...result, tables: undefined })),
});
