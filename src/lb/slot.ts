/**
 * Which slot, below any notion of a service (docs/selection.md): tables, counts and seeds are arguments. Backend id 0 means none.
 */

/**
 * `hash` modulo `size` by a reciprocal: `%` on an unsigned word costs about 10 ns in V8, this about 2.
 * The truncated quotient is right or, at a multiple of `size`, one too small, never too large: its error stays far below 1 / size. Exact for
 * every u32 and every size of 2..2^20.
 * @param inverse `1 / size`
 */
export function moduloBy(hash: number, size: number, inverse: number): number {
  const rest = (hash - Math.imul((hash * inverse) | 0, size)) | 0;
  return rest >= size ? rest - size : rest;
}

/** The backend id that a Maglev table holds for a hash; 0 without a table. */
export const maglevBackendId = (table: Uint32Array | undefined, hash: number): number =>
  table === undefined ? 0 : table[hash % table.length]!;

/**
 * The 1-based slot that a random word picks of `count` (1..65535) slots. The socket layer uses the same rule; its word is a random one for
 * TCP and the low half of the socket cookie otherwise.
 */
export const randomSlot = (word: number, count: number): number => ((word >>> 0) % count) + 1;
