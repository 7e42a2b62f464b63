import { LbtwinError } from '../errors.ts';
import { hashWords, SAME, sameWords } from './words.ts';

/** What a map does when it is full: a hash map refuses the new entry, an LRU map gives up its least recently used one. */
export type TableKind = 'hash' | 'lru';

export interface TableOptions {
  readonly kind: TableKind;
  /** 32-bit words per key, at least 1. */
  readonly keyWords: number;
  /** 32-bit words per value. */
  readonly valueWords: number;
  /** The map's configured size, 1..16777216. Memory is taken as entries come, not at once. */
  readonly maxEntries: number;
  /** Entries to take memory for at once, where it is known that they will come. */
  readonly reserve?: number;
}

/** The table is full and refuses (negative errno of E2BIG, as from a map update in the kernel). */
export const TABLE_FULL = -7;
/** `create` found the key already there (negative errno of EEXIST). */
export const KEY_EXISTS = -17;
/** What `find` and `lookup` answer for an absent key. */
export const NO_ROW = -1;

/** The largest size a table can be given. */
export const MAX_ENTRIES = 0x100_0000;

const FIRST_ROWS = 32;

/** The last tick: beyond 31 bits a field would be an object on the heap. */
const LAST_TICK = 0x7fff_ffff;

/**
 * A map as the datapath has it: fixed-size binary keys and values, a limit, and the kernel's behaviour at the limit.
 *
 * An entry is a *row* of `rowWords` consecutive words in `rows`: key, one word of age, value. For an IPv4 conntrack entry
 * that is 16 words, one cache line. Lookups answer a row number (`NO_ROW` when absent); the value begins at
 * `valueAt(row)`. Row numbers stay valid until that entry is deleted or evicted; `rows` itself is replaced when the table
 * grows, so read the property again after an insertion. Nothing is allocated per operation.
 *
 * The index is open-addressed with linear probing, at most half full. A slot holds a row number and, in the bits that the row
 * number leaves free, a piece of the hash: a probe that misses does not touch the rows.
 *
 * LRU order is exact at the price of one word written per use: every use stamps the row, and only when an entry has to go are
 * the rows sorted by stamp. That order serves until it is used up; rows used since they were sorted are skipped.
 */
export class HashTable {
  readonly kind: TableKind;
  readonly keyWords: number;
  readonly valueWords: number;
  /** Words from one row to the next. */
  readonly rowWords: number;
  readonly maxEntries: number;
  /** All rows; row `r` is `rows[r * rowWords ...]`. Replaced when the table grows. */
  rows: Uint32Array;
  /** How many entries were evicted to make room since the table was made. */
  evictions = 0;
  /**
   * A stamp for what was concluded from the table: it changes, counting up, whenever an entry is deleted and, in a hash map, made or written.
   * New entries of LRU maps do not count: they are many, and row numbers survive them.
   */
  changes = 0;

  // Private fields have their values from the start, of the kind they keep: a field that was undefined once is checked on every read.
  #size = 0;
  /** Uses so far: the stamp of the latest. */
  #tick = 0;
  /** Head of the list of free rows, plus 1; 0 if there is none. */
  #free = 0;
  /** Rows from here on were never used. */
  #top = 0;
  /** Index: 0, or the row number plus 1 in the low bits and hash bits above. */
  #slots: Int32Array = new Int32Array(0);
  /** Of a slot: the bits of the row number. */
  readonly #rowMask: number = 0;
  /** Rows from oldest to newest as of tick `#sortedAt`; those before `#victim` are used up. */
  #byAge: Uint32Array = new Uint32Array(0);
  #victim = 0;
  #sortedAt = 0;

  /** @throws LbtwinError `invalid-table-size` */
  constructor(options: TableOptions) {
    const { keyWords, valueWords, maxEntries } = options;
    if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > MAX_ENTRIES) {
      throw new LbtwinError('invalid-table-size', `${String(maxEntries)} is not a map size`, {
        path: ['maxEntries'],
        allowed: `1..${MAX_ENTRIES}`,
      });
    }
    this.kind = options.kind;
    this.keyWords = keyWords;
    this.valueWords = valueWords;
    this.rowWords = keyWords + 1 + valueWords;
    this.maxEntries = maxEntries;
    const capacity = Math.min(Math.max(FIRST_ROWS, options.reserve ?? 0), maxEntries);
    this.rows = new Uint32Array(capacity * this.rowWords);
    this.#slots = new Int32Array(slotsFor(capacity));
    this.#rowMask = -1 >>> Math.clz32(maxEntries);
  }

  /** Entries now in the table, 0..maxEntries. */
  get size(): number {
    return this.#size;
  }

  /** Bytes of memory held now, index and age order included. */
  get byteLength(): number {
    return this.rows.byteLength + this.#slots.byteLength + this.#byAge.byteLength;
  }

  /** Where the row's value begins in `rows`; its key begins at `row * rowWords`. */
  valueAt(row: number): number {
    return (Math.imul(row, this.rowWords) + this.keyWords + 1) | 0;
  }

  /** The row of the key in `key[at ...]`, or `NO_ROW`. Counts as a use: what a program in the kernel does. */
  lookup(key: Uint32Array, at = 0): number {
    const row = this.find(key, at);
    if (row >= 0) this.#touch(row);
    return row;
  }

  /** Like `lookup`, but not counted as a use: what user space (garbage collection, dumps) does. */
  find(key: Uint32Array, at = 0): number {
    return this.#find(hashWords(key, at, this.keyWords), key, at);
  }

  /**
   * `lookup` for a caller who remembers where the key was: answers like it, with two memory accesses fewer if the row still
   * holds that key. `row` may be any number.
   */
  lookupNear(row: number, key: Uint32Array, at = 0): number {
    if (!this.holds(row, key, at)) return this.lookup(key, at);
    this.#touch(row);
    return row;
  }

  /** Whether a row, any number, is live and has this key: for callers that can guess where an entry is. */
  holds(row: number, key: Uint32Array, at = 0): boolean {
    const { rows, rowWords, keyWords } = this;
    const base = row * rowWords;
    if (row < 0 || base >= rows.length || rows[base + keyWords] === 0) return false;
    return sameWords(rows, base, key, at, keyWords) === SAME;
  }

  /**
   * The row of the key, made (value all zero) if it was absent: an update without condition. Counts as a use.
   * `TABLE_FULL` if a hash map has no room; an LRU map evicts.
   */
  upsert(key: Uint32Array, at = 0): number {
    const hash = hashWords(key, at, this.keyWords);
    const row = this.#find(hash, key, at);
    if (row < 0) return this.#insert(hash, key, at);
    if (this.kind === 'hash') this.changes++;
    this.#touch(row);
    return row;
  }

  /** A new row for an absent key, its value all zero; `KEY_EXISTS` (the entry is left alone) or `TABLE_FULL` otherwise. */
  create(key: Uint32Array, at = 0): number {
    const hash = hashWords(key, at, this.keyWords);
    return this.#find(hash, key, at) >= 0 ? KEY_EXISTS : this.#insert(hash, key, at);
  }

  /** Counts as a use of a live row whose number is known. */
  use(row: number): void {
    this.#touch(row);
  }

  /**
   * Counts a change that the table does not see: for whoever overwrites the value of an entry in `rows`, or what an entry stands for elsewhere,
   * where others conclude from it (`changes`).
   */
  changed(): void {
    this.changes++;
  }

  /** Deletes the entry of a key; false if there was none. */
  delete(key: Uint32Array, at = 0): boolean {
    const row = this.find(key, at);
    if (row < 0) return false;
    this.deleteRow(row);
    return true;
  }

  /** Deletes a live row. */
  deleteRow(row: number): void {
    const base = row * this.rowWords;
    this.#unlink(row, base);
    this.rows[base + this.keyWords] = 0;
    this.rows[base] = this.#free;
    this.#free = row + 1;
    this.#size--;
    this.changes++;
  }

  /** Deletes everything; memory is kept. */
  clear(): void {
    this.rows.fill(0);
    this.#slots.fill(0);
    this.#size = 0;
    this.#tick = 0;
    this.#free = 0;
    this.#top = 0;
    this.#victim = 0;
    this.#byAge = new Uint32Array(0);
    this.changes++;
  }

  /**
   * Iteration: the first live row after `row` (-1 to begin), or `NO_ROW` at the end. Deleting rows on the way is fine.
   * The order is that of insertion as long as nothing was deleted.
   */
  nextRow(row: number): number {
    const { rows, rowWords, keyWords } = this;
    const top = this.#top;
    for (let r = row + 1; r < top; r++) if (rows[r * rowWords + keyWords] !== 0) return r;
    return NO_ROW;
  }

  /** Index probes needed to find the row, 1 at best: a measure of how well the hash spreads the keys. */
  probesOf(row: number): number {
    const last = this.#slots.length - 1;
    const home = hashWords(this.rows, row * this.rowWords, this.keyWords) & last;
    return ((this.#slotOf(row, home) - home) & last) + 1;
  }

  #find(hash: number, key: Uint32Array, at: number): number {
    const { rows, rowWords, keyWords } = this;
    const slots = this.#slots;
    const rowMask = this.#rowMask;
    const last = slots.length - 1;
    for (let i = hash & last; ; i = (i + 1) & last) {
      const slot = slots[i]!;
      if (slot === 0) return NO_ROW;
      if (((slot ^ hash) & ~rowMask) !== 0) continue;
      const row = (slot & rowMask) - 1;
      if (sameWords(rows, Math.imul(row, rowWords), key, at, keyWords) === SAME) return row;
    }
  }

  #touch(row: number): void {
    if (this.#tick === LAST_TICK) this.#renumber();
    const tick = this.#tick + 1;
    this.#tick = tick;
    this.rows[Math.imul(row, this.rowWords) + this.keyWords] = tick;
  }

  #insert(hash: number, key: Uint32Array, at: number): number {
    const row = this.#takeRow();
    if (row < 0) return row;
    const { rows, rowWords, keyWords } = this;
    const base = row * rowWords;
    for (let word = 0; word < keyWords; word++) rows[base + word] = key[at + word]!;
    this.#touch(row);
    this.#link(row, hash);
    this.#size++;
    if (this.kind === 'hash') this.changes++;
    return row;
  }

  #takeRow(): number {
    if (this.#size >= this.maxEntries) {
      if (this.kind === 'hash') return TABLE_FULL;
      this.#evict();
    }
    const free = this.#free;
    if (free !== 0) {
      const { rows, rowWords, keyWords } = this;
      const base = Math.imul(free - 1, rowWords);
      this.#free = rows[base]!;
      // Rows that were never used are zero already.
      for (let word = keyWords + 1; word < rowWords; word++) rows[base + word] = 0;
      return free - 1;
    }
    if ((this.#top + 1) * this.rowWords > this.rows.length) this.#grow();
    return this.#top++;
  }

  #link(row: number, hash: number): void {
    const slots = this.#slots;
    const last = slots.length - 1;
    let i = hash & last;
    while (slots[i] !== 0) i = (i + 1) & last;
    slots[i] = (hash & ~this.#rowMask) | (row + 1);
  }

  #slotOf(row: number, home: number): number {
    const slots = this.#slots;
    const last = slots.length - 1;
    let i = home;
    while ((slots[i]! & this.#rowMask) !== row + 1) i = (i + 1) & last;
    return i;
  }

  // Removes the row's slot and moves later ones of the same run back, so that no marks of deleted entries pile up.
  #unlink(row: number, base: number): void {
    const { rows, rowWords, keyWords } = this;
    const slots = this.#slots;
    const last = slots.length - 1;
    let gap = this.#slotOf(row, hashWords(rows, base, keyWords) & last);
    for (let i = (gap + 1) & last; slots[i] !== 0; i = (i + 1) & last) {
      const other = (slots[i]! & this.#rowMask) - 1;
      const home = hashWords(rows, other * rowWords, keyWords) & last;
      if (((i - home) & last) < ((i - gap) & last)) continue;
      slots[gap] = slots[i]!;
      gap = i;
    }
    slots[gap] = 0;
  }

  #grow(): void {
    const top = this.#top;
    const capacity = Math.min(2 * top, this.maxEntries);
    const rows = new Uint32Array(capacity * this.rowWords);
    rows.set(this.rows);
    this.rows = rows;
    this.#slots = new Int32Array(slotsFor(capacity));
    for (let row = this.nextRow(-1); row >= 0; row = this.nextRow(row)) {
      this.#link(row, hashWords(rows, row * this.rowWords, this.keyWords));
    }
  }

  #evict(): void {
    const { rows, rowWords, keyWords } = this;
    for (;;) {
      while (this.#victim < this.#byAge.length) {
        const row = this.#byAge[this.#victim++]!;
        const stamp = rows[row * rowWords + keyWords]!;
        if (stamp === 0 || stamp > this.#sortedAt) continue;
        this.deleteRow(row);
        this.evictions++;
        return;
      }
      this.#sortByAge();
    }
  }

  /** Live rows by stamp, oldest first: a radix sort, since half a million of them are sorted while a packet waits. */
  #sortByAge(): void {
    const { rows, rowWords, keyWords } = this;
    let ages = new Uint32Array(this.size);
    let order = new Uint32Array(this.size);
    let count = 0;
    for (let row = this.nextRow(-1); row >= 0; row = this.nextRow(row)) {
      ages[count] = rows[row * rowWords + keyWords]!;
      order[count++] = row;
    }
    let agesTo = new Uint32Array(count);
    let orderTo = new Uint32Array(count);
    const starts = new Uint32Array(2048);
    for (let shift = 0; shift < 32; shift += 11) {
      starts.fill(0);
      for (let i = 0; i < count; i++) starts[(ages[i]! >>> shift) & 2047]!++;
      for (let digit = 0, sum = 0; digit < 2048; digit++) {
        const n = starts[digit]!;
        starts[digit] = sum;
        sum += n;
      }
      for (let i = 0; i < count; i++) {
        const to = starts[(ages[i]! >>> shift) & 2047]!++;
        agesTo[to] = ages[i]!;
        orderTo[to] = order[i]!;
      }
      [ages, agesTo] = [agesTo, ages];
      [order, orderTo] = [orderTo, order];
    }
    this.#byAge = order;
    this.#victim = 0;
    this.#sortedAt = this.#tick;
  }

  // After 2^31 uses: stamps become ranks, 1 for the oldest.
  #renumber(): void {
    this.#sortByAge();
    const order = this.#byAge;
    for (let rank = 0; rank < order.length; rank++) {
      this.rows[order[rank]! * this.rowWords + this.keyWords] = rank + 1;
    }
    this.#byAge = new Uint32Array(0);
    this.#tick = order.length;
  }
}

function slotsFor(rows: number): number {
  return 2 ** Math.ceil(Math.log2(2 * rows));
}
