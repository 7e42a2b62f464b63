import { describe, expect, it } from 'vitest';
import { bar, indented, percent, textTable } from '../../src/report/table.ts';

describe('text', () => {
  it('tables', () => {
    const text = textTable(
      [
        ['a', 'n', 'last'],
        ['long', '10', ''],
      ],
      new Set([1]),
    );
    expect(text).toBe('a      n  last\nlong  10\n');
    expect(indented(text)).toBe('  a      n  last\n  long  10\n');
  });

  it('bars', () => {
    expect([bar(0, 10, 4), bar(10, 10, 4), bar(5, 10, 4), bar(1, 1000, 4), bar(3, 32, 4)]).toEqual([
      '',
      '████',
      '██',
      '▏',
      '▍',
    ]);
  });

  it('shares', () => {
    expect([
      percent(1, 3),
      percent(1, 1),
      percent(1, 2),
      percent(1, 100000),
      percent(99999, 100000),
      percent(0, 0),
    ]).toEqual(['33.3 %', '100 %', '50.0 %', '< 0.1 %', '> 99.9 %', '0 %']);
  });
});
