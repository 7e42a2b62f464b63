import { formatConfigData, formatConfigFinding } from '../../report/settings.ts';
import { type Command, Exit } from '../command.ts';
import { settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

const command: Command = {
  usage: ['[--values FILE...] [--set KEY=VALUE]... [--config FILE] [--profile 1.18|1.17] [-o yaml|json]'],
  description: `Prints the part of the cilium-config ConfigMap that the chart writes for these values: load balancing, socket LB, Maglev, NodePort,
conntrack sizes, CNI, BPF and cgroup mounts, routing, policy. What the chart or the agent would refuse, and known
traps, are told on standard error.`,
  options: {
    ...settingsOptions,
    output: {
      type: 'string',
      short: 'o',
      value: 'yaml|json',
      help: 'a ConfigMap in YAML (default), or everything in JSON',
    },
  },
  examples: [
    ['lbtwin config render --values values.yaml --set loadBalancer.algorithm=maglev', 'the ConfigMap'],
    ['lbtwin config render --profile 1.17', 'what an untouched 1.17 chart with kubeProxyReplacement=true writes'],
  ],
  exits: ['rendered, and chart and agent accept it', 'the chart or the agent refuses it'],
  async run(args, io) {
    const { resolved } = await readSettings(args, io);
    const { data, findings, origin, config, disagreements } = resolved;
    if (args.choice('output', ['yaml', 'json']) === 'json') {
      io.write(`${JSON.stringify({ origin, data, config, findings, disagreements }, undefined, 2)}\n`);
    } else {
      io.write(`# ${origin}\n`);
      if (Object.keys(data).length > 0) io.write(formatConfigData(data));
      for (const finding of findings) io.warn(formatConfigFinding(finding));
    }
    return findings.some(({ severity }) => severity === 'error') ? Exit.NO : Exit.OK;
  },
};

export default command;
