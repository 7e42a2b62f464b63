import { describe, expect, it } from 'vitest';
import { hasFormat } from '../../src/validate/format.ts';
import { type Schema, unknownFields, validateSchema } from '../../src/validate/schema.ts';

const messages = (schema: Schema, value: unknown): string[] =>
  validateSchema({ type: 'object', properties: { a: schema } }, { a: value }).map(({ message }) => message);

describe('validateSchema speaks as the API server does', () => {
  it.each<[string, Schema, unknown, string[]]>([
    ['type', { type: 'string' }, 80, ['a: Invalid value: "integer": a in body must be of type string: "integer"']],
    ['null', { type: 'string' }, null, ['a: Invalid value: "null": a in body must be of type string: "null"']],
    ['nullable', { type: 'string', nullable: true }, null, []],
    ['whole numbers', { type: 'number' }, 1, []],
    [
      'fractions',
      { type: 'integer' },
      1.5,
      ['a: Invalid value: "number": a in body must be of type integer: "number"'],
    ],
    [
      'minimum',
      { type: 'integer', minimum: 1 },
      0,
      ['a: Invalid value: 0: a in body should be greater than or equal to 1'],
    ],
    ['pattern', { type: 'string', pattern: '^b$' }, 'c', [`a: Invalid value: "c": a in body should match '^b$'`]],
    ['enum', { enum: ['x', 'y'] }, 'z', ['a: Unsupported value: "z": supported values: "x", "y"']],
    ['maxItems', { type: 'array', maxItems: 1 }, [1, 2], ['a: Too many: 2: must have at most 1 item']],
    ['minItems', { type: 'array', minItems: 1 }, [], ['a: Invalid value: []: a in body should have at least 1 items']],
    ['maxLength', { type: 'string', maxLength: 2 }, 'abc', ['a: Too long: may not be more than 2 bytes']],
    ['required', { type: 'object', required: ['b'] }, {}, ['a.b: Required value']],
    ['set', { type: 'array', 'x-kubernetes-list-type': 'set' }, ['x', 'x'], ['a[1]: Duplicate value: "x"']],
    [
      'map keys',
      { type: 'array', 'x-kubernetes-list-map-keys': ['n'] },
      [{ n: 1 }, { n: 1 }],
      ['a[1]: Duplicate value: {"n":1}'],
    ],
    ['int-or-string', { 'x-kubernetes-int-or-string': true }, 'x', []],
    [
      'int-or-string with a boolean',
      { 'x-kubernetes-int-or-string': true },
      true,
      ['a: Invalid value: "boolean": a in body must be of type integer,string: "boolean"'],
    ],
    [
      'no alternative: the one that went furthest is told too',
      { oneOf: [{ required: ['x'] }, { properties: { y: { type: 'object' } }, required: ['y', 'z'] }] },
      { y: {} },
      [
        '<nil>: Invalid value: "": "a" must validate one and only one schema (oneOf). Found none valid',
        'a.z: Required value',
      ],
    ],
    [
      'not',
      { not: { required: ['x'] } },
      { x: 1 },
      ['<nil>: Invalid value: "": "a" must not validate the schema (not)'],
    ],
    [
      'allOf',
      { allOf: [{ required: ['x'] }, {}] },
      {},
      ['<nil>: Invalid value: "": "a" must validate all the schemas (allOf)', 'a.x: Required value'],
    ],
  ])('%s', (_, schema, value, expected) => expect(messages(schema, value)).toEqual(expected));

  it('an integer is no number in exponent range, and patterns take linear time', () => {
    const names = { type: 'string', pattern: '^([-a-zA-Z0-9_]+[.]?)+$' } as const;
    expect(messages(names, `${'a'.repeat(20_000)}!`)).toHaveLength(1);
  });

  it('refuses a schema whose pattern is none', () => {
    expect(() => messages({ type: 'string', pattern: '(' }, 'x')).toThrow(
      expect.objectContaining({ code: 'invalid-schema-pattern' }),
    );
  });

  it('finds the fields that would be pruned', () => {
    const schema: Schema = {
      type: 'object',
      properties: { a: { type: 'array', items: { type: 'object', properties: { b: {} } } } },
    };
    expect(unknownFields(schema, { a: [{ b: 1, c: 2 }], d: 3 })).toEqual([['a', 0, 'c'], ['d']]);
    expect(unknownFields({ ...schema, 'x-kubernetes-preserve-unknown-fields': true }, { d: 3 })).toEqual([]);
  });
});

describe('formats', () => {
  it.each<[string, boolean]>([
    ['10.0.0.0/8', true],
    ['010.0.0.0/08', true],
    ['::ffff:10.0.0.0/104', true],
    ['fd00::/8', true],
    ['10.0.0.0', false],
    ['10.0.0.0/33', false],
    ['10.0.0.0/-1', false],
    ['300.0.0.0/8', false],
    ['fe80::1%eth0/64', false],
    ['', false],
  ])('cidr %j: %s', (text, expected) => expect(hasFormat('cidr', text)).toBe(expected));

  it('does not check formats that it does not know', () => expect(hasFormat('idn-hostname', '***')).toBe(true));
});
