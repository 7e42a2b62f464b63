import { LbtwinError } from '../errors.ts';
import { ENVELOPE_CELLS, ENVELOPE_SEED } from './envelope-data.ts';

/** How many slots one removal of one backend moved needlessly, measured; shares of the table. */
export interface EnvelopeCell {
  readonly tableSize: number;
  readonly backends: number;
  readonly trials: number;
  readonly mean: number;
  readonly standardDeviation: number;
  readonly p50: number;
  /** The upper end of the 99th percentile's 95 % interval. */
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The seed of the measurement (`node build/bench/envelope/measure.js` repeats it). */
export const envelopeSeed: number = ENVELOPE_SEED;

/** Every measured cell, by table size and number of backends. */
export const envelopeCells: readonly EnvelopeCell[] = ENVELOPE_CELLS.map(
  ([tableSize, backends, trials, mean, standardDeviation, p50, p99, p999, max]) => ({
    tableSize,
    backends,
    trials,
    mean,
    standardDeviation,
    p50: p50 / tableSize,
    p99: p99 / tableSize,
    p999: p999 / tableSize,
    max: max / tableSize,
  }),
);

/**
 * The measured envelope of Cilium's algorithm for a table size and a number of backends (2 or more). Between two measured
 * numbers of backends the larger value of the two counts, so that the envelope is never too tight.
 * @throws LbtwinError `no-envelope`
 */
export function needlessEnvelope(tableSize: number, backends: number): EnvelopeCell {
  const cells = envelopeCells.filter((cell) => cell.tableSize === tableSize);
  const below = cells.findLast((cell) => cell.backends <= backends);
  const above = cells.find((cell) => cell.backends >= backends);
  if (below === undefined || above === undefined) {
    const first = cells.at(0);
    throw new LbtwinError('no-envelope', `nothing was measured for ${backends} backends in ${tableSize} slots`, {
      allowed:
        first === undefined
          ? `table sizes ${[...new Set(envelopeCells.map((cell) => cell.tableSize))].join(', ')}`
          : `${first.backends}..${cells.at(-1)!.backends} backends`,
    });
  }
  const larger = (key: 'mean' | 'standardDeviation' | 'p50' | 'p99' | 'p999' | 'max'): number =>
    Math.max(below[key], above[key]);
  return {
    tableSize,
    backends,
    trials: Math.min(below.trials, above.trials),
    mean: larger('mean'),
    standardDeviation: larger('standardDeviation'),
    p50: larger('p50'),
    p99: larger('p99'),
    p999: larger('p999'),
    max: larger('max'),
  };
}
