import { LbtwinError } from '../errors.ts';
import type { Schema } from './schema.ts';

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function fail(path: (string | number)[], reason: string): never {
  throw new LbtwinError('not-a-crd', reason, {
    path,
    allowed: 'a CustomResourceDefinition (kubectl get crd NAME -o json), or a list of them',
  });
}

/**
 * The schemas of CustomResourceDefinitions by kind: the storage version's where there are several. `value` is what YAML or JSON
 * gave: one definition or a `List`. @throws LbtwinError `not-a-crd`
 */
export function schemasOfCrds(value: unknown): Map<string, Schema> {
  const items = isObject(value) && Array.isArray(value['items']) ? value['items'] : [value];
  const schemas = new Map<string, Schema>();
  for (const [index, item] of items.entries()) {
    const path = items.length > 1 ? ['items', index] : [];
    if (!isObject(item) || item['kind'] !== 'CustomResourceDefinition')
      fail([...path, 'kind'], 'not a CustomResourceDefinition');
    const spec = item['spec'];
    const kind = isObject(spec) && isObject(spec['names']) ? spec['names']['kind'] : undefined;
    if (!isObject(spec) || typeof kind !== 'string') fail([...path, 'spec', 'names', 'kind'], 'no kind');
    const versions = (Array.isArray(spec['versions']) ? spec['versions'] : []).filter(isObject);
    const version = versions.find(({ storage }) => storage === true) ?? versions[0];
    const old = isObject(spec['validation']) ? spec['validation']['openAPIV3Schema'] : undefined;
    const schema = version !== undefined && isObject(version['schema']) ? version['schema']['openAPIV3Schema'] : old;
    if (!isObject(schema)) fail([...path, 'spec', 'versions'], `${kind} has no openAPIV3Schema`);
    // The API server takes metadata as an object whatever the schema says of it.
    schemas.set(kind, schema as Schema);
  }
  if (schemas.size === 0) fail([], 'no definition');
  return schemas;
}
