import { Cluster, type ClusterOptions, replayFrames, seededWords, type SendSpec } from '../../cluster/index.ts';
import { LbtwinError } from '../../errors.ts';
import { TcpFlag } from '../../net/headers.ts';
import { type CapturedFrame, readCapture } from '../../net/pcap.ts';
import { loadCtList, loadNatList } from '../../report/agent/ct-nat-parse.ts';
import { formatJourney, journeyJson, journeyMermaid } from '../../report/journey.ts';
import { journeyCapture } from '../../report/journey-capture.ts';
import { formatReplay, replayJson } from '../../report/replay.ts';
import { formatSpread, spreadJson } from '../../report/spread.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { inFile, readBytes, readText, writeFile } from '../files.ts';
import { tellRefusals } from '../cluster-input.ts';
import { readInput } from '../input.ts';
import type { Io } from '../io.ts';
import { configOptions, inputOptions } from '../options.ts';
import { readStored } from '../stored.ts';
import { clusterOptions, fabricOptions, readCluster } from '../cluster.ts';
import { ARRIVED, askEntries, printEntries } from '../trace-entries.ts';

/** `SYN`, `syn,ack`. */
function readTcpFlags(text: string): number {
  return text.split(',').reduce((flags, name) => {
    const bit = TcpFlag[name.trim().toUpperCase() as keyof typeof TcpFlag];
    if (bit === undefined)
      throw new LbtwinError('unknown-tcp-flag', `${JSON.stringify(name)} is no TCP flag`, {
        allowed: Object.keys(TcpFlag).join(', '),
      });
    return flags | bit;
  }, 0);
}

function readSpec(args: Args): SendSpec {
  const optional = <K extends keyof SendSpec>(key: K, value: SendSpec[K] | undefined): Partial<SendSpec> =>
    value === undefined ? {} : { [key]: value };
  const proto = args.string('proto');
  const to = args.required('to');
  const words = args.strings('random').map((text) => Number(text));
  if (words.some((word) => !Number.isInteger(word) || word < 0 || word > 0xffffffff)) {
    throw usageError('--random: words are whole numbers', '0..4294967295');
  }
  return {
    from: args.required('from'),
    to: proto === undefined || to.includes('/') ? to : `${to}/${proto}`,
    reply: args.flag('reply'),
    ...optional('via', args.string('via')),
    ...optional('size', args.integer('size', 1, 65535)),
    ...optional('ttl', args.integer('ttl', 0, 255)),
    ...optional('tcpFlags', args.parsed('tcp-flags', readTcpFlags)),
    ...(args.flag('df') ? { dontFragment: true } : {}),
    ...(words.length > 0 ? { random: words } : {}),
    ...optional('cookie', args.integer('cookie', 0, Number.MAX_SAFE_INTEGER)),
  };
}

/** Ports that stand for all of a client's. */
const SPREAD_FROM = 32768;
const SPREAD_PORTS = 1000;

/** True for a client outside whose port is left open. */
const isWholeClient = ({ from, to }: SendSpec): boolean =>
  from.startsWith('external:') &&
  !/\/icmp/i.test(to) &&
  (from.includes('[') ? !from.includes(']:') : !/^external:[^:]+:\d+$/.test(from));

async function loadTables(args: Args, io: Io, cluster: Cluster, spec: SendSpec): Promise<void> {
  const [ct, nat] = [args.string('ct'), args.string('nat')];
  if (ct === undefined && nat === undefined) return;
  const name = spec.via ?? /^node:([^:]+)/.exec(spec.from)?.[1];
  if (name === undefined) throw usageError('--ct and --nat are tables of one node', '--via NODE with them');
  const { datapath } = cluster.node(name);
  const [v4, v6] = [datapath.v4, datapath.v6];
  if (ct !== undefined) {
    const text = await readText(ct, io);
    inFile(ct, () => loadCtList(text, { v4: v4.conntrack, v6: v6.conntrack }));
  }
  if (nat !== undefined) {
    const text = await readText(nat, io);
    inFile(nat, () => loadNatList(text, { v4: v4.nat, v6: v6.nat }, cluster.now));
  }
}

const command: Command = {
  usage: [
    '-f FILE... --from external:IP[:PORT]|pod:NS/NAME|node:NAME --to ADDR:PORT/PROTO [--via NODE] [--reply] [--explain] [options]',
  ],
  description: `Follows a packet through the cluster, hook by hook, as the nodes' programs decide: who gets it, which source it sees,
or why and where it is dropped. With --reply the receiver answers and the answer is followed home: does the client recognise
it? Where nothing says which node a packet from outside reaches, the routers' ECMP picks one, and the answer says so; --every-node asks each
that may get it. Per-node maps are computed for the nodes that the packet touches. A random choice without a word is answered by all
candidates; a client outside without a port by how its ports spread.`,
  options: {
    ...inputOptions,
    from: {
      type: 'string',
      value: 'WHO',
      help: 'external:IP[:PORT] ([IP]:PORT for IPv6), pod:NAMESPACE/NAME[:PORT] or node:NAME[:PORT]',
    },
    to: { type: 'string', value: 'ADDR:PORT/PROTO', help: 'the destination; ADDR/ICMP for an echo request' },
    via: {
      type: 'string',
      value: 'NODE',
      help: 'the node that a packet from outside reaches',
    },
    reply: { type: 'boolean', help: 'the receiver answers, and the answer is followed back' },
    explain: { type: 'boolean', help: 'tell every step of every program' },
    'every-node': {
      type: 'boolean',
      help: 'ask every node that may get the packet: a line for each outcome with its nodes, and one of each kind in full',
    },
    all: {
      type: 'boolean',
      help: 'with --every-node: every outcome in full, also those that differ in the backend alone',
    },
    proto: { type: 'string', value: 'tcp|udp|sctp|icmp', help: 'protocol, where --to names none' },
    size: { type: 'string', value: 'BYTES', help: 'length of the IP packet' },
    ttl: { type: 'string', value: 'N', help: 'TTL or hop limit (default: 64)' },
    df: { type: 'boolean', help: "set Don't Fragment" },
    'tcp-flags': { type: 'string', value: 'FLAGS', help: 'such as syn or psh,ack (default: syn)' },
    random: { type: 'string', rest: true, value: 'U32...', help: 'words that the kernel draws, in order' },
    cookie: { type: 'string', value: 'N', help: 'cookie of the socket, by which UDP picks its backend' },
    ct: {
      type: 'string',
      value: 'FILE',
      help: 'start with these conntrack entries (a pasted `bpf ct list global` of the --via node)',
    },
    nat: {
      type: 'string',
      value: 'FILE',
      help: 'start with these NAT entries (a pasted `bpf nat list` of the --via node)',
    },
    ...clusterOptions,
    ...fabricOptions,
    ...configOptions,
    output: { type: 'string', short: 'o', value: 'text|json|mermaid', help: 'how to print the answer (default: text)' },
    'pcap-in': {
      type: 'string',
      value: 'FILE',
      help: 'give the frames of a capture (pcap, pcapng) to the --via node instead of one packet; needs no --from and --to',
    },
    pcap: {
      type: 'string',
      value: 'FILE',
      help: 'write every frame at every hop (pcapng, an interface for each hook)',
    },
  },
  examples: [
    [
      'lbtwin trace -f examples/shop.yaml --from external:198.51.100.7:40000 --to 203.0.113.10:80/TCP --reply',
      'who answers from which node on, with which addresses',
    ],
    [
      'lbtwin trace -f examples/shop.yaml --from pod:shop/debug --to 10.96.0.10:53/UDP --explain',
      'every step of a DNS query',
    ],
    [
      'lbtwin trace -f examples/shop.yaml --from external:198.51.100.7:40000 --to 203.0.113.10:80/TCP --via worker-a1 --set loadBalancer.mode=dsr -o mermaid',
      'from one node on, under another mode, as a diagram',
    ],
  ],
  exits: [
    'the packet arrived (and, with --reply, the answer came home), or it is left to a process of a node',
    'it did not, or not as the client expects (with --every-node: at some node)',
  ],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json', 'mermaid'] as const) ?? 'text';
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const capture = args.string('pcap-in');
    const spec = capture === undefined ? readSpec(args) : { from: '', to: '', via: args.required('via') };
    const batch = await readInput(args, io);
    const resolved = await readConfig(args, io, batch);
    const options: ClusterOptions = readCluster(args, resolved);
    const cluster = Cluster.fromKubernetes(await readStored(batch, args, io), options);
    const tell = (): void => tellRefusals(cluster, batch, args, io);
    await loadTables(args, io, cluster, spec);
    if (capture !== undefined) {
      const bytes = await readBytes(capture, io);
      return replay(
        args,
        io,
        cluster,
        inFile(capture, () => readCapture(bytes)),
        spec.via!,
        output,
        tell,
      );
    }
    if (isWholeClient(spec)) return spread(args, io, cluster, spec, output, tell);
    if (args.flag('all') && !args.flag('every-node')) throw usageError('--all is for --every-node');
    const entries = args.flag('every-node') ? askEntries(args, cluster, spec, output) : undefined;
    if (entries !== undefined) {
      tell();
      refuseAssumptions(args, entries.assumptions);
      return printEntries(args, io, entries, output);
    }
    const journey = cluster.send(spec);
    tell();
    refuseAssumptions(args, journey.assumptions);
    const pcap = args.string('pcap');
    if (pcap !== undefined) writeFile(pcap, journeyCapture(journey));
    if (output === 'json') io.write(`${JSON.stringify(journeyJson(journey), undefined, 2)}\n`);
    else if (output === 'mermaid') io.write(journeyMermaid(journey));
    else io.write(formatJourney(journey, { explain: args.flag('explain'), color: io.color }));
    return ARRIVED.has(journey.outcome.kind) ? Exit.OK : Exit.NO;
  },
};

function refuseAssumptions(args: Args, assumptions: readonly string[]): void {
  if (!args.flag('strict-inputs') || assumptions.length === 0) return;
  throw new LbtwinError('assumed-input', assumptions.join(' '), {
    allowed: 'objects and options that say it (--strict-inputs)',
  });
}

function replay(
  args: Args,
  io: Io,
  cluster: Cluster,
  captured: readonly CapturedFrame[],
  via: string,
  output: string,
  tell: () => void,
): number {
  const words = args.strings('random').map(Number);
  const rest = seededWords(args.integer('seed', 0, 0xffffffff) ?? 0);
  let drawn = 0;
  const random = (): number => words[drawn++] ?? rest();
  const frames = replayFrames(cluster, via, captured, random);
  tell();
  const config = cluster.resolved.origin;
  io.write(
    output === 'json'
      ? `${JSON.stringify(replayJson(config, via, frames), undefined, 2)}\n`
      : formatReplay(config, via, frames),
  );
  return frames.some(({ drop }) => drop !== undefined) ? Exit.NO : Exit.OK;
}

function spread(args: Args, io: Io, cluster: Cluster, spec: SendSpec, output: string, tell: () => void): number {
  if (output === 'mermaid' || args.string('pcap') !== undefined) {
    throw usageError('one packet is needed for a picture or a capture', '--from external:IP:PORT');
  }
  const ports = Array.from({ length: SPREAD_PORTS }, (_, i) => SPREAD_FROM + i);
  const counts = cluster.spread(spec, ports);
  tell();
  refuseAssumptions(args, cluster.assumptions);
  const answer = {
    config: cluster.resolved.origin,
    assumptions: cluster.assumptions,
    from: spec.from,
    to: spec.to,
    ports: SPREAD_PORTS,
    counts,
  };
  io.write(
    output === 'json' ? `${JSON.stringify(spreadJson(answer), undefined, 2)}\n` : formatSpread(answer, io.columns),
  );
  return [...counts.keys()].some((label) => /:\d+$/.test(label)) ? Exit.OK : Exit.NO;
}

export default command;
