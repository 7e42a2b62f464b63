import { LbtwinError } from '../../errors.ts';
import { HashTable } from '../../hash/table.ts';

/** What a key stands for. */
export const KeyKind = { ADDRESS: 0, REMOTE: 1, ENDPOINT: 2, FRONTEND: 3, AFFINITY: 4, NOTHING: 5 } as const;
export type KeyKind = (typeof KeyKind)[keyof typeof KeyKind];

const KEY_WORDS = 6;
const MAX_KEYS = 16_777_216;

/** Keys of state, and which of them have to be on one shard: union-find over the rows of a table. */
export class Groups {
  readonly #table = new HashTable({ kind: 'hash', keyWords: KEY_WORDS, valueWords: 0, maxEntries: MAX_KEYS });
  readonly #key = new Uint32Array(KEY_WORDS);
  #parents = new Int32Array(1024);

  /** A key as a number of its group, made if it is new. `detail`: u32. @throws LbtwinError `trace-too-large` */
  of(kind: KeyKind, family: number, words: ArrayLike<number>, at: number, count: number, detail = 0): number {
    this.#write(kind, family, words, at, count, detail);
    const before = this.#table.size;
    const row = this.#table.upsert(this.#key);
    if (row < 0) {
      throw new LbtwinError('trace-too-large', 'too many flows to share out', { allowed: `${MAX_KEYS} endpoints` });
    }
    if (this.#table.size > before) this.#add(row);
    return row;
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

  #write(kind: KeyKind, family: number, words: ArrayLike<number>, at: number, count: number, detail: number): void {
    const key = this.#key;
    key[0] = (kind << 8) | family;
    for (let i = 0; i < 4; i++) key[1 + i] = i < count ? words[at + i]! : 0;
    key[5] = detail;
  }

  #add(row: number): void {
    if (row >= this.#parents.length) {
      const grown = new Int32Array(2 * Math.max(row, this.#parents.length));
      grown.set(this.#parents);
      this.#parents = grown;
    }
    this.#parents[row] = row;
  }
}
