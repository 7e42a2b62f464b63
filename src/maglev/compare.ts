import { LbtwinError } from '../errors.ts';
import { denseTables } from './dense.ts';

/** What one backend lost and gained between two tables, in slots; `before - lost + gained = after`. */
export interface BackendMoves {
  readonly id: number;
  readonly before: number;
  readonly after: number;
  readonly lost: number;
  readonly gained: number;
}

/** How two tables of one size differ, in slots; `changed = unavoidable + needless`. */
export interface TableComparison {
  readonly tableSize: number;
  /** Slots whose owner is another one now. */
  readonly changed: number;
  /** Changed slots whose owner before is gone, or whose owner after is new. */
  readonly unavoidable: number;
  /** The other changed slots: both owners are in both tables. */
  readonly needless: number;
  /** The fewest slots that any algorithm has to change to get from the shares before to the shares after. */
  readonly minimal: number;
  /** Every owner of either table, ascending by id. */
  readonly perBackend: readonly BackendMoves[];
}

export interface CompareOptions {
  /** Ids whose weight changed on purpose: the slots that one of them lost (if it shrank) or gained (if it grew) are unavoidable. */
  readonly reweighted?: Iterable<number>;
}

const LEAVING = 1;
const ARRIVING = 2;

/**
 * Compares two lookup tables slot by slot (docs/maglev.md, "What a change moves").
 * @param before slot to owner; owners are any ids from 0 to 2^32-1, none is special
 * @param after the same, of the same length
 * @throws LbtwinError `table-size-mismatch`
 */
export function compareTables(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  options: CompareOptions = {},
): TableComparison {
  if (before.length !== after.length) {
    throw new LbtwinError(
      'table-size-mismatch',
      `cannot compare a table of ${before.length} slots with one of ${after.length}`,
      { allowed: 'two tables of one size' },
    );
  }
  const { tables, size, nameOf } = denseTables([before, after]);
  return compareDense(tables[0]!, tables[1]!, size, options, nameOf);
}

function compareDense(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
  size: number,
  options: CompareOptions,
  nameOf: (index: number) => number,
): TableComparison {
  const slots = before.length;
  const countBefore = new Uint32Array(size);
  const countAfter = new Uint32Array(size);
  for (let s = 0; s < slots; s++) {
    countBefore[before[s]!]!++;
    countAfter[after[s]!]!++;
  }
  const reweighted = new Set(options.reweighted ?? []);
  const flags = new Uint8Array(size);
  for (let i = 0; i < size; i++) {
    const changedWeight = reweighted.size > 0 && reweighted.has(nameOf(i));
    const grew = countAfter[i]! - countBefore[i]!;
    if (countAfter[i] === 0 || (changedWeight && grew < 0)) flags[i] = LEAVING;
    if (countBefore[i] === 0 || (changedWeight && grew > 0)) flags[i]! |= ARRIVING;
  }
  const lost = new Uint32Array(size);
  const gained = new Uint32Array(size);
  let changed = 0;
  let unavoidable = 0;
  for (let s = 0; s < slots; s++) {
    const from = before[s]!;
    const to = after[s]!;
    if (from === to) continue;
    changed++;
    lost[from]!++;
    gained[to]!++;
    unavoidable += (flags[from]! & LEAVING) | ((flags[to]! & ARRIVING) >> 1);
  }
  const perBackend: BackendMoves[] = [];
  let minimal = 0;
  for (let i = 0; i < size; i++) {
    const [b, a] = [countBefore[i]!, countAfter[i]!];
    if (b === 0 && a === 0) continue;
    if (b > a) minimal += b - a;
    perBackend.push({ id: nameOf(i), before: b, after: a, lost: lost[i]!, gained: gained[i]! });
  }
  return { tableSize: slots, changed, unavoidable, needless: changed - unavoidable, minimal, perBackend };
}
