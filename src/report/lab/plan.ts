import type { PlanReport, PlanSize } from '../../lab/plan.ts';
import { parseVariant } from '../../maglev/variants/index.ts';
import { textTable } from '../table.ts';

/** A share of the table as `1.32 %`. */
export const sharePercent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** Bytes with three digits: `64.0 KiB`. */
export function byteSize(bytes: number): string {
  let unit = 0;
  for (; bytes >= 1024 && unit < UNITS.length - 1; unit++) bytes /= 1024;
  return `${unit === 0 ? bytes : bytes.toPrecision(bytes >= 1000 ? 4 : 3)} ${UNITS[unit]}`;
}

const milliseconds = (time: number | undefined): string =>
  time === undefined ? '' : `${time < 1 ? time.toFixed(2) : time.toPrecision(3)} ms`;

function row({ tableSize, imbalance, needless, unavoidable, ...size }: PlanSize, report: PlanReport): string[] {
  // All cases there are have a mean, not an estimate of one.
  const interval = report.exhaustive ? undefined : needless.meanInterval;
  return [
    tableSize === report.recommendation.tableSize ? '→' : '',
    String(tableSize),
    size.slotsPerBackend.toFixed(size.slotsPerBackend < 10 ? 1 : 0),
    sharePercent(imbalance),
    sharePercent(unavoidable.mean),
    sharePercent(needless.mean) +
      (interval === undefined ? '' : ` ±${(100 * (interval[1] - needless.mean)).toFixed(2)}`),
    sharePercent(needless.p99),
    sharePercent(needless.max),
    String(needless.trials),
    byteSize(size.kernelBytes),
    size.agentBytes === undefined ? '-' : byteSize(size.agentBytes),
    milliseconds(size.buildMilliseconds),
  ];
}

const HEAD = ['', 'size', 'slots/backend', 'imbalance', 'unavoidable', 'needless mean', 'p99', 'worst', 'trials'];

/** A plan for people. */
export function formatPlan(report: PlanReport): string {
  const { subject, backends, churn, services, variant, sizes, recommendation, partial, seed } = report;
  const weighted = report.weights === undefined ? '' : ', weighted';
  const head =
    (report.origin === null ? '' : `${report.origin}\n\n`) +
    `${parseVariant(variant).title}, ${subject}${weighted}, change ${churn}` +
    `${report.exhaustive ? ` of each of the ${backends} backends` : ''}, ` +
    `${services} ${services === 1 ? 'table' : 'tables'}, seed ${seed}${partial ? ' (partial: stopped early)' : ''}\n`;
  const rows = [[...HEAD, 'kernel memory', 'agent memory', 'build time'], ...sizes.map((size) => row(size, report))];
  const advice =
    recommendation.tableSize === null
      ? `Recommended: none; ${recommendation.reason}.\n`
      : `Recommended: ${recommendation.tableSize}; ${recommendation.reason}.\n`;
  const explained =
    'unavoidable and needless: share of all slots whose backend changes, because the owner left or came, and although both stayed;\n' +
    'p99: 99 of 100 changes move at most this; ± is the 95 % interval of the mean. Build time: one table, on this machine.\n';
  const warnings = report.warnings.map((warning) => `Note: ${warning}.\n`).join('');
  return `${head}\n${textTable(rows, new Set(rows[0]!.keys()))}\n${explained}\n${advice}${warnings}`;
}

/** A plan for programs: as it is, with `null` for what could not be bounded or measured. */
export const planJson = (report: PlanReport): unknown =>
  JSON.parse(JSON.stringify(report, (_, value: unknown) => (value === undefined ? null : value)));
