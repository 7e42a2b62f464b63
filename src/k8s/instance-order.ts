import { type Instance, SOURCE_PRIORITY, tableOrder } from './model.ts';

/** Order of a service's instances: by table order of their backends, then by source. */
const instanceOrder = (a: Instance, b: Instance): number =>
  tableOrder(a.backend, b.backend) || SOURCE_PRIORITY[a.source] - SOURCE_PRIORITY[b.source];

/** Sorts a list in place; those that are in order, as most are, cost one pass. */
export function sortUnlessSorted<T>(list: T[], compare: (a: T, b: T) => number): T[] {
  return isSorted(list, compare) ? list : list.sort(compare);
}

export function isSorted<T>(list: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < list.length; i++) if (compare(list[i - 1]!, list[i]!) > 0) return false;
  return true;
}

/** A service's instances with some replaced and others added. */
export function withInstances(
  before: readonly Instance[],
  replaced: ReadonlyMap<Instance, Instance> | undefined,
  added: Instance[],
): readonly Instance[] {
  const kept = replaced === undefined ? before : before.map((one) => replaced.get(one) ?? one);
  if (added.length === 0) return kept;
  return sortUnlessSorted(kept.length === 0 ? added : [...kept, ...added], instanceOrder);
}
