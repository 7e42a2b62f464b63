import {
  type ConfigInput,
  configDataOf,
  diffConfigs,
  parseProfile,
  resolveConfig,
  type ResolvedConfig,
} from '../../config/index.ts';
import { formatConfigDiff } from '../../report/settings.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import type { Io } from '../io.ts';
import { outputOption } from '../options.ts';
import { readValuesFile } from '../settings.ts';

/** A side of the comparison: `defaults` in place of a file is what no configuration means. */
async function readSide(file: string, profile: ConfigInput['profile'], io: Io): Promise<ResolvedConfig> {
  const base: ConfigInput = profile === undefined ? {} : { profile };
  if (file === 'defaults') return resolveConfig(base);
  const source = await readValuesFile(file, io);
  if ('kind' in source.values || 'apiVersion' in source.values) {
    return resolveConfig({ ...base, configMap: { name: file, data: configDataOf(source.values) } });
  }
  return resolveConfig({ ...base, values: [source] });
}

const profileOf = (args: Args, name: string): ConfigInput['profile'] =>
  args.parsed(name, parseProfile) ?? args.parsed('profile', parseProfile);

const command: Command = {
  usage: ['A B [--profile P] [--profile-a P] [--profile-b P] [-o text|json]'],
  description: `Says in words what changes for traffic from one configuration to another, what that does to a live cluster, and which findings are
new. A and B are files with Helm values or a cilium-config ConfigMap; the word "defaults" stands for the Helm defaults
plus kubeProxyReplacement=true.`,
  options: {
    profile: { type: 'string', value: '1.18|1.17', help: 'the line of Cilium releases of both sides (default: 1.18)' },
    'profile-a': { type: 'string', value: '1.18|1.17', help: 'that of A, to compare versions' },
    'profile-b': { type: 'string', value: '1.18|1.17', help: 'that of B' },
    ...outputOption,
  },
  examples: [
    ['lbtwin config diff values-old.yaml values-new.yaml', 'a change of values'],
    ['lbtwin config diff defaults defaults --profile-a 1.17 --profile-b 1.18', 'what an upgrade changes'],
  ],
  exits: ['nothing differs', 'something differs'],
  async run(args, io) {
    const [a, b, ...more] = args.positionals;
    if (a === undefined || b === undefined || more.length > 0) throw usageError('two configurations are needed', 'A B');
    const before = await readSide(a, profileOf(args, 'profile-a'), io);
    const after = await readSide(b, profileOf(args, 'profile-b'), io);
    const diff = diffConfigs(before, after);
    if (args.choice('output', ['text', 'json']) === 'json') io.write(`${JSON.stringify(diff, undefined, 2)}\n`);
    else io.write(`A: ${before.origin}\nB: ${after.origin}\n\n${formatConfigDiff(diff)}`);
    return diff.settings.length + diff.derived.length === 0 ? Exit.OK : Exit.NO;
  },
};

export default command;
