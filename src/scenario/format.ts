import type { ClusterOptions, SendSpec } from '../cluster/index.ts';
import type { ConfigInput } from '../config/resolve.ts';
import { type ErrorPath, LbtwinError, withPath } from '../errors.ts';
import { visitObjects } from '../k8s/objects/read.ts';
import { didYouMean, nearest } from '../text/nearest.ts';
import { CHECK_FIELDS, checkFields, type Expected, MAPS_FIELDS, SEND_FIELDS, SPREAD_FIELDS } from './expect.ts';

/** A scenario as its file says it, checked (docs/scenario.md, schemas/scenario.schema.json). */
export interface Scenario {
  readonly name: string;
  /** File names, and objects written out. */
  readonly objects: readonly (string | Readonly<Record<string, unknown>>)[];
  /** Helm values: file names, and values written out. */
  readonly values: readonly (string | Readonly<Record<string, unknown>>)[];
  /** File with a cilium-config ConfigMap. */
  readonly configMap: string | undefined;
  readonly profile: ConfigInput['profile'];
  readonly cluster: Omit<ClusterOptions, 'config' | 'resolved'>;
  readonly steps: readonly Step[];
}

export type Expect = Readonly<Record<string, Expected>>;

interface StepBase {
  readonly name: string | undefined;
  /** Where the step is in the file. */
  readonly path: ErrorPath;
}

export type Step = StepBase &
  (
    | { readonly kind: 'send'; readonly send: SendSpec; readonly matrix: Matrix; readonly expect: Expect }
    | { readonly kind: 'spread'; readonly spread: SpreadSpec; readonly matrix: Matrix; readonly expect: Expect }
    | { readonly kind: 'open'; readonly open: OpenSpec; readonly expect: Expect }
    | { readonly kind: 'check'; readonly check: string; readonly expect: Expect }
    | { readonly kind: 'close'; readonly close: string }
    | { readonly kind: 'advance'; readonly advance: number }
    | { readonly kind: 'apply'; readonly apply: Scenario['objects'] }
    | { readonly kind: 'delete'; readonly delete: readonly ObjectRef[] }
    | { readonly kind: 'fail' | 'recover'; readonly node: string }
    | { readonly kind: 'rehash'; readonly rehash: number }
    | { readonly kind: 'restart'; readonly values: Scenario['values'] }
    | { readonly kind: 'maps'; readonly node: string; readonly expect: Expect }
  );

export interface ObjectRef {
  readonly kind: string;
  readonly namespace?: string;
  readonly name: string;
}

export interface SpreadSpec extends SendSpec {
  /** Client ports to try; 1000 if absent. */
  readonly ports?: number;
  readonly firstPort?: number;
}

export interface OpenSpec extends SendSpec {
  /** What later steps call the flow, or the flows. */
  readonly id: string;
  /** Opens so many flows, from consecutive client ports. */
  readonly count?: number;
  readonly firstPort?: number;
}

/** Fields of the packet, each with the values to try. */
export type Matrix = Readonly<Record<string, readonly unknown[]>>;

type Raw = Readonly<Record<string, unknown>>;

const isRecord = (value: unknown): value is Raw => typeof value === 'object' && value !== null && !Array.isArray(value);

const wrong = (value: unknown, allowed: string): LbtwinError =>
  new LbtwinError('invalid-scenario', `${brief(value)} is not accepted here`, { allowed });

function brief(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}

function record(value: unknown, allowed = 'a mapping'): Raw {
  if (!isRecord(value)) throw wrong(value, allowed);
  return value;
}

function text(value: unknown): string {
  if (typeof value !== 'string' || value === '') throw wrong(value, 'text');
  return value;
}

function count(value: unknown, max = 10_000_000): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > max)
    throw wrong(value, `a whole number, 0..${max}`);
  return value;
}

/** Every key is known: a misspelt one would silently mean nothing. */
function known(value: Raw, keys: readonly string[]): void {
  for (const key of Object.keys(value)) {
    if (keys.includes(key)) continue;
    throw new LbtwinError(
      'unknown-field',
      `${JSON.stringify(key)} means nothing here${didYouMean(nearest(key, keys))}`,
      {
        path: [key],
        allowed: keys.join(', '),
      },
    );
  }
}

const at = <T>(value: Raw, key: string, read: (inner: unknown) => T): T => withPath([key], () => read(value[key]));
const optional = <T>(value: Raw, key: string, read: (inner: unknown) => T): T | undefined =>
  value[key] === undefined || value[key] === null ? undefined : at(value, key, read);

function list<T>(value: unknown, read: (inner: unknown, index: number) => T): T[] {
  const items = Array.isArray(value) ? value : [value];
  return items.map((item, i) => withPath([i], () => read(item, i)));
}

/** A file name or something written out. */
const source = (value: unknown): string | Raw =>
  typeof value === 'string' ? text(value) : record(value, 'a file name or a mapping');

/** A file of objects, or one that is written out: it is no less than a Kubernetes object. */
function objects(value: unknown): string | Raw {
  const one = source(value);
  const refusal = typeof one === 'string' ? undefined : visitObjects([one], [], () => {}).refused[0];
  if (refusal !== undefined) throw refusal.error;
  if (typeof one !== 'string' && 'items' in one)
    throw wrong(one['kind'], 'single objects, or a file with a List').under('kind');
  return one;
}

const CLUSTER_KEYS = ['mtu', 'seed', 'now', 'announce', 'fabric', 'defects'];
const SCENARIO_KEYS = ['name', 'objects', 'values', 'configMap', 'profile', 'cluster', 'steps'];

/** Reads a scenario from plain data. @throws LbtwinError `invalid-scenario`, `unknown-field` with the path into the file */
export function readScenario(data: unknown, fallbackName: string): Scenario {
  const raw = record(data, 'a mapping with objects and steps');
  known(raw, SCENARIO_KEYS);
  const profile = optional(raw, 'profile', text);
  if (profile !== undefined && profile !== '1.17' && profile !== '1.18')
    throw wrong(profile, '1.17, 1.18').under('profile');
  const steps = at(raw, 'steps', (value) => {
    if (!Array.isArray(value) || value.length === 0) throw wrong(value, 'a list of steps');
    return value.map((step, i) => withPath([i], () => readStep(record(step, 'a step'), ['steps', i])));
  });
  return {
    name: optional(raw, 'name', text) ?? fallbackName,
    objects: at(raw, 'objects', (value) => list(value, objects)),
    values: optional(raw, 'values', (value) => list(value, source)) ?? [],
    configMap: optional(raw, 'configMap', text),
    profile,
    cluster: optional(raw, 'cluster', readClusterOptions) ?? {},
    steps,
  };
}

function readClusterOptions(value: unknown): Scenario['cluster'] {
  const raw = record(value);
  known(raw, CLUSTER_KEYS);
  const announce = optional(raw, 'announce', (inner) =>
    Object.fromEntries(
      Object.entries(record(inner)).map(([vip, nodes]) => [vip, withPath([vip], () => list(nodes, text))]),
    ),
  );
  const fabric = optional(raw, 'fabric', (inner) => {
    const rules = record(inner);
    known(rules, ['dropIpOptions', 'checkSource', 'mtu']);
    return rules as NonNullable<ClusterOptions['fabric']>;
  });
  const numbers = Object.fromEntries(
    ['mtu', 'seed', 'now']
      .filter((key) => raw[key] !== undefined)
      .map((key) => [key, at(raw, key, (inner) => count(inner, 0xffffffff))]),
  );
  return {
    ...numbers,
    ...(announce === undefined ? {} : { announce }),
    ...(fabric === undefined ? {} : { fabric }),
    ...(raw['defects'] === undefined ? {} : { defects: at(raw, 'defects', record) as Record<string, boolean> }),
  };
}

const natural =
  (min: number, max: number) =>
  (value: unknown): number => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) return value;
    throw wrong(value, `a whole number, ${min}..${max}`);
  };

function yesOrNo(value: unknown): boolean {
  if (typeof value !== 'boolean') throw wrong(value, 'true or false');
  return value;
}

/** How each field of a packet is read. */
const SEND_READERS: Readonly<Record<string, (value: unknown) => unknown>> = {
  from: text,
  to: text,
  via: text,
  reply: yesOrNo,
  size: natural(1, 65_535),
  ttl: natural(0, 255),
  tcpFlags: natural(0, 255),
  dontFragment: yesOrNo,
  random: (value) => list(value, (word) => count(word, 0xffffffff)),
  cookie: natural(0, Number.MAX_SAFE_INTEGER),
  ports: natural(1, 65_535),
  count: natural(1, 65_535),
  firstPort: natural(1, 65_535),
  id: text,
};

const SEND_KEYS = ['from', 'to', 'via', 'reply', 'size', 'ttl', 'tcpFlags', 'dontFragment', 'random', 'cookie'];

function readSend(value: unknown, matrix: Matrix, more: readonly string[] = []): SendSpec {
  const raw = record(value);
  known(raw, [...SEND_KEYS, ...more]);
  for (const key of ['from', 'to']) if (!(key in matrix)) at(raw, key, text);
  const fields = Object.keys(raw).map((key) => [key, optional(raw, key, SEND_READERS[key]!)] as const);
  const given = Object.fromEntries(fields.filter(([, field]) => field !== undefined)) as Partial<SendSpec>;
  return { from: '', to: '', ...given };
}

function readMatrix(value: unknown): Matrix {
  const raw = record(value);
  known(raw, SEND_KEYS);
  return Object.fromEntries(
    Object.keys(raw).map((key) => [
      key,
      at(raw, key, (inner) => list(inner, (one) => (one === null ? null : SEND_READERS[key]!(one)))),
    ]),
  );
}

function expectOf(raw: Raw, fields: readonly string[]): Expect {
  const expect = record(raw['expect'] ?? {}) as Expect;
  checkFields(expect, fields, ['expect']);
  return expect;
}

const KINDS = [
  'send',
  'spread',
  'open',
  'check',
  'close',
  'advance',
  'apply',
  'delete',
  'fail',
  'recover',
  'rehash',
  'restart',
  'maps',
] as const;

function readStep(raw: Raw, path: ErrorPath): Step {
  const kinds = KINDS.filter((kind) => kind in raw);
  const kind = kinds[0];
  if (kind === undefined || kinds.length > 1) {
    if (kind === undefined) known(raw, ['name', 'expect', 'matrix', ...KINDS]);
    throw wrong(Object.keys(raw), `a step is one of ${KINDS.join(', ')}`);
  }
  known(raw, [
    'name',
    kind,
    ...(['send', 'spread'].includes(kind) ? ['matrix'] : []),
    ...(EXPECTING.includes(kind) ? ['expect'] : []),
  ]);
  const base = { name: optional(raw, 'name', text), path };
  const matrix = optional(raw, 'matrix', readMatrix) ?? {};
  switch (kind) {
    case 'send':
      return {
        ...base,
        kind,
        send: at(raw, kind, (value) => readSend(value, matrix)),
        matrix,
        expect: expectOf(raw, SEND_FIELDS),
      };
    case 'spread': {
      const spread = at(raw, kind, (value) => readSend(value, matrix, ['ports', 'firstPort'])) as SpreadSpec;
      return { ...base, kind, spread, matrix, expect: expectOf(raw, SPREAD_FIELDS) };
    }
    case 'open': {
      const open = at(raw, kind, (value) => readSend(value, {}, ['id', 'count', 'firstPort'])) as OpenSpec;
      at(record(raw[kind]), 'id', text);
      return { ...base, kind, open, expect: expectOf(raw, [...SEND_FIELDS, ...SPREAD_FIELDS]) };
    }
    case 'check':
      return { ...base, kind, check: at(raw, kind, text), expect: expectOf(raw, CHECK_FIELDS) };
    case 'close':
      return { ...base, kind, close: at(raw, kind, text) };
    case 'advance':
      return { ...base, kind, advance: at(raw, kind, readSeconds) };
    case 'apply':
      return { ...base, kind, apply: at(raw, kind, (value) => list(value, objects)) };
    case 'delete':
      return { ...base, kind, delete: at(raw, kind, (value) => list(value, readRef)) };
    case 'fail':
    case 'recover':
      return { ...base, kind, node: at(raw, kind, text) };
    case 'rehash':
      return { ...base, kind, rehash: at(raw, kind, (value) => count(value, 0xffffffff)) };
    case 'restart':
      return { ...base, kind, values: at(raw, kind, (value) => list(record(value)['values'] ?? [], source)) };
    default: {
      const maps = at(raw, kind, (value) => record(value));
      withPath([kind], () => known(maps, ['node']));
      return {
        ...base,
        kind,
        node: withPath([kind], () => at(maps, 'node', text)),
        expect: expectOf(raw, MAPS_FIELDS),
      };
    }
  }
}

const EXPECTING: readonly string[] = ['send', 'spread', 'open', 'check', 'maps'];

/** Seconds, or text such as `90s`, `5m`, `2h`. */
function readSeconds(value: unknown): number {
  const match = typeof value === 'string' ? /^(\d+)(s|m|h)$/.exec(value) : null;
  if (match === null) return count(value);
  return Number(match[1]) * { s: 1, m: 60, h: 3600 }[match[2] as 's' | 'm' | 'h'];
}

function readRef(value: unknown): ObjectRef {
  if (typeof value === 'string') {
    const match = /^(\w+) (?:([^/ ]+)\/)?([^/ ]+)$/.exec(value);
    if (match === null) throw wrong(value, 'Kind namespace/name');
    return { kind: match[1]!, ...(match[2] === undefined ? {} : { namespace: match[2] }), name: match[3]! };
  }
  const raw = record(value, 'Kind namespace/name, or a mapping of kind, namespace and name');
  known(raw, ['kind', 'namespace', 'name']);
  const namespace = optional(raw, 'namespace', text);
  return {
    kind: at(raw, 'kind', text),
    ...(namespace === undefined ? {} : { namespace }),
    name: at(raw, 'name', text),
  };
}
