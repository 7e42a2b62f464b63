import { LbtwinError } from '../errors.ts';
import { DEFAULT_WEIGHT, type MaglevBackend } from '../maglev/backend.ts';
import { type Amount, churnCounts, parseAmount, parseChurn, parseShare } from './churn.ts';
import { type Random, sample } from './random.ts';

/** One state of a changing set of backends. */
export interface SequenceStep {
  readonly label: string;
  /** Backends that take new connections: those in the table. */
  readonly active: readonly MaglevBackend[];
  /** Ids of terminating backends: out of the table, still serving the connections they have. */
  readonly draining: readonly number[];
  /** Ids of those that have another weight than in the step before. */
  readonly reweighted: readonly number[];
}

/** What a sequence does; amounts are of the backends at the start. */
export type SequencePlan =
  | { readonly kind: 'remove' | 'add'; readonly count: number }
  | { readonly kind: 'rolling'; readonly surge: Amount; readonly unavailable: Amount }
  | { readonly kind: 'reweight'; readonly factor: number; readonly steps: number }
  | { readonly kind: 'blue-green' }
  | { readonly kind: 'flap'; readonly times: number }
  | { readonly kind: 'zone'; readonly zones: number };

export const PLAN_FORMS =
  'remove:COUNT, add:COUNT, rolling, reweight:PERCENT%[:STEPS], blue-green, flap:TIMES or zone:ZONES';

/**
 * Reads a plan. `surge` and `unavailable` count for `rolling` alone.
 * @throws LbtwinError `invalid-plan`, `invalid-share`, `invalid-churn`
 */
export function parsePlan(text: string, surge = '25%', unavailable = '0%'): SequencePlan {
  const [kind, value, times = '1', ...more] = text.split(':');
  const whole = (digits = ''): number | undefined => (/^[1-9]\d{0,3}$/.test(digits) ? Number(digits) : undefined);
  const count = times === '1' && more.length === 0 ? whole(value) : undefined;
  const steps = more.length === 0 ? whole(times) : undefined;
  if (text === 'rolling') return { kind: 'rolling', surge: parseAmount(surge), unavailable: parseAmount(unavailable) };
  if (text === 'blue-green') return { kind: 'blue-green' };
  if (kind === 'flap' && count !== undefined) return { kind, times: count };
  if (kind === 'zone' && count !== undefined && count > 1) return { kind, zones: count };
  if (kind === 'remove' || kind === 'add') {
    const churn = parseChurn(text);
    if (churn.kind === 'remove' || churn.kind === 'add') return churn;
  }
  if (kind === 'reweight' && value !== undefined && steps !== undefined) {
    return { kind, factor: parseShare(value, 1000), steps };
  }
  throw new LbtwinError('invalid-plan', `${JSON.stringify(text)} is not a plan`, { allowed: PLAN_FORMS });
}

type Fresh = (count: number) => MaglevBackend[];

/**
 * The states of a plan, the first being the start.
 * @param start the backends at the start; ids are to be 1..n
 * @param fresh makes backends that have not been there before
 * @throws LbtwinError `churn-too-large`, `invalid-plan`
 */
export function sequenceOf(
  plan: SequencePlan,
  start: readonly MaglevBackend[],
  random: Random,
  fresh: Fresh,
): SequenceStep[] {
  const first: SequenceStep = { label: 'start', active: start, draining: [], reweighted: [] };
  return [first, ...changesOf(plan, start, random, fresh)];
}

const state = (label: string, active: readonly MaglevBackend[], draining: readonly number[] = []): SequenceStep => ({
  label,
  active,
  draining,
  reweighted: [],
});

function changesOf(plan: SequencePlan, start: readonly MaglevBackend[], random: Random, fresh: Fresh): SequenceStep[] {
  const without = (indices: readonly number[]): MaglevBackend[] => start.filter((_, i) => !indices.includes(i));
  switch (plan.kind) {
    case 'remove': {
      churnCounts(plan as { kind: 'remove'; count: number }, start.length);
      return [state(`${plan.count} removed`, without(sample(random, start.length, plan.count)))];
    }
    case 'add':
      return [state(`${plan.count} added`, [...start, ...fresh(plan.count)])];
    case 'rolling':
      return rolling(plan, start, fresh);
    case 'reweight':
      return reweight(plan, start, random);
    case 'blue-green': {
      const green = fresh(start.length).map((backend, i) => ({
        ...backend,
        weight: start[i]!.weight ?? DEFAULT_WEIGHT,
      }));
      const blue = start.map(({ id }) => id);
      return [state('switched to green', green, blue), state('blue gone', green)];
    }
    case 'flap': {
      if (start.length < 2)
        throw new LbtwinError('churn-too-large', 'a single backend cannot flap: nobody would be left');
      const rest = without(sample(random, start.length, 1));
      return Array.from({ length: plan.times }, (_, i) => [
        state(`gone ${i + 1}`, rest),
        state(`back ${i + 1}`, start),
      ]).flat();
    }
    case 'zone': {
      const lost = Array.from({ length: start.length }, (_, i) => i).filter((i) => i % plan.zones === 0);
      if (lost.length === start.length) {
        throw new LbtwinError('churn-too-large', `${start.length} backend is in one zone: none would be left`);
      }
      return [state(`zone lost (${lost.length} backends)`, without(lost)), state('zone back', start)];
    }
  }
}

/** Weight by weight: the first backend drawn goes to `factor` times its weight in equal steps. */
function reweight(
  plan: { readonly factor: number; readonly steps: number },
  start: readonly MaglevBackend[],
  random: Random,
): SequenceStep[] {
  const [picked] = sample(random, start.length, 1);
  const { weight = DEFAULT_WEIGHT, id } = start[picked!]!;
  return Array.from({ length: plan.steps }, (_, i) => {
    const now = Math.min(65535, Math.round(weight * (1 + ((plan.factor - 1) * (i + 1)) / plan.steps)));
    const active = start.map((backend, k) => (k === picked ? { ...backend, weight: now } : backend));
    return { ...state(`weight ${weight} to ${now}`, active), reweighted: [id] };
  });
}

/**
 * A Deployment's rolling update: never more than n + surge in all, never fewer than n - unavailable ready. What was started
 * in one step is ready in the next; what was terminated drains for one step, then is gone.
 */
function rolling(
  plan: { readonly surge: Amount; readonly unavailable: Amount },
  start: readonly MaglevBackend[],
  fresh: Fresh,
): SequenceStep[] {
  const wanted = start.length;
  const surge = 'count' in plan.surge ? plan.surge.count : Math.ceil(plan.surge.share * wanted);
  const unavailable =
    'count' in plan.unavailable ? plan.unavailable.count : Math.floor(plan.unavailable.share * wanted);
  if (surge + unavailable === 0) {
    throw new LbtwinError('invalid-plan', 'a rolling update with neither surge nor unavailable backends cannot move', {
      allowed: 'a surge above 0, or an unavailable share that makes a whole backend',
    });
  }
  if (unavailable >= wanted) {
    throw new LbtwinError(
      'invalid-plan',
      `with ${unavailable} of ${wanted} backends unavailable nobody would be left`,
      {
        allowed: `at most ${wanted - 1}`,
      },
    );
  }
  const old = [...start];
  const ready: MaglevBackend[] = [];
  let starting: MaglevBackend[] = [];
  let draining: number[] = [];
  const steps: SequenceStep[] = [];
  while (ready.length < wanted || draining.length > 0) {
    ready.push(...starting);
    const spare = old.length + ready.length - (wanted - unavailable);
    draining = old.splice(0, Math.max(0, Math.min(spare, old.length))).map(({ id }) => id);
    const room = wanted + surge - old.length - ready.length;
    const more = Math.max(0, Math.min(room, wanted - ready.length));
    starting = fresh(more).map((backend, i) => ({
      ...backend,
      weight: start[ready.length + i]!.weight ?? DEFAULT_WEIGHT,
    }));
    // Backends that only start change no table: a step without another set of ready ones would show nothing.
    if (steps.length === 0 && draining.length === 0) continue;
    steps.push(state(`round ${steps.length + 1}`, [...old, ...ready], draining));
  }
  return steps;
}
