import {
  clientsOf,
  filterTo,
  type FlowFilter,
  type FlowList,
  flowsOfCapture,
  flowsOfHubble,
  flowsOfPorts,
  randomBackends,
  seededRandom,
  SPREAD_ALGORITHMS,
  spreadFindings,
  spreadFlows,
} from '../../lab/index.ts';
import {
  checkTableSize,
  DEFAULT_HASH_SEED,
  DEFAULT_TABLE_SIZE,
  type MaglevBackend,
  parseHashSeed,
} from '../../maglev/index.ts';
import {
  type Endpoint,
  formatEndpoint,
  isUnspecified,
  parseAddress,
  parseEndpoint,
  parseServiceProtocol,
  Protocol,
  readCapture,
} from '../../net/index.ts';
import { formatSpread, type SpreadReport } from '../../report/lab/spread.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { inFile, readBytes, readText } from '../files.ts';
import type { Io } from '../io.ts';
import { backendOptions, backendsOf, labOptions, refuseBeside, seedOf } from '../lab/options.ts';
import { backendName, readService, serviceOptions } from '../lab/service.ts';
import { outputOption } from '../options.ts';

const SOURCES = ['ports', 'pcap', 'hubble'] as const;

/** `10.0.0.1:80,10.0.0.2:80` in place of random addresses. */
function readBackends(args: Args): MaglevBackend[] {
  const protocol = args.string('protocol')?.toUpperCase() ?? 'TCP';
  const named = args.parsed('backend-list', (text) => text.split(',').map((part) => parseEndpoint(part.trim())));
  if (named !== undefined) {
    const weights = args.string('weights') === undefined ? undefined : backendsOf(args).weights;
    if (args.string('backends') !== undefined || (weights !== undefined && weights.length !== named.length)) {
      throw usageError('--backend-list says who the backends are', 'one weight for each, and no --backends');
    }
    return named.map(({ address, port }, i) => ({ id: i + 1, address, port, protocol, weight: weights?.[i] ?? 100 }));
  }
  const { count, weights } = backendsOf(args);
  return randomBackends(seededRandom(seedOf(args)), count).map((backend, i) => ({
    ...backend,
    protocol,
    weight: weights?.[i] ?? 100,
  }));
}

interface Setting {
  readonly origin: string | null;
  readonly backends: readonly MaglevBackend[];
  readonly affinity: boolean;
  readonly tableSize: number;
  readonly hashSeed: string;
  /** The frontend's address where it is known. */
  readonly to?: Endpoint;
}

/** A service of `-f`, or backends as they are named or drawn. */
async function readSetting(args: Args, io: Io): Promise<Setting> {
  if (args.strings('file').length === 0) {
    return {
      origin: null,
      backends: readBackends(args),
      affinity: false,
      tableSize: DEFAULT_TABLE_SIZE,
      hashSeed: DEFAULT_HASH_SEED,
    };
  }
  refuseBeside(args, ['backends', 'weights', 'backend-list']);
  const { frontend, ...service } = await readService(args, io);
  return { ...service, to: frontend };
}

async function readFlows(args: Args, io: Io, to: Endpoint | undefined): Promise<{ list: FlowList; source: string }> {
  const given = SOURCES.filter((name) => args.string(name) !== undefined);
  if (given.length !== 1) throw usageError('flows come from one source', SOURCES.map((name) => `--${name}`).join(', '));
  const [source] = given;
  const filter: FlowFilter = to === undefined ? {} : isUnspecified(to.address) ? { port: to.port } : filterTo(to);
  if (source === 'ports') {
    const client = args.parsed('client', parseAddress) ?? parseAddress('198.51.100.1');
    const protocol = args.parsed('protocol', parseServiceProtocol) ?? Protocol.TCP;
    const port = filter.port ?? 80;
    return {
      list: args.parsed('ports', (text) => flowsOfPorts(text, client, port, protocol))!,
      source: 'the list of ports',
    };
  }
  const name = args.required(source!);
  const content = source === 'pcap' ? await readBytes(name, io) : await readText(name, io);
  const list = inFile(name, () =>
    typeof content === 'string' ? flowsOfHubble(content, filter) : flowsOfCapture(readCapture(content), filter),
  );
  return { list, source: name === '-' ? 'standard input' : name };
}

const command: Command = {
  usage: [
    '--ports LIST [--client IP] --backends N [options]',
    '--pcap FILE [--to IP:PORT] --backends N [options]',
    '--hubble FILE -f FILE... --service NAMESPACE/NAME[:PORT] [options]',
  ],
  description: `Why is my load uneven? Replays connections through Maglev, random choice and least connections, and says how even each is, how
even chance would be, and what stands out. Connections come from a client's ports, a capture (pcap, pcapng; a TCP connection
closes with its first FIN or RST), or Hubble's flow JSON.`,
  options: {
    ports: { type: 'string', value: 'LIST', help: "one client's source ports: 40000-40999,50000" },
    client: { type: 'string', value: 'IP', help: 'the client of --ports (default: 198.51.100.1)' },
    pcap: { type: 'string', value: 'FILE', help: 'a capture; - is standard input' },
    hubble: { type: 'string', value: 'FILE', help: '`hubble observe -o jsonpb`; - is standard input' },
    to: {
      type: 'string',
      value: 'IP:PORT',
      help: 'only flows to this frontend; with -f, the frontend whose backends count; with --ports, its port (default: 80)',
    },
    protocol: { type: 'string', value: 'TCP|UDP|SCTP', help: 'protocol of --ports and of the backends (default: TCP)' },
    ...backendOptions,
    ...serviceOptions,
    'backend-list': { type: 'string', value: 'IP:PORT,...', help: 'the real backends, for the exact answer of Maglev' },
    affinity: { type: 'boolean', help: 'session affinity by client address' },
    'table-size': { type: 'string', value: 'M', help: 'Maglev table size (default: 16381)' },
    'hash-seed': { type: 'string', value: 'S', help: "Maglev hash seed, base64 of 12 bytes (default: Cilium's)" },
    seed: labOptions['seed']!,
    ...outputOption,
  },
  examples: [
    ['lbtwin spread --ports 40000-40099 --backends 5', 'how a hundred connections of one client spread'],
    [
      'lbtwin spread --pcap edge.pcap --to 203.0.113.10:443 --backend-list 10.0.1.5:8443,10.0.2.9:8443',
      'a capture, real backends',
    ],
    ['lbtwin spread -f examples/shop.yaml --service shop/web:80 --ports 40000-40999', 'a service of your cluster'],
    ['hubble observe -o jsonpb --to-service default/web | lbtwin spread --hubble - --backends 3', 'what Hubble saw'],
  ],
  exits: ['the flows were replayed', 'there was no flow to replay'],
  async run(args, io) {
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const setting = await readSetting(args, io);
    const { backends } = setting;
    const affinity = args.flag('affinity') || setting.affinity;
    const tableSize = checkTableSize(args.integer('table-size', 1, 0x7fffffff) ?? setting.tableSize);
    const hashSeed = args.string('hash-seed') ?? setting.hashSeed;
    parseHashSeed(hashSeed);
    const to = setting.to ?? args.parsed('to', parseEndpoint);
    const { list, source } = await readFlows(args, io, to);
    if (list.flows.length === 0) {
      io.warn(`lbtwin: ${source} has no flow to replay${to === undefined ? '' : ` to ${formatEndpoint(to)}`}\n`);
      return Exit.NO;
    }
    const options = { affinity, tableSize, hashSeed, seed: seedOf(args) };
    const results = SPREAD_ALGORITHMS.map((algorithm) => spreadFlows(list, backends, algorithm, options));
    const report: SpreadReport = {
      origin: setting.origin,
      source,
      flows: list.flows.length,
      clients: clientsOf(list).length,
      affinity,
      tableSize,
      seed: options.seed,
      results,
      findings: spreadFindings(list, results, affinity),
      names: backends.map(backendName),
    };
    io.write(output === 'json' ? `${JSON.stringify(report, undefined, 2)}\n` : formatSpread(report));
    return Exit.OK;
  },
};

export default command;
