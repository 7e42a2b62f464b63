const SECOND = 1_000_000_000;

/** The limit on ICMPv6 answers: tokens per whole second, and how many can pile up. */
const PER_SECOND = 100;
const CAPACITY = 1000;

/**
 * Token buckets by interface. A new bucket has one second's tokens; tokens are added only when more than a second has
 * passed since they last were, one portion for each whole second.
 */
export class TokenBuckets {
  readonly #buckets = new Map<number, { since: number; tokens: number }>();

  /** Takes a token; false if there is none. `now` in nanoseconds. */
  take(ifindex: number, now: number): boolean {
    const bucket = this.#buckets.get(ifindex);
    if (bucket === undefined) {
      this.#buckets.set(ifindex, { since: now, tokens: PER_SECOND - 1 });
      return true;
    }
    const elapsed = now - bucket.since;
    if (elapsed > SECOND) {
      bucket.tokens = Math.min(CAPACITY, bucket.tokens + PER_SECOND * Math.floor(elapsed / SECOND));
      bucket.since = now - (elapsed % SECOND);
    }
    if (bucket.tokens === 0) return false;
    bucket.tokens--;
    return true;
  }

  /** Tokens left on an interface; `undefined` before its first answer. */
  tokens(ifindex: number): number | undefined {
    return this.#buckets.get(ifindex)?.tokens;
  }

  clear(): void {
    this.#buckets.clear();
  }
}
