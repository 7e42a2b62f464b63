import { type ErrorPath, LbtwinError } from '../errors.ts';
import { findsRe2 } from '../text/re2.ts';
import { hasFormat } from './format.ts';

/** The part of OpenAPI v3 that structural schemas of custom resources use. */
export interface Schema {
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'number' | 'boolean';
  readonly nullable?: boolean;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly uniqueItems?: boolean;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly pattern?: string;
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly enum?: readonly unknown[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly allOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-list-type'?: string;
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-validations'?: readonly unknown[];
}

/** What the API server says about one field. */
export interface SchemaError {
  /** Empty for messages about alternatives, which the API server prints without a path (`<nil>`). */
  readonly path: ErrorPath;
  /** Where the value stands, also for those. */
  readonly at: ErrorPath;
  readonly kind: string;
  /** The whole line, as kubectl prints it. */
  readonly message: string;
}

interface Result {
  readonly errors: SchemaError[];
  /** Checks that were made: of several alternatives that fail, the one that went furthest is reported. */
  matches: number;
}

const ok = (): Result => ({ errors: [], matches: 0 });

function merge(into: Result, from: Result): void {
  into.errors.push(...from.errors);
  into.matches += from.matches;
}

/** `['spec', 'ports', 0]` as the API server writes paths: keys with dots or slashes are not quoted. */
export function apiPath(path: ErrorPath): string {
  let text = '';
  for (const part of path) text += typeof part === 'number' ? `[${part}]` : text === '' ? part : `.${part}`;
  return text;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function typeOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value === 'number') return Number.isInteger(value) ? 'integer' : 'number';
  return typeof value;
}

function hasType(schema: Schema, value: unknown): boolean {
  const type = typeOf(value);
  if (schema['x-kubernetes-int-or-string'] === true) return type === 'integer' || type === 'string';
  return schema.type === undefined || schema.type === type || (schema.type === 'number' && type === 'integer');
}

const typeName = (schema: Schema): string =>
  schema['x-kubernetes-int-or-string'] === true ? 'integer,string' : (schema.type ?? '');

const show = (value: unknown): string => JSON.stringify(value) ?? 'null';

/** Go's regular expressions, in linear time: the patterns of these schemas would take exponential time elsewhere. */
function matches(pattern: string, text: string): boolean {
  const found = findsRe2(pattern, text);
  if (found === undefined) {
    throw new LbtwinError('invalid-schema-pattern', `${show(pattern)} is no pattern`, { allowed: 'RE2 syntax' });
  }
  return found;
}

class Validator {
  private readonly path: (string | number)[] = [];

  private error(kind: string, text: string, extra: ErrorPath = []): SchemaError {
    const at = [...this.path, ...extra];
    return { path: at, at, kind, message: `${apiPath(at)}: ${text}` };
  }

  private invalid(kind: string, value: unknown, text: string): SchemaError {
    return this.error(kind, `Invalid value: ${show(value)}: ${apiPath(this.path)} in body ${text}`);
  }

  /** A message about alternatives, without a usable path. */
  private alternatives(kind: string, text: string): SchemaError {
    const message = `<nil>: Invalid value: "": "${apiPath(this.path)}" ${text}`;
    return { path: [], at: [...this.path], kind, message };
  }

  private wrongType(schema: Schema, value: unknown): SchemaError {
    const name = typeOf(value);
    return this.invalid('type', name, `must be of type ${typeName(schema)}: ${show(name)}`);
  }

  validate(schema: Schema, value: unknown): Result {
    const result = ok();
    if (value === null || value === undefined) {
      if (schema.nullable !== true && typeName(schema) !== '') result.errors.push(this.wrongType(schema, null));
      result.matches++;
      return result;
    }
    if (!hasType(schema, value)) result.errors.push(this.wrongType(schema, value));
    this.combined(schema, value, result);
    if (typeof value === 'string') this.text(schema, value, result);
    else if (typeof value === 'number') this.number(schema, value, result);
    else if (Array.isArray(value)) this.array(schema, value, result);
    else if (isObject(value)) this.object(schema, value, result);
    if (schema.enum !== undefined && !schema.enum.some((allowed) => show(allowed) === show(value))) {
      const values = schema.enum.map(show).join(', ');
      result.errors.push(this.error('enum', `Unsupported value: ${show(value)}: supported values: ${values}`));
    }
    result.matches += 2;
    return result;
  }

  private combined(schema: Schema, value: unknown, result: Result): void {
    if (schema.anyOf !== undefined) {
      const results = schema.anyOf.map((one) => this.validate(one, value));
      const first = results.find(({ errors }) => errors.length === 0);
      if (first === undefined) {
        result.errors.push(this.alternatives('any-of', 'must validate at least one schema (anyOf)'));
        merge(result, furthest(results));
      } else merge(result, first);
    }
    if (schema.oneOf !== undefined) {
      const results = schema.oneOf.map((one) => this.validate(one, value));
      const valid = results.filter(({ errors }) => errors.length === 0);
      if (valid.length === 1) merge(result, valid[0]!);
      else {
        const found = valid.length === 0 ? 'Found none valid' : `Found ${valid.length} valid alternatives`;
        result.errors.push(this.alternatives('one-of', `must validate one and only one schema (oneOf). ${found}`));
        if (valid.length === 0) merge(result, furthest(results));
      }
    }
    if (schema.allOf !== undefined) {
      const results = schema.allOf.map((one) => this.validate(one, value));
      if (results.some(({ errors }) => errors.length > 0)) {
        const none = results.every(({ errors }) => errors.length > 0) ? '. None validated' : '';
        result.errors.push(this.alternatives('all-of', `must validate all the schemas (allOf)${none}`));
      }
      for (const one of results) merge(result, one);
    }
    if (schema.not !== undefined && this.validate(schema.not, value).errors.length === 0) {
      result.errors.push(this.alternatives('not', 'must not validate the schema (not)'));
    }
  }

  private text(schema: Schema, value: string, result: Result): void {
    const length = [...value].length;
    if (schema.maxLength !== undefined && length > schema.maxLength) {
      result.errors.push(this.error('max-length', `Too long: may not be more than ${schema.maxLength} bytes`));
    }
    if (schema.minLength !== undefined && length < schema.minLength) {
      result.errors.push(this.invalid('min-length', value, `should be at least ${schema.minLength} chars long`));
    }
    if (schema.pattern !== undefined && !matches(schema.pattern, value)) {
      result.errors.push(this.invalid('pattern', value, `should match '${schema.pattern}'`));
    }
    if (schema.format !== undefined && !hasFormat(schema.format, value)) {
      result.errors.push(this.invalid('format', value, `must be of type ${schema.format}: ${show(value)}`));
    }
    result.matches++;
  }

  private number(schema: Schema, value: number, result: Result): void {
    const { minimum, maximum, exclusiveMinimum: above, exclusiveMaximum: below, multipleOf } = schema;
    if (minimum !== undefined && (above === true ? value <= minimum : value < minimum)) {
      const than = above === true ? 'greater than' : 'greater than or equal to';
      result.errors.push(this.invalid('minimum', value, `should be ${than} ${minimum}`));
    }
    if (maximum !== undefined && (below === true ? value >= maximum : value > maximum)) {
      const than = below === true ? 'less than' : 'less than or equal to';
      result.errors.push(this.invalid('maximum', value, `should be ${than} ${maximum}`));
    }
    if (multipleOf !== undefined && value % multipleOf !== 0) {
      result.errors.push(this.invalid('multiple-of', value, `should be a multiple of ${multipleOf}`));
    }
    result.matches++;
  }

  private array(schema: Schema, value: readonly unknown[], result: Result): void {
    if (schema.items !== undefined) {
      value.forEach((item, index) => merge(result, this.below(index, schema.items!, item)));
    }
    if (schema.maxItems !== undefined && value.length > schema.maxItems) {
      const items = `${schema.maxItems} item${schema.maxItems === 1 ? '' : 's'}`;
      result.errors.push(this.error('max-items', `Too many: ${value.length}: must have at most ${items}`));
    }
    if (schema.minItems !== undefined && value.length < schema.minItems) {
      result.errors.push(this.invalid('min-items', value, `should have at least ${schema.minItems} items`));
    }
    if (schema.uniqueItems === true || schema['x-kubernetes-list-type'] === 'set') this.unique(value, show, result);
    const keys = schema['x-kubernetes-list-map-keys'];
    if (keys !== undefined) {
      this.unique(value, (item) => show(isObject(item) ? keys.map((key) => item[key]) : item), result);
    }
    result.matches++;
  }

  private unique(list: readonly unknown[], keyOf: (item: unknown) => string, result: Result): void {
    const seen = new Set<string>();
    list.forEach((item, index) => {
      const key = keyOf(item);
      if (seen.has(key)) result.errors.push(this.error('duplicate', `Duplicate value: ${show(item)}`, [index]));
      seen.add(key);
    });
  }

  private object(schema: Schema, value: Record<string, unknown>, result: Result): void {
    const names = Object.keys(value);
    if (schema.maxProperties !== undefined && names.length > schema.maxProperties) {
      const items = `${schema.maxProperties} item${schema.maxProperties === 1 ? '' : 's'}`;
      result.errors.push(this.error('max-properties', `Too many: ${names.length}: must have at most ${items}`));
    }
    if (schema.minProperties !== undefined && names.length < schema.minProperties) {
      result.errors.push(
        this.invalid('min-properties', value, `should have at least ${schema.minProperties} properties`),
      );
    }
    for (const name of schema.required ?? []) {
      if (!Object.hasOwn(value, name)) result.errors.push(this.error('required', 'Required value', [name]));
    }
    for (const name of names) {
      const own = schema.properties !== undefined && Object.hasOwn(schema.properties, name);
      const below = own ? schema.properties[name]! : schema.additionalProperties;
      if (typeof below === 'object') merge(result, this.below(name, below, value[name]));
    }
    result.matches++;
  }

  private below(part: string | number, schema: Schema, value: unknown): Result {
    this.path.push(part);
    const result = this.validate(schema, value);
    this.path.pop();
    return result;
  }
}

/** Of failing alternatives the one that was checked furthest, the first of those. */
function furthest(results: readonly Result[]): Result {
  let best = results[0]!;
  for (const result of results) if (result.matches > best.matches) best = result;
  return best;
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * What the API server's validation of custom resources says about a value, sorted by path. Unknown fields are no error (they are
 * pruned), defaults are not applied, CEL rules (`x-kubernetes-validations`) are not evaluated.
 * @throws LbtwinError `invalid-schema-pattern`
 */
export function validateSchema(schema: Schema, value: unknown): SchemaError[] {
  const { errors } = new Validator().validate(schema, value);
  const seen = new Set<string>();
  return errors
    .filter(({ message }) => !seen.has(message) && seen.add(message))
    .sort((a, b) => compare(apiPath(a.path), apiPath(b.path)) || compare(a.kind, b.kind));
}

/** Fields that the schema does not know: pruned by the API server, refused under strict field validation. */
export function unknownFields(schema: Schema, value: unknown, path: ErrorPath = []): ErrorPath[] {
  // What the schema names is looked at all the same.
  const keepsOthers = schema['x-kubernetes-preserve-unknown-fields'] === true;
  if (Array.isArray(value)) {
    return value.flatMap((item, index) =>
      schema.items === undefined ? [] : unknownFields(schema.items, item, [...path, index]),
    );
  }
  if (!isObject(value)) return [];
  return Object.keys(value).flatMap((name): ErrorPath[] => {
    const below = schema.properties?.[name] ?? schema.additionalProperties;
    if (typeof below === 'object') return unknownFields(below, value[name], [...path, name]);
    if (below === true) return [];
    return schema.properties === undefined || keepsOthers ? [] : [[...path, name]];
  });
}
