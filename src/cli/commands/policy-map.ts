import { formatPolicyMap, policyRows } from '../../report/agent/policy-map.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';
import { parseParty, policyOptions, readPolicyCluster } from '../policy.ts';

const command: Command = {
  usage: ['--pod NS/NAME -f FILE... [options]', '--node NAME -f FILE... [options]'],
  description: `Prints the policy map of a pod (or of a node's host, with the host firewall on) as the agent resolves it, in the style of
\`cilium-dbg bpf policy get\`: one line for each entry, identities told by their labels.`,
  options: {
    pod: { type: 'string', value: 'NS/NAME', help: 'whose map' },
    node: { type: 'string', value: 'NAME', help: "the map of this node's host" },
    numeric: { type: 'boolean', short: 'n', help: 'print identities as numbers' },
    ...policyOptions,
    ...outputOption,
  },
  examples: [['lbtwin policy map --pod shop/db -f examples/policy.yaml', 'who may reach the database']],
  exits: ['printed', "the entries depend on the order of the agent's rules"],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const [pod, node] = [args.string('pod'), args.string('node')];
    if ((pod === undefined) === (node === undefined)) throw usageError('whose map?', '--pod NS/NAME or --node NAME');
    const { cluster, origin } = await readPolicyCluster(args, io);
    const party = parseParty(pod === undefined ? `node:${node}` : `pod:${pod}`, cluster);
    const engine = cluster.engineOf(cluster.nodeOf(party));
    const policy = engine.policyOf(cluster.endpointOf(party)!);
    const rows = policyRows(policy, (identity) => engine.identities.labelsOf(identity));
    if (policy.missing > 0)
      io.warn(`lbtwin: ${policy.missing} entries find no room in the map of ${policy.map.maxEntries}\n`);
    for (const direction of policy.orderDependent) {
      io.warn(
        `lbtwin: ${direction}: ${policy.direction(direction).states.length} different results are possible, by the order in which the agent takes rules with authentication; the first is shown\n`,
      );
    }
    if (output === 'json') {
      const { ingressEnforced, egressEnforced, redirects, orderDependent } = policy;
      const answer = {
        configuration: origin,
        ingressEnforced,
        egressEnforced,
        orderDependent,
        redirects,
        entries: rows,
      };
      io.write(`${JSON.stringify(answer, undefined, 2)}\n`);
    } else io.write(formatPolicyMap(rows, args.flag('numeric')));
    return policy.orderDependent.length === 0 ? Exit.OK : Exit.NO;
  },
};

export default command;
