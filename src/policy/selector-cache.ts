import type { IdentityTable, SecurityIdentity } from './identity.ts';
import { isWildcard, type Selector, selects } from './selector.ts';

/**
 * Which identities each selector selects, computed once per selector and kept up to date as identities come and go. Shared by
 * all endpoints: selectors that mean the same are one entry.
 */
export class SelectorCache {
  readonly #identities: IdentityTable;
  readonly #selections = new Map<string, { selector: Selector; ids: Uint32Array }>();

  constructor(identities: IdentityTable) {
    this.#identities = identities;
    identities.onChange((identity, added) => this.#changed(identity, added));
  }

  /** Number of selectors known. */
  get size(): number {
    return this.#selections.size;
  }

  /** Identities of a selector, ascending; not for the wildcard. The array is replaced when they change, never written. */
  ids(selector: Selector): Uint32Array {
    const known = this.#selections.get(selector.id);
    if (known !== undefined) return known.ids;
    const ids = Uint32Array.from(this.#identities.select(selector));
    this.#selections.set(selector.id, { selector, ids });
    return ids;
  }

  /** Whether a selector selects an identity; the wildcard selects all. */
  has(selector: Selector, id: number): boolean {
    if (isWildcard(selector)) return true;
    const ids = this.ids(selector);
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (ids[middle]! < id) low = middle + 1;
      else high = middle;
    }
    return ids[low] === id;
  }

  #changed(identity: SecurityIdentity, added: boolean): void {
    for (const known of this.#selections.values()) {
      if (!selects(known.selector, identity.labels)) continue;
      known.ids = added
        ? Uint32Array.from([...known.ids, identity.id].sort((a, b) => a - b))
        : known.ids.filter((id) => id !== identity.id);
    }
  }
}
