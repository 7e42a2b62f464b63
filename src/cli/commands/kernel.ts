import { checkKernel, parseKernelRelease } from '../../config/index.ts';
import { formatKernelReport } from '../../report/settings.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption, settingsOptions } from '../options.ts';
import { readSettings } from '../settings.ts';

const command: Command = {
  usage: ['--release VERSION [--values FILE...] [--set KEY=VALUE]... [--profile 1.18|1.17] [-o text|json]'],
  description: `Says whether a kernel is enough for a configuration: the minimum of the release line first, then each feature that the settings
use, and what falls back or refuses without it. Kernels of distributions have features of newer ones: below a version
the answer for them is "unknown", never "no".`,
  options: {
    release: { type: 'string', value: 'VERSION', help: 'what `uname -r` prints' },
    ...settingsOptions,
    ...outputOption,
  },
  examples: [['lbtwin kernel --release 5.4.0-150-generic --set kubeProxyReplacement=true', 'an Ubuntu kernel']],
  exits: ['the kernel has what is used', 'it lacks something, or that cannot be told'],
  async run(args, io) {
    const release = parseKernelRelease(args.required('release'));
    const { resolved } = await readSettings(args, io);
    const report = checkKernel(release, resolved.config);
    if (args.choice('output', ['text', 'json']) === 'json') {
      io.write(`${JSON.stringify({ origin: resolved.origin, ...report }, undefined, 2)}\n`);
    } else io.write(`${resolved.origin}\n${formatKernelReport(report)}`);
    return report.answer === 'yes' ? Exit.OK : Exit.NO;
  },
};

export default command;
