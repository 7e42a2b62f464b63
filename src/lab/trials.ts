import { LbtwinError, withPath } from '../errors.ts';
import { formatAddress, type IpAddress } from '../net/address.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { DEFAULT_WEIGHT, HASH_WORDS, type MaglevBackend, parsedAddress } from '../maglev/backend.ts';
import { compareTables } from '../maglev/compare.ts';
import { type MaglevOptions, type PreparedBackends, prepareBackends, tableOf } from '../maglev/table.ts';
import { type MaglevVariant, parseVariant } from '../maglev/variants/index.ts';
import { type Churn, churnCounts } from './churn.ts';
import { below, type Random, sample, seededRandom } from './random.ts';

/** What a Monte-Carlo run repeats: draw backends, build, change, build again, compare. Plain data, so that threads can share it. */
export interface TrialSpec {
  /** Name of a variant, `cilium` for Cilium's own table. */
  readonly variant: string;
  readonly tableSize: number;
  readonly backends: number;
  /** Real backends, as many as `backends`, in place of random ones: single removals and reweightings then go through them one by one. */
  readonly of?: readonly MaglevBackend[];
  /** 0..65535 per backend; all 100 if absent, or as `of` has it. */
  readonly weights?: readonly number[];
  readonly churn: Churn;
  /** 0..2^32-1. Trial i depends on the seed and i alone. */
  readonly seed: number;
  readonly hashSeed?: string;
}

/** One value per trial; counts are in slots. */
export interface TrialColumns {
  readonly changed: Uint32Array;
  readonly unavoidable: Uint32Array;
  readonly needless: Uint32Array;
  /** Before the change: how far the busiest backend is above its share, as a fraction of the share. */
  readonly imbalance: Float64Array;
}

/**
 * Checks a run before any work starts.
 * @throws LbtwinError `unknown-variant`, `unsupported-table-size`, `too-many-backends`, `invalid-weight`, `all-weights-zero`,
 *   `churn-too-large`
 */
export function checkTrials(spec: TrialSpec): void {
  const { backends, weights, churn } = spec;
  withPath(['tableSize'], () => parseVariant(spec.variant).checkTableSize(spec.tableSize));
  if (!Number.isInteger(backends) || backends < 1 || backends > spec.tableSize) {
    throw new LbtwinError('too-many-backends', `${backends} backends do not fit a table of ${spec.tableSize} slots`, {
      path: ['backends'],
      allowed: `1..${spec.tableSize}`,
    });
  }
  if (spec.of !== undefined && spec.of.length !== backends) {
    throw new LbtwinError('too-many-backends', `${spec.of.length} backends given, ${backends} said`, { path: ['of'] });
  }
  if (weights !== undefined) {
    if (weights.length !== backends || weights.some((w) => !Number.isInteger(w) || w < 0 || w > 65535)) {
      throw new LbtwinError('invalid-weight', `${weights.length} weights for ${backends} backends`, {
        path: ['weights'],
        allowed: 'one whole number 0..65535 for each backend',
      });
    }
    if (weights.every((w) => w === 0)) {
      throw new LbtwinError('all-weights-zero', 'no backend has a weight, so nobody has a share', {
        path: ['weights'],
      });
    }
  }
  const { added } = churnCounts(churn, backends);
  if (backends + added > spec.tableSize) {
    throw new LbtwinError('too-many-backends', `${backends + added} backends do not fit ${spec.tableSize} slots`, {
      path: ['churn'],
      allowed: `at most ${spec.tableSize}`,
    });
  }
}

/** `count` backends at random different addresses of 10.0.0.0/8, ids from 1. */
export function randomBackends(random: Random, count: number): MaglevBackend[] {
  const seen = new Set<number>();
  while (seen.size < count) seen.add((0x0a000000 + below(random, 0x1000000)) >>> 0);
  return Array.from(seen, (word, i) => {
    const address: IpAddress = { family: 4, words: [word] };
    return { id: i + 1, address, port: 8080, protocol: 'TCP', weight: DEFAULT_WEIGHT };
  });
}

/** Real backends, renumbered from 1, and `added` others like them at random addresses. */
function withFresh(of: readonly MaglevBackend[], random: Random, added: number): MaglevBackend[] {
  const taken = new Set(of.map(({ address }) => formatAddress(parsedAddress(address))));
  const list = of.map((backend, i) => ({ ...backend, id: i + 1 }));
  while (list.length < of.length + added) {
    const [{ address }] = randomBackends(random, 1) as [MaglevBackend];
    const text = formatAddress(parsedAddress(address));
    if (taken.has(text)) continue;
    taken.add(text);
    list.push({ ...of[0]!, weight: DEFAULT_WEIGHT, address, id: list.length + 1 });
  }
  return list;
}

/** Whether the trials of a run are all the cases there are: one for each backend. */
export const isExhaustive = ({ of, churn }: Pick<TrialSpec, 'of' | 'churn'>): boolean =>
  of !== undefined && (churn.kind === 'reweight' || (churn.kind === 'remove' && churn.count === 1));

/** Indices of the backends that are removed or reweighted: real ones in their turn if they go one by one, else drawn. */
function pickChanged(spec: TrialSpec, trial: number, random: Random, removed: number): number[] {
  if (isExhaustive(spec)) return [trial % spec.backends];
  return sample(random, spec.backends, spec.churn.kind === 'reweight' ? 1 : removed);
}

/** The backends of one trial before and after its change. */
export function drawTrial(
  spec: TrialSpec,
  trial: number,
): { before: MaglevBackend[]; after: MaglevBackend[]; reweighted: number[] } {
  const random = seededRandom(spec.seed, trial);
  const { removed, added } = churnCounts(spec.churn, spec.backends);
  const all = spec.of === undefined ? randomBackends(random, spec.backends + added) : withFresh(spec.of, random, added);
  const before = all
    .slice(0, spec.backends)
    .map((backend, i) => ({ ...backend, weight: spec.weights?.[i] ?? backend.weight ?? DEFAULT_WEIGHT }));
  const picked = new Set(pickChanged(spec, trial, random, removed));
  if (spec.churn.kind === 'reweight') {
    const { factor } = spec.churn;
    const scaled = (weight: number): number => Math.min(65535, Math.round(weight * factor));
    const after = before.map((backend, i) =>
      picked.has(i) ? { ...backend, weight: scaled(backend.weight) } : backend,
    );
    return { before, after, reweighted: [...picked].map((i) => i + 1) };
  }
  return { before, after: [...before.filter((_, i) => !picked.has(i)), ...all.slice(spec.backends)], reweighted: [] };
}

/** Runs trials `from` to `to` - 1 of a checked run. */
export function runTrials(spec: TrialSpec, from: number, to: number): TrialColumns {
  const variant = parseVariant(spec.variant);
  const options = { tableSize: spec.tableSize, ...(spec.hashSeed === undefined ? {} : { hashSeed: spec.hashSeed }) };
  const count = to - from;
  const columns = {
    changed: new Uint32Array(count),
    unavoidable: new Uint32Array(count),
    needless: new Uint32Array(count),
    imbalance: new Float64Array(count),
  };
  for (let i = 0; i < count; i++) {
    const { before, after, reweighted } = drawTrial(spec, from + i);
    const tables = buildPair(variant, before, after, options);
    const moves = compareTables(tables[0], tables[1], { reweighted });
    columns.changed[i] = moves.changed;
    columns.unavoidable[i] = moves.unavoidable;
    columns.needless[i] = moves.needless;
    columns.imbalance[i] = imbalanceOf(tables[0], before, variant);
  }
  return columns;
}

/** Both tables of a trial. Cilium's hashes do not depend on who else is there, so a backend is hashed and sorted once. */
function buildPair(
  variant: MaglevVariant,
  before: readonly MaglevBackend[],
  after: readonly MaglevBackend[],
  options: MaglevOptions & { readonly tableSize: number },
): readonly [Uint32Array, Uint32Array] {
  if (variant.name !== 'cilium') return [variant.build(before, options), variant.build(after, options)];
  const { murmur } = parseHashSeed(options.hashSeed ?? DEFAULT_HASH_SEED);
  const known = before.length;
  const all = prepareBackends([...before, ...after.filter(({ id }) => id > known)], murmur);
  return [tableOf(pick(all, before), options.tableSize), tableOf(pick(all, after), options.tableSize)];
}

/** The part of `all` that is in `chosen` (ids from 1), with the weights it has there. */
function pick(all: PreparedBackends, chosen: readonly MaglevBackend[]): PreparedBackends {
  const weightOf = new Int32Array(all.ids.length + 1).fill(-1);
  for (const { id, weight = DEFAULT_WEIGHT } of chosen) weightOf[id] = weight;
  const ids = new Uint32Array(chosen.length);
  const weights = new Uint16Array(chosen.length);
  const hashes = new Uint32Array(chosen.length * HASH_WORDS);
  const texts: string[] = [];
  all.ids.forEach((id, i) => {
    if (weightOf[id]! < 0) return;
    const to = texts.length;
    ids[to] = id;
    weights[to] = weightOf[id]!;
    for (let w = 0; w < HASH_WORDS; w++) hashes[to * HASH_WORDS + w] = all.hashes[i * HASH_WORDS + w]!;
    texts.push(all.texts[i]!);
  });
  return { ids, hashes, weights, texts };
}

/** As `measureBalance` has it, for ids 1..n. */
function imbalanceOf(table: Uint32Array, backends: readonly MaglevBackend[], variant: MaglevVariant): number {
  const slots = new Uint32Array(backends.length + 1);
  for (let s = 0; s < table.length; s++) if (table[s]! <= backends.length) slots[table[s]!]!++;
  const weighted = variant.name !== 'paper';
  let total = 0;
  for (const { weight = DEFAULT_WEIGHT } of backends) total += weighted ? weight : 1;
  let worst = 0;
  backends.forEach(({ id, weight = DEFAULT_WEIGHT }) => {
    const expected = (table.length * (weighted ? weight : 1)) / total;
    if (expected > 0) worst = Math.max(worst, slots[id]! / expected - 1);
  });
  return worst;
}
