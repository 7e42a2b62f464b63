import { formatUsage, fullest, lbUsage } from '../../report/lb-usage.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption, planeOptions } from '../options.ts';
import { readPlane } from '../plane.ts';

/** `80%` or `80`: a share 0..1. */
function readShare(text: string): number {
  const match = /^(\d{1,3}(?:\.\d+)?)\s*%?$/.exec(text);
  const share = match === null ? Number.NaN : Number(match[1]) / 100;
  if (share >= 0 && share <= 1) return share;
  throw usageError(`${JSON.stringify(text)} is not a share`, '0%..100%');
}

const command: Command = {
  usage: ['-f FILE... --node NAME [--limit PERCENT] [options]'],
  description: `Counts what these objects take of a node's load-balancing maps and service ids, and which services take most of it: a frontend
costs an id, a reverse NAT entry and a service entry, and another entry for each of its backends; a NodePort is a frontend for
itself and for each address of the node, twice if its policies differ. With --limit for a budget in CI.`,
  options: {
    ...planeOptions,
    limit: { type: 'string', value: 'PERCENT', help: 'exit code 1 if a map is fuller than this (default: 100%)' },
    top: { type: 'string', value: 'N', help: 'how many services to list (default: 5)' },
    ...outputOption,
  },
  examples: [
    ['lbtwin bpf lb usage -f examples/shop.yaml --node worker-a1', 'entries and ids'],
    [
      'lbtwin bpf lb usage -f dump.yaml --node worker-a1 --limit 80% --set bpf.lbMapMax=131072',
      'does it fit, with room, in larger maps?',
    ],
  ],
  exits: ['everything fits', 'a map is fuller than --limit, or refuses a frontend'],
  async run(args, io) {
    const json = args.choice('output', ['text', 'json'] as const) === 'json';
    const limit = args.parsed('limit', readShare) ?? 1;
    const top = args.integer('top', 0, 1_000_000) ?? 5;
    const { plane, resolved } = await readPlane(args, io);
    const usage = lbUsage(plane);
    const { nodeName } = plane.options;
    if (json) {
      const configuration = resolved.origin.replace(/^configuration: /, '');
      io.write(`${JSON.stringify({ configuration, node: nodeName, ...usage }, undefined, 2)}\n`);
    } else io.write(formatUsage(resolved.origin, nodeName, usage, top));
    return usage.refused.length > 0 || fullest(usage) > limit ? Exit.NO : Exit.OK;
  },
};

export default command;
