import fc from 'fast-check';
import { LbtwinError } from '../errors.ts';
import { drawTrial } from '../lab/trials.ts';
import { binomialTail, summarize } from '../lab/statistics.ts';
import type { Tuple } from '../lb/tuple.ts';
import type { MaglevBackend } from '../maglev/backend.ts';
import { measureBalance } from '../maglev/balance.ts';
import { compareTables } from '../maglev/compare.ts';
import { backends, churnSequence, tuple, weightedBackends } from './arbitraries.ts';
import { type EnvelopeCell, needlessEnvelope } from '../lab/envelope.ts';

/** A table builder under test: slot to backend id, always of the same length. */
export type TableBuilder = (backends: readonly MaglevBackend[]) => ArrayLike<number>;

/** A selector under test, with whatever memory it needs (conntrack, affinity): the id of the backend for a packet of a flow. */
export type Selector = (flow: Required<Tuple>, active: readonly MaglevBackend[]) => number;

export interface LawOptions {
  /** Passed to fast-check; without a seed its own default (or global configuration) holds. */
  readonly seed?: number;
  readonly runs?: number;
  /** Most backends to try, 50 unless given. Keep it at or below the table size. */
  readonly maxBackends?: number;
  /** The backends to try; equal weights in 10.0.0.0/8 unless given. */
  readonly backends?: fc.Arbitrary<MaglevBackend[]>;
}

const parameters = ({ seed, runs }: LawOptions): fc.Parameters<unknown> => ({
  includeErrorInReport: true,
  ...(seed === undefined ? {} : { seed }),
  ...(runs === undefined ? {} : { numRuns: runs }),
});

const broken = (reason: string): LbtwinError => new LbtwinError('law-broken', reason);

/** Property parameters are typed by what they run on; these are valid for any. */
function check<T>(arbitrary: fc.Arbitrary<T>, law: (value: T) => void, options: LawOptions): void {
  fc.assert(fc.property(arbitrary, law), parameters(options) as fc.Parameters<[T]>);
}

/**
 * Law: every slot names a backend, and the slot counts of equal weights differ by at most `maxDifference` (1 unless given).
 * With `weights`: nobody has more than that many slots above its weight's share; what the others lack is then bounded, too.
 */
export function assertBalanced(
  build: TableBuilder,
  options: LawOptions & { readonly maxDifference?: number; readonly weights?: boolean } = {},
): void {
  const { maxDifference = 1, weights = false, maxBackends: max = 50 } = options;
  const law = (list: MaglevBackend[]): void => {
    const balance = measureBalance(build(list), weights ? list : list.map(({ id }) => ({ id })));
    const above = balance.perBackend.reduce((most, { slots, expected }) => Math.max(most, slots - expected), 0);
    const difference = weights ? above : balance.max - balance.min;
    // A share is a fraction: its rounding is no slot.
    if (difference <= maxDifference + 1e-9) return;
    const far = weights ? `a backend is ${above.toFixed(2)} slots above its share` : `counts differ by ${difference}`;
    throw broken(`unbalanced: ${far}, more than ${maxDifference}`);
  };
  check(options.backends ?? (weights ? weightedBackends({ max }) : backends({ max })), law, options);
}

/** Law: the order in which backends are listed does not matter. */
export function assertOrderFree(build: TableBuilder, options: LawOptions = {}): void {
  const { maxBackends: max = 50 } = options;
  const shuffled = (options.backends ?? backends({ max })).chain((list) =>
    fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }).map((other) => ({ list, other })),
  );
  check(
    shuffled,
    ({ list, other }) => {
      const [one, two] = [build(list), build(other)];
      for (let s = 0; s < one.length || s < two.length; s++) {
        if (one[s] !== two[s]) throw broken(`order matters: slot ${s} is ${one[s]} or ${two[s]}`);
      }
    },
    options,
  );
}

export interface DisruptionOptions {
  /** How many backends there are before one is removed. */
  readonly backends: number;
  /**
   * What is allowed: a share of the table for every single removal, or a measured cell for the removals together.
   * The measured envelope of Cilium's algorithm for this size and number of backends unless given.
   */
  readonly envelope?: number | EnvelopeCell;
  /** Removals to try, 200 unless given. */
  readonly trials?: number;
  /** 1 unless given. Equal seeds try equal removals. */
  readonly seed?: number;
  /** With a measured cell: how often a builder just as good as Cilium's may have too many bad removals by chance; 1e-6 unless given. */
  readonly falseAlarm?: number;
}

export interface DisruptionResult {
  readonly trials: number;
  /** Shares of the table. */
  readonly mean: number;
  readonly max: number;
  /** The trial with the most needless moves: pass it to `removalTrial` to look at it. */
  readonly worstTrial: number;
}

/** The backends before and after removal number `trial` of a seed. */
export function removalTrial(
  count: number,
  seed: number,
  trial: number,
): { before: MaglevBackend[]; after: MaglevBackend[] } {
  const { before, after } = drawTrial(
    { variant: 'cilium', tableSize: 131071, backends: count, churn: { kind: 'remove', count: 1 }, seed },
    trial,
  );
  return { before, after };
}

/**
 * Law: removing one backend moves hardly anything but that backend's own slots. "Hardly" is either a plain bound on every
 * removal, or the measured envelope of (table size, backends), tested statistically: the mean, and how many removals are
 * beyond the 99th percentile. Note that "at most 1 % if the table has 100 slots per backend" is not a law of Maglev
 * (docs/maglev.md).
 * @returns what was seen, if the law holds
 * @throws LbtwinError `law-broken`; `no-envelope` where none was measured
 */
export function assertMinimalDisruption(build: TableBuilder, options: DisruptionOptions): DisruptionResult {
  const { backends: count, trials = 200, seed = 1, falseAlarm = 1e-6 } = options;
  const shares = new Float64Array(trials);
  let worst = 0;
  let tableSize = 0;
  for (let trial = 0; trial < trials; trial++) {
    const { before, after } = removalTrial(count, seed, trial);
    const tables = [build(before), build(after)] as const;
    tableSize = tables[0].length;
    shares[trial] = compareTables(tables[0], tables[1]).needless / tableSize;
    if (shares[trial]! > shares[worst]!) worst = trial;
  }
  const envelope = options.envelope ?? needlessEnvelope(tableSize, count);
  const { mean, max } = summarize(shares);
  const seen = `(${count} backends, ${tableSize} slots, seed ${seed}, worst removal ${worst})`;
  if (typeof envelope === 'number') {
    if (max > envelope) {
      throw broken(`${percent(max)} of the slots moved needlessly, more than ${percent(envelope)} ${seen}`);
    }
  } else {
    checkEnvelope(shares, mean, envelope, falseAlarm, seen);
  }
  return { trials, mean, max, worstTrial: worst };
}

const percent = (share: number): string => `${(100 * share).toFixed(3)} %`;

function checkEnvelope(shares: Float64Array, mean: number, cell: EnvelopeCell, falseAlarm: number, seen: string): void {
  // Eight standard errors of the difference: the tail is heavy, so the five that a normal mean would need are too few.
  const allowed = cell.mean + 8 * cell.standardDeviation * Math.sqrt(1 / shares.length + 1 / cell.trials);
  if (mean > allowed) {
    throw broken(`${percent(mean)} of the slots moved needlessly in the mean, more than ${percent(allowed)} ${seen}`);
  }
  const beyond = shares.filter((share) => share > cell.p99).length;
  if (beyond > 0 && binomialTail(shares.length, beyond, 0.01) < falseAlarm) {
    throw broken(
      `${beyond} of ${shares.length} removals moved more than ${percent(cell.p99)} needlessly, which 1 in 100 may ${seen}`,
    );
  }
}

/**
 * Law: a flow keeps its backend as long as that backend is active, whatever happens to the others. For selectors with a
 * memory; a bare table breaks it.
 * @param start makes a selector with an empty memory
 */
export function assertSameBackendWhileActive(
  start: () => Selector,
  options: LawOptions & { readonly flows?: fc.Arbitrary<Required<Tuple>> } = {},
): void {
  const { maxBackends: max = 50, flows = tuple() } = options;
  const world = fc.record({ churn: churnSequence({ max }), flows: fc.array(flows, { minLength: 1, maxLength: 20 }) });
  check(
    world,
    ({ churn, flows: list }) => {
      const select = start();
      const last = new Map<string, number>();
      churn.states.forEach((active, step) => {
        for (const flow of list) {
          const key = JSON.stringify(flow);
          const before = last.get(key);
          const now = select(flow, active);
          if (!active.some(({ id }) => id === now)) throw broken(`step ${step}: backend ${now} is not active (${key})`);
          if (before !== undefined && before !== now && active.some(({ id }) => id === before)) {
            throw broken(`step ${step}: moved from ${before}, which is active, to ${now} (${key})`);
          }
          last.set(key, now);
        }
      });
    },
    options,
  );
}
