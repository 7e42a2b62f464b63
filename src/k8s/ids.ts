const PAGE_BITS = 15;
const PAGE_WORDS = 1 << (PAGE_BITS - 5);

/** A set of u32, as pages of bits. */
class IdSet {
  readonly #pages = new Map<number, Uint32Array>();
  size = 0;

  has(id: number): boolean {
    const page = this.#pages.get(id >>> PAGE_BITS);
    return page !== undefined && ((page[(id >>> 5) & (PAGE_WORDS - 1)]! >>> (id & 31)) & 1) === 1;
  }

  add(id: number): void {
    if (this.has(id)) return;
    let page = this.#pages.get(id >>> PAGE_BITS);
    if (page === undefined) {
      page = new Uint32Array(PAGE_WORDS);
      this.#pages.set(id >>> PAGE_BITS, page);
    }
    page[(id >>> 5) & (PAGE_WORDS - 1)]! |= 1 << (id & 31);
    this.size++;
  }

  delete(id: number): void {
    if (!this.has(id)) return;
    this.#pages.get(id >>> PAGE_BITS)![(id >>> 5) & (PAGE_WORDS - 1)]! &= ~(1 << (id & 31));
    this.size--;
  }
}

/**
 * Numbers for addresses, as the agent hands them out: always the next one up, so that a freed number comes back only after the counter has
 * wrapped around; the limit itself is never given.
 */
export class IdAllocator {
  readonly #limit: number;
  readonly #used = new IdSet();
  /** Numbers that an earlier agent gave, until their addresses are seen again or a prune frees them. */
  readonly #restored = new Map<string, number>();
  #restoredCount = 0;
  #next = 1;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used.size;
  }

  /** Numbers taken over from an earlier agent; forgotten with the first prune. */
  get restored(): number {
    return this.#restoredCount;
  }

  /** Takes over the number of an earlier agent. The first address that claims a number keeps it. */
  restore(key: string, id: number): void {
    if (this.#used.has(id) || this.#restored.has(key)) return;
    this.#used.add(id);
    this.#restored.set(key, id);
    this.#restoredCount++;
  }

  /** A number for an address that has none; 0 when all are taken. */
  acquire(at: { readonly key: string }): number {
    const restored = this.#restored.size === 0 ? undefined : this.#restored.get(at.key);
    if (restored !== undefined) {
      this.#restored.delete(at.key);
      return restored;
    }
    for (let tried = 1; tried < this.#limit; tried++) {
      if (this.#next >= this.#limit) this.#next = 1;
      const id = this.#next++;
      if (this.#used.has(id)) continue;
      this.#used.add(id);
      return id;
    }
    return 0;
  }

  release(id: number): void {
    this.#used.delete(id);
  }

  /** Frees the restored numbers that nobody claimed, and gives them. */
  releaseUnclaimed(): number[] {
    const ids = [...this.#restored.values()];
    this.#restored.clear();
    this.#restoredCount = 0;
    for (const id of ids) this.#used.delete(id);
    return ids;
  }
}
