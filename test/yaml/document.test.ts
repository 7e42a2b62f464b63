import { describe, expect, it } from 'vitest';
import { readYaml } from '../../src/yaml/index.ts';

const one = (text: string): unknown => readYaml(text)[0]?.value;

describe('readYaml', () => {
  it('reads the scalars as kubectl and Helm do', () => {
    const text =
      'a: y\nb: no\nc: 010\nd: "010"\ne: 0x1F\nf: 1_000\ng: 1e3\nh: ~\ni: 2001-01-01\nj: 0o17\nk: 08\nl: 12:30\n';
    expect(one(text)).toEqual({
      a: true,
      b: false,
      c: 8,
      d: '010',
      e: 31,
      f: 1000,
      g: 1000,
      h: null,
      i: '2001-01-01',
      j: 15,
      k: 8,
      l: '12:30',
    });
  });

  it('reports each scalar that YAML 1.2 reads otherwise, with its place', () => {
    const [document] = readYaml('on: 1\nspec:\n  ports: [010, 8080, true, "yes"]\n');
    expect(document!.value).toEqual({ true: 1, spec: { ports: [8, 8080, true, 'yes'] } });
    expect(document!.dialect).toEqual([
      { path: ['on'], position: { line: 1, column: 1 }, text: 'on', value: true, value12: 'on', isKey: true },
      {
        path: ['spec', 'ports', 0],
        position: { line: 3, column: 11 },
        text: '010',
        value: 8,
        value12: 10,
        isKey: false,
      },
    ]);
  });

  it('knows anchors and merge keys; the map keeps its own keys', () => {
    expect(one('base: &b {x: 1, y2: 2}\nuse: {<<: *b, x: 3}\nboth: {<<: [*b, {z: 4, x: 9}]}')).toEqual({
      base: { x: 1, y2: 2 },
      use: { x: 3, y2: 2 },
      both: { x: 1, y2: 2, z: 4 },
    });
  });

  it('finds the place of a path, or of the nearest thing around it', () => {
    const [document] = readYaml('a:\n  - b: 1\n    c: 2\n');
    expect(document!.positionOf(['a', 0, 'c'])).toEqual({ line: 3, column: 8 });
    expect(document!.positionOf(['a', 0, 'nothing', 'here'])).toEqual({ line: 2, column: 5 });
  });

  it('counts lines over the whole stream and leaves out empty documents', () => {
    const documents = readYaml('---\n# nothing\n---\na: 1\n---\nb: {c: 2}\n');
    expect(documents.map(({ value }) => value)).toEqual([{ a: 1 }, { b: { c: 2 } }]);
    expect(documents[1]!.positionOf(['b', 'c'])).toEqual({ line: 6, column: 8 });
  });

  it('refuses what is not YAML, with line and column', () => {
    expect(() => readYaml('a: [1, 2\nb: 3')).toThrow(/^line 2, column 1: /);
    expect(() => readYaml('a: *nothing')).toThrow(/nothing/);
    expect(() => readYaml('a: &x [*x]')).toThrow(/contains itself/);
  });

  it('reports duplicate keys, the last one counts', () => {
    const [document] = readYaml('a: 1\nb: 2\na: 3\n');
    expect(document!.value).toEqual({ a: 3, b: 2 });
    expect(document!.duplicates).toEqual([{ path: ['a'], position: { line: 3, column: 1 } }]);
  });

  it('keeps a key named __proto__ as data', () => {
    const value = one('__proto__: {polluted: 1}') as object;
    expect(Object.keys(value)).toEqual(['__proto__']);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
  });
});
