import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LbtwinError } from '../../errors.ts';
import { type CniDirectory, cniSettingsOf, planCni } from '../../install/index.ts';
import { cniPlanJson, formatCniPlan } from '../../report/install.ts';
import { type Command, Exit } from '../command.ts';
import { readText } from '../files.ts';
import { outputOption, settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

/** The plain files of a folder; a dry run reads them and writes nothing. */
function readDirectory(dir: string): CniDirectory {
  try {
    const names = readdirSync(dir).filter((name) => statSync(join(dir, name)).isFile());
    return new Map(names.map((name) => [name, readFileSync(join(dir, name), 'utf8')]));
  } catch (cause) {
    throw new LbtwinError('unreadable-folder', `${dir}: ${cause instanceof Error ? cause.message : 'cannot be read'}`, {
      allowed: "a copy of a node's /etc/cni/net.d",
      cause,
    });
  }
}

const command: Command = {
  usage: ['[--values FILE...] [--set KEY=VALUE]... [--config FILE] [--dir FOLDER] [--cni-config FILE] [-o text|json]'],
  description: `Shows the CNI configuration that the agent would write with these settings, and what would become of the other files of the
directory. Nothing is written: --dir names a copy of a node's CNI directory to read.`,
  options: {
    ...settingsOptions,
    dir: { type: 'string', value: 'FOLDER', help: 'a copy of the CNI directory of a node (default: an empty one)' },
    'cni-config': {
      type: 'string',
      value: 'FILE',
      help: 'the content behind read-cni-conf (cni.configMap, cni.readCniConf)',
    },
    ...outputOption,
  },
  examples: [
    ['lbtwin cni render', 'the default'],
    ['lbtwin cni render --set cni.chainingTarget=k8s-pod-network --dir net.d/', 'Cilium behind Calico'],
  ],
  exits: ['a configuration is written, or none is managed', 'the agent could not write one'],
  async run(args, io) {
    const { resolved } = await readSettings(args, io);
    const dir = args.string('dir');
    const file = args.string('cni-config');
    const content = file === undefined ? undefined : await readText(file, io);
    const directory = dir === undefined ? new Map<string, string>() : readDirectory(dir);
    const plan = planCni(cniSettingsOf(resolved.config), directory, () => content);
    if (args.choice('output', ['text', 'json']) === 'json') {
      io.write(`${JSON.stringify(cniPlanJson(plan), undefined, 2)}\n`);
    } else io.write(formatCniPlan(plan));
    return plan.error === undefined ? Exit.OK : Exit.NO;
  },
};

export default command;
