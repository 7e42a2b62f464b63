import {
  type PolicyCluster,
  type PolicyParty,
  policyMatrix,
  type PolicyTraffic,
  trafficOfRules,
} from '../../policy/index.ts';
import { Protocol } from '../../net/index.ts';
import { formatMatrix, matrixJson, matrixMarkdown, matrixSvg } from '../../report/policy-matrix.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { parseIcmp, parseParty, parsePortText, policyOptions, readPolicyCluster } from '../policy.ts';

/** Pods in order of name, then nodes if the host firewall looks at them, then what --with adds. */
export function partiesOf(
  cluster: PolicyCluster,
  extra: readonly string[],
  namespaces: readonly string[] = [],
): PolicyParty[] {
  const pods = [...cluster.pods.keys()]
    .filter((name) => namespaces.length === 0 || namespaces.includes(name.split('/')[0]!))
    .sort();
  const nodes = cluster.config.hostFirewall === true ? [...cluster.objects.nodes.keys()].sort() : [];
  return [
    ...pods.map((name) => cluster.pod(name)),
    ...nodes.map((name) => cluster.node(name)),
    ...extra.map((text) => parseParty(text, cluster)),
  ];
}

function trafficOf(args: Args, cluster: PolicyCluster): PolicyTraffic[] {
  const given: PolicyTraffic[] = args.strings('port').map((text) => {
    const { port, proto } = parsePortText(text);
    if (typeof port === 'string') throw usageError(`--port ${text}: names differ from pod to pod`, 'a number');
    return { proto, port };
  });
  given.push(...args.strings('icmp').map((text) => parseIcmp(text, Protocol.ICMP)));
  return given.length > 0 ? given : trafficOfRules(cluster.engineOf('').rules, cluster);
}

const FORMATS = ['text', 'json', 'markdown', 'svg'] as const;

const command: Command = {
  usage: ['-f FILE... [--port PORT[/PROTO]]... [--with WHO]... [options]'],
  description: `Prints who reaches whom: one square for each port, a row for each source, a column for each destination, a letter for what
policy says and on which side. Without --port, the ports that the rules tell apart are taken. More than 24 parties are shown in
groups that policy treats the same (JSON always has each).`,
  options: {
    port: { type: 'string', multiple: true, value: 'PORT[/PROTO]', help: 'a port to ask about; may be repeated' },
    icmp: { type: 'string', multiple: true, value: 'TYPE[/CODE]', help: 'an ICMP message to ask about' },
    namespace: { type: 'string', multiple: true, value: 'NS', help: 'pods of this namespace only; may be repeated' },
    with: {
      type: 'string',
      multiple: true,
      value: 'WHO',
      help: 'another party: ip:ADDRESS, node:NAME, entity:NAME; may be repeated (default: entity:world)',
    },
    ...policyOptions,
    output: { type: 'string', short: 'o', value: FORMATS.join('|'), help: 'how to print the answer (default: text)' },
  },
  examples: [
    ['lbtwin policy matrix -f examples/policy.yaml --port 5432 --port 80', 'two ports'],
    ['lbtwin policy matrix -f examples/policy.yaml -o svg > matrix.svg', 'a heat map'],
  ],
  exits: ['printed', '(not used)'],
  async run(args, io) {
    const output = args.choice('output', FORMATS) ?? 'text';
    const { cluster, origin } = await readPolicyCluster(args, io);
    const extra = args.strings('with').length > 0 ? args.strings('with') : ['entity:world'];
    const matrix = policyMatrix(
      cluster,
      partiesOf(cluster, extra, args.strings('namespace')),
      trafficOf(args, cluster),
    );
    const print = {
      text: () => `${origin}\n${formatMatrix(matrix)}`,
      json: () => `${JSON.stringify({ configuration: origin, ...(matrixJson(matrix) as object) }, undefined, 2)}\n`,
      markdown: () => matrixMarkdown(matrix),
      svg: () => matrixSvg(matrix),
    };
    io.write(print[output]());
    return Exit.OK;
  },
};

export default command;
