import { explainOption, parseProfile } from '../../config/index.ts';
import { formatExplanation } from '../../report/settings.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';

const command: Command = {
  usage: ['OPTION... [--profile 1.18|1.17] [-o text|json]'],
  description: `Explains a setting by its Helm value, ConfigMap key or agent flag: what it is called in each place, its defaults per version, when
the chart writes it, what it changes in the datapath, and which combinations are refused. The name of a group
(maglev, socketLB) explains all in it.`,
  options: {
    profile: { type: 'string', value: '1.18|1.17', help: 'only the defaults of this line of releases' },
    ...outputOption,
  },
  examples: [
    ['lbtwin config explain loadBalancer.mode', 'the forwarding mode'],
    ['lbtwin config explain bpf-lb-maglev-table-size', 'the same by a ConfigMap key'],
  ],
  exits: ['explained', '(not used)'],
  run(args, io) {
    if (args.positionals.length === 0)
      throw usageError('no option is named', 'a Helm value, ConfigMap key or agent flag');
    const profile = args.parsed('profile', parseProfile);
    const options = args.positionals.flatMap(explainOption);
    if (args.choice('output', ['text', 'json']) === 'json') {
      const plain = options.map(({ checks, ...option }) => ({
        ...option,
        checks: checks.map(({ code, severity, rule }) => ({ code, severity, rule })),
      }));
      io.write(`${JSON.stringify(plain, undefined, 2)}\n`);
    } else io.write(options.map((option) => formatExplanation(option, profile)).join('\n'));
    return Exit.OK;
  },
};

export default command;
