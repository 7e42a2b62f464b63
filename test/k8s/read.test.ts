import { describe, expect, it } from 'vitest';
import { formatUnused, locateError, readObjects } from '../../src/k8s/read.ts';
import { LbtwinError } from '../../src/errors.ts';

const service = (name: string, port: string | number = 80): string =>
  `apiVersion: v1\nkind: Service\nmetadata:\n  name: ${name}\n  namespace: shop\nspec:\n  ports:\n  - name: http\n    port: ${port}\n`;

const indent = (text: string, first: string, rest: string): string =>
  text
    .trimEnd()
    .split('\n')
    .map((line, i) => (i === 0 ? first : rest) + line)
    .join('\n') + '\n';

const list = (...objects: string[]): string =>
  `apiVersion: v1\nitems:\n${objects.map((text) => indent(text, '- ', '  ')).join('')}kind: List\nmetadata:\n  resourceVersion: ""\n`;

const names = (text: string): string[] => readObjects('t', text).objects.map((object) => object.metadata.name);

function failure(text: string, strict = false): { code: string; message: string } {
  try {
    readObjects('f.yaml', text, { strict });
  } catch (error) {
    if (error instanceof LbtwinError) return { code: error.code, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('readObjects', () => {
  it('reads documents, lists, typed lists and JSON', () => {
    expect(names(`${service('a')}---\n${service('b')}---\n# nothing\n---\n`)).toEqual(['a', 'b']);
    expect(names(list(service('a'), service('b')))).toEqual(['a', 'b']);
    expect(names(list(service('a')).replaceAll('\n', '\r\n'))).toEqual(['a']);
    expect(names(`\ufeff${service('a')}`)).toEqual(['a']);
    expect(
      names('apiVersion: v1\nkind: ServiceList\nitems:\n  - metadata: {name: a}\n  - metadata: {name: b}\n'),
    ).toEqual(['a', 'b']);
    const json = '{"apiVersion":"v1","kind":"Service","metadata":{"name":"j"}}';
    expect(names(json)).toEqual(['j']);
    expect(names(`${json}\n${json}`)).toEqual(['j', 'j']);
    expect(names(`{"kind":"List","apiVersion":"v1","items":[${json},${json}]}`)).toEqual(['j', 'j']);
    expect(names('{apiVersion: v1, kind: Service, metadata: {name: flow}}')).toEqual(['flow']);
    expect(names('%YAML 1.1\n---\napiVersion: v1\nkind: Service\nmetadata: {name: directive}\n...\n')).toEqual([
      'directive',
    ]);
  });

  it('reads a list with anchors over items, and texts that look like items', () => {
    const anchored =
      'apiVersion: v1\nkind: List\nitems:\n- &one\n  apiVersion: v1\n  kind: Service\n  metadata: {name: a}\n- *one\n';
    expect(names(anchored)).toEqual(['a', 'a']);
    const block = `${service('a')}data: |\n  - not an item\n  ---\n  items:\n`;
    expect(names(list(block, service('b')))).toEqual(['a', 'b']);
    expect(readObjects('t', `${service('a')}---odd: 1\n`).objects[0]).toHaveProperty('---odd', 1);
    expect(readObjects('t', list(`${service('a')}-odd: 1\n`)).objects[0]).toHaveProperty('-odd', 1);
  });

  it('counts and names kinds that are not used', () => {
    const batch = readObjects(
      't',
      `${service('a')}---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\napiVersion: v1\nkind: Secret\n---\n` +
        'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: other}\n',
    );
    expect(batch.objects).toHaveLength(1);
    expect(formatUnused(batch.unused)).toBe('1 ConfigMap, 1 Deployment.apps, 1 Secret, 1 Service.serving.knative.dev');
  });

  it('reads YAML 1.1 scalars as Kubernetes does, and says so', () => {
    const batch = readObjects('f.yaml', `${service('a', '010')}  paused: yes\n  quoted: "no"\n  plain: no way\n`);
    expect(batch.objects[0]!['spec']).toMatchObject({
      ports: [{ port: 8 }],
      paused: true,
      quoted: 'no',
      plain: 'no way',
    });
    expect(batch.notes).toEqual([
      'f.yaml:9:11: unquoted 010 is read as 8, as Kubernetes reads YAML',
      'f.yaml:10:11: unquoted yes is read as true, as Kubernetes reads YAML',
    ]);
    const odd = readObjects(
      't',
      `${service('b')}  a: [y, n, On, OFF, 0x1f, 0b11, 1_000, 08, -017, 1:30, 2025-01-01]\n`,
    );
    expect(odd.objects[0]!['spec']).toMatchObject({
      a: [true, false, true, false, 31, 3, 1000, 8, -15, '1:30', '2025-01-01'],
    });
  });

  it.each([
    ['an empty file', '', 'empty-input', 'f.yaml: the file is empty (0 bytes)'],
    ['a syntax error', 'a: 1\nb: [1\nc: 2\n', 'invalid-yaml', /^f\.yaml:3:\d+: not readable as YAML: /],
    ['a tab', 'a:\n\tb: 1\n', 'invalid-yaml', /^f\.yaml:2:1: .*tab/],
    ['a file cut in a string', 'a: "x', 'truncated-input', /^f\.yaml:1:\d+: .*truncated/],
    [
      'a list cut between items',
      list(service('a')).split('kind: List')[0]!,
      'truncated-input',
      /^f\.yaml:12:1: .*truncated/,
    ],
    ['a list cut within an item', list(service('a')).slice(0, 60), 'truncated-input', /truncated/],
    ['JSON that is cut', '{"kind": "List", "items": [{"a', 'truncated-input', /^f\.yaml:1:31: .*truncated/],
    [
      'JSON with a comma too many',
      '{"kind": "x",\n "a": [1,, 2]}',
      'invalid-json',
      'f.yaml:2:10: a JSON value is expected, found ","',
    ],
  ])('refuses %s', (_, text, code, message) => {
    const error = failure(text);
    expect(error.code).toBe(code);
    if (typeof message === 'string') expect(error.message).toBe(message);
    else expect(error.message).toMatch(message);
  });

  it.each([
    ['a text', 'hello\n', 'f.yaml:1:1: "hello" where a Kubernetes object (a mapping) is expected'],
    ['a list', '- a\n- b\n', 'f.yaml:1:1: a list where a Kubernetes object (a mapping) is expected'],
    ['no kind', 'apiVersion: v1\nmetadata: {}\n', 'f.yaml:1:1: an object without a kind'],
    [
      'no name',
      'apiVersion: v1\nkind: Service\nmetadata:\n  name: 5\n',
      'f.yaml:4:9: metadata.name: a Service needs a name (a text)',
    ],
    [
      'a key twice',
      'kind: Service\napiVersion: v1\nkind: Node\n',
      'f.yaml:3:1: not readable as YAML: duplicated mapping key',
    ],
  ])('refuses one object: %s; reads the rest unless strict', (_, text, message) => {
    const batch = readObjects('f.yaml', `${text}---\n${service('rest')}`);
    expect(batch.objects).toHaveLength(1);
    expect(batch.refused.map((error) => error.message)).toEqual([message]);
    expect(failure(text, true).message).toBe(message);
  });

  it('refuses one item of a list, and reads the rest', () => {
    const broken = service('b').replace('kind: Service', 'kind: Service\nkind: Service');
    const batch = readObjects('f.yaml', list(service('a'), broken, service('c')));
    expect(batch.objects.map((object) => object.metadata.name)).toEqual(['a', 'c']);
    expect(batch.refused.map((error) => error.message)).toEqual([
      'f.yaml:14:3: not readable as YAML: duplicated mapping key',
    ]);
  });

  it.each([
    ['documents', `${service('a')}---\n${service('b', 65536)}`, 19, 11],
    ['a list', list(service('a'), service('b', 65536)), 20, 13],
    ['a stream with directives', `%YAML 1.2\n---\n${service('a')}---\n${service('b', 65536)}`, 21, 11],
  ])('finds the place of a path again, in %s', (_, text, line, column) => {
    const batch = readObjects('f.yaml', text);
    const object = batch.objects[1]!;
    const error = new LbtwinError('invalid-port', '65536 is no port', { path: ['spec', 'ports', 0, 'port'] });
    const located = locateError(error, object, batch.origins.get(object)!);
    expect(located).toMatchObject({ file: 'f.yaml', line, column, object: 'Service shop/b' });
    expect(located.message).toBe(`f.yaml:${line}:${column}: Service shop/b: spec.ports[0].port: 65536 is no port`);
  });

  it('finds the place of a path again, in JSON; of a missing field its parent', () => {
    const text =
      '{"apiVersion":"v1","kind":"Service",\n "metadata":{"name":"j"},\n "spec": {"ports": [{"port": 1}, {"port": "x"}]}}';
    const batch = readObjects('f.json', text);
    const place = (...path: (string | number)[]): string =>
      locateError(new LbtwinError('x', 'wrong', { path }), batch.objects[0]!, batch.origins.get(batch.objects[0]!)!)
        .message;
    expect(place('spec', 'ports', 1, 'port')).toBe('f.json:3:43: Service j: spec.ports[1].port: wrong');
    expect(place('spec', 'type')).toBe('f.json:3:10: Service j: spec.type: wrong');
  });
});
