import { basename } from 'node:path';
import { checkMountUnit } from '../../install/index.ts';
import { formatUnitFindings } from '../../report/install.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readText } from '../files.ts';
import { outputOption } from '../options.ts';

const command: Command = {
  usage: ['FILE [--name UNIT] [-o text|json]'],
  description: `Checks a systemd mount unit for the BPF file system: its name against Where=, keys that systemd ignores (what= in lower case), a
missing What= or Type=, a Type= that is no file system, paths that systemd mounts on its own.`,
  options: {
    name: { type: 'string', value: 'UNIT', help: "the unit's name, if the file is called otherwise" },
    ...outputOption,
  },
  examples: [['lbtwin mount-unit check /etc/systemd/system/sys-fs-bpf.mount', 'a unit in place']],
  exits: ['systemd takes it', 'it is refused, or does not mount'],
  async run(args, io) {
    const file = args.positional('file');
    if (file === undefined) throw usageError('no file is named', 'FILE');
    const text = await readText(file, io);
    const unit = args.string('name') ?? (file === '-' ? undefined : basename(file));
    const findings = checkMountUnit(text, unit);
    if (args.choice('output', ['text', 'json']) === 'json') io.write(`${JSON.stringify(findings, undefined, 2)}\n`);
    else io.write(formatUnitFindings(file, findings));
    return findings.some(({ severity }) => severity === 'error') ? Exit.NO : Exit.OK;
  },
};

export default command;
