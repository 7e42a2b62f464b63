import { Cluster, type Flow, type FlowStatus, type Journey, type SendSpec } from '../cluster/index.ts';
import { type ConfigInput, resolveConfig } from '../config/resolve.ts';
import type { ConfigData } from '../config/render.ts';
import type { ValuesSource } from '../config/values.ts';
import { type ErrorPath, LbtwinError, withPath } from '../errors.ts';
import type { RawObject } from '../k8s/raw.ts';
import type { LbMaps } from '../lb/maps.ts';
import { type Difference, differences, type Expected, fieldsOf, inRange, matches } from './expect.ts';
import type { Expect, Matrix, OpenSpec, Scenario, SpreadSpec, Step } from './format.ts';

/** What a runner needs of the world around it. */
export interface ScenarioHost {
  /** Kubernetes objects of a file that the scenario names. */
  objects(name: string): readonly RawObject[];
  /** Helm values of such a file. */
  values(name: string): ValuesSource;
  /** Entries of a cilium-config ConfigMap of such a file. */
  configMap(name: string): { readonly name: string; readonly data: ConfigData };
  /** A node's maps as sorted lines. */
  dumpMaps(maps: LbMaps): string[];
}

/** One thing that was expected, and what came. */
export interface CaseResult {
  readonly name: string;
  readonly path: ErrorPath;
  readonly ok: boolean;
  readonly differences: readonly Difference[];
  /** The step could not be done at all. */
  readonly error?: LbtwinError;
  /** Shown with a failure. */
  readonly journey?: Journey;
  /** What the step came to, by field: what `--update` writes. */
  readonly actual: Readonly<Record<string, unknown>>;
  readonly expect: Expect;
}

export interface ScenarioResult {
  readonly name: string;
  readonly config: string;
  readonly cases: readonly CaseResult[];
  readonly assumptions: readonly string[];
}

/** First client port of flows that name none. */
const FIRST_PORT = 32768;
const DEFAULT_SPREAD = 1000;

/** Runs a scenario. @throws LbtwinError for what cannot even start: objects, configuration */
export function runScenario(
  scenario: Scenario,
  host: ScenarioHost,
  filter: (name: string) => boolean = () => true,
): ScenarioResult {
  const run = new ScenarioRun(scenario, host);
  const config = run.cluster.resolved.origin;
  const cases = scenario.steps
    .flatMap((step) => run.step(step))
    .filter(({ name, error }) => error !== undefined || filter(name));
  return { name: scenario.name, config, cases, assumptions: run.cluster.assumptions };
}

interface FlowGroup {
  readonly flows: readonly Flow[];
}

type Verdictless = Omit<CaseResult, 'ok' | 'differences' | 'name' | 'path' | 'expect'>;

class ScenarioRun {
  readonly cluster: Cluster;
  readonly #scenario: Scenario;
  readonly #host: ScenarioHost;
  readonly #groups = new Map<string, FlowGroup>();

  constructor(scenario: Scenario, host: ScenarioHost) {
    this.#scenario = scenario;
    this.#host = host;
    const objects = withPath(['objects'], () => this.#objects(scenario.objects));
    this.cluster = Cluster.fromKubernetes(objects, { ...scenario.cluster, config: this.#config(scenario.values) });
  }

  #objects(sources: Scenario['objects']): RawObject[] {
    return sources.flatMap((one, i) =>
      withPath([i], () => (typeof one === 'string' ? [...this.#host.objects(one)] : [one as RawObject])),
    );
  }

  #config(values: Scenario['values']): ConfigInput {
    const { profile, configMap } = this.#scenario;
    return {
      ...(profile === undefined ? {} : { profile }),
      ...(configMap === undefined ? {} : { configMap: this.#host.configMap(configMap) }),
      values: values.map((one, i) =>
        typeof one === 'string' ? this.#host.values(one) : { name: `values[${i}]`, values: one },
      ),
    };
  }

  /** Does a step; steps that expect nothing have a result only when they fail. */
  step(step: Step): CaseResult[] {
    try {
      return this.#do(step);
    } catch (error) {
      if (!(error instanceof LbtwinError)) throw error;
      return [{ name: nameOf(step), path: step.path, ok: false, differences: [], error, actual: {}, expect: {} }];
    }
  }

  #do(step: Step): CaseResult[] {
    const { cluster } = this;
    switch (step.kind) {
      case 'send':
        return combinations(step.matrix).map((fields) => this.#send(step, { ...step.send, ...fields }, fields));
      case 'spread':
        return combinations(step.matrix).map((fields) => this.#spread(step, { ...step.spread, ...fields }, fields));
      case 'open':
        return [this.#open(step, step.open)];
      case 'check':
        return [this.#check(step, step.check)];
      case 'close':
        for (const flow of this.#group(step.close).flows) flow.close();
        return [];
      case 'advance':
        cluster.advance(step.advance);
        return [];
      case 'apply':
        cluster.apply(withPath([...step.path, 'apply'], () => this.#objects(step.apply)));
        return [];
      case 'delete':
        cluster.remove(step.delete);
        return [];
      case 'fail':
        cluster.node(step.node);
        cluster.fabric.fail(step.node);
        return [];
      case 'recover':
        cluster.fabric.recover(step.node);
        return [];
      case 'rehash':
        cluster.fabric.ecmpSeed = step.rehash;
        return [];
      case 'restart':
        cluster.restart(resolveConfig(this.#config([...this.#scenario.values, ...step.values])));
        return [];
      default:
        return [this.#maps(step)];
    }
  }

  #send(step: Step & { kind: 'send' }, spec: SendSpec, fields: Readonly<Record<string, unknown>>): CaseResult {
    const journey = this.cluster.send(spec);
    return judged(step, fields, { journey, actual: fieldsOf(journey) }, step.expect);
  }

  #spread(step: Step & { kind: 'spread' }, spec: SpreadSpec, fields: Readonly<Record<string, unknown>>): CaseResult {
    const { ports = DEFAULT_SPREAD, firstPort = FIRST_PORT, ...send } = spec;
    const counts = this.cluster.spread(send, range(firstPort, ports));
    return judged(step, fields, { actual: sharesOf(counts, ports) }, step.expect);
  }

  #open(step: Step & { kind: 'open' }, spec: OpenSpec): CaseResult {
    const { id, count = 1, firstPort = FIRST_PORT, ...send } = spec;
    if (count === 1) {
      const flow = this.cluster.open(send);
      this.#groups.set(id, { flows: [flow] });
      return judged(step, {}, { journey: flow.opened, actual: fieldsOf(flow.opened) }, step.expect);
    }
    const flows = [...range(firstPort, count)].map((port) =>
      this.cluster.open({ ...send, from: `${send.from}:${port}` }, false),
    );
    this.#groups.set(id, { flows });
    const counts = new Map<string, number>();
    for (const { opened } of flows) {
      const label = opened.outcome.backend ?? opened.outcome.dropReason?.name ?? opened.outcome.kind;
      counts.set(label, (counts.get(label) ?? 0) + 1);
    }
    return judged(step, {}, { actual: sharesOf(counts, count) }, step.expect);
  }

  #group(id: string): FlowGroup {
    const group = this.#groups.get(id);
    if (group !== undefined) return group;
    throw new LbtwinError('unknown-flow', `no flow ${JSON.stringify(id)} was opened`, {
      allowed: this.#groups.size === 0 ? 'ids of `open` steps before this one' : [...this.#groups.keys()].join(', '),
    });
  }

  #check(step: Step & { kind: 'check' }, id: string): CaseResult {
    const { flows } = this.#group(id);
    if (flows.length === 1) {
      const { status, why, journey } = flows[0]!.check();
      const actual = {
        ...fieldsOf(journey),
        status,
        reason: why,
        kept: status === 'kept',
        moved: status === 'moved',
        reset: status === 'reset',
        broken: status === 'broken',
      };
      return judged(step, {}, { journey, actual }, step.expect);
    }
    const counts: Record<FlowStatus, number> = { kept: 0, moved: 0, reset: 0, broken: 0 };
    for (const flow of flows) counts[flow.check().status]++;
    const shares = Object.fromEntries(Object.entries(counts).map(([status, n]) => [status, n / flows.length]));
    return judged(step, {}, { actual: shares }, step.expect);
  }

  #maps(step: Step & { kind: 'maps' }): CaseResult {
    const lines = this.#host.dumpMaps(this.cluster.node(step.node).plane.maps);
    const { contains, lacks, lines: whole } = step.expect;
    const found = (pattern: unknown): boolean =>
      lines.some((line) => line === pattern || new RegExp(String(pattern), 'u').test(line));
    const list = (value: Expected | undefined): readonly unknown[] =>
      value === undefined ? [] : Array.isArray(value) ? value : [value];
    const wrong: Difference[] = [
      ...list(contains)
        .filter((one) => !found(one))
        .map((one): Difference => ({ field: 'contains', expected: one, actual: `${lines.length} other lines` })),
      ...list(lacks)
        .filter(found)
        .map((one): Difference => ({
          field: 'lacks',
          expected: one,
          actual: lines.filter((line) => line === one || new RegExp(String(one), 'u').test(line)),
        })),
      ...(whole === undefined || JSON.stringify(whole) === JSON.stringify(lines)
        ? []
        : [{ field: 'lines', expected: whole, actual: lines }]),
    ];
    return {
      name: nameOf(step),
      path: step.path,
      ok: wrong.length === 0,
      differences: wrong,
      actual: { lines },
      expect: step.expect,
    };
  }
}

function* range(first: number, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield 1024 + ((first - 1024 + i) % (65536 - 1024));
}

/** Shares of labels, and what they have in common. */
function sharesOf(counts: ReadonlyMap<string, number>, total: number): Record<string, unknown> {
  const shares = Object.fromEntries([...counts].map(([label, n]) => [label, n / total]));
  return { shares, each: Object.values(shares), only: Object.keys(shares), reached: Object.keys(shares).length };
}

function judged(
  step: Step & { expect: Expect },
  fields: Readonly<Record<string, unknown>>,
  found: Verdictless,
  expect: Expect,
): CaseResult {
  const { each, only, shares: wanted, ...rest } = expect;
  const wrong = differences(rest, found.actual);
  const shares = (found.actual['shares'] ?? {}) as Record<string, number>;
  if (wanted !== undefined) wrong.push(...shareDifferences(wanted as Readonly<Record<string, Expected>>, shares));
  if (each !== undefined) {
    for (const [label, share] of Object.entries(shares)) {
      if (!inRange(String(each), share))
        wrong.push({ field: `shares[${JSON.stringify(label)}]`, expected: each, actual: share });
    }
  }
  if (only !== undefined) {
    const allowed = new Set((Array.isArray(only) ? only : [only]).map(String));
    const others = (found.actual['only'] as string[]).filter((label) => !allowed.has(label));
    if (others.length > 0) wrong.push({ field: 'only', expected: only, actual: others });
  }
  const suffix = Object.entries(fields)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join(' ');
  const name = suffix === '' ? nameOf(step) : `${nameOf(step)} [${suffix}]`;
  return { name, path: step.path, ok: wrong.length === 0, differences: wrong, expect, ...found };
}

/** Shares of backends; one without a port has that of all its ports, and one that got nothing has 0. */
function shareDifferences(
  wanted: Readonly<Record<string, Expected>>,
  shares: Readonly<Record<string, number>>,
): Difference[] {
  return Object.entries(wanted).flatMap(([backend, expected]): Difference[] => {
    const actual = Object.entries(shares)
      .filter(([label]) => matches(backend, label))
      .reduce((sum, [, share]) => sum + share, 0);
    return matches(expected, actual) ? [] : [{ field: `shares[${JSON.stringify(backend)}]`, expected, actual }];
  });
}

function nameOf(step: Step): string {
  if (step.name !== undefined) return step.name;
  switch (step.kind) {
    case 'send':
      return `${step.send.from || '*'} -> ${step.send.to || '*'}`;
    case 'spread':
      return `spread ${step.spread.from} -> ${step.spread.to}`;
    case 'open':
      return `open ${step.open.id}`;
    case 'check':
      return `check ${step.check}`;
    case 'maps':
      return `maps of ${step.node}`;
    default:
      return step.kind;
  }
}

/** Every combination of the matrix's values; one empty one without a matrix. */
function combinations(matrix: Matrix): Record<string, unknown>[] {
  let found: Record<string, unknown>[] = [{}];
  for (const [key, values] of Object.entries(matrix)) {
    found = found.flatMap((fields) => values.map((value) => ({ ...fields, [key]: value })));
  }
  return found;
}
