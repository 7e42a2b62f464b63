import { describe, expect, it } from 'vitest';
import { matches, parseSelector, readLabelSelector } from '../../src/k8s/labels.ts';

const labels = { tier: 'edge', num: '7', 'example.com/zone': 'a' };
const holds = (text: string): boolean | undefined => {
  const selector = parseSelector(text);
  return selector && matches(selector, labels);
};

describe('label selectors as text', () => {
  it.each([
    ['', true],
    ['tier=edge', true],
    ['tier==edge', true],
    ['tier = edge', true],
    ['tier=', false],
    ['tier!=edge', false],
    ['other!=edge', true],
    ['tier in (edge,core)', true],
    ['tier in (core)', false],
    ['tier in ()', false],
    ['tier notin (core)', true],
    ['other notin (core)', true],
    ['tier', true],
    ['!tier', false],
    ['! other', true],
    ['num>5', true],
    ['num<5', false],
    ['tier>5', false],
    ['example.com/zone=a,tier=edge', true],
    ['tier=edge,tier=core', false],
  ])('%j: %s', (text, expected) => {
    expect(holds(text)).toBe(expected);
  });

  it.each([
    '=edge',
    '=bad=',
    'a b',
    'tier in',
    'tier in edge',
    'tier=edge,',
    ',',
    'num>x',
    'a/b/c=1',
    '-x=1',
    'tier=a=b',
  ])('%j is refused', (text) => {
    expect(parseSelector(text)).toBeUndefined();
  });
});

describe('LabelSelector objects', () => {
  it('match labels and expressions together; label sources are stripped', () => {
    const selector = readLabelSelector({
      matchLabels: { 'k8s:tier': 'edge' },
      matchExpressions: [
        { key: 'num', operator: 'In', values: ['7', '8'] },
        { key: 'old', operator: 'DoesNotExist' },
      ],
    });
    expect(matches(selector, labels)).toBe(true);
    expect(matches(selector, { ...labels, old: '' })).toBe(false);
  });

  it('refuse an unknown operator', () => {
    expect(() => readLabelSelector({ matchExpressions: [{ key: 'a', operator: 'Like' }] })).toThrow(/operator/);
  });

  it('without requirements match everything', () => {
    expect(matches(readLabelSelector(undefined), {})).toBe(true);
  });
});
