import { LbtwinError } from '../errors.ts';

export interface BackendShare {
  readonly id: number;
  readonly slots: number;
  /** Slots by weight: `tableSize * weight / sum of weights`. */
  readonly expected: number;
}

/** How evenly a table is shared out. */
export interface TableBalance {
  readonly tableSize: number;
  readonly backends: number;
  readonly mean: number;
  readonly min: number;
  readonly max: number;
  /** How far the busiest backend is above its share: the largest `slots / expected - 1`. With equal weights, max / mean - 1. */
  readonly imbalance: number;
  /** Sum over backends of `(slots - expected)^2 / expected`. */
  readonly chiSquare: number;
  /** The largest `|slots - expected|`. */
  readonly weightError: number;
  /** In the order given, or ascending by id. */
  readonly perBackend: readonly BackendShare[];
}

/**
 * Measures the balance of a lookup table.
 * @param table slot to owner
 * @param backends who should have a share, by which weight (1 unless given). Without this, the owners found, equally. A backend
 *   of weight 0 is expected to have none, and does not enter `imbalance` and `chiSquare`.
 * @throws LbtwinError `empty-table`; `unknown-owner` if a slot belongs to none of `backends`; `all-weights-zero`
 */
export function measureBalance(
  table: ArrayLike<number>,
  backends?: readonly { readonly id: number; readonly weight?: number }[],
): TableBalance {
  if (table.length === 0) throw new LbtwinError('empty-table', 'a table without slots has no balance');
  const counts = new Map<number, number>();
  for (let s = 0; s < table.length; s++) counts.set(table[s]!, (counts.get(table[s]!) ?? 0) + 1);
  const entitled: readonly { readonly id: number; readonly weight?: number }[] =
    backends ?? [...counts.keys()].sort((a, b) => a - b).map((id) => ({ id }));
  const total = entitled.reduce((sum, { weight = 1 }) => sum + weight, 0);
  if (total === 0) throw new LbtwinError('all-weights-zero', 'no backend has a weight, so nobody has a share');
  const perBackend = entitled.map(({ id, weight = 1 }) => ({
    id,
    slots: counts.get(id) ?? 0,
    expected: (table.length * weight) / total,
  }));
  if (perBackend.reduce((sum, { slots }) => sum + slots, 0) !== table.length) {
    const known = new Set(entitled.map(({ id }) => id));
    const stranger = [...counts.keys()].find((id) => !known.has(id));
    throw new LbtwinError('unknown-owner', `the table names ${stranger}, which is not among the backends`);
  }
  return { tableSize: table.length, backends: entitled.length, ...spread(perBackend), perBackend };
}

function spread(
  shares: readonly BackendShare[],
): Pick<TableBalance, 'mean' | 'min' | 'max' | 'imbalance' | 'chiSquare' | 'weightError'> {
  let [min, max, sum] = [Infinity, 0, 0];
  let [imbalance, chiSquare, weightError] = [-Infinity, 0, 0];
  for (const { slots, expected } of shares) {
    sum += slots;
    min = Math.min(min, slots);
    max = Math.max(max, slots);
    weightError = Math.max(weightError, Math.abs(slots - expected));
    if (expected === 0) continue;
    imbalance = Math.max(imbalance, slots / expected - 1);
    chiSquare += (slots - expected) ** 2 / expected;
  }
  return { mean: sum / shares.length, min, max, imbalance, chiSquare, weightError };
}
