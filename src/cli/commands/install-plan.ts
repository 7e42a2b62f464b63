import { planInstall } from '../../install/index.ts';
import { formatInstallPlan } from '../../report/install.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption, settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

const command: Command = {
  usage: [
    '[--values FILE...] [--set KEY=VALUE]... [--node-ip IP] [--existing] [--crio] [--profile 1.18|1.17] [-o text|json]',
  ],
  description: `Prints the ordered steps to a kubeadm cluster without kube-proxy for these values: the kernel, the node's address, the phase to skip
or what kube-proxy leaves behind, the API server's address, mounts, the installation, and how to see that each worked.`,
  options: {
    ...settingsOptions,
    'node-ip': { type: 'string', value: 'IP', help: "nodes have several addresses: this is the first node's" },
    existing: { type: 'boolean', help: 'the cluster is there, with kube-proxy' },
    crio: { type: 'boolean', help: 'the container runtime is CRI-O' },
    ...outputOption,
  },
  examples: [['lbtwin install plan --values values.yaml --node-ip 192.0.2.10', 'a new cluster']],
  exits: ['nothing is in the way', 'the values have problems'],
  async run(args, io) {
    const { resolved, merged } = await readSettings(args, io);
    const nodeIp = args.string('node-ip');
    const plan = planInstall(resolved, merged, {
      existing: args.flag('existing'),
      crio: args.flag('crio'),
      valuesFiles: args.strings('values'),
      ...(nodeIp === undefined ? {} : { nodeIp }),
    });
    if (args.choice('output', ['text', 'json']) === 'json') io.write(`${JSON.stringify(plan, undefined, 2)}\n`);
    else io.write(`${resolved.origin}\n\n${formatInstallPlan(plan)}`);
    return plan.problems.length === 0 ? Exit.OK : Exit.NO;
  },
};

export default command;
