import { MAX_USES, USE_WORDS } from '../conntrack/use-log.ts';
import { hashWords, SAME, sameWords } from '../hash/words.ts';
import type { Family } from '../net/address.ts';
import type { HookContext } from './context.ts';

/** Words of a record, from its beginning; the key's are followed by those that it becomes, the route, the uses and what is inserted. */
export const FlowWord = {
  /** The stamp of all maps when the flow was learned. */
  CHANGES: 0,
  /** See `packOutcome`; 0 in a record that is free. */
  OUTCOME: 1,
  MARK: 2,
  REDIRECT_IFINDEX: 3,
  FIB_IFINDEX: 4,
  /** Changes of the sums under the IPv4 header's checksum and the L4 checksum. */
  L3_CHANGE: 5,
  L4_CHANGE: 6,
  /** Bytes added: inserted behind the IP base header, or pushed before it (`isPushed`). */
  ADDED: 7,
  KEY: 8,
} as const;

/** Words that are inserted at most: a DSR extension header of IPv6. */
export const MAX_INSERTED = 6;

// Fields of the outcome word: where they begin, and how wide they are.
const ACT = 0;
const REDIRECT_KIND = 2;
const DROP_DIRECTION = 4;
const FIB_LOOKUPS = 6;
const FIB_RESULT = 8;
const TRANSFER = 12;
const USES = 16;
const TTL = 20;
const USED = 1 << 24;
const PUSHED = 1 << 25;
const TWO_BITS = 3;
const FOUR_BITS = 15;

/** What became of a packet, in a word: the decisions in the context, how many uses were noted, what was taken off the TTL. -1 if it does not fit. */
export function packOutcome(ctx: HookContext, act: number, uses: number, ttl: number): number {
  const narrow = act | ctx.redirectKind | ctx.dropDirection | ctx.fibLookups;
  const wide = ctx.fibResult | ctx.transfer | uses | ttl;
  if (narrow < 0 || narrow > TWO_BITS || wide < 0 || wide > FOUR_BITS) return -1;
  return (
    USED |
    (act << ACT) |
    (ctx.redirectKind << REDIRECT_KIND) |
    (ctx.dropDirection << DROP_DIRECTION) |
    (ctx.fibLookups << FIB_LOOKUPS) |
    (ctx.fibResult << FIB_RESULT) |
    (ctx.transfer << TRANSFER) |
    (uses << USES) |
    (ttl << TTL) |
    (ctx.pushed > 0 ? PUSHED : 0)
  );
}

/** Puts the decisions of an outcome into the context; answers `Act`. */
export function unpackOutcome(ctx: HookContext, outcome: number): number {
  ctx.redirectKind = (outcome >>> REDIRECT_KIND) & TWO_BITS;
  ctx.dropDirection = ((outcome >>> DROP_DIRECTION) & TWO_BITS) as HookContext['dropDirection'];
  ctx.fibLookups = (outcome >>> FIB_LOOKUPS) & TWO_BITS;
  ctx.fibResult = (outcome >>> FIB_RESULT) & FOUR_BITS;
  ctx.transfer = (outcome >>> TRANSFER) & FOUR_BITS;
  return (outcome >>> ACT) & TWO_BITS;
}

export const usesOf = (outcome: number): number => (outcome >>> USES) & FOUR_BITS;
/** Whether what was added came before the IP header. */
export const isPushed = (outcome: number): boolean => (outcome & PUSHED) !== 0;
/** What is taken off the TTL. */
export const ttlOf = (outcome: number): number => (outcome >>> TTL) & FOUR_BITS;

/** What a flow has become. */
export interface TranslatedFlow {
  family: Family;
  readonly source: Uint32Array;
  readonly destination: Uint32Array;
  protocol: number;
  sport: number;
  dport: number;
  ttl: number;
}

const CACHE_LINE = 16;

/**
 * Records of flows by key, each in consecutive words of one array, beginning with a cache line of its own. A key has two places; what is in
 * both when a third comes gives way.
 */
export class FlowRecords {
  /** All records. Replaced by `resize`. */
  words: Uint32Array = new Uint32Array(0);
  /** Places for records, a power of two; 0 to begin with. */
  size = 0;
  readonly keyWords: number;
  readonly stride: number;
  // Where things are in a record.
  readonly after: number;
  readonly route: number;
  readonly uses: number;
  /** The word of the IP header that has the length, what becomes of it, and what is inserted (of what is pushed: the half word of the TTL). */
  readonly inserted: number;
  /** Whether the last `place` was the key's own. */
  found = false;
  #turn = 0;

  /** @param w words per address; @param keyWords words of a key, of which the first `changing` become others */
  constructor(w: number, keyWords: number, changing: number) {
    this.keyWords = keyWords;
    this.after = FlowWord.KEY + keyWords;
    this.route = this.after + changing;
    this.uses = this.route + 2 * w;
    this.inserted = this.uses + MAX_USES * USE_WORDS;
    this.stride = Math.ceil((this.inserted + 2 + MAX_INSERTED) / CACHE_LINE) * CACHE_LINE;
  }

  /** Where the record of a key begins, or where it is to be put (`found`). */
  place(key: Uint32Array): number {
    const first = (hashWords(key, 0, this.keyWords) & (this.size - 2)) * this.stride;
    const second = first + this.stride;
    this.found = true;
    if (this.#holds(first, key)) return first;
    if (this.#holds(second, key)) return second;
    this.found = false;
    if (this.isFree(first)) return first;
    return this.isFree(second) || (this.#turn++ & 1) === 0 ? second : first;
  }

  isFree(at: number): boolean {
    return this.words[at + FlowWord.OUTCOME] === 0;
  }

  /** Room for `size` records; those that there are, are forgotten. */
  resize(size: number): void {
    this.size = size;
    this.words = new Uint32Array(size * this.stride);
  }

  #holds(at: number, key: Uint32Array): boolean {
    const { words } = this;
    if (words[at + FlowWord.OUTCOME] === 0) return false;
    return sameWords(words, at + FlowWord.KEY, key, 0, this.keyWords) === SAME;
  }
}
