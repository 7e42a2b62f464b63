import { lbBackends, lbFrontends, lbList, lbReverseNat, lbSourceRanges } from '../../report/agent/lb-maps.ts';
import { agentOutputOption, writeListing } from '../agent-output.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

const VIEWS = ['frontends', 'backends', 'revnat', 'source-ranges'] as const;

const command: Command = {
  usage: ['-f FILE... --node NAME [--frontends|--backends|--revnat|--source-ranges] [options]'],
  description: `Prints the load-balancing maps that the agent of a node writes for these objects, byte for byte as the agent's own command
prints them. The agent lists its maps in random order; here they come in order of their keys.`,
  options: {
    ...planeOptions,
    frontends: { type: 'boolean', help: 'the service map with its values as they are' },
    backends: { type: 'boolean', help: 'the backend map' },
    revnat: { type: 'boolean', help: 'the reverse NAT map' },
    'source-ranges': { type: 'boolean', help: 'the source range maps' },
    ...agentOutputOption,
  },
  examples: [
    ['lbtwin bpf lb list -f examples/shop.yaml --node worker-a1', 'services with their backends'],
    ['lbtwin bpf lb list -f examples/shop.yaml --node worker-a1 --source-ranges', 'who may reach which service'],
  ],
  exits: ['printed', '(not used)'],
  async run(args, io) {
    const [view, second] = VIEWS.filter((name) => args.flag(name));
    if (second !== undefined) throw usageError(`--${view} and --${second} exclude each other`);
    const { plane, resolved } = await readPlane(args, io);
    const { maps } = plane;
    const zones = new Map(Object.entries(resolved.config.fixedZoneMapping).map(([name, id]) => [id, name]));
    const listing = {
      frontends: () => lbFrontends(maps),
      backends: () => lbBackends(maps, zones),
      revnat: () => lbReverseNat(maps),
      'source-ranges': () => lbSourceRanges(maps),
      all: () => lbList(maps),
    }[view ?? 'all']();
    writeListing(listing, args, io);
    return Exit.OK;
  },
};

export default command;
