import { readFileSync, readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { mutations } from './mutation.ts';

export interface VectorFile<T> {
  readonly name: string;
  readonly doc: T;
}

const directory = process.env['VECTORS'] ?? 'test/vectors';

/** Every `<family>.*.json` and `<family>.*.json.gz` in the directory that VECTORS names. A directory without any fails. */
export function loadFamily<T>(family: string): VectorFile<T>[] {
  const names = readdirSync(directory)
    .filter((name) => name.startsWith(`${family}.`) && /\.json(\.gz)?$/.test(name))
    .sort();
  if (names.length === 0) throw new Error(`no vectors of family ${family} in ${directory}`);
  return names.map((name) => {
    const bytes = readFileSync(join(directory, name));
    const text = (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
    return { name, doc: JSON.parse(text) as T };
  });
}

const MAX_SHOWN = 8;

/** `MUTATE=20` changes 20 cases of each file in every place and lists the changes that a runner does not notice. */
const mutate = Number(process.env['MUTATE'] ?? 0);

function reportSurvivors<C>(name: string, list: readonly C[], check: (testCase: C, index: number) => unknown): void {
  const survivors = new Map<string, number>();
  let tried = 0;
  const step = Math.max(1, Math.floor(list.length / mutate));
  for (let index = 0; index < list.length; index += step) {
    for (const { mutant, what } of mutations(list[index])) {
      tried++;
      if (compare(mutant, () => check(mutant as C, index)) !== undefined) continue;
      survivors.set(what, (survivors.get(what) ?? 0) + 1);
    }
  }
  const rows = [...survivors]
    .sort(([, a], [, b]) => b - a)
    .map(([what, count]) => `${String(count).padStart(7)}  ${what}`);
  console.log(`${name}: ${tried} wrong cases, unnoticed:\n${rows.join('\n')}`);
}

/**
 * One test per vector file. `check(case, doc)` returns what the twin answers for the case, as the very record that the case
 * holds (inputs included, so that a field nobody looked at cannot pass); every difference counts. A file without cases fails.
 */
export function conformance<D, C>(
  family: string,
  cases: (doc: D) => readonly C[],
  check: (testCase: C, doc: D, index: number) => unknown,
  variant = '',
): void {
  describe(`conformance: ${family}${variant === '' ? '' : `, ${variant}`}`, () => {
    for (const { name, doc } of loadFamily<D>(family)) {
      it(`${name}: every case in full`, () => {
        const list = cases(doc);
        expect(list.length, 'number of cases').toBeGreaterThan(0);
        const failures: string[] = [];
        let failed = 0;
        list.forEach((testCase, index) => {
          const message = compare(testCase, () => check(testCase, doc, index));
          if (message === undefined) return;
          failed++;
          if (failures.length < MAX_SHOWN) failures.push(`case ${index}: ${message}`);
        });
        if (mutate > 0) reportSurvivors(name, list, (mutant, index) => check(mutant, doc, index));
        if (failed > 0) {
          throw new Error(`${name}: ${failed} of ${list.length} cases differ\n${failures.join('\n')}`);
        }
      });
    }
  });
}

/** Fails unless the record has exactly these keys: for inputs that a runner takes apart and puts together again. */
export function exactKeys(record: object, keys: readonly string[]): void {
  const given = Object.keys(record).sort();
  if (!isDeepStrictEqual(given, [...keys].sort())) throw new Error(`keys ${given.join(' ')}, not ${keys.join(' ')}`);
}

function compare(expected: unknown, run: () => unknown): string | undefined {
  let actual: unknown;
  try {
    actual = run();
  } catch (error) {
    return error instanceof Error ? (error.stack ?? error.message).split('\n').slice(0, 4).join('\n') : String(error);
  }
  return isDeepStrictEqual(actual, expected) ? undefined : differences(expected, actual).slice(0, 12).join('; ');
}

/** The paths at which two JSON values differ, each with both sides. */
export function differences(expected: unknown, actual: unknown, path = ''): string[] {
  if (isDeepStrictEqual(expected, actual)) return [];
  if (isRecord(expected) && isRecord(actual) && Array.isArray(expected) === Array.isArray(actual)) {
    const keys = new Set([...Object.keys(expected), ...Object.keys(actual)]);
    const found = [...keys].flatMap((key) => differences(expected[key], actual[key], `${path}/${key}`));
    if (found.length > 0) return found;
  }
  return [`${path || '/'}: expected ${brief(expected)}, got ${brief(actual)}`];
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null;

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
}
