import { controlPlaneInit } from '../../k8s/from-config.ts';
import type { FlowQuestion } from '../../k8s/flow-question.ts';
import { selectFlow } from '../../k8s/select-flow.ts';
import { checkTableSize } from '../../maglev/sizes.ts';
import { LbtwinError } from '../../errors.ts';
import type { RawObject } from '../../k8s/raw.ts';
import { type Family, parseAddress } from '../../net/address.ts';
import { parseEndpoint, splitProtocol } from '../../net/endpoint.ts';
import { parseServiceProtocol } from '../../net/protocol.ts';
import { flowAnswerJson, formatFlowAnswer, isReached } from '../../report/select.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { checkObjects, readInput } from '../input.ts';
import { configOptions, inputOptions, nodeOption, outputOption } from '../options.ts';

type Client = Pick<FlowQuestion, 'client' | 'clientPort'>;

/** What `trace` takes as well: a client that the objects tell the address of. */
const NAMED = /^(?:pod|node):/;

/** `IP` or `IP:PORT`; an IPv6 address with a port is in brackets. */
function readClient(given: string): Client {
  const text = given.replace(/^external:/, '');
  const withPort = text.startsWith('[') || /^[^:]*:[^:]*$/.test(text);
  if (!withPort) return { client: parseAddress(text) };
  const { address, port } = parseEndpoint(text);
  return { client: address, clientPort: port };
}

async function namedClient(text: string, objects: readonly RawObject[], family: Family): Promise<Client> {
  const [{ parseParty }, topology] = await Promise.all([
    import('../../cluster/party.ts'),
    import('../../cluster/topology.ts'),
  ]);
  const party = parseParty(text, topology.readTopology(objects));
  const client =
    party.kind === 'external'
      ? party.address
      : party.kind === 'pod'
        ? topology.podAddress(party.pod, family)
        : topology.nodeAddress(party.node, family);
  if (client === undefined) {
    throw new LbtwinError('family-mismatch', `--from: ${text} has no IPv${family} address`, {
      allowed: `a client with one, or an IPv${family === 4 ? 6 : 4} destination`,
    });
  }
  return { client, clientPort: party.port };
}

function readDestination(text: string): Pick<FlowQuestion, 'to' | 'protocol'> {
  const [place, protocol] = splitProtocol(text);
  const to = parseEndpoint(place);
  return protocol === undefined ? { to } : { to, protocol: parseServiceProtocol(protocol) };
}

/** The question without its client. */
function readQuestion(args: Args): Omit<FlowQuestion, keyof Client> {
  args.required('from');
  args.required('to');
  if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
  return {
    ...args.parsed('to', readDestination)!,
    node: args.string('node'),
    algorithm: args.choice('algorithm', ['maglev', 'random'] as const),
    random: args.integer('random', 0, 0xffffffff),
  };
}

const command: Command = {
  usage: ['-f FILE... --from IP[:PORT] --to IP:PORT[/PROTO] [options]'],
  description: `Answers which backend Cilium's datapath picks for the first packet of a flow, bit for bit, and by which rule. --to is any
frontend: a LoadBalancer address, an external IP, a cluster IP, or a node's address with a NodePort. Without a port in --from
the answer is how the client's ports spread over the backends. Where the answer depends on the node (externalTrafficPolicy:
Local, zones), every node's is given unless --node names one.`,
  options: {
    ...inputOptions,
    from: {
      type: 'string',
      value: 'IP[:PORT]',
      help: 'the client; an IPv6 address with a port is [IP]:PORT; pod:NAMESPACE/NAME[:PORT] and node:NAME[:PORT] stand for their addresses',
    },
    to: { type: 'string', value: 'IP:PORT[/PROTO]', help: 'the destination; PROTO is TCP, UDP or SCTP' },
    ...nodeOption,
    algorithm: {
      type: 'string',
      value: 'maglev|random',
      help: 'pick by this algorithm, whatever the configuration says',
    },
    'table-size': { type: 'string', value: 'M', help: 'Maglev table size instead of the configured one' },
    'hash-seed': {
      type: 'string',
      value: 'S',
      help: 'Maglev hash seed (base64, 12 bytes) instead of the configured one',
    },
    random: {
      type: 'string',
      value: 'U32',
      help: 'the word that algorithm random draws; without it every candidate is listed',
    },
    ...configOptions,
    ...outputOption,
  },
  examples: [
    ['lbtwin select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.10:80', 'one connection'],
    [
      'lbtwin select -f examples/shop.yaml --from 198.51.100.7 --to 203.0.113.10:80',
      "how one client's connections spread",
    ],
    ['kubectl get svc,endpointslices,nodes,pods -A -o yaml | lbtwin select -f - --from … --to …', 'your own cluster'],
  ],
  exits: ['a backend was found', 'no such frontend, or no backend for the flow'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const asked = readQuestion(args);
    const from = args.required('from');
    const client = NAMED.test(from) ? undefined : args.parsed('from', readClient)!;
    const batch = await readInput(args, io);
    const { config, origin } = await readConfig(args, io, batch);
    const question = {
      ...asked,
      externalIpMitigation: !config.disableExternalIPMitigation,
      ...(client ?? (await namedClient(from, batch.objects, asked.to.address.family))),
    };
    const tableSize = args.integer('table-size', 1, 0x7fffffff);
    if (tableSize !== undefined) checkTableSize(tableSize);
    const hashSeed = args.string('hash-seed');
    const init = {
      ...controlPlaneInit(config),
      ...(tableSize === undefined ? {} : { maglevTableSize: tableSize }),
      ...(hashSeed === undefined ? {} : { maglevHashSeed: hashSeed }),
    };
    const answer = selectFlow(batch.objects, init, question);
    checkObjects(answer.report, batch, args, io);
    io.write(
      output === 'json'
        ? `${JSON.stringify(flowAnswerJson(origin, question, answer), undefined, 2)}\n`
        : formatFlowAnswer(origin, question, answer),
    );
    return isReached(answer) ? Exit.OK : Exit.NO;
  },
};

export default command;
