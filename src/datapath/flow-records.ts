import { MAX_USES, USE_WORDS } from '../conntrack/use-log.ts';
import { hashWords, SAME, sameWords } from '../hash/words.ts';
import type { Family } from '../net/address.ts';
import type { HookContext } from './context.ts';

/** Words of a record, from its beginning; the key's are followed by those that it becomes, the route, the uses and what is inserted. */
export const FlowWord = {
  /** The stamp of all maps when the flow was learned. */
  CHANGES: 0,
  /** See `packOutcome`; 0 if nothing is known. */
  OUTCOME: 1,
  MARK: 2,
  REDIRECT_IFINDEX: 3,
  FIB_IFINDEX: 4,
  /** Changes of the sums under the IPv4 header's checksum and the L4 checksum. */
  L3_CHANGE: 5,
  L4_CHANGE: 6,
  /** The next record with the same hash: its row plus 1, or 0. */
  NEXT: 7,
  /** Bytes added: inserted behind the IP base header, or pushed before it (`isPushed`). */
  ADDED: 8,
  KEY: 9,
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
const FIRST_ROWS = 256;
/** As many flows as conntrack has room for by default, at two entries each. */
const MAX_ROWS = 262_144;

/**
 * Records of flows by key, each in consecutive words of one array, beginning with a cache line of its own. They lie close together, in the order
 * in which they came: strewn over a hash table they would need twice the pages. Those of one hash are a chain. When there is no more room the
 * oldest gives way.
 */
export class FlowRecords {
  /** All records. Replaced by `add` as they become more. */
  words: Uint32Array = new Uint32Array(0);
  readonly keyWords: number;
  readonly stride: number;
  // Where things are in a record.
  readonly after: number;
  readonly route: number;
  readonly uses: number;
  /** The most that the IP header's length may be, the change of the word that has it, and what is inserted (of what is pushed: the half word of the TTL). */
  readonly inserted: number;
  /** First row of each chain plus 1, or 0; as many chains as rows, a power of two. */
  #heads: Uint32Array = new Uint32Array(1);
  #rows = 0;
  #capacity = 0;
  readonly #maxRows: number = 0;
  /** The row that gives way next. */
  #oldest = 0;

  /** @param w words per address; @param keyWords words of a key, of which the first `changing` become others; @param maxRows a power of two */
  constructor(w: number, keyWords: number, changing: number, maxRows: number = MAX_ROWS) {
    this.#maxRows = maxRows;
    this.keyWords = keyWords;
    this.after = FlowWord.KEY + keyWords;
    this.route = this.after + changing;
    this.uses = this.route + 2 * w;
    this.inserted = this.uses + MAX_USES * USE_WORDS;
    this.stride = Math.ceil((this.inserted + 2 + MAX_INSERTED) / CACHE_LINE) * CACHE_LINE;
  }

  /** True if a new record takes the place of another. */
  get isFull(): boolean {
    return this.#rows === this.#maxRows;
  }

  /** Where the record of a key begins, or -1. */
  find(key: Uint32Array): number {
    const { words, stride, keyWords } = this;
    const heads = this.#heads;
    let row = heads[hashWords(key, 0, keyWords) & (heads.length - 1)]!;
    while (row !== 0) {
      const at = Math.imul(row - 1, stride);
      if (sameWords(words, at + FlowWord.KEY, key, 0, keyWords) === SAME) return at;
      row = words[at + FlowWord.NEXT]!;
    }
    return -1;
  }

  /** Where a new record begins, for an absent key, which is written to it; the rest is what it was. */
  add(key: Uint32Array): number {
    const row = this.#takeRow();
    const { words, keyWords } = this;
    const at = row * this.stride;
    for (let i = 0; i < keyWords; i++) words[at + FlowWord.KEY + i] = key[i]!;
    this.#link(row);
    return at;
  }

  #takeRow(): number {
    if (this.#rows < this.#maxRows) {
      if (this.#rows === this.#capacity) this.#grow();
      return this.#rows++;
    }
    const row = this.#oldest;
    this.#oldest = (row + 1) % this.#maxRows;
    this.#unlink(row);
    return row;
  }

  #grow(): void {
    const capacity = Math.min(Math.max(FIRST_ROWS, 2 * this.#capacity), this.#maxRows);
    const words = new Uint32Array(capacity * this.stride);
    words.set(this.words);
    this.words = words;
    this.#capacity = capacity;
    this.#heads = new Uint32Array(capacity);
    for (let row = 0; row < this.#rows; row++) this.#link(row);
  }

  #chainOf(row: number): number {
    return hashWords(this.words, row * this.stride + FlowWord.KEY, this.keyWords) & (this.#heads.length - 1);
  }

  #link(row: number): void {
    const chain = this.#chainOf(row);
    this.words[row * this.stride + FlowWord.NEXT] = this.#heads[chain]!;
    this.#heads[chain] = row + 1;
  }

  #unlink(row: number): void {
    const { words, stride } = this;
    const heads = this.#heads;
    const next = words[row * stride + FlowWord.NEXT]!;
    const chain = this.#chainOf(row);
    if (heads[chain] === row + 1) {
      heads[chain] = next;
      return;
    }
    let before = heads[chain]! - 1;
    while (words[before * stride + FlowWord.NEXT] !== row + 1) before = words[before * stride + FlowWord.NEXT]! - 1;
    words[before * stride + FlowWord.NEXT] = next;
  }
}
