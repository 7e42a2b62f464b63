import { expect, it } from 'vitest';
import { findsRe2, isRe2 } from '../../src/text/re2.ts';

it.each<[string, boolean]>([
  ['/public/.*', true],
  ['(?P<name>a)', true],
  ['(?i)get', true],
  ['\\Qa.b\\E', true],
  ['[[:alpha:]]+', true],
  ['/a(', false],
  ['(?=x)', false],
  ['(a)\\1', false],
  ['a**', false],
  ['\\q', false],
  ['a{1,1001}', false],
])('%s: %s', (pattern, expected) => expect(isRe2(pattern)).toBe(expected));

it('searches anywhere, and says when there is no pattern', () => {
  expect(findsRe2('b', 'abc')).toBe(true);
  expect(findsRe2('^b', 'abc')).toBe(false);
  expect(findsRe2('(', 'abc')).toBeUndefined();
});
