import { type Instance, SOURCE_PRIORITY, tableOrder } from './model.ts';

/** Order of a service's instances: by table order of their backends, then by source. */
const instanceOrder = (a: Instance, b: Instance): number =>
  tableOrder(a.backend, b.backend) || SOURCE_PRIORITY[a.source] - SOURCE_PRIORITY[b.source];

/** Most lists that are to be sorted are: finding that out takes one pass and no copy. */
export function isSorted<T>(list: readonly T[], compare: (a: T, b: T) => number): boolean {
  for (let i = 1; i < list.length; i++) if (compare(list[i - 1]!, list[i]!) > 0) return false;
  return true;
}

/** A service's instances with new ones, some of which replace others. */
export function withInstances(
  before: readonly Instance[],
  replaced: ReadonlyMap<Instance, Instance>,
  news: readonly Instance[],
): readonly Instance[] {
  if (replaced.size === 0) return sorted(before.length === 0 ? news : [...before, ...news]);
  const kept = before.map((one) => replaced.get(one) ?? one);
  if (replaced.size === news.length) return kept;
  const places = new Set(replaced.values());
  return sorted([...kept, ...news.filter((one) => !places.has(one))]);
}

const sorted = (instances: readonly Instance[]): readonly Instance[] =>
  isSorted(instances, instanceOrder) ? instances : instances.toSorted(instanceOrder);
