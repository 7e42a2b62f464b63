import { CHURN_FORMS, parseChurn, parseShare, planSizes, type PlanRequest, type PlanSubject } from '../../lab/index.ts';
import { DEFAULT_WEIGHT } from '../../maglev/index.ts';
import { parseVariant, VARIANTS } from '../../maglev/variants/index.ts';
import { formatPlan, planJson } from '../../report/lab/plan.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import type { Io } from '../io.ts';
import { backendOptions, backendsOf, labOptions, refuseBeside, seedOf, threadsOf } from '../lab/options.ts';
import { runPlan } from '../lab/plan.ts';
import { readService, serviceOptions } from '../lab/service.ts';
import { outputOption } from '../options.ts';

type Subject = Pick<PlanRequest, 'backends' | 'of' | 'hashSeed' | 'weights'>;

/** A service of `-f`, or random backends. */
async function readSubject(args: Args, io: Io): Promise<{ subject: PlanSubject; who: Subject }> {
  if (args.strings('file').length === 0) {
    const { count, weights } = backendsOf(args);
    const who = { backends: count, ...(weights === undefined ? {} : { weights }) };
    return { subject: { origin: null, name: `${count} random backends` }, who };
  }
  refuseBeside(args, ['backends', 'weights']);
  const { name, origin, backends: of, hashSeed } = await readService(args, io);
  const weights = of.map(({ weight }) => weight ?? DEFAULT_WEIGHT);
  const unequal = weights.some((weight) => weight !== weights[0]);
  return { subject: { origin, name }, who: { backends: of.length, of, hashSeed, ...(unequal ? { weights } : {}) } };
}

function readRequest(args: Args, who: Subject): PlanRequest {
  return {
    variant: args.parsed('variant', parseVariant)?.name ?? 'cilium',
    ...who,
    churn: args.parsed('churn', parseChurn) ?? { kind: 'remove', count: 1 },
    services: args.integer('services', 1, 1_000_000) ?? 1,
    seed: seedOf(args),
    maxNeedless: args.parsed('max-needless', (text) => parseShare(text)) ?? 0.01,
    maxImbalance: args.parsed('max-imbalance', (text) => parseShare(text, 100)) ?? 0.01,
  };
}

function readSizes(args: Args, request: PlanRequest): number[] {
  const given = args.strings('table-size');
  if (given.length > 0) {
    const variant = parseVariant(request.variant);
    const sizes = given.map((text) => variant.checkTableSize(/^\d{1,9}$/.test(text) ? Number(text) : text));
    return [...new Set(sizes)].sort((a, b) => a - b);
  }
  const sizes = planSizes(request.variant, request.backends);
  if (sizes.length > 0) return sizes;
  throw usageError(`no table size has room for ${request.backends} backends`, 'at most 131071');
}

const command: Command = {
  usage: [
    '--backends N [--churn CHANGE] [--services S] [options]',
    '-f FILE... --service NAMESPACE/NAME[:PORT] [options]',
  ],
  description: `For each table size: how uneven the load is, how many slots (and so, clients without a conntrack entry) a change of backends
moves needlessly, what the tables cost in the kernel and in the agent, and how long one takes to build; then the smallest size
that keeps your limits. Every figure comes from building real tables and comparing them: for random backends, or for those of a service of
yours, where the removal of each is tried.`,
  options: {
    ...backendOptions,
    ...serviceOptions,
    to: { type: 'string', value: 'IP:PORT[/PROTO]', help: 'with -f: the frontend' },
    churn: { type: 'string', value: 'CHANGE', help: `what changes: ${CHURN_FORMS} (default: remove:1)` },
    services: { type: 'string', value: 'S', help: 'number of tables: frontends that have one (default: 1)' },
    'max-needless': { type: 'string', value: 'SHARE', help: 'limit of needless moves, 99th percentile (default: 1%)' },
    'max-imbalance': {
      type: 'string',
      value: 'SHARE',
      help: 'limit of the busiest backend above its share (default: 1%)',
    },
    'table-size': { type: 'string', value: 'M', multiple: true, help: 'only this size; may be repeated' },
    trials: { type: 'string', value: 'N', help: 'changes to try per size (default: 1000, from 65521 slots on 500)' },
    variant: {
      type: 'string',
      value: 'NAME',
      help: `whose Maglev: ${Object.keys(VARIANTS).join(', ')} (default: cilium)`,
    },
    ...labOptions,
    ...outputOption,
  },
  examples: [
    ['lbtwin maglev plan --backends 100 --services 300', 'which table size for 100 backends'],
    ['lbtwin maglev plan --backends 40 --churn roll:10% --max-needless 2%', 'when a tenth of the backends is replaced'],
    [
      'lbtwin maglev plan -f examples/shop.yaml --service shop/web:80',
      'for a service of your cluster: each backend removed once',
    ],
    ['lbtwin maglev plan --weights 90x100,10x50 -o json', 'with weights, for a program'],
  ],
  exits: ['a table size keeps the limits', 'none does, or the run was stopped early (Ctrl-C): the answer is partial'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const { subject, who } = await readSubject(args, io);
    const request = readRequest(args, who);
    const sizes = readSizes(args, request);
    const trials = args.integer('trials', 1, 10_000_000);
    const report = await runPlan({ request, subject, sizes, trials, threads: threadsOf(args) }, io);
    io.write(output === 'json' ? `${JSON.stringify(planJson(report), undefined, 2)}\n` : formatPlan(report));
    return report.recommendation.tableSize === null || report.partial ? Exit.NO : Exit.OK;
  },
};

export default command;
