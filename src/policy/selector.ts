import { cidrCovers, compareText, type Label, LabelSource, parseCidrKey, splitKey } from './labels.ts';
import type { Cidr } from '../net/index.ts';

export type Operator = 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';

/** One condition of a selector on one label key. */
export interface Requirement {
  /** `any` matches labels of every source. */
  readonly source: string;
  readonly key: string;
  readonly operator: Operator;
  readonly values: readonly string[];
  /** The prefix that a key of source `cidr` names: it is had by every label whose prefix lies inside. */
  readonly cidr?: Cidr;
}

/**
 * A label selector, all of whose requirements must hold. Without any it is the wildcard, which stays symbolic (identity 0)
 * and is never expanded to identities.
 */
export interface Selector {
  readonly requirements: readonly Requirement[];
  /** The same text for selectors that mean the same; what caches key on. */
  readonly id: string;
}

export function requirement(
  source: string,
  key: string,
  operator: Operator,
  values: readonly string[] = [],
): Requirement {
  const cidr = source === LabelSource.CIDR ? parseCidrKey(key) : undefined;
  const base = { source, key, operator, values: [...new Set(values)].sort(compareText) };
  return cidr === undefined ? base : { ...base, cidr };
}

/** A requirement on a key as users write it, `source:key`. */
export function keyRequirement(text: string, operator: Operator, values: readonly string[] = []): Requirement {
  const { source, key } = splitKey(text);
  return requirement(source, key, operator, values);
}

export function selectorOf(requirements: readonly Requirement[]): Selector {
  const texts = new Map(requirements.map((r) => [formatRequirement(r), r]));
  const sorted = [...texts.keys()].sort(compareText);
  return { requirements: sorted.map((text) => texts.get(text)!), id: sorted.join(',') };
}

export const WILDCARD: Selector = selectorOf([]);
export const isWildcard = (selector: Selector): boolean => selector.requirements.length === 0;

/** A selector of one reserved label. */
export const reservedSelector = (name: string): Selector =>
  selectorOf([requirement(LabelSource.RESERVED, name, 'In', [''])]);

/** Adds requirements to a selector. */
export const narrow = (selector: Selector, ...more: readonly Requirement[]): Selector =>
  selectorOf([...selector.requirements, ...more]);

export const hasSource = (selector: Selector, source: string): boolean =>
  selector.requirements.some((r) => r.source === source);

export function formatRequirement({ source, key, operator, values }: Requirement): string {
  const name = `${source}:${key}`;
  switch (operator) {
    case 'Exists':
      return name;
    case 'DoesNotExist':
      return `!${name}`;
    case 'In':
      return values.length === 1 ? (values[0] === '' ? `${name}=` : `${name}=${values[0]}`) : `${name} in (${values})`;
    case 'NotIn':
      return `${name} notin (${values})`;
  }
}

/** A selector for people. */
export const formatSelector = (selector: Selector): string => (isWildcard(selector) ? 'all' : selector.id);

function labelFor(labels: readonly Label[], wanted: Requirement): Label | undefined {
  for (const found of labels) {
    if (wanted.source !== LabelSource.ANY && found.source !== wanted.source) continue;
    if (found.key === wanted.key) return found;
    if (wanted.cidr !== undefined && found.cidr !== undefined && cidrCovers(wanted.cidr, found.cidr)) return found;
  }
  return undefined;
}

/** Whether labels (in the order of `sortLabels`) meet one requirement. */
export function meets(labels: readonly Label[], wanted: Requirement): boolean {
  const found = labelFor(labels, wanted);
  switch (wanted.operator) {
    case 'Exists':
      return found !== undefined;
    case 'DoesNotExist':
      return found === undefined;
    case 'In':
      return found !== undefined && wanted.values.includes(found.value);
    case 'NotIn':
      return found === undefined || !wanted.values.includes(found.value);
  }
}

export const selects = (selector: Selector, labels: readonly Label[]): boolean =>
  selector.requirements.every((wanted) => meets(labels, wanted));
