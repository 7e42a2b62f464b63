import { availableParallelism } from 'node:os';
import { LbtwinError } from '../../errors.ts';
import { type Args, type OptionSpecs, usageError } from '../args.ts';

/** Options that all commands of the lab share. */
export const labOptions: OptionSpecs = {
  seed: {
    type: 'string',
    value: 'N',
    help: 'seed of everything drawn, 0..4294967295 (default: 1); equal seeds give equal answers',
  },
  threads: {
    type: 'string',
    value: 'N',
    help: 'threads to use (default: one per core); the answer does not depend on it',
  },
};

export const seedOf = (args: Args): number => args.integer('seed', 0, 0xffffffff) ?? 1;

export const threadsOf = (args: Args): number => args.integer('threads', 1, 256) ?? availableParallelism();

const MAX_BACKENDS = 131_071;

/**
 * Weights as `100,100,50` or `90x100,10x50` (90 backends of weight 100, ten of 50).
 * @throws LbtwinError `invalid-weight`
 */
export function parseWeights(text: string): number[] {
  const weights = text.split(',').flatMap((part) => {
    const match = /^(?:([1-9]\d{0,5})x)?(\d{1,5})$/.exec(part.trim());
    const weight = Number(match?.[2]);
    if (match === null || weight > 65535) {
      throw new LbtwinError('invalid-weight', `${JSON.stringify(part)} is not a weight`, {
        allowed: 'W or COUNTxW with W 0..65535, separated by commas',
      });
    }
    return Array<number>(Number(match[1] ?? 1)).fill(weight);
  });
  if (weights.length > MAX_BACKENDS) {
    throw new LbtwinError('too-many-backends', `${weights.length} weights`, { allowed: `at most ${MAX_BACKENDS}` });
  }
  return weights;
}

/** `--backends N` and `--weights LIST`, which have to agree; weights alone say how many backends there are. */
export function backendsOf(args: Args): { count: number; weights?: number[] } {
  const count = args.integer('backends', 1, MAX_BACKENDS);
  const weights = args.parsed('weights', parseWeights);
  if (weights === undefined) {
    if (count === undefined) throw usageError('--backends is missing', '--backends N or --weights LIST');
    return { count };
  }
  if (count !== undefined && count !== weights.length) {
    throw usageError(`--weights names ${weights.length} backends, --backends ${count}`, 'one weight for each backend');
  }
  return { count: weights.length, weights };
}

/** Options that cannot be given beside `-f`. */
export function refuseBeside(args: Args, names: readonly string[]): void {
  for (const name of names) {
    if (args.string(name) !== undefined) throw usageError(`--${name} and -f say different things`, 'one of them');
  }
}

export const backendOptions: OptionSpecs = {
  backends: { type: 'string', value: 'N', help: 'number of backends, at random addresses' },
  weights: { type: 'string', value: 'LIST', help: 'their weights: 100,100,50 or 90x100,10x50 (default: all 100)' },
};
