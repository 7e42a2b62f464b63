import { agentOutputOption } from '../agent-output.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { compactOption, idsOf, writeMaglev } from '../maglev-tables.ts';
import { planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

const command: Command = {
  usage: ['ID|NS/NAME|ADDRESS:PORT[/PROTO] -f FILE... --node NAME [--compact] [options]'],
  description: `Prints the Maglev lookup table of a service: the backend id of every slot, as the agent's own command prints it. The service is
named by its id, by namespace and name (then all its tables are printed), or by a frontend's address. Frontends have a
table only if the algorithm is maglev and they can be reached from outside.`,
  options: { ...planeOptions, ...compactOption, ...agentOutputOption },
  examples: [
    ['lbtwin bpf lb maglev get 203.0.113.10:80 -f examples/shop.yaml --node worker-a1 --compact', 'who owns how much'],
  ],
  exits: ['there is a table', 'the service has no Maglev table'],
  async run(args, io) {
    const what = args.positional('service');
    if (what === undefined)
      throw usageError('no service is named', 'ID, NS/NAME or ADDRESS:PORT[/PROTO] right after `get`');
    const node = await readPlane(args, io);
    if (writeMaglev(node, idsOf(node, what), args, io)) return Exit.OK;
    io.warn(`lbtwin: ${what} has no Maglev table (algorithm ${node.resolved.config.algorithm})\n`);
    return Exit.NO;
  },
};

export default command;
