import { mountUnit } from '../../install/index.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';

const command: Command = {
  usage: ['PATH'],
  description: `Prints a systemd mount unit for the BPF file system at a path, with the file name that systemd demands for it (on standard error, or
in the first line as a comment).`,
  options: { name: { type: 'boolean', help: "print the unit's name only" } },
  examples: [['lbtwin mount-unit /mnt/bpf > "$(lbtwin mount-unit --name /mnt/bpf)"', 'write the unit under its name']],
  exits: ['printed', '(not used)'],
  run(args, io) {
    const path = args.positional('path');
    if (path === undefined) throw usageError('no path is named', 'PATH');
    const { name, text, warnings } = mountUnit(path);
    io.write(args.flag('name') ? `${name}\n` : `# ${name}\n${text}`);
    for (const warning of warnings) io.warn(`lbtwin: ${warning}\n`);
    return Exit.OK;
  },
};

export default command;
