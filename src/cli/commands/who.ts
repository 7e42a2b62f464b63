import { parseHashSeed } from '../../hash/seed.ts';
import { clientPorts, type ReachingFrontend, type SelectionSettings, whoReaches } from '../../lb/who.ts';
import { type IpAddress, parseAddress } from '../../net/address.ts';
import { formatEndpoint, formatL4Address, parseL4Address, parsePortRange } from '../../net/endpoint.ts';
import { Protocol } from '../../net/protocol.ts';
import { backendStateName, rangesOf, rangesSize, rangesText, whoTable } from '../../report/who.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption, planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

/** Ranges of ports or slots that are printed without `--all`. */
const SHOWN = 12;

interface Question {
  readonly client: IpAddress | undefined;
  readonly ports: { readonly min: number; readonly max: number };
  readonly protocol: number;
}

function readQuestion(args: Args, protocol: number): Question {
  return {
    client: args.parsed('from', parseAddress),
    ports: args.parsed('ports', parsePortRange) ?? { min: 1024, max: 65_535 },
    protocol: protocol === Protocol.ANY ? Protocol.TCP : protocol,
  };
}

function portsOf(one: ReachingFrontend, question: Question, settings: SelectionSettings): [number, number][] {
  const { client, ports, protocol } = question;
  return client === undefined ? [] : clientPorts(one, client, ports.min, ports.max, protocol, settings);
}

const command: Command = {
  usage: ['-f FILE... --backend IP:PORT[/PROTO] --node NAME [--from IP [--ports A-B]] [--slots] [options]'],
  description: `The question of select the other way round: from which frontends do new flows reach a backend, with which share, and, given a
client's address, from which of its ports. With Maglev that is fixed: the same ports reach the same backend on every node with
the same backends. Sockets inside the cluster pick at random whatever the algorithm is, so their ports tell nothing.`,
  options: {
    backend: {
      type: 'string',
      value: 'IP:PORT[/PROTO]',
      help: 'the backend, usually a pod; PROTO is TCP, UDP or SCTP',
    },
    from: { type: 'string', value: 'IP', help: 'a client: which of its ports reach the backend' },
    ports: { type: 'string', value: 'A-B', help: 'client ports to try (default: 1024-65535)' },
    slots: { type: 'boolean', help: 'list the slots of the Maglev table' },
    all: { type: 'boolean', help: `list all ports and slots, not the first ${SHOWN} ranges` },
    ...planeOptions,
    ...outputOption,
  },
  examples: [
    ['lbtwin who -f examples/shop.yaml --node worker-a1 --backend 10.244.4.12:8080', 'every way to a pod'],
    [
      'lbtwin who -f examples/shop.yaml --node worker-a1 --backend 10.244.4.12:8080 --from 198.51.100.7',
      'client ports for a test that has to hit this pod',
    ],
  ],
  exits: ['new flows can reach the backend', 'they cannot, or there is no such backend'],
  async run(args, io) {
    args.required('backend');
    const json = args.choice('output', ['text', 'json'] as const) === 'json';
    const backend = args.parsed('backend', (text) => parseL4Address(text, Protocol.ANY))!;
    const question = readQuestion(args, backend.protocol);
    if (question.client !== undefined && question.client.family !== backend.address.family) {
      throw usageError('--from and --backend are of different families');
    }
    const { plane, resolved, inventory } = await readPlane(args, io);
    const { config, origin } = resolved;
    const seeds = parseHashSeed(config.maglevHashSeed);
    const settings: SelectionSettings = {
      algorithm: config.algorithm,
      algorithmAnnotation: config.algorithmAnnotation,
      hashSeed4: seeds.jhash4,
      hashSeed6: seeds.jhash6,
    };
    const list = whoReaches(plane.maps, backend, settings);
    const reached = list.some(({ share }) => share > 0);
    if (json) {
      const frontends = list.map((one) => ({
        ...one,
        frontend: formatL4Address(one.frontend),
        backendState: backendStateName(one.backendState),
        ports: portsOf(one, question, settings),
      }));
      const answer = { configuration: origin.replace(/^configuration: /, ''), backend: formatEndpoint(backend) };
      io.write(
        `${JSON.stringify({ ...answer, pod: inventory.podOf(backend.address)?.name, frontends }, undefined, 2)}\n`,
      );
      return reached ? Exit.OK : Exit.NO;
    }
    io.write(`${origin}\n\n`);
    if (list.length === 0) {
      io.write(`${formatEndpoint(backend)}: no service of this node has this backend\n`);
      return Exit.NO;
    }
    const pod = inventory.podOf(backend.address)?.name;
    const state = backendStateName(list[0]!.backendState);
    io.write(`${formatEndpoint(backend)}  ${pod === undefined ? '' : `${pod}  `}${state}\n\n${whoTable(list)}`);
    const most = args.flag('all') ? Infinity : SHOWN;
    for (const one of list) {
      const lines = [];
      if (args.flag('slots') && one.tableSlots.length > 0) {
        lines.push(`  slots  ${rangesText(rangesOf(one.tableSlots), most)}`);
      }
      const ports = portsOf(one, question, settings);
      if (question.client !== undefined && one.algorithm === 'maglev') {
        lines.push(`  ports  ${rangesSize(ports)}: ${rangesText(ports, most) || 'none'}`);
      }
      if (lines.length > 0) io.write(`\n${formatL4Address(one.frontend)}\n${lines.join('\n')}\n`);
    }
    return reached ? Exit.OK : Exit.NO;
  },
};

export default command;
