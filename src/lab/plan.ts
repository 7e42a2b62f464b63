import type { MaglevBackend } from '../maglev/backend.ts';
import { relatedSkips } from '../maglev/skips.ts';
import { TABLE_SIZES } from '../maglev/sizes.ts';
import { weightsMatter } from '../maglev/fill.ts';
import { parseVariant } from '../maglev/variants/index.ts';
import { type Churn, formatChurn } from './churn.ts';
import { type Summary, summarize } from './statistics.ts';
import { isExhaustive, type TrialColumns } from './trials.ts';

export interface PlanRequest {
  readonly variant: string;
  readonly backends: number;
  /** Real backends in place of random ones. */
  readonly of?: readonly MaglevBackend[];
  readonly hashSeed?: string;
  readonly weights?: readonly number[];
  readonly churn: Churn;
  /** Tables to hold: frontends that have one. */
  readonly services: number;
  readonly seed: number;
  /** What is wanted, as fractions: of the table (99th percentile), and above the mean share. */
  readonly maxNeedless: number;
  readonly maxImbalance: number;
}

/** One table size. Shares are fractions of the table. */
export interface PlanSize {
  readonly tableSize: number;
  readonly slotsPerBackend: number;
  /** How many pairs of backends with related skips (docs/maglev.md, "The tail") to expect. */
  readonly relatedPairs: number;
  /** The busiest backend above its share, worst of the trials. */
  readonly imbalance: number;
  readonly needless: Summary;
  readonly unavoidable: { readonly mean: number };
  readonly changed: { readonly mean: number };
  /** The tables of all services in the kernel, in bytes. */
  readonly kernelBytes: number;
  /** What Cilium's agent sets aside for the lists of all backends, in bytes, once for all services; `undefined` for other programs. */
  readonly agentBytes: number | undefined;
  /** One table, here, in milliseconds; `undefined` if not measured. */
  readonly buildMilliseconds: number | undefined;
}

export interface PlanReport {
  /** Which configuration the answer is for, in a line; `null` for random backends. */
  readonly origin: string | null;
  /** Whose backends: `10 random backends`, or a service's name. */
  readonly subject: string;
  /** True if the trials are all the cases there are, one for each backend. */
  readonly exhaustive: boolean;
  readonly variant: string;
  readonly backends: number;
  readonly weights?: readonly number[];
  readonly churn: string;
  readonly services: number;
  readonly seed: number;
  readonly maxNeedless: number;
  readonly maxImbalance: number;
  readonly sizes: readonly PlanSize[];
  readonly recommendation: { readonly tableSize: number | null; readonly reason: string };
  readonly warnings: readonly string[];
  /** True if the run was stopped before all trials were done. */
  readonly partial: boolean;
}

/** The trials of one table size, summarised. */
export function planSize(
  request: PlanRequest,
  tableSize: number,
  columns: TrialColumns,
  buildMilliseconds?: number,
): PlanSize {
  const share = (slots: Uint32Array): Float64Array => Float64Array.from(slots, (count) => count / tableSize);
  const mean = (slots: Uint32Array): number => summarize(share(slots)).mean;
  return {
    tableSize,
    slotsPerBackend: tableSize / request.backends,
    relatedPairs: (3 * request.backends * (request.backends - 1)) / (tableSize - 1),
    imbalance: columns.imbalance.reduce((max, value) => Math.max(max, value), 0),
    needless: summarize(share(columns.needless)),
    unavoidable: { mean: mean(columns.unavoidable) },
    changed: { mean: mean(columns.changed) },
    kernelBytes: kernelBytes(tableSize, request.services),
    agentBytes: request.variant === 'cilium' ? agentBytes(tableSize, request.backends) : undefined,
    buildMilliseconds,
  };
}

/** A table is one map value of 4 bytes per slot, rounded up to 8; the kernel's few hundred bytes per map come on top. */
export const kernelBytes = (tableSize: number, services: number): number => services * Math.ceil(tableSize / 2) * 8;

/** 8 bytes per slot and backend, for at least a hundredth of the table size's number of backends. */
export const agentBytes = (tableSize: number, backends: number): number =>
  Math.max(backends, Math.floor(tableSize / 100)) * tableSize * 8;

const percent = (share: number): string => `${(100 * share).toFixed(share < 0.0995 ? 2 : 1)} %`;

/** The smallest size that keeps both limits, or none, and why. */
export function recommend(
  request: PlanRequest,
  sizes: readonly PlanSize[],
  partial = false,
): PlanReport['recommendation'] {
  const { maxNeedless, maxImbalance } = request;
  const fits = ({ needless, imbalance }: PlanSize): boolean => needless.p99 <= maxNeedless && imbalance <= maxImbalance;
  const bySize = [...sizes].sort((a, b) => a.tableSize - b.tableSize);
  const chosen = bySize.find(fits);
  if (chosen !== undefined) {
    return {
      tableSize: chosen.tableSize,
      reason:
        `the smallest with at most ${percent(maxNeedless)} of the slots moved needlessly ${isExhaustive(request) ? 'whichever it is' : 'in 99 of 100 cases'} ` +
        `(${percent(chosen.needless.p99)}) and at most ${percent(maxImbalance)} imbalance (${percent(chosen.imbalance)})`,
    };
  }
  const calmest = bySize.reduce<PlanSize | undefined>(
    (best, size) => (best === undefined || size.needless.p99 < best.needless.p99 ? size : best),
    undefined,
  );
  if (calmest === undefined) return { tableSize: null, reason: 'no table size was measured' };
  return {
    tableSize: null,
    reason:
      `no table size ${partial ? 'measured so far ' : ''}keeps both limits (needless ${percent(maxNeedless)}, imbalance ${percent(maxImbalance)}); ` +
      `the calmest, ${calmest.tableSize}, has ${percent(calmest.needless.p99)} needless at the 99th percentile and ${percent(calmest.imbalance)} imbalance`,
  };
}

/** Whether related skips are there (real backends) or to be expected (random ones). */
function hasRelated({ of, hashSeed, variant }: PlanRequest, tableSize: number, expected: number): boolean {
  if (of === undefined || variant !== 'cilium') return expected >= 1;
  return relatedSkips(of, { tableSize, ...(hashSeed === undefined ? {} : { hashSeed }) }).length > 0;
}

/** What somebody who asks for this should know. */
export function planWarnings(request: PlanRequest, sizes: readonly PlanSize[]): string[] {
  const { backends, weights, variant } = request;
  const warnings: string[] = [];
  const unequal = weights?.some((weight) => weight !== weights[0]) === true;
  if (variant === 'cilium' && unequal && !weightsMatter(weights!)) {
    warnings.push(
      'the weights are ignored: their mean, rounded down, is 1 or less; multiply all of them by the same number to make them count',
    );
  } else if (unequal && weights!.includes(0)) {
    warnings.push('a backend of weight 0 still gets one slot; remove it to keep traffic away');
  }
  const list = (those: readonly PlanSize[]): string => those.map(({ tableSize }) => tableSize).join(', ');
  const small = sizes.filter(({ slotsPerBackend }) => slotsPerBackend < 100);
  if (small.length > 0) warnings.push(`below 100 slots per backend, so shares can be uneven: ${list(small)}`);
  const related = sizes.filter(({ tableSize, relatedPairs }) => hasRelated(request, tableSize, relatedPairs));
  if (related.length > 0) {
    const what = request.of === undefined ? 'is to be expected' : 'is among these';
    warnings.push(
      `a pair or more of backends with related skips, the cause of the worst cases, ${what}: ${list(related)}`,
    );
  }
  const missing = TABLE_SIZES.filter((size) => size < backends);
  if (missing.length > 0) warnings.push(`too small for ${backends} backends, left out: ${missing.join(', ')}`);
  return warnings;
}

/** The table sizes that a plan looks at: Cilium's ten, or the one that a variant of its own has beside those it shares. */
export function planSizes(variant: string, backends: number): number[] {
  const { defaultTableSize } = parseVariant(variant);
  return [...new Set([...TABLE_SIZES, defaultTableSize])].sort((a, b) => a - b).filter((size) => size >= backends);
}

/** How many trials a size gets unless told otherwise: enough for the 99th percentile, within seconds on two cores. */
export const defaultTrials = (tableSize: number): number => (tableSize > 40_000 ? 500 : 1000);

export interface PlanSubject {
  readonly origin: string | null;
  readonly name: string;
}

export function planReport(
  request: PlanRequest,
  sizes: readonly PlanSize[],
  partial: boolean,
  subject: PlanSubject = { origin: null, name: `${request.backends} random backends` },
): PlanReport {
  const { variant, backends, weights, churn, services, seed, maxNeedless, maxImbalance } = request;
  return {
    origin: subject.origin,
    subject: subject.name,
    exhaustive: isExhaustive(request),
    variant,
    backends,
    ...(weights === undefined ? {} : { weights }),
    churn: formatChurn(churn),
    services,
    seed,
    maxNeedless,
    maxImbalance,
    sizes,
    recommendation: recommend(request, sizes, partial),
    warnings: planWarnings(request, sizes),
    partial,
  };
}
