import { portUsage } from '../../nat/usage.ts';
import { parsePortRange } from '../../net/endpoint.ts';
import { readNatList } from '../../report/agent/read-nat-list.ts';
import { usageTable } from '../../report/nat-plan.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { inFile, readText } from '../files.ts';
import { outputOption } from '../options.ts';
import { probability } from '../probability.ts';

const command: Command = {
  usage: ['FILE [--probability P] [options]'],
  description: `How close a node is to running out of SNAT ports: reads what \`cilium-dbg bpf nat list\` printed (- is standard input) and computes, for every
destination with many ports in use, the chance that the next new flow finds none. A flow fails only if all ports that its search
visits are taken; destinations with fewer ports in use (16 for the default range) are left out.`,
  options: {
    probability: { type: 'string', value: 'P', help: 'accepted probability; exit code 1 if a destination is over it' },
    range: { type: 'string', value: 'A-B', help: 'ports for translation (default: 32768-65535)' },
    'source-ports': {
      type: 'string',
      value: 'A-B',
      help: 'source ports of new flows (default: 32768-60999, as Linux)',
    },
    top: { type: 'string', value: 'N', help: 'how many destinations to print (default: 20)' },
    ...outputOption,
  },
  examples: [
    [
      'kubectl -n kube-system exec ds/cilium -- cilium-dbg bpf nat list | lbtwin snat usage -',
      'the most endangered destinations of one node',
    ],
    ['lbtwin snat usage nat.txt --probability 0.001', 'exit code 1 if new flows to one of them may fail'],
  ],
  exits: ['answered; with --probability: no destination is over it', 'with --probability: one is'],
  async run(args, io) {
    const file = args.positional('file');
    if (file === undefined) throw usageError('no file is named', 'FILE, or - for standard input');
    const limit = args.parsed('probability', probability);
    const range = args.parsed('range', parsePortRange) ?? { min: 32_768, max: 65_535 };
    const source = args.parsed('source-ports', parsePortRange) ?? { min: 32_768, max: 60_999 };
    const top = args.integer('top', 1, 1_000_000) ?? 20;
    const json = args.choice('output', ['text', 'json'] as const) === 'json';
    const text = await readText(file, io);
    const entries = inFile(file, () => readNatList(text));
    const { destinations, harmless, fewestToFail } = portUsage(entries, range, source);
    const over = limit === undefined ? 0 : destinations.filter(({ fails }) => fails > limit).length;
    if (json) {
      const answer = {
        destinations: destinations.slice(0, top),
        more: Math.max(0, destinations.length - top),
        harmless,
        fewestToFail,
      };
      io.write(
        `${JSON.stringify({ ...answer, ...(limit === undefined ? {} : { probability: limit, over }) }, undefined, 2)}\n`,
      );
    } else {
      if (entries.length === 0) io.write('No entries: nothing is translated on this node.\n');
      if (destinations.length > 0) io.write(`${usageTable(destinations.slice(0, top))}\n`);
      if (destinations.length > top) io.write(`${destinations.length - top} more with less danger.\n`);
      if (harmless > 0)
        io.write(`${harmless} destinations with fewer than ${fewestToFail} ports in use: nothing can fail there.\n`);
      if (limit !== undefined) io.write(`${over} over the accepted probability of ${limit}.\n`);
    }
    return over > 0 ? Exit.NO : Exit.OK;
  },
};

export default command;
