import { LbtwinError } from '../errors.ts';
import type { Family } from '../net/index.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { formatLabel, type Label, LabelSource, reservedLabel, sortLabels } from './labels.ts';
import { isWildcard, meets, type Requirement, type Selector } from './selector.ts';

/** First identity of the cluster, of prefixes and names known to one node only, of remote nodes with labels of their own. */
export const FIRST_CLUSTER_IDENTITY = 256;
export const FIRST_LOCAL_IDENTITY = 0x0100_0001;
export const FIRST_NODE_IDENTITY = 0x0200_0001;

const RESERVED: readonly (readonly [id: number, names: readonly string[]])[] = [
  [1, ['host']],
  [2, ['world']],
  [3, ['unmanaged']],
  [4, ['health']],
  [5, ['init']],
  [6, ['remote-node']],
  [7, ['kube-apiserver', 'remote-node']],
  [8, ['ingress']],
  [9, ['world-ipv4']],
  [10, ['world-ipv6']],
];

/** A security identity: a number and the labels it stands for. */
export interface SecurityIdentity {
  readonly id: number;
  /** In the order of `sortLabels`. */
  readonly labels: readonly Label[];
}

export type IdentityListener = (identity: SecurityIdentity, added: boolean) => void;

/** Text that is the same for the same set of labels. */
export const labelsKey = (labels: readonly Label[]): string => sortLabels(labels).map(formatLabel).join(';');

/**
 * All identities that a node knows, with an index by label, so that a selector looks only at the identities that its rarest
 * label has. Starts with the reserved ones.
 */
export class IdentityTable {
  readonly #byId = new Map<number, SecurityIdentity>();
  readonly #byKey = new Map<string, number[]>();
  readonly #byKeyValue = new Map<string, number[]>();
  readonly #cidrIds: number[] = [];
  readonly #listeners: IdentityListener[] = [];

  constructor(hostLabels: readonly Label[] = []) {
    for (const [id, names] of RESERVED) {
      this.add(id, [...names.map(reservedLabel), ...(id === ReservedIdentity.HOST ? hostLabels : [])]);
    }
  }

  get size(): number {
    return this.#byId.size;
  }

  get(id: number): SecurityIdentity | undefined {
    return this.#byId.get(id);
  }

  /** All identities by number. */
  all(): SecurityIdentity[] {
    return [...this.#byId.values()].sort((a, b) => a.id - b.id);
  }

  /** Labels of an identity as text; a number nobody knows has none. */
  labelsOf(id: number): string[] {
    return (this.#byId.get(id)?.labels ?? []).map(formatLabel);
  }

  /** @throws LbtwinError `duplicate-identity` when the number stands for other labels already */
  add(id: number, labels: readonly Label[]): SecurityIdentity {
    const known = this.#byId.get(id);
    if (known !== undefined) {
      if (labelsKey(known.labels) === labelsKey(labels)) return known;
      throw new LbtwinError('duplicate-identity', `identity ${id} already stands for ${labelsKey(known.labels)}`);
    }
    const identity: SecurityIdentity = { id, labels: sortLabels(labels) };
    this.#byId.set(id, identity);
    for (const { key, value, cidr } of identity.labels) {
      append(this.#byKey, key, id);
      append(this.#byKeyValue, `${key}=${value}`, id);
      if (cidr !== undefined && this.#cidrIds.at(-1) !== id) this.#cidrIds.push(id);
    }
    for (const listener of this.#listeners) listener(identity, true);
    return identity;
  }

  /** False if there was no such identity. */
  remove(id: number): boolean {
    const identity = this.#byId.get(id);
    if (identity === undefined) return false;
    this.#byId.delete(id);
    for (const { key, value } of identity.labels) {
      drop(this.#byKey, key, id);
      drop(this.#byKeyValue, `${key}=${value}`, id);
    }
    const at = this.#cidrIds.indexOf(id);
    if (at >= 0) this.#cidrIds.splice(at, 1);
    for (const listener of this.#listeners) listener(identity, false);
    return true;
  }

  /** Calls `listener` with every identity that is added or removed from now on. */
  onChange(listener: IdentityListener): void {
    this.#listeners.push(listener);
  }

  /** The identities a selector selects, ascending. Not for the wildcard, which stays symbolic. */
  select(selector: Selector): number[] {
    if (isWildcard(selector)) throw new LbtwinError('wildcard-not-expanded', 'the wildcard selects identity 0');
    const found = new Set<number>();
    for (const id of this.#candidates(selector)) {
      const { labels } = this.#byId.get(id)!;
      if (selector.requirements.every((wanted) => meets(labels, wanted))) found.add(id);
    }
    return [...found].sort((a, b) => a - b);
  }

  #candidates(selector: Selector): Iterable<number> {
    let best: readonly number[] | undefined;
    for (const wanted of selector.requirements) {
      const ids = this.#havers(wanted);
      if (ids !== undefined && (best === undefined || ids.length < best.length)) best = ids;
    }
    return best ?? this.#byId.keys();
  }

  /** Identities that may meet a requirement; undefined where absence of a label is enough. */
  #havers(wanted: Requirement): readonly number[] | undefined {
    if (wanted.operator === 'NotIn' || wanted.operator === 'DoesNotExist') return undefined;
    if (wanted.cidr !== undefined) return this.#cidrIds;
    if (wanted.operator === 'Exists') return this.#byKey.get(wanted.key) ?? [];
    if (wanted.values.length === 1) return this.#byKeyValue.get(`${wanted.key}=${wanted.values[0]}`) ?? [];
    return wanted.values.flatMap((value) => this.#byKeyValue.get(`${wanted.key}=${value}`) ?? []);
  }
}

function append(index: Map<string, number[]>, key: string, id: number): void {
  const ids = index.get(key);
  if (ids === undefined) index.set(key, [id]);
  else if (ids.at(-1) !== id) ids.push(id);
}

function drop(index: Map<string, number[]>, key: string, id: number): void {
  const ids = index.get(key);
  if (ids?.includes(id) === true)
    index.set(
      key,
      ids.filter((other) => other !== id),
    );
}

/** The label of everything outside the cluster. */
export const worldLabel = (family: Family, dualStack: boolean): Label =>
  reservedLabel(dualStack ? (family === 4 ? 'world-ipv4' : 'world-ipv6') : 'world');

/**
 * Labels that a prefix takes over from the shorter prefixes around it: of the `cidr` labels only the most specific one
 * counts; other labels come down unless a longer prefix has the same key.
 */
export function mergeParentLabels(own: readonly Label[], parents: readonly (readonly Label[])[]): Label[] {
  const merged = [...own];
  let hasCidr = own.some(({ source }) => source === LabelSource.CIDR);
  // From the longest parent to the shortest.
  for (const parent of parents) {
    for (const candidate of parent) {
      if (candidate.source === LabelSource.CIDR) {
        if (hasCidr) continue;
      } else if (merged.some(({ source, key }) => source === candidate.source && key === candidate.key)) continue;
      merged.push(candidate);
    }
    hasCidr ||= parent.some(({ source }) => source === LabelSource.CIDR);
  }
  return merged;
}
