import { LbtwinError } from '../errors.ts';

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

/** Ids up to here index arrays directly; sparser ones are numbered first. */
const DIRECT = 1 << 18;

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
  const max = largest(before, largest(after, 0));
  if (max < DIRECT) return compareDense(before, after, max + 1, options, (index) => index);
  const ids = numberIds(before, after);
  return compareDense(ids.before, ids.after, ids.names.length, options, (index) => ids.names[index]!);
}

function largest(table: ArrayLike<number>, start: number): number {
  let max = start;
  for (let s = 0; s < table.length; s++) if (table[s]! > max) max = table[s]!;
  return max;
}

/** Both tables over 0..n-1 in place of their ids; `names` are the ids, ascending. */
function numberIds(
  before: ArrayLike<number>,
  after: ArrayLike<number>,
): { before: Uint32Array; after: Uint32Array; names: number[] } {
  const names = [...new Set([...Array.from(before), ...Array.from(after)])].sort((a, b) => a - b);
  const index = new Map(names.map((id, i) => [id, i]));
  const renumber = (table: ArrayLike<number>): Uint32Array => Uint32Array.from(table, (id) => index.get(id)!);
  return { before: renumber(before), after: renumber(after), names };
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
