import { annotateFlows, ObservedServices, readHubble } from '../../cluster/index.ts';
import { formatHubble, hubbleJsonLines } from '../../report/hubble.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { inFile, readText } from '../files.ts';
import { checkObjects, readInput } from '../input.ts';
import { configOptions, inputOptions } from '../options.ts';

const command: Command = {
  usage: ['FLOWS -f FILE... [--check] [options]'],
  description: `Reads Hubble's flow JSON (one object a line, - is standard input) and says of each flow which service it belongs to, which side of
the translation it shows, whether the objects allow the backend that was reached and, where Maglev decides, whether it is the
one that the twin computes. Frontend and backend of a connection are in different flows: those of one socket call or of one
client port are put together. What that does not settle is undecided, and the reason is told.`,
  options: {
    ...inputOptions,
    check: { type: 'boolean', help: 'exit code 1 if a flow does not fit the objects' },
    ...configOptions,
    output: {
      type: 'string',
      short: 'o',
      value: 'text|json',
      help: 'how to print the answer: json is one line for each flow and one with the summary (default: text)',
    },
  },
  examples: [
    ['hubble observe -o jsonpb --last 1000 | lbtwin hubble - -f dump.yaml', 'which services the last flows belong to'],
    ['lbtwin hubble examples/flows.jsonl -f examples/shop.yaml --check', 'flows that do not fit, for CI'],
  ],
  exits: [
    'the flows are annotated',
    'there is no flow in the input; with --check also: a flow does not fit the objects',
  ],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const name = args.positional('file of flows');
    if (name === undefined) throw usageError('the flows are missing', 'a file of `hubble observe -o jsonpb`, or -');
    if (name === '-' && args.strings('file').includes('-')) {
      throw usageError('standard input is one thing, the flows or the objects', 'a file for one of them');
    }
    const batch = await readInput(args, io);
    const { config, origin } = await readConfig(args, io, batch);
    const text = await readText(name, io);
    const { flows, others, lost } = inFile(name, () => readHubble(text));
    const source = name === '-' ? 'standard input' : name;
    if (flows.length === 0) {
      io.warn(`lbtwin: ${source} has no flow\n`);
      return Exit.NO;
    }
    const services = new ObservedServices(batch.objects, config);
    checkObjects(services.report, batch, args, io);
    const report = { config: origin, source, flows: annotateFlows(flows, services), others, lost };
    io.write(output === 'json' ? hubbleJsonLines(report) : formatHubble(report));
    return args.flag('check') && report.flows.some(({ status }) => status === 'mismatch') ? Exit.NO : Exit.OK;
  },
};

export default command;
