import { compareText, type Instance, type ServiceEntry, SOURCE_PRIORITY, tableOrder } from './model.ts';

/** Order of a service's instances: by table order of their backends, then by source. */
export const instanceOrder = (a: Instance, b: Instance): number =>
  tableOrder(a.backend, b.backend) || SOURCE_PRIORITY[a.source] - SOURCE_PRIORITY[b.source];

/** Index of the first element not before `key` in a sorted array. */
export function lowerBound<T, K>(sorted: readonly T[], key: K, compare: (element: T, key: K) => number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compare(sorted[middle]!, key) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Adds instances that are not there yet. */
export function insertSorted(entry: ServiceEntry, added: Instance[]): void {
  if (added.length > 1) added.sort(instanceOrder);
  const { instances } = entry;
  // A copy is as long as it needs to be, which an array that was pushed to is not.
  if (instances.length === 0) entry.instances = added.slice();
  else if (instanceOrder(instances.at(-1)!, added[0]!) < 0) for (const instance of added) instances.push(instance);
  else entry.instances = [...instances, ...added].sort(instanceOrder);
}

/** Order of a backend's instances: by service, then by source. */
export const rowOrder = (a: Instance, b: Instance): number =>
  compareText(a.entry.name, b.entry.name) || SOURCE_PRIORITY[a.source] - SOURCE_PRIORITY[b.source];
