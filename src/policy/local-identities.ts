import { type Cidr, compareAddresses, formatCidr, type IpAddress, maskCidr } from '../net/index.ts';
import { worldIdentity } from '../node/identity.ts';
import { FIRST_LOCAL_IDENTITY, type IdentityTable, labelsKey, mergeParentLabels, worldLabel } from './identity.ts';
import { cidrLabel, formatLabel, type Label, LabelSource } from './labels.ts';
import { PrefixTable } from './prefix-table.ts';

/** What is known about a prefix, and how often. */
interface Metadata {
  readonly cidr: Cidr;
  readonly labels: Map<string, { readonly label: Label; count: number }>;
  /** The identity it has now; 0 = none yet. */
  identity: number;
}

const compareCidrs = (a: Cidr, b: Cidr): number => compareAddresses(a.address, b.address) || a.bits - b.bits;

/**
 * The identities that a node gives to prefixes: one for every prefix that a policy or a CIDR group names, and for addresses
 * that DNS taught. Numbers count up from 16777217; within one change, in address order. A prefix keeps its number as long as
 * its labels stay the same.
 */
export class LocalIdentities {
  readonly #identities: IdentityTable;
  readonly #dualStack: boolean;
  readonly #prefixes = new Map<string, Metadata>();
  readonly #table = new PrefixTable<Metadata>();
  readonly #byLabels = new Map<string, number>();
  #next = FIRST_LOCAL_IDENTITY;

  constructor(identities: IdentityTable, dualStack: boolean) {
    this.#identities = identities;
    this.#dualStack = dualStack;
  }

  /** Notes a label of a prefix; without one, the prefix's own `cidr` label. Takes effect with `reconcile`. */
  add(prefix: Cidr, label: Label = cidrLabel(prefix)): void {
    const cidr = maskCidr(prefix);
    const key = formatCidr(cidr);
    let known = this.#prefixes.get(key);
    if (known === undefined) {
      known = { cidr, labels: new Map(), identity: 0 };
      this.#prefixes.set(key, known);
      this.#table.set(cidr, known);
    }
    const text = formatLabel(label);
    const entry = known.labels.get(text);
    if (entry === undefined) known.labels.set(text, { label, count: 1 });
    else entry.count++;
  }

  /** Takes back one `add`. Takes effect with `reconcile`. */
  remove(prefix: Cidr, label: Label = cidrLabel(prefix)): void {
    const known = this.#prefixes.get(formatCidr(maskCidr(prefix)));
    const text = formatLabel(label);
    const entry = known?.labels.get(text);
    if (known === undefined || entry === undefined) return;
    if (--entry.count === 0) known.labels.delete(text);
  }

  /** Allocates and releases identities, so that every prefix has the one of its labels. */
  reconcile(): void {
    const wanted = [...this.#prefixes.values()].sort((a, b) => compareCidrs(a.cidr, b.cidr));
    const used = new Set<string>();
    for (const entry of wanted) {
      if (entry.labels.size === 0) {
        this.#prefixes.delete(formatCidr(entry.cidr));
        this.#table.delete(entry.cidr);
        continue;
      }
      const labels = this.#labelsOf(entry);
      if (entry.cidr.bits === 0 && labels.length === 1) {
        entry.identity = worldIdentity(entry.cidr.address.family, this.#dualStack);
        continue;
      }
      const key = labelsKey(labels);
      used.add(key);
      entry.identity = this.#byLabels.get(key) ?? this.#allocate(key, labels);
    }
    for (const [key, id] of this.#byLabels) {
      if (used.has(key)) continue;
      this.#byLabels.delete(key);
      this.#identities.remove(id);
    }
  }

  /** The identity of the longest prefix known that holds the address. */
  lookup(address: IpAddress): number | undefined {
    return this.#table.lookup(address)?.identity;
  }

  /** All prefixes with their identities, in address order. */
  all(): { cidr: Cidr; identity: number }[] {
    return [...this.#prefixes.values()].sort((a, b) => compareCidrs(a.cidr, b.cidr));
  }

  #allocate(key: string, labels: readonly Label[]): number {
    while (this.#identities.get(this.#next) !== undefined) this.#next++;
    const id = this.#next++;
    this.#identities.add(id, labels);
    this.#byLabels.set(key, id);
    return id;
  }

  #labelsOf(entry: Metadata): Label[] {
    const { cidr } = entry;
    const parents = this.#table
      .covering(cidr.address, cidr.bits - 1)
      .map(({ value }) => [...value.labels.values()].map(({ label }) => label));
    const own = [...entry.labels.values()].map(({ label }) => label);
    const world = worldLabel(cidr.address.family, this.#dualStack);
    // A prefix of length 0 has no label of its own: it is the world.
    const merged = mergeParentLabels(own, parents).filter(
      (label) => label.source !== LabelSource.CIDR || label.cidr?.bits !== 0,
    );
    return [...merged, world];
  }
}
