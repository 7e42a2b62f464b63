import { accessScenario, accessSteps, checkIptables, checkStatus, type InstallCheck } from '../../install/index.ts';
import { formatInstallChecks } from '../../report/install.ts';
import { type Args, usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readText } from '../files.ts';
import { readInput } from '../input.ts';
import type { Io } from '../io.ts';
import { outputOption, settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

async function writeAccess(args: Args, io: Io): Promise<number> {
  const { objects } = await readInput(args, io);
  const { resolved, merged, sources } = await readSettings(args, io);
  const [node, service] = [args.string('node'), args.string('service')];
  const steps = accessSteps(objects, resolved.config, {
    ...(node === undefined ? {} : { node }),
    ...(service === undefined ? {} : { service }),
  });
  const configMap = args.string('config');
  const settings = {
    ...(sources.length === 0 ? {} : { values: merged.given }),
    ...(configMap === undefined ? {} : { configMap }),
  };
  io.write(accessScenario(steps, args.strings('file'), settings));
  return Exit.OK;
}

const command: Command = {
  usage: [
    '[--iptables-save FILE] [--status FILE] [--values FILE...] [--config FILE] [-o text|json]',
    '--access -f FILE... [--node NAME] [--service NS/NAME] [--values FILE...] [--config FILE]',
  ],
  description: `Looks at what a node says after the installation: that no rule of kube-proxy is left (iptables-save), and that the replacement is on
(cilium-dbg status --verbose), as the values want it where they are given. With --access it writes a scenario file that
lbtwin run executes: every service by its ClusterIP, by NodePort at the node's address and on loopback.`,
  options: {
    'iptables-save': { type: 'string', value: 'FILE', help: 'output of iptables-save (or ip6tables-save) on a node' },
    status: { type: 'string', value: 'FILE', help: 'output of cilium-dbg status, best with --verbose' },
    access: { type: 'boolean', help: 'write the access checks as a scenario file' },
    file: { type: 'string', short: 'f', rest: true, value: 'FILE...', help: 'Kubernetes objects, for --access' },
    strict: { type: 'boolean', help: 'refuse everything if one object is broken' },
    node: { type: 'string', value: 'NAME', help: 'the node that asks, for --access (default: the first one)' },
    service: { type: 'string', value: 'NS/NAME', help: 'only this service, for --access' },
    ...settingsOptions,
    ...outputOption,
  },
  examples: [['lbtwin install check --iptables-save rules.txt --status status.txt --values values.yaml', 'both']],
  exits: ['everything is as it should be', 'something is not'],
  async run(args, io) {
    if (args.flag('access')) return writeAccess(args, io);
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
