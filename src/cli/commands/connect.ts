import { connectSocket, type ConnectQuestion, laterStatus, parseTarget, type Target } from '../../cluster/index.ts';
import { parseEndpoint } from '../../net/endpoint.ts';
import { connectJson, formatConnect } from '../../report/connect.ts';
import { type Args, usageError } from '../args.ts';
import { readCluster, tellRefusals } from '../cluster-input.ts';
import { type Command, Exit } from '../command.ts';
import { readFiles } from '../input.ts';
import { configOptions, inputOptions, outputOption } from '../options.ts';

const UDP_LITE = 136;

/** A destination; UDP-Lite is no protocol of services, but applications have it. */
function readTarget(text: string): Target {
  const lite = /^(.*)\/UDP-?LITE$/i.exec(text);
  return lite === null ? parseTarget(text) : { ...parseEndpoint(lite[1]!), protocol: UDP_LITE };
}

const U64 = /^\d{1,20}$/;

function readCookie(args: Args, name: string): string | undefined {
  const text = args.string(name);
  if (text !== undefined && !U64.test(text))
    throw usageError(`--${name}: ${JSON.stringify(text)} is not a u64`, '0..2^64-1');
  return text;
}

/** Who calls, in the words of `trace`: `pod:shop/web` or `node:worker-1`. */
function readFrom(args: Args): { pod?: string; node?: string } {
  const from = args.string('from');
  if (from === undefined) return {};
  const beside = ['pod', 'node', 'host'].find((name) => args.strings(name).length > 0);
  if (beside !== undefined) throw usageError(`--from and --${beside} both say who calls`, 'one of them');
  const match = /^(pod|node):(.+)$/.exec(from);
  if (match === null) {
    throw usageError(
      `--from: ${JSON.stringify(from)} is no caller inside the cluster`,
      'pod:NAMESPACE/NAME or node:NAME',
    );
  }
  return { [match[1]!]: match[2]! };
}

function readQuestion(args: Args): ConnectQuestion {
  args.required('to');
  const from = readFrom(args);
  const pod = args.string('pod') ?? from.pod;
  const node = args.string('node') ?? from.node;
  if (pod !== undefined && args.flag('host')) throw usageError('--pod and --host exclude each other');
  if (pod === undefined && node === undefined && args.flag('host')) {
    throw usageError('--host: of which node?', '--node NAME with it');
  }
  if (pod === undefined && node === undefined) {
    throw usageError('who calls?', '--pod NAMESPACE/NAME, or --node NAME for the host namespace of a node');
  }
  return {
    to: args.parsed('to', readTarget)!,
    pod: pod === undefined || pod.includes('/') ? pod : `default/${pod}`,
    node,
    sendTo: args.flag('udp-sendto'),
    socketCookie: readCookie(args, 'socket-cookie'),
    netnsCookie: readCookie(args, 'netns-cookie'),
    random: args.integer('random', 0, 0xffffffff),
  };
}

const command: Command = {
  usage: [
    '-f FILE... --pod NAMESPACE/NAME --to IP:PORT[/PROTO] [options]',
    '-f FILE... --node NAME [--host] --to IP:PORT[/PROTO] [options]',
  ],
  description: `Answers what an application inside the cluster reaches with connect(), or with sendto() on a UDP socket: the backend that the socket
programs of its node put in place of the service's address, what getpeername() shows, and what is written to the maps; or the
errno and why. With --after the socket is looked at again after the cluster has become what other files say: a UDP socket
that stays with a dead backend is told.`,
  options: {
    ...inputOptions,
    pod: { type: 'string', value: 'NS/NAME', help: 'the pod whose application calls' },
    node: { type: 'string', value: 'NAME', help: 'the node; without --pod its host namespace calls' },
    from: { type: 'string', value: 'WHO', help: 'who calls as trace says it: pod:NAMESPACE/NAME or node:NAME' },
    host: { type: 'boolean', help: 'the host namespace of --node calls (that is so without --pod)' },
    to: {
      type: 'string',
      value: 'IP:PORT[/PROTO]',
      help: 'the destination; PROTO is TCP (default), UDP, SCTP or UDPLITE; IP/ICMP',
    },
    'udp-sendto': { type: 'boolean', help: 'sendto() on an unconnected UDP socket instead of connect()' },
    random: { type: 'string', value: 'U32', help: 'the word that TCP draws; without it every candidate is listed' },
    'socket-cookie': {
      type: 'string',
      value: 'U64',
      help: "the socket's cookie, by which UDP chooses; without it every candidate is listed",
    },
    'netns-cookie': {
      type: 'string',
      value: 'U64',
      help: "the network namespace's cookie, by which session affinity goes",
    },
    after: {
      type: 'string',
      rest: true,
      value: 'FILE...',
      help: 'the objects as they are later: how does the socket stand then?',
    },
    ...configOptions,
    ...outputOption,
  },
  examples: [
    ['lbtwin connect -f examples/shop.yaml --pod shop/debug --to 10.96.20.10:80', 'a pod calls a ClusterIP'],
    [
      'lbtwin connect -f examples/shop.yaml --pod shop/debug --to 10.96.0.10:53/UDP --socket-cookie 7',
      'which DNS server a UDP socket gets',
    ],
    [
      'lbtwin connect -f examples/shop.yaml --node worker-b2 --to 127.0.0.1:30080',
      'the host calls a NodePort on loopback',
    ],
    [
      'lbtwin connect -f before.yaml --pod shop/debug --to 10.96.0.10:53/UDP --socket-cookie 7 --after after.yaml',
      'is the socket stuck after a rollout?',
    ],
  ],
  exits: ['the call succeeds', 'it fails with an errno, or with --after the socket is stuck'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const question = readQuestion(args);
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const { cluster, batch } = await readCluster(args, io);
    const answer = connectSocket(cluster, question);
    tellRefusals(cluster, batch, args, io);
    let later;
    if (args.flag('after')) {
      if (answer.chosenBy !== undefined) {
        throw usageError(
          '--after needs a socket that has chosen',
          answer.chosenBy === 'random' ? '--random U32' : '--socket-cookie U64',
        );
      }
      const after = await readFiles(args.strings('after'), args.flag('strict'), io);
      const key = (object: (typeof after.objects)[number]): string =>
        `${object.kind} ${object.metadata.namespace ?? ''}/${object.metadata.name}`;
      const kept = new Set(after.objects.map(key));
      // Only what the second dump has kinds of can have gone: a dump without Nodes does not take the nodes away.
      const kinds = new Set(after.objects.map(({ kind }) => kind));
      const gone = batch.objects.filter((object) => kinds.has(object.kind) && !kept.has(key(object)));
      cluster.remove(
        gone.map(({ kind, metadata }) => ({
          kind,
          name: metadata.name,
          ...(metadata.namespace === undefined ? {} : { namespace: metadata.namespace }),
        })),
      );
      cluster.apply(after.objects);
      later = laterStatus(cluster, answer);
    }
    const { origin } = cluster.resolved;
    io.write(
      output === 'json'
        ? `${JSON.stringify(connectJson(cluster, origin, answer, later), undefined, 2)}\n`
        : formatConnect(cluster, origin, answer, later),
    );
    return answer.result.errno === 'OK' && later?.status?.stuck !== true ? Exit.OK : Exit.NO;
  },
};

export default command;
