import { expect, it } from 'vitest';
import { didYouMean, nearest } from '../../src/text/nearest.ts';

it('finds what was misspelt, best first, and nothing where nothing is near', () => {
  expect(nearest('selct', ['status', 'select', 'selector'])).toEqual(['select']);
  expect(nearest('form', ['from', 'file'])).toEqual(['from']);
  expect(nearest('xyzzy', ['status', 'select'])).toEqual([]);
});

it('ends a message', () => {
  expect(didYouMean(['a', 'b'])).toBe('; did you mean a or b?');
  expect(didYouMean([])).toBe('');
});
