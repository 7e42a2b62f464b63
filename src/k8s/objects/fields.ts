import { type ErrorPath, LbtwinError } from '../../errors.ts';

/** A raw JS object as YAML or JSON gave it. */
export type Raw = Readonly<Record<string, unknown>>;

export const isRecord = (value: unknown): value is Raw =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
};

export function invalid(value: unknown, allowed: string, ...path: (string | number)[]): LbtwinError {
  return new LbtwinError('invalid-object', `${shown(value)} is not accepted here`, { path, allowed });
}

/** A nested object; absent and null are the empty object. */
export function record(parent: Raw, key: string): Raw {
  const value = parent[key];
  if (value === undefined || value === null) return EMPTY_RAW;
  if (!isRecord(value)) throw invalid(value, 'an object', key);
  return value;
}

/** A list; absent and null are the empty list. */
export function list(parent: Raw, key: string): readonly unknown[] {
  const value = parent[key];
  if (value === undefined || value === null) return EMPTY_LIST;
  if (!Array.isArray(value)) throw invalid(value, 'a list', key);
  return value;
}

/** A string; absent and null are `''`. */
export function text(parent: Raw, key: string): string {
  const value = parent[key];
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') throw invalid(value, 'a string', key);
  return value;
}

/** One of `allowed`, or `fallback` when absent or empty. */
export function oneOf<T extends string>(parent: Raw, key: string, allowed: readonly T[], fallback: T): T {
  const value = parent[key];
  if (value === undefined || value === null || value === '') return fallback;
  if (!allowed.includes(value as T)) throw invalid(value, allowed.join(', '), key);
  return value as T;
}

/** A whole number in `min..max`, or `fallback` when absent. */
export function integer(parent: Raw, key: string, min: number, max: number, fallback: number): number {
  const value = parent[key];
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max) {
    throw invalid(value, `a whole number, ${min}..${max}`, key);
  }
  return value;
}

/** A boolean, or `undefined` when absent. */
export function flag(parent: Raw, key: string): boolean | undefined {
  const value = parent[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value !== 'boolean') throw invalid(value, 'true or false', key);
  return value;
}

/** A list of strings. */
export function texts(parent: Raw, key: string): readonly string[] {
  const values = list(parent, key);
  for (let i = 0; i < values.length; i++) {
    if (typeof values[i] !== 'string') throw invalid(values[i], 'a string', key, i);
  }
  return values as readonly string[];
}

/** String keys to strings (labels, annotations, selectors). */
export function stringMap(parent: Raw, key: string): Readonly<Record<string, string>> {
  const value = parent[key];
  if (value === undefined || value === null) return EMPTY_MAP;
  if (!isRecord(value)) throw invalid(value, 'an object with string values', key);
  for (const name in value) {
    if (typeof value[name] !== 'string') throw invalid(value[name], 'a string', key, name);
  }
  return value as Readonly<Record<string, string>>;
}

/** Each element of a list as an object, given to `read`; errors carry the element's path. */
export function each(parent: Raw, key: string, read: (element: Raw, index: number) => void): void {
  const values = list(parent, key);
  let i = 0;
  try {
    for (; i < values.length; i++) {
      const value = values[i];
      if (!isRecord(value)) throw invalid(value, 'an object');
      read(value, i);
    }
  } catch (error) {
    throw error instanceof LbtwinError ? error.under(key, i) : error;
  }
}

/** Runs `read` on a nested object; errors carry its key. */
export function within<T>(parent: Raw, key: string, read: (child: Raw) => T): T {
  const child = record(parent, key);
  try {
    return read(child);
  } catch (error) {
    throw error instanceof LbtwinError ? error.under(key) : error;
  }
}

export const EMPTY_RAW: Raw = Object.freeze({});
export const EMPTY_LIST: readonly never[] = Object.freeze([]);
export const EMPTY_MAP: Readonly<Record<string, string>> = Object.freeze({});

/** Which object an error or warning is about. */
export interface ObjectRef {
  readonly kind: string;
  /** `''` for cluster-wide kinds. */
  readonly namespace: string;
  readonly name: string;
}

export const formatRef = (ref: ObjectRef): string =>
  ref.namespace === '' ? `${ref.kind} ${ref.name}` : `${ref.kind} ${ref.namespace}/${ref.name}`;

/** `namespace/name`. */
export const nameOf = (ref: Pick<ObjectRef, 'namespace' | 'name'>): string => `${ref.namespace}/${ref.name}`;

/** Something an object says that the agent passes over, told to the user. */
export interface Warning {
  readonly code: string;
  readonly object: ObjectRef;
  readonly path: ErrorPath;
  readonly message: string;
}

/** Reads `metadata.name` and `metadata.namespace` (absent: `default`). */
export function metadataOf(raw: Raw, clusterWide = false): { name: string; namespace: string; metadata: Raw } {
  const metadata = record(raw, 'metadata');
  const name = metadata['name'];
  if (typeof name !== 'string' || name === '') throw invalid(name, 'the name of the object', 'metadata', 'name');
  const namespace = metadata['namespace'];
  if (namespace !== undefined && namespace !== null && typeof namespace !== 'string') {
    throw invalid(namespace, 'a string', 'metadata', 'namespace');
  }
  return { name, namespace: clusterWide ? '' : namespace || 'default', metadata };
}
