import { LbtwinError } from '../errors.ts';
import { DEFAULT_HASH_SEED } from '../hash/seed.ts';
import { DEFAULT_WEIGHT, type MaglevBackend } from '../maglev/backend.ts';
import { DEFAULT_TABLE_SIZE } from '../maglev/sizes.ts';
import { parseAlgorithm } from './algorithms.ts';
import { checkFlowOptions, type FlowOptions, type FlowReport, simulateFlows } from './flows.ts';
import { seededRandom } from './random.ts';
import { type SequencePlan, type SequenceStep, sequenceOf } from './sequence.ts';
import { summarize } from './statistics.ts';
import { randomBackends } from './trials.ts';

/** One simulated sequence as plain data, so that threads can share it. */
export interface ChurnSpec extends FlowOptions {
  readonly algorithm: string;
  readonly plan: SequencePlan;
  /** How many random backends to start with, or which ones (ids are renumbered from 1). */
  readonly backends: number | readonly MaglevBackend[];
  /** 0..65535 per backend. */
  readonly weights?: readonly number[];
}

/** The sequence of a run. The seed draws addresses and who is changed; every algorithm sees the same. */
export function churnSteps(spec: ChurnSpec): SequenceStep[] {
  const random = seededRandom(spec.seed, 0x636875);
  const count = typeof spec.backends === 'number' ? spec.backends : spec.backends.length;
  const start = startOf(spec, random);
  const taken = new Set(start.map(({ address }) => JSON.stringify(address)));
  let nextId = count + 1;
  const fresh = (wanted: number): MaglevBackend[] => {
    const list: MaglevBackend[] = [];
    while (list.length < wanted) {
      const [backend] = randomBackends(random, 1) as [MaglevBackend];
      const key = JSON.stringify(backend.address);
      if (taken.has(key)) continue;
      taken.add(key);
      const { port, protocol } = start[0]!;
      list.push({ ...backend, id: nextId++, port, protocol });
    }
    return list;
  };
  return sequenceOf(spec.plan, start, random, fresh);
}

function startOf({ backends, weights }: ChurnSpec, random: () => number): MaglevBackend[] {
  const list = typeof backends === 'number' ? randomBackends(random, backends) : backends;
  if (list.length === 0) {
    throw new LbtwinError('no-backends', 'churn needs a backend', { path: ['backends'], allowed: 'one or more' });
  }
  if (weights !== undefined && weights.length !== list.length) {
    throw new LbtwinError('invalid-weight', `${weights.length} weights for ${list.length} backends`, {
      path: ['weights'],
      allowed: 'one for each backend',
    });
  }
  if (weights?.every((weight) => weight === 0) === true) {
    throw new LbtwinError('all-weights-zero', 'no backend has a weight, so nobody has a share', { path: ['weights'] });
  }
  return list.map((backend, i) => ({
    ...backend,
    id: i + 1,
    weight: weights?.[i] ?? backend.weight ?? DEFAULT_WEIGHT,
  }));
}

/**
 * Checks a run, and builds the tables of its ends, before any flow is drawn.
 * @throws LbtwinError as `sequenceOf`, `checkFlowOptions` and the algorithm's table; `too-many-backends`
 */
export function checkChurn(spec: ChurnSpec): SequenceStep[] {
  checkFlowOptions(spec);
  const { build } = parseAlgorithm(spec.algorithm);
  const steps = churnSteps(spec);
  const { tableSize = DEFAULT_TABLE_SIZE, hashSeed = DEFAULT_HASH_SEED } = spec;
  const most = steps.reduce((max, { active }) => Math.max(max, active.length), 0);
  if (build !== undefined && most > tableSize) {
    throw new LbtwinError('too-many-backends', `${most} backends do not fit a table of ${tableSize} slots`, {
      path: ['backends'],
      allowed: `at most ${tableSize}`,
    });
  }
  for (const { active } of [steps[0]!, steps.at(-1)!]) build?.(active, { tableSize, hashSeed });
  return steps;
}

/** Runs one sequence. @throws LbtwinError as `checkChurn` */
export function runChurn(spec: ChurnSpec): FlowReport {
  return simulateFlows(parseAlgorithm(spec.algorithm), checkChurn(spec), spec);
}

/** One algorithm over repeated runs. */
export interface ChurnResult extends FlowReport {
  readonly trials: number;
  /** Flows moved in a whole run, as a share of the flows (a flow that moves twice counts twice). */
  readonly moved: {
    readonly mean: number;
    readonly interval: readonly [number, number] | undefined;
    readonly max: number;
  };
  /** The part of `moved` whose backend was still there. */
  readonly movedNeedlessly: { readonly mean: number; readonly max: number };
}

/** Puts runs of one algorithm together; the steps shown are those of the first. */
export function churnResult(runs: readonly FlowReport[]): ChurnResult {
  const total = (report: FlowReport, key: 'moved' | 'evictedMoved'): number =>
    report.steps.reduce((sum, step) => sum + step[key], 0) / report.flows;
  const moved = summarize(runs.map((run) => total(run, 'moved')));
  const needless = summarize(runs.map((run) => total(run, 'evictedMoved')));
  return {
    ...runs[0]!,
    trials: runs.length,
    moved: { mean: moved.mean, interval: moved.meanInterval, max: moved.max },
    movedNeedlessly: { mean: needless.mean, max: needless.max },
  };
}
