import {
  ALGORITHMS,
  checkChurn,
  type ChurnSpec,
  DEFAULT_ALGORITHMS,
  parseAlgorithm,
  parsePlan,
  parseShare,
  PLAN_FORMS,
} from '../../lab/index.ts';
import { DEFAULT_TABLE_SIZE, relatedSkips, TABLE_SIZES } from '../../maglev/index.ts';
import { type ChurnReport, churnJson, formatChurn } from '../../report/lab/churn.ts';
import { churnHtml, churnSvg } from '../../report/lab/churn-page.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import type { Io } from '../io.ts';
import { runChurns } from '../lab/churn.ts';
import { backendOptions, backendsOf, labOptions, refuseBeside, seedOf, threadsOf } from '../lab/options.ts';
import { backendName, readService, serviceOptions } from '../lab/service.ts';

const OUTPUTS = ['text', 'json', 'svg', 'html'] as const;

const FORMAT: Readonly<Record<(typeof OUTPUTS)[number], (report: ChurnReport) => string>> = {
  text: formatChurn,
  json: (report) => `${JSON.stringify(churnJson(report), undefined, 2)}\n`,
  svg: churnSvg,
  html: churnHtml,
};

/** Who changes: a service of `-f`, or random backends. */
async function readSubject(args: Args, io: Io): Promise<Subject> {
  if (args.strings('file').length === 0) {
    const { count, weights } = backendsOf(args);
    const spec = { backends: count, ...(weights === undefined ? {} : { weights }) };
    return { name: `${count} random backends`, origin: null, spec, weighted: weights !== undefined };
  }
  refuseBeside(args, ['backends', 'weights']);
  const { name, origin, backends, affinity, tableSize, hashSeed } = await readService(args, io);
  const spec = { backends, affinity, tableSize, hashSeed };
  return { name, origin, spec, weighted: backends.some(({ weight }) => weight !== backends[0]!.weight) };
}

interface Subject {
  readonly name: string;
  /** Which configuration counts; random backends have none. */
  readonly origin: string | null;
  readonly spec: Pick<ChurnSpec, 'backends' | 'weights' | 'affinity' | 'tableSize' | 'hashSeed'>;
  readonly weighted: boolean;
}

/** Pairs of real backends that make the worst cases. */
function skipNotes({ backends, hashSeed }: Subject['spec'], tableSize: number): string[] {
  if (typeof backends === 'number' || !(TABLE_SIZES as readonly number[]).includes(tableSize)) return [];
  const named = (id: number): string => backendName(backends[id - 1]!);
  const pairs = relatedSkips(backends, { tableSize, ...(hashSeed === undefined ? {} : { hashSeed }) });
  return pairs.map(
    ({ ids: [a, b] }) =>
      `${named(a)} and ${named(b)} have related skips: when one of them goes, more slots move than usual`,
  );
}

/** Everything but the algorithm. */
function readSpec(args: Args, subject: Subject): Omit<ChurnSpec, 'algorithm'> {
  const clients = args.integer('clients', 1, 0x7fffffff);
  const ctSize = args.integer('ct-size', 1, 0x7fffffff);
  const turnover = args.parsed('turnover', (text) => parseShare(text));
  args.required('plan');
  return {
    plan: args.parsed('plan', (text) => parsePlan(text, args.string('surge'), args.string('unavailable')))!,
    ...subject.spec,
    flows: args.integer('flows', 1, 0x7fffffff) ?? 200_000,
    ...(clients === undefined ? {} : { clients }),
    ...(ctSize === undefined ? {} : { ctSize }),
    ...(turnover === undefined ? {} : { turnover }),
    affinity: args.flag('affinity') || subject.spec.affinity === true,
    tableSize: args.integer('table-size', 1, 0x7fffffff) ?? subject.spec.tableSize ?? DEFAULT_TABLE_SIZE,
    seed: seedOf(args),
  };
}

function readAlgorithms(args: Args, weighted: boolean): string[] {
  const named = args.strings('algorithm').flatMap((text) => text.split(','));
  const variant = args.string('variant');
  const known = (weighted ? DEFAULT_ALGORITHMS.filter((name) => name !== 'jump') : DEFAULT_ALGORITHMS).slice(1);
  const chosen = named.length > 0 ? named : [...(variant === undefined ? ['maglev'] : []), ...known];
  const all = variant === undefined ? chosen : [variant === 'cilium' ? 'maglev' : variant, ...chosen];
  return [...new Set(all)].map((name) => parseAlgorithm(name).name);
}

const command: Command = {
  usage: ['--backends N --plan PLAN [options]', '-f FILE... --service NAMESPACE/NAME[:PORT] --plan PLAN [options]'],
  description: `Sends live connections through a change of backends, the way the datapath treats them (conntrack first, then session affinity,
then the table or chance), and counts for each step and algorithm which connections move and which are saved by their
conntrack entry. Plans: ${PLAN_FORMS}.
A rolling update drains old backends for one step. The HTML report is one self-contained file.`,
  options: {
    ...backendOptions,
    ...serviceOptions,
    to: { type: 'string', value: 'IP:PORT[/PROTO]', help: 'with -f: the frontend' },
    plan: { type: 'string', value: 'PLAN', help: `what happens: ${PLAN_FORMS}` },
    surge: {
      type: 'string',
      value: 'AMOUNT',
      help: 'rolling: backends above the wanted number, 25% or 2 (default: 25%)',
    },
    unavailable: { type: 'string', value: 'AMOUNT', help: 'rolling: backends that may be missing (default: 0)' },
    flows: { type: 'string', value: 'N', help: 'live connections (default: 200000)' },
    clients: { type: 'string', value: 'N', help: 'different client addresses (default: a quarter of the flows)' },
    'ct-size': { type: 'string', value: 'N', help: 'connections that conntrack holds (default: all)' },
    affinity: { type: 'boolean', help: 'session affinity by client address' },
    turnover: { type: 'string', value: 'SHARE', help: 'flows that end and begin anew at each step (default: 0%)' },
    'table-size': { type: 'string', value: 'M', help: 'Maglev table size (default: 16381)' },
    algorithm: {
      type: 'string',
      value: 'NAME',
      multiple: true,
      help: `what to compare: ${Object.keys(ALGORITHMS).join(', ')} (default: ${DEFAULT_ALGORITHMS.join(', ')})`,
    },
    variant: { type: 'string', value: 'NAME', help: "another program's Maglev in place of Cilium's" },
    trials: { type: 'string', value: 'N', help: 'runs to average over, each with other addresses (default: 1)' },
    ...labOptions,
    output: { type: 'string', short: 'o', value: OUTPUTS.join('|'), help: 'how to print the answer (default: text)' },
  },
  examples: [
    ['lbtwin churn --backends 10 --plan rolling --surge 25%', 'which connections a rolling update resets'],
    ['lbtwin churn --backends 50 --plan remove:1 --ct-size 100000', 'when conntrack holds only half of them'],
    [
      'lbtwin churn -f examples/shop.yaml --service shop/web:80 --plan rolling',
      'the same for a service of your cluster',
    ],
    ['lbtwin churn --backends 20 --plan zone:3 -o html > report.html', 'a zone fails: a report with pictures'],
  ],
  exits: ['the plan was run', 'the run was stopped early (Ctrl-C): the answer is partial'],
  async run(args, io) {
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const output = args.choice('output', OUTPUTS) ?? 'text';
    const subject = await readSubject(args, io);
    const spec = readSpec(args, subject);
    const algorithms = readAlgorithms(args, subject.weighted || spec.plan.kind === 'reweight');
    const specs = algorithms.map((algorithm): ChurnSpec => ({ ...spec, algorithm }));
    // Everything that can be refused is refused before work starts.
    const [steps] = specs.map(checkChurn);
    const trials = args.integer('trials', 1, 1_000_000) ?? 1;
    const drawn = output === 'svg' || output === 'html';
    const { results, partial } = await runChurns({ specs, trials, threads: threadsOf(args), tables: drawn }, io);
    const count = steps![0]!.active.length;
    const report: ChurnReport = {
      plan: args.required('plan'),
      origin: subject.origin,
      subject: subject.name,
      notes: skipNotes(subject.spec, spec.tableSize!),
      backends: count,
      flows: spec.flows,
      clients: spec.clients ?? null,
      ctSize: spec.ctSize ?? null,
      affinity: spec.affinity === true,
      turnover: spec.turnover ?? 0,
      tableSize: spec.tableSize!,
      seed: spec.seed,
      results,
      partial,
    };
    io.write(FORMAT[output](report));
    return partial ? Exit.NO : Exit.OK;
  },
};

export default command;
