import { LbtwinError } from '../errors.ts';
import { denseTables } from './dense.ts';

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
  const given = backends?.map(({ id }) => id) ?? [];
  const { tables, size, nameOf } = denseTables([table], given);
  const counts = new Uint32Array(size);
  for (let s = 0; s < table.length; s++) counts[tables[0]![s]!]!++;
  const entitled = backends ?? ownersOf(counts, nameOf);
  const total = entitled.reduce((sum, { weight = 1 }) => sum + weight, 0);
  if (total === 0) throw new LbtwinError('all-weights-zero', 'no backend has a weight, so nobody has a share');
  const slotsOf = new Map(ownersOf(counts, nameOf).map(({ id, slots }) => [id, slots]));
  const perBackend = entitled.map(({ id, weight = 1 }) => ({
    id,
    slots: slotsOf.get(id) ?? 0,
    expected: (table.length * weight) / total,
  }));
  for (const { id } of perBackend) slotsOf.delete(id);
  for (const stranger of slotsOf.keys()) {
    throw new LbtwinError('unknown-owner', `the table names ${stranger}, which is not among the backends`);
  }
  return { tableSize: table.length, backends: entitled.length, ...spread(perBackend), perBackend };
}

interface Owner {
  readonly id: number;
  readonly slots: number;
  readonly weight?: number;
}

function ownersOf(counts: Uint32Array, nameOf: (index: number) => number): Owner[] {
  const owners: Owner[] = [];
  counts.forEach((slots, i) => {
    if (slots > 0) owners.push({ id: nameOf(i), slots });
  });
  return owners;
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
