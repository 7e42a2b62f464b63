import type { ErrorPath } from '../errors.ts';
import type { Position } from '../yaml/index.ts';
import { OPTIONS } from './options.ts';
import { ABSENT } from './option.ts';
import type { Profile } from './profile.ts';

export type Values = Readonly<Record<string, unknown>>;

/** Helm values from one place, with a way to say where a value stands. */
export interface ValuesSource {
  /** A file name, or `--set a.b=c`. */
  readonly name: string;
  readonly values: Values;
  positionOf?(path: ErrorPath): Position;
}

/** The merged values: what a chart template sees. */
export interface MergedValues {
  readonly profile: Profile;
  readonly values: Values;
  /** What the user gave, without the chart's defaults; nulls still in it. */
  readonly given: Values;
  /** Which source set the value at a dotted path last. */
  originOf(path: string): ValuesSource | undefined;
}

export const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The value at a dotted path, or undefined. */
export function getPath(values: unknown, path: string): unknown {
  let at: unknown = values;
  for (const part of path.split('.')) {
    if (!isTable(at) || !Object.hasOwn(at, part)) return undefined;
    at = at[part];
  }
  return at;
}

/** True if the key exists at a dotted path, with any value. */
export function hasPath(values: unknown, path: string): boolean {
  const parts = path.split('.');
  const last = parts.pop()!;
  const parent = parts.length === 0 ? values : getPath(values, parts.join('.'));
  return isTable(parent) && Object.hasOwn(parent, last);
}

/** A new tree with the value set; tables on the way are copied or made. */
export function withPathSet(values: Values, path: string, value: unknown): Values {
  const [head, ...rest] = path.split('.') as [string, ...string[]];
  const below = isTable(values[head]) ? values[head] : {};
  return { ...values, [head]: rest.length === 0 ? value : withPathSet(below, rest.join('.'), value) };
}

const CACHE = new Map<Profile, Values>();

/** The part of the chart's values.yaml that the twin knows. */
export function chartDefaults(profile: Profile): Values {
  let tree = CACHE.get(profile);
  if (tree === undefined) {
    tree = {};
    for (const option of OPTIONS) {
      const value = option.values[profile];
      if (option.helm !== undefined && value !== ABSENT) tree = withPathSet(tree, option.helm, value);
    }
    CACHE.set(profile, tree);
  }
  return tree;
}

/** Later tables over earlier ones, as Helm merges several `-f` files and `--set`: lists are replaced, nulls stay. */
function overlay(base: Values, over: Values): Values {
  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(merged, key) ? merged[key] : undefined;
    merged[key] = isTable(value) && isTable(below) ? overlay(below, value) : value;
  }
  return merged;
}

/** The user's values over the chart's: a null removes the chart's key. */
function coalesce(defaults: Values, given: Values): Values {
  const merged: Record<string, unknown> = { ...defaults };
  for (const [key, value] of Object.entries(given)) {
    const below = merged[key];
    if (value === null) delete merged[key];
    else if (isTable(value)) merged[key] = coalesce(isTable(below) ? below : {}, value);
    else merged[key] = value;
  }
  return merged;
}

/** Merges values as `helm install -f A -f B --set C` does: `sources` in the order of the command line, later ones win. */
export function mergeValues(profile: Profile, sources: readonly ValuesSource[]): MergedValues {
  let given: Values = {};
  for (const { values } of sources) given = overlay(given, values);
  return {
    profile,
    given,
    values: coalesce(chartDefaults(profile), given),
    originOf: (path) => sources.findLast((source) => hasPath(source.values, path)),
  };
}

/** Every leaf of a tree with its dotted path; empty tables and lists are leaves. */
export function leaves(values: Values, prefix = ''): [path: string, value: unknown][] {
  return Object.entries(values).flatMap(([key, value]): [string, unknown][] => {
    const path = prefix === '' ? key : `${prefix}.${key}`;
    return isTable(value) && Object.keys(value).length > 0 ? leaves(value, path) : [[path, value]];
  });
}
