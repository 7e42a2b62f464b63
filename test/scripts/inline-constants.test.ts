import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from 'vitest';

const script = fileURLToPath(new URL('../../scripts/inline-constants.mjs', import.meta.url));
const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

const CONSTANTS = {
  'constants.js': `export const Flag = { A: 1, B: -2, 'c': 4 };
export const Count = { seen: 0 };
export const Mixed = { n: 1, text: 'x' };
export const LIMIT = 16;
export const TWICE = 2 * LIMIT;
`,
  'constants.d.ts': `export declare const Flag: {
    /** The first. */
    readonly A: 1;
    readonly B: -2;
    readonly c: 4;
};
export declare const Count: {
    seen: number;
};
export declare const Mixed: {
    readonly n: 1;
    readonly text: 'x';
};
export declare const LIMIT = 16;
export declare const TWICE: number;
`,
  'index.js': `export * from './constants.js';\nexport { LIMIT as MOST } from './constants.js';\n`,
};

function inline(files: Record<string, string>): Record<string, string> {
  const folder = mkdtempSync(join(tmpdir(), 'lbtwin-inline-'));
  folders.push(folder);
  const all: Record<string, string> = { ...CONSTANTS, ...files };
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, text] of Object.entries(all)) writeFileSync(join(folder, name), text);
  execFileSync(process.execPath, [script, folder], { encoding: 'utf8', stdio: 'pipe' });
  return Object.fromEntries(Object.keys(all).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

const IMPORT = `import { Flag, Count, Mixed, TWICE, MOST as Most } from './index.js';\n`;
const inlineUse = (use: string): string => inline({ 'use.js': IMPORT + use })['use.js']!.slice(IMPORT.length);

describe('constants of other modules', () => {
  test.each([
    ['x(Flag.A)', 'x(1 /* Flag.A */)'],
    ['x = -Flag.B', 'x = -(-2 /* Flag.B */)'],
    ['x(Flag.c.toString(), Most.toFixed(1))', 'x((4 /* Flag.c */).toString(), (16 /* Most */).toFixed(1))'],
    ['a[TWICE].b[Flag.A] = Most', 'a[32 /* TWICE */].b[1 /* Flag.A */] = 16 /* Most */'],
    ['x = { Most: Most, [Most]: 1 }', 'x = { Most: 16 /* Most */, [16 /* Most */]: 1 }'],
    ['switch (x) { case Flag.A: y(Flag.c) }', 'switch (x) { case 1 /* Flag.A */: y(4 /* Flag.c */) }'],
    [
      'const f = (x = Flag.A, { y = Most } = {}) => x',
      'const f = (x = 1 /* Flag.A */, { y = 16 /* Most */ } = {}) => x',
    ],
    [
      'class C extends D { Most = Flag.A; TWICE() { return `${Most}`; } }',
      'class C extends D { Most = 1 /* Flag.A */; TWICE() { return `${16 /* Most */}`; } }',
    ],
    [
      'export const OWN = TWICE | 1; const f = () => OWN',
      'export const OWN = 32 /* TWICE */ | 1; const f = () => 33 /* OWN */',
    ],
  ])('%s', (use, expected) => {
    expect(inlineUse(use)).toBe(expected);
  });

  test.each([
    // Not constant, not numbers only, not a member, not read by its name, another thing of that name, text.
    'x(Count.seen)',
    'x(Mixed.n)',
    'x(Flag.none, Flag["A"], Flag[k], Object.values(Flag))',
    'x(y.Flag.A, y.Most, z?.TWICE)',
    'Most: for (;;) break Most',
    'x("Flag.A") // Flag.A',
  ])('left alone: %s', (use) => {
    expect(inlineUse(use)).toBe(use);
  });

  test.each(['function f(Flag) { return Flag.A; }', 'try { x(); } catch ({ Most }) {}', 'x = { Most }'])(
    'refused: %s',
    (use) => {
      expect(() => inlineUse(use)).toThrow(/use\.js/);
    },
  );

  test('what may change is refused', () => {
    expect(() => inline({ 'v.js': 'export let v = 1;', 'v.d.ts': 'export declare let v: number;\n' })).toThrow(
      /v\.d\.ts/,
    );
  });

  test('a second run finds nothing', () => {
    const once = inlineUse('x(Flag.A, Most)');
    expect(inlineUse(once)).toBe(once);
  });
});
