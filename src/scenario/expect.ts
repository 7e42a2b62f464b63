import type { Journey, OutcomeKind } from '../cluster/journey.ts';
import type { ErrorPath } from '../errors.ts';
import { LbtwinError } from '../errors.ts';
import { didYouMean, nearest } from '../text/nearest.ts';

/** What a field is expected to be: a value, any of a list, a pattern, a range of a share, or its opposite. */
export type Expected =
  | string
  | number
  | boolean
  | null
  | readonly Expected[]
  | { readonly anyOf: readonly Expected[] }
  | { readonly not: Expected }
  | { readonly matches: string }
  | { readonly [field: string]: Expected };

/** A field that is not as expected. */
export interface Difference {
  /** `outcome`, `dropReason.name`, `shares["10.0.0.1:80"]`. */
  readonly field: string;
  readonly expected: unknown;
  readonly actual: unknown;
}

/** Fields that an expectation on one packet may name. */
export const SEND_FIELDS: readonly string[] = [
  'outcome',
  'verdict',
  'backend',
  'pod',
  'node',
  'candidates',
  'sourceSeen',
  'replySource',
  'translatedAt',
  'dropReason',
  'errno',
  'icmp',
  'reason',
  'service',
  'hops',
  'allowed',
  'deniedBy',
  'redirectedTo',
];
export const SPREAD_FIELDS: readonly string[] = ['shares', 'each', 'only', 'reached'];
export const CHECK_FIELDS: readonly string[] = [...SEND_FIELDS, 'status', 'kept', 'moved', 'reset', 'broken'];
export const MAPS_FIELDS: readonly string[] = ['contains', 'lacks', 'lines'];

const OUTCOMES: Readonly<Record<OutcomeKind, true>> = {
  delivered: true,
  replied: true,
  rejected: true,
  dropped: true,
  socketError: true,
  wrongSource: true,
  passedToHost: true,
  looped: true,
  undecided: true,
};

/** Fields that hold one of a few words. */
const WORDS: Readonly<Record<string, readonly string[]>> = {
  outcome: Object.keys(OUTCOMES),
  verdict: Object.keys(OUTCOMES),
  translatedAt: ['socket', 'packet'],
  status: ['kept', 'moved', 'reset', 'broken'],
};

/** Whether what is expected of a field can come at all: `words` are those that the field may hold. */
function checkValue(wanted: unknown, words: readonly string[] | undefined, path: ErrorPath): void {
  if (Array.isArray(wanted)) wanted.forEach((one, i) => checkValue(one, words, [...path, i]));
  else if (isObject(wanted)) {
    for (const [key, inner] of Object.entries(wanted)) {
      if (key === 'matches') checkPattern(inner, [...path, key]);
      else checkValue(inner, words, [...path, key]);
    }
  } else if (wanted !== null && words !== undefined && !(typeof wanted === 'string' && words.includes(wanted))) {
    const near = typeof wanted === 'string' ? didYouMean(nearest(wanted, words)) : '';
    const reason = `${JSON.stringify(wanted)} is not accepted here${near}`;
    throw new LbtwinError('invalid-scenario', reason, { path, allowed: words.join(', ') });
  }
}

/** Ranges can be compared with a share; a number is one, too. */
function checkRange(wanted: unknown, path: ErrorPath): void {
  if (typeof wanted === 'number' || (typeof wanted === 'string' && isRange(wanted))) return;
  const reason = `${JSON.stringify(wanted)} is not accepted here`;
  throw new LbtwinError('invalid-scenario', reason, { path, allowed: '45..55%, <= 3%, 0.5' });
}

function checkShares(wanted: unknown, path: ErrorPath): void {
  if (!isObject(wanted) || isOperator(wanted)) {
    const reason = `${JSON.stringify(wanted)} is not accepted here`;
    throw new LbtwinError('invalid-scenario', reason, { path, allowed: 'a share for each backend' });
  }
  for (const [backend, share] of Object.entries(wanted)) {
    if (!isObject(share)) checkRange(share, [...path, backend]);
  }
}

/** Fields that hold lines or patterns of lines. */
const PATTERNS: readonly string[] = ['contains', 'lacks'];

function checkPatterns(wanted: unknown, path: ErrorPath): void {
  if (Array.isArray(wanted)) wanted.forEach((one, i) => checkPattern(one, [...path, i]));
  else checkPattern(wanted, path);
}

function checkPattern(pattern: unknown, path: ErrorPath): void {
  let problem: unknown;
  try {
    ''.search(new RegExp(String(pattern), 'u'));
  } catch (error) {
    problem = error;
  }
  if (problem !== undefined) {
    const reason = `${JSON.stringify(pattern)} is no regular expression`;
    throw new LbtwinError('invalid-scenario', reason, { path, allowed: 'a regular expression of JavaScript' });
  }
}

/** @throws LbtwinError `unknown-field` with near matches, `invalid-scenario` for what cannot come */
export function checkFields(expect: object, allowed: readonly string[], path: ErrorPath): void {
  for (const [field, wanted] of Object.entries(expect)) {
    if (allowed.includes(field)) {
      checkValue(wanted, WORDS[field], [...path, field]);
      if (field === 'shares') checkShares(wanted, [...path, field]);
      if (field === 'each') checkRange(wanted, [...path, field]);
      if (PATTERNS.includes(field)) checkPatterns(wanted, [...path, field]);
      continue;
    }
    throw new LbtwinError(
      'unknown-field',
      `nothing has a field ${JSON.stringify(field)} here${didYouMean(nearest(field, allowed))}`,
      {
        path: [...path, field],
        allowed: allowed.join(', '),
      },
    );
  }
}

/** What expectations on one packet are compared with. */
export function fieldsOf(journey: Journey): Record<string, unknown> {
  const { outcome, hops, service } = journey;
  const policy = hops.filter(({ hook }) => hook.endsWith(' policy'));
  const denied = policy.find(({ verdict }) => verdict === 'denied');
  const proxy = policy.find(({ verdict }) => verdict.startsWith('to proxy '));
  return {
    ...outcome,
    outcome: outcome.kind,
    verdict: outcome.kind,
    service: service?.service,
    hops: hops.map(({ node, hook }) => `${node} ${hook}`),
    allowed: denied === undefined,
    deniedBy: denied === undefined ? undefined : outcome.reason,
    redirectedTo: proxy?.verdict.slice('to proxy '.length),
  };
}

/** Compares what is expected with what came; a drop reason may be given by name or number, hops by some of them in order. */
export function differences(
  expect: Readonly<Record<string, Expected>>,
  actual: Readonly<Record<string, unknown>>,
): Difference[] {
  return Object.entries(expect).flatMap(([field, wanted]) => compare(field, wanted, actual[field]));
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function compare(field: string, wanted: Expected, actual: unknown): Difference[] {
  if (field === 'dropReason' && (typeof wanted === 'string' || typeof wanted === 'number') && isObject(actual)) {
    return compare(
      `${field}.${typeof wanted === 'number' ? 'code' : 'name'}`,
      wanted,
      actual[typeof wanted === 'number' ? 'code' : 'name'],
    );
  }
  if (field === 'hops' && Array.isArray(wanted) && Array.isArray(actual)) {
    return isSubsequence(wanted as Expected[], actual) ? [] : [{ field, expected: wanted, actual }];
  }
  if (Array.isArray(wanted) && Array.isArray(actual))
    return sameSet(wanted as Expected[], actual) ? [] : [{ field, expected: wanted, actual }];
  if (isObject(wanted) && !isOperator(wanted)) {
    if (!isObject(actual)) return [{ field, expected: wanted, actual }];
    return Object.entries(wanted).flatMap(([key, inner]) => compare(`${field}.${key}`, inner as Expected, actual[key]));
  }
  return matches(wanted, actual) ? [] : [{ field, expected: wanted, actual }];
}

const isOperator = (wanted: object): boolean => 'anyOf' in wanted || 'not' in wanted || 'matches' in wanted;

/** True if one value is as expected. */
export function matches(wanted: Expected, actual: unknown): boolean {
  if (Array.isArray(wanted)) return (wanted as Expected[]).some((one) => matches(one, actual));
  if (isObject(wanted)) {
    if ('anyOf' in wanted) return (wanted['anyOf'] as Expected[]).some((one) => matches(one, actual));
    if ('not' in wanted) return !matches(wanted['not'] as Expected, actual);
    if ('matches' in wanted) return new RegExp(String(wanted['matches']), 'u').test(String(actual));
    return false;
  }
  if (wanted === null) return actual === undefined || actual === null;
  if (typeof wanted === 'string' && typeof actual === 'number') return inRange(wanted, actual);
  // Only the address is meant where no port is given.
  if (typeof wanted === 'string' && typeof actual === 'string' && !PORT.test(wanted) && PORT.test(actual)) {
    return actual.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1') === wanted;
  }
  return wanted === actual;
}

/** An address with a port: brackets around IPv6, or one colon only. */
const PORT = /^(\[.*\]|[^:]*):\d+$/;

const RANGE = /^\s*(?:(<=?|>=?)\s*)?(\d+(?:\.\d+)?)(?:\s*\.\.\s*(\d+(?:\.\d+)?))?\s*(%)?\s*$/;

/** `45..55%`, `<= 3%`, `> 0`, `100%`, `12`: percentages are of a share 0..1. */
export function inRange(text: string, actual: number): boolean {
  const match = RANGE.exec(text);
  if (match === null) return false;
  const scale = match[4] === undefined ? 1 : 100;
  const value = actual * scale;
  const low = Number(match[2]);
  if (match[3] !== undefined) return value >= low && value <= Number(match[3]);
  switch (match[1]) {
    case '<':
      return value < low;
    case '<=':
      return value <= low;
    case '>':
      return value > low;
    case '>=':
      return value >= low;
    default:
      return Math.abs(value - low) < 1e-9;
  }
}

export const isRange = (text: string): boolean => RANGE.test(text);

const isSubsequence = (wanted: readonly Expected[], actual: readonly unknown[]): boolean => {
  let at = 0;
  for (const one of actual) if (at < wanted.length && matches(wanted[at]!, one)) at++;
  return at === wanted.length;
};

const sameSet = (wanted: readonly Expected[], actual: readonly unknown[]): boolean =>
  wanted.length === actual.length && wanted.every((one) => actual.some((other) => matches(one, other)));
