import fc from 'fast-check';
import { dump } from 'js-yaml';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { LbtwinError } from '../../src/errors.ts';
import { positionOf, readObjects } from '../../src/k8s/read.ts';
import { readYamlPiece } from '../../src/k8s/yaml.ts';
import { readFileSync } from 'node:fs';

/** Texts that look like YAML where none is meant. */
const tricky = fc.constantFrom(
  '- a',
  '---',
  'items:',
  'kind: List',
  '- |',
  '#',
  '&a',
  '*a',
  '',
  ' ',
  'a: b',
  "'",
  '"',
  '{',
  '[',
  '\n- x\n',
  'yes',
  '010',
  '~',
  '!x',
  '%',
  'x\n---\ny',
);
const text = fc.oneof(tricky, fc.string({ maxLength: 12 }), fc.string({ unit: 'grapheme', maxLength: 8 }));
const leaf = fc.oneof(text, fc.integer(), fc.boolean(), fc.constant(null));
const { tree } = fc.letrec((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.dictionary(
      text.filter((key) => key !== '__proto__' && key !== '<<'),
      tie('tree'),
      { maxKeys: 3 },
    ),
  ),
}));
const object = fc.record({ name: fc.stringMatching(/^[a-z]{1,8}$/), spec: tree }).map(({ name, spec }) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: `s-${name}`, namespace: 'x' },
  spec,
}));
const objects = fc.array(object, { minLength: 1, maxLength: 4 });

const writers = fc.constantFrom(
  (value: unknown) => dump(value, { noRefs: true, seqNoIndent: true, lineWidth: -1 }),
  (value: unknown) => dump(value, { noRefs: true }),
  (value: unknown) => stringify(value, { lineWidth: 40 }),
  (value: unknown) =>
    stringify(value, { indentSeq: false, defaultStringType: 'BLOCK_LITERAL', defaultKeyType: 'PLAIN' }),
);

const list = (items: readonly unknown[]): unknown => ({
  apiVersion: 'v1',
  items,
  kind: 'List',
  metadata: { resourceVersion: '' },
});

/** What the parser makes of the whole, without cutting. */
function whole(source: string): unknown[] | undefined {
  const piece = readYamlPiece(source);
  if ('problem' in piece) return undefined;
  return (piece.documents[0] as { items: unknown[] }).items;
}

describe('readObjects, laws', () => {
  it('reading item by item gives what reading the whole gives', () => {
    fc.assert(
      fc.property(objects, writers, (items, write) => {
        const source = write(list(items));
        const expected = whole(source);
        fc.pre(expected !== undefined);
        expect(readObjects('t', source).objects).toEqual(expected);
      }),
    );
  });

  it('a stream of documents gives what each gives alone', () => {
    fc.assert(
      fc.property(objects, writers, (items, write) => {
        const texts = items.map(write);
        const alone = texts.flatMap((one) => readObjects('t', one).objects);
        expect(readObjects('t', texts.join('---\n')).objects).toEqual(alone);
      }),
    );
  });

  it('the place of an object is the line it begins on, in every shape', () => {
    fc.assert(
      fc.property(objects, (items) => {
        const source = dump(list(items), { noRefs: true, seqNoIndent: true, lineWidth: -1 });
        const batch = readObjects('t', source);
        const lines = source.split('\n');
        batch.objects.forEach((one) => {
          const { line, column } = positionOf(batch.origins.get(one)!, ['metadata', 'name']);
          expect(lines[line - 1]!.slice(column - 1)).toMatch(new RegExp(`^'?${one.metadata.name}'?$`));
        });
      }),
    );
  });

  it('JSON gives what YAML gives', () => {
    fc.assert(
      fc.property(objects, fc.constantFrom(undefined, 2), (items, indent) => {
        const batch = readObjects('t', JSON.stringify(list(items), undefined, indent));
        expect(batch.objects).toEqual(items);
        const { line, column } = positionOf(batch.origins.get(batch.objects[0]!)!, ['metadata', 'name']);
        const at = JSON.stringify(list(items), undefined, indent).split('\n')[line - 1]!;
        expect(at.slice(column - 1)).toMatch(new RegExp(`^"${batch.objects[0]!.metadata.name}"`));
      }),
    );
  });

  it('damaged text is read or refused, never anything else', () => {
    const shop = readFileSync('examples/shop.yaml', 'utf8').slice(0, 6000);
    const edit = fc.tuple(fc.nat(shop.length), fc.nat(40), fc.oneof(tricky, fc.string({ maxLength: 4 })));
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), fc.boolean(), (edits, strict) => {
        let damaged = shop;
        for (const [at, length, put] of edits) damaged = damaged.slice(0, at) + put + damaged.slice(at + length);
        try {
          readObjects('t', damaged, { strict });
        } catch (error) {
          if (!(error instanceof LbtwinError)) throw error;
        }
      }),
    );
  });
});
