/** Ids up to here index arrays directly; sparser ones are numbered first. */
const DIRECT = 1 << 18;

/** Tables over small numbers in place of their ids, for counting in typed arrays. */
export interface DenseTables {
  readonly tables: readonly ArrayLike<number>[];
  /** Numbers are below this. */
  readonly size: number;
  /** The id behind a number; ids ascend with their numbers. */
  readonly nameOf: (index: number) => number;
}

/** `more` are ids that count although no table may name them. */
export function denseTables(tables: readonly ArrayLike<number>[], more: readonly number[] = []): DenseTables {
  let max = 0;
  for (const table of [...tables, more]) for (let s = 0; s < table.length; s++) if (table[s]! > max) max = table[s]!;
  if (max < DIRECT) return { tables, size: max + 1, nameOf: (index) => index };
  const names = [...new Set([...tables.flatMap((table) => Array.from(table)), ...more])].sort((a, b) => a - b);
  const index = new Map(names.map((id, i) => [id, i]));
  return {
    tables: tables.map((table) => Uint32Array.from(table, (id) => index.get(id)!)),
    size: names.length,
    nameOf: (i) => names[i]!,
  };
}
