import { checkIptables, checkStatus, type InstallCheck } from '../../install/index.ts';
import { formatInstallChecks } from '../../report/install.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readText } from '../files.ts';
import { outputOption, settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

const command: Command = {
  usage: ['[--iptables-save FILE] [--status FILE] [--values FILE...] [--config FILE] [-o text|json]'],
  description: `Looks at what a node says after the installation: that no rule of kube-proxy is left (iptables-save), and that the replacement is on
(cilium-dbg status --verbose), as the values want it where they are given.`,
  options: {
    'iptables-save': { type: 'string', value: 'FILE', help: 'output of iptables-save (or ip6tables-save) on a node' },
    status: { type: 'string', value: 'FILE', help: 'output of cilium-dbg status, best with --verbose' },
    ...settingsOptions,
    ...outputOption,
  },
  examples: [['lbtwin install check --iptables-save rules.txt --status status.txt --values values.yaml', 'both']],
  exits: ['everything is as it should be', 'something is not'],
  async run(args, io) {
    const rules = args.string('iptables-save');
    const status = args.string('status');
    if (rules === undefined && status === undefined) {
      throw usageError('there is nothing to look at', '--iptables-save FILE, --status FILE, or both');
    }
    const { resolved, sources } = await readSettings(args, io);
    const given = sources.length > 0 || args.string('config') !== undefined;
    const checks: InstallCheck[] = [
      ...(rules === undefined ? [] : checkIptables(await readText(rules, io))),
      ...(status === undefined ? [] : checkStatus(await readText(status, io), given ? resolved.config : undefined)),
    ];
    if (args.choice('output', ['text', 'json']) === 'json') io.write(`${JSON.stringify(checks, undefined, 2)}\n`);
    else io.write(formatInstallChecks(checks));
    return checks.every(({ good }) => good) ? Exit.OK : Exit.NO;
  },
};

export default command;
