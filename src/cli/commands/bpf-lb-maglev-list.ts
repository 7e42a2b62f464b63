import { agentOutputOption } from '../agent-output.ts';
import { type Command, Exit } from '../command.ts';
import { compactOption, writeMaglev } from '../maglev-tables.ts';
import { planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

const command: Command = {
  usage: ['-f FILE... --node NAME [--compact] [options]'],
  description: `Prints the Maglev lookup tables of all services: the backend id of every slot, as the agent's own command prints them.`,
  options: { ...planeOptions, ...compactOption, ...agentOutputOption },
  examples: [['lbtwin bpf lb maglev list -f examples/shop.yaml --node worker-a1 --compact', 'all tables in short']],
  exits: ['there are tables', 'no service has a Maglev table'],
  async run(args, io) {
    const node = await readPlane(args, io);
    if (writeMaglev(node, undefined, args, io)) return Exit.OK;
    io.warn(`lbtwin: no service has a Maglev table (algorithm ${node.resolved.config.algorithm})\n`);
    return Exit.NO;
  },
};

export default command;
