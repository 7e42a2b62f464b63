import type { ObjectBatch } from '../../k8s/read.ts';
import {
  diffReach,
  partyName,
  type PolicyCluster,
  policyMatrix,
  type PolicyTraffic,
  trafficOfRules,
} from '../../policy/index.ts';
import { formatReachChanges, reachChangesJson } from '../../report/policy-matrix.ts';
import { trafficText } from '../../report/policy.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readFiles } from '../input.ts';
import type { Io } from '../io.ts';
import { outputOption } from '../options.ts';
import { policyClusterOf, policyOptions } from '../policy.ts';
import { partiesOf } from './policy-matrix.ts';

/** The objects of `-f`, and those of one side; of several by one name, the last counts. */
async function readSide(name: string, args: Args, io: Io): Promise<ObjectBatch> {
  return readFiles([...args.strings('file'), name], args.flag('strict'), io);
}

function bothTraffic(before: PolicyCluster, after: PolicyCluster): PolicyTraffic[] {
  const all = [before, after].flatMap((cluster) => trafficOfRules(cluster.engineOf('').rules, cluster));
  return [...new Map(all.map((traffic) => [trafficText(traffic), traffic])).values()];
}

const command: Command = {
  usage: ['OLD NEW [-f FILE...] [--with WHO]... [options]'],
  description: `Prints what connectivity a change of policies adds (+), removes (-) or treats in another way (~). OLD and NEW are files or
folders; what both have in common, such as pods and namespaces, can be given once with -f. Asked about are all pods, the world
and what --with adds, at every port that the rules of either side tell apart.`,
  options: {
    with: { type: 'string', multiple: true, value: 'WHO', help: 'another party: ip:ADDRESS, node:NAME, entity:NAME' },
    ...policyOptions,
    ...outputOption,
  },
  examples: [['lbtwin policy diff before/ after/ -f examples/policy.yaml', 'what a change would do']],
  exits: ['nothing changes', 'connectivity changes'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const [old, now, third] = args.positionals;
    if (old === undefined || now === undefined || third !== undefined)
      throw usageError('two sides are compared', 'OLD NEW');
    const before = await policyClusterOf(await readSide(old, args, io), args, io);
    const after = await policyClusterOf(await readSide(now, args, io), args, io);
    const extra = args.strings('with').length > 0 ? args.strings('with') : ['entity:world'];
    const traffic = bothTraffic(before.cluster, after.cluster);
    const [was, is] = [before, after].map(({ cluster }) => policyMatrix(cluster, partiesOf(cluster, extra), traffic));
    const changes = diffReach(was!, is!, partyName);
    if (output === 'json') {
      io.write(
        `${JSON.stringify({ configuration: after.origin, changes: reachChangesJson(changes) }, undefined, 2)}\n`,
      );
    } else {
      io.write(`${after.origin}\n${changes.length === 0 ? 'no connection changes\n' : formatReachChanges(changes)}`);
    }
    return changes.length === 0 ? Exit.OK : Exit.NO;
  },
};

export default command;
