import { LabelKey, LabelSource } from './labels.ts';
import type { Raw } from './raw.ts';
import { keyRequirement, type Operator, type Requirement, requirement, type Selector, selectorOf } from './selector.ts';

const OPERATORS: readonly Operator[] = ['In', 'NotIn', 'Exists', 'DoesNotExist'];
const NAME = /^[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?$/;
const SUBDOMAIN = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*$/;
const VALUE = /^(?:[A-Za-z0-9](?:[\w.-]{0,61}[A-Za-z0-9])?)?$/;

/** True for a Kubernetes label key: an optional DNS prefix with a slash, and a name. */
export function isLabelKey(key: string): boolean {
  const slash = key.indexOf('/');
  if (slash < 0) return NAME.test(key);
  const prefix = key.slice(0, slash);
  return prefix.length <= 253 && SUBDOMAIN.test(prefix) && NAME.test(key.slice(slash + 1));
}

export const isLabelValue = (value: string): boolean => VALUE.test(value);

/** Requirements of a label selector in the order written; `matchLabels` first. `make` says what a key means. */
function readRequirements(
  raw: Raw,
  make: (key: string, operator: Operator, values: readonly string[]) => Requirement,
): Requirement[] {
  raw.object();
  const matchLabels = raw.field('matchLabels');
  const found = Object.entries(matchLabels.stringMap()).map(([key, value]) => {
    check(matchLabels.field(key), make(key, 'In', [value]), [value]);
    return make(key, 'In', [value]);
  });
  for (const item of raw.field('matchExpressions').list() ?? []) {
    const key = item.field('key').string() ?? '';
    const operator = item.field('operator').string() ?? '';
    const values = item.field('values').strings() ?? [];
    if (!OPERATORS.includes(operator as Operator)) {
      item.field('operator').fail(INVALID, `${JSON.stringify(operator)} is not an operator`, OPERATORS.join(', '));
    }
    const needsValues = operator === 'In' || operator === 'NotIn';
    if (needsValues !== values.length > 0) {
      item.fail(INVALID, `${operator} ${needsValues ? 'needs values' : 'takes no values'}`);
    }
    const wanted = make(key, operator as Operator, values);
    check(item, wanted, values);
    found.push(wanted);
  }
  return found;
}

const INVALID = 'invalid-label-selector';

function check(at: Raw, wanted: Requirement, values: readonly string[]): void {
  // What is checked is the key as the agent stores it, source and all: `-a` passes as `any.-a`.
  const name = `${wanted.source}.${wanted.key}`;
  if (wanted.key === '' || !isLabelKey(name)) {
    at.fail(
      INVALID,
      `${JSON.stringify(wanted.key)} is not a label key`,
      'a name of letters, digits, - _ . with an optional DNS prefix',
    );
  }
  for (const value of values) {
    if (isLabelValue(value)) continue;
    at.fail(
      INVALID,
      `${JSON.stringify(value)} is not a label value`,
      'up to 63 letters, digits, - _ . between letters or digits',
    );
  }
}

/** A selector of a Cilium object: keys may carry a source (`k8s:app`); without one, any source matches. */
export const readSelector = (raw: Raw): Requirement[] => readRequirements(raw, keyRequirement);

/** A selector of a Kubernetes object, over pod labels, or over namespace labels with `prefix`. */
export const readKubernetesSelector = (raw: Raw, prefix = ''): Requirement[] =>
  readRequirements(raw, (key, operator, values) => requirement(LabelSource.K8S, `${prefix}${key}`, operator, values));

export const NAMESPACE_LABEL_PREFIX: string = `${LabelKey.NAMESPACE_LABELS}.`;

const isPodSource = (r: Requirement): boolean => r.source === LabelSource.K8S || r.source === LabelSource.ANY;

export const namespaceIs = (namespace: string): Requirement =>
  requirement(LabelSource.K8S, LabelKey.NAMESPACE, 'In', [namespace]);
export const hasNamespace: Requirement = requirement(LabelSource.K8S, LabelKey.NAMESPACE, 'Exists');

export interface Scope {
  /** Of the policy; empty for clusterwide ones. */
  readonly namespace: string;
  /** The subject selector names `reserved:init`. */
  readonly matchesInit: boolean;
  /** Name of the own cluster where `policy-default-local-cluster` is on. */
  readonly localCluster?: string;
}

/**
 * The peer selector that a Cilium policy means: within its own namespace unless the selector says otherwise; for a
 * clusterwide policy, pods of any namespace; left alone where it names a reserved label.
 */
export function scopeSelector(requirements: readonly Requirement[], scope: Scope): Selector {
  if (requirements.some(({ source }) => source === LabelSource.RESERVED)) return selectorOf(requirements);
  const added: Requirement[] = [];
  const namesNamespace = requirements.some((r) => isPodSource(r) && r.key === LabelKey.NAMESPACE);
  if (scope.namespace === '') {
    if (!namesNamespace && !scope.matchesInit) added.push(hasNamespace);
  } else if (!namesNamespace) {
    const namesLabels = requirements.some((r) => isPodSource(r) && r.key.startsWith(LabelKey.NAMESPACE_LABELS));
    if (!namesLabels) added.push(namespaceIs(scope.namespace));
  }
  return selectorOf([...requirements, ...added, ...clusterRequirement(requirements, scope)]);
}

/** The own cluster's label, where the agent adds it and the selector has none. */
export function clusterRequirement(requirements: readonly Requirement[], scope: Scope): Requirement[] {
  if (scope.localCluster === undefined) return [];
  const named = requirements.some((r) => isPodSource(r) && r.key === LabelKey.CLUSTER);
  return named ? [] : [requirement(LabelSource.K8S, LabelKey.CLUSTER, 'In', [scope.localCluster])];
}
