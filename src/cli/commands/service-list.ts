import { listServices } from '../../report/agent/listed-services.ts';
import { formatServiceList, serviceListJson } from '../../report/agent/service-list.ts';
import { agentOutputOption, wantsJson, writeJson } from '../agent-output.ts';
import { type Command, Exit } from '../command.ts';
import { planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

const command: Command = {
  usage: ['-f FILE... --node NAME [options]'],
  description: `Prints the services that the agent of a node has after seeing these objects, byte for byte as the agent's own command prints
them, sorted by id. A NodePort is listed once, under its wildcard address; its entries per node address are in \`bpf lb list\`
(with profile 1.17 they are listed here too).`,
  options: { ...planeOptions, ...agentOutputOption },
  examples: [['lbtwin service list -f examples/shop.yaml --node worker-a1', 'the services of one node']],
  exits: ['printed', '(not used)'],
  async run(args, io) {
    const { plane } = await readPlane(args, io);
    const services = listServices(plane);
    if (wantsJson(args)) writeJson(serviceListJson(services), io);
    else io.write(formatServiceList(services));
    return Exit.OK;
  },
};

export default command;
