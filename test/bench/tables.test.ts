import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mergeRuns, type Run } from '../../bench/compare.ts';
import { placeTables, renderTables } from '../../bench/tables.ts';

const run = (names: readonly string[]): Run => ({
  machine: 'abacus x 2',
  node: 'v20',
  results: names.map((name, i) => ({ name, unit: 'ns/op', median: 100 * (i + 1), min: 1, max: 999, samples: 3 })),
});

/** The tables of a file by their names. */
const tablesOf = (file: string): Map<string, string> =>
  new Map(
    [...readFileSync(file, 'utf8').matchAll(/<!-- bench:(\S+) -->\n([^]*?)\n<!-- \/bench -->/g)].map((m) => [
      m[1]!,
      m[2]!,
    ]),
  );

describe('tables of figures', () => {
  it('are made of results, those that were measured in full', () => {
    const tables = renderTables(run(['startup.node', 'startup.select', 'startup.trace', 'snat.forward.v4']));
    expect([...tables.keys()]).toEqual(['startup', 'machine']);
    expect(tables.get('startup')).toContain('| `lbtwin select` on the example | `startup.select` | 200 ns |');
  });

  it('take the lowest time of several runs, and the last of all else', () => {
    const one = run(['a', 'b']);
    const memory = { ...one.results[0]!, name: 'm', unit: 'bytes' as const };
    const two = {
      ...one,
      results: [
        { ...one.results[1]!, median: 150 },
        { ...memory, median: 7 },
      ],
    };
    const merged = mergeRuns([{ ...one, results: [...one.results, { ...memory, median: 3 }] }, two]);
    expect(merged.results.map(({ name, median }) => [name, median])).toEqual([
      ['a', 100],
      ['b', 150],
      ['m', 7],
    ]);
  });

  it('go where the text has a place for them, and nowhere else', () => {
    const text = 'a\n<!-- bench:startup -->\nold\n<!-- /bench -->\nb\n<!-- bench:paths -->\nold\n<!-- /bench -->\n';
    const placed = placeTables(text, new Map([['startup', 'new']]));
    expect(placed).toBe(text.replace('old', 'new'));
    expect(() => placeTables(text.replace('paths', 'path'), new Map())).toThrow('there is no table path');
  });

  it('say the same in the README as in docs/performance.md', () => {
    const docs = tablesOf('docs/performance.md');
    expect(docs.has('paths')).toBe(true);
    for (const [name, table] of tablesOf('README.md')) expect([name, docs.get(name)]).toEqual([name, table]);
    for (const [name, table] of docs) expect([name, table.trim() === '']).toEqual([name, false]);
  });
});
