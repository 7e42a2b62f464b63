import { LbtwinError } from '../../errors.ts';
import { HashTable } from '../../hash/table.ts';

/** What a key stands for. */
export const KeyKind = { ADDRESS: 0, REMOTE: 1, ENDPOINT: 2, FRONTEND: 3, AFFINITY: 4, NOTHING: 5, CLIENT: 6 } as const;
export type KeyKind = (typeof KeyKind)[keyof typeof KeyKind];

const KEY_WORDS = 6;
const MAX_KEYS = 16_777_216;

/** The keys of a `Groups` by number, as they go from thread to thread. */
export interface GroupColumns {
  /** `KEY_WORDS` words for each. */
  readonly keys: Uint32Array;
  /** A key of the same group: the same one for all keys of a group. */
  readonly roots: Int32Array;
  /** Frames of the group, and the number of its first; at its root only. */
  readonly sizes: Uint32Array;
  readonly firsts: Uint32Array;
}

/** Keys of state, and which of them have to be on one shard: union-find over the rows of a table. */
export class Groups {
  readonly #table = new HashTable({ kind: 'hash', keyWords: KEY_WORDS, valueWords: 0, maxEntries: MAX_KEYS });
  readonly #key = new Uint32Array(KEY_WORDS);
  #parents: Int32Array = new Int32Array(1024);
  #sizes: Uint32Array = new Uint32Array(1024);
  #firsts: Uint32Array = new Uint32Array(1024);

  /** A key as a number of its group, made if it is new. `detail`: u32. @throws LbtwinError `trace-too-large` */
  of(kind: KeyKind, family: number, words: ArrayLike<number>, at: number, count: number, detail = 0): number {
    this.#write(kind, family, words, at, count, detail);
    return this.#upsert(this.#key, 0);
  }

  /** Whether there is such a key. */
  has(kind: KeyKind, family: number, words: ArrayLike<number>, at: number, count: number): boolean {
    this.#write(kind, family, words, at, count, 0);
    return this.#table.find(this.#key) >= 0;
  }

  /** The group's own number: equal for all keys of a group. */
  find(row: number): number {
    const parents = this.#parents;
    let root = row;
    while (parents[root] !== root) root = parents[root]!;
    for (let next = row; next !== root;) {
      const up = parents[next]!;
      parents[next] = root;
      next = up;
    }
    return root;
  }

  /** Makes one group of two and returns it; -1 stands for none yet. */
  join(a: number, b: number): number {
    if (a < 0) return b;
    const [to, from] = [this.find(a), this.find(b)];
    this.#parents[from] = to;
    return to;
  }

  /** Counts frames for a key's group, the first of them being number `first`. */
  count(row: number, frames: number, first: number): void {
    const before = this.#sizes[row]!;
    if (before === 0 || first < this.#firsts[row]!) this.#firsts[row] = first;
    this.#sizes[row] = before + frames;
  }

  columns(): GroupColumns {
    const { size, rows, rowWords } = this.#table;
    const keys = new Uint32Array(KEY_WORDS * size);
    for (let row = 0; row < size; row++) {
      for (let word = 0; word < KEY_WORDS; word++) keys[KEY_WORDS * row + word] = rows[rowWords * row + word]!;
      const root = this.find(row);
      if (root === row || this.#sizes[row] === 0) continue;
      this.count(root, this.#sizes[row]!, this.#firsts[row]!);
      this.#sizes[row] = 0;
    }
    const roots = this.#parents.slice(0, size);
    return { keys, roots, sizes: this.#sizes.slice(0, size), firsts: this.#firsts.slice(0, size) };
  }

  /** Takes in what another thread found. Answers the numbers that its keys have here. */
  absorb({ keys, roots, sizes, firsts }: GroupColumns): Int32Array {
    const here = new Int32Array(roots.length);
    for (let row = 0; row < here.length; row++) {
      here[row] = this.#upsert(keys, KEY_WORDS * row);
      if (sizes[row] !== 0) this.count(here[row]!, sizes[row]!, firsts[row]!);
    }
    for (let row = 0; row < here.length; row++) this.join(here[roots[row]!]!, here[row]!);
    return here;
  }

  #write(kind: KeyKind, family: number, words: ArrayLike<number>, at: number, count: number, detail: number): void {
    const key = this.#key;
    key[0] = (kind << 8) | family;
    for (let i = 0; i < 4; i++) key[1 + i] = i < count ? words[at + i]! : 0;
    key[5] = detail;
  }

  #upsert(key: Uint32Array, at: number): number {
    const before = this.#table.size;
    const row = this.#table.upsert(key, at);
    if (row < 0) {
      throw new LbtwinError('trace-too-large', 'too many flows to share out', { allowed: `${MAX_KEYS} endpoints` });
    }
    if (this.#table.size > before) this.#add(row);
    return row;
  }

  #add(row: number): void {
    if (row >= this.#parents.length) this.#grow(2 * row);
    this.#parents[row] = row;
  }

  #grow(size: number): void {
    const [parents, sizes, firsts] = [new Int32Array(size), new Uint32Array(size), new Uint32Array(size)];
    parents.set(this.#parents);
    sizes.set(this.#sizes);
    firsts.set(this.#firsts);
    [this.#parents, this.#sizes, this.#firsts] = [parents, sizes, firsts];
  }
}
