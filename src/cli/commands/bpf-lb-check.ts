import { tryParseAddress } from '../../net/address.ts';
import { lbList } from '../../report/agent/lb-maps.ts';
import { frontendsOfListing, readLbList } from '../../report/agent/read-lb-list.ts';
import { type DriftNames, drifts, formatDrift, lbDrift } from '../../report/lb-drift.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { inFile, readText } from '../files.ts';
import { outputOption, planeOptions } from '../options.ts';
import { type NodePlane, readPlane } from '../plane.ts';

/** Names of what the lines are about, from the objects. */
function namesOf({ plane, inventory }: NodePlane): DriftNames {
  const services = new Map(plane.mapFrontends.map(({ address, frontend }) => [address, frontend.entry.name]));
  return {
    serviceOf: (frontend) => services.get(frontend) ?? '',
    backendOf: (backend) => {
      const host = backend.replace(/:\d+(?:\/[A-Z]+)?$/, '').replace(/^\[(.*)\]$/, '$1');
      const address = tryParseAddress(host);
      if (address === undefined) return 'its entry is missing in the backend map';
      const node = inventory.nodeOf(address);
      const pod = inventory.podOf(address);
      if (node !== undefined) return `node ${node}`;
      if (pod?.name !== undefined) return [pod.name, ...(pod.node === undefined ? [] : [pod.node])].join('  ');
      return `no object has this address${pod?.node === undefined ? '' : `, of ${pod.node}'s pod network`}`;
    },
  };
}

const command: Command = {
  usage: ['LISTING -f FILE... --node NAME [options]'],
  description: `Holds a node's live load-balancing maps against the objects: LISTING is what \`cilium-dbg bpf lb list\` printed there, as text or
with -o json (- is standard input). Tells frontends and backends that are in the maps and in no object (stale entries), that the
maps lack, and flags that differ. Ids are not compared: they depend on what the agent has seen before.`,
  options: { ...planeOptions, ...outputOption },
  examples: [
    [
      'kubectl -n kube-system exec cilium-x7k2p -- cilium-dbg bpf lb list | lbtwin bpf lb check - -f dump.yaml --node worker-a1',
      'stale or missing entries of a live node',
    ],
  ],
  exits: ['the maps are as the objects want them', 'they are not'],
  async run(args, io) {
    const json = args.choice('output', ['text', 'json'] as const) === 'json';
    const name = args.positional('listing');
    if (name === undefined) throw usageError('no listing is named', 'LISTING, or - for standard input');
    const text = await readText(name, io);
    const found = inFile(name, () => readLbList(text));
    const node = await readPlane(args, io);
    const drift = lbDrift(found, frontendsOfListing(lbList(node.plane.maps)));
    const { origin } = node.resolved;
    if (json) {
      const configuration = origin.replace(/^configuration: /, '');
      io.write(`${JSON.stringify({ configuration, node: node.plane.options.nodeName, ...drift }, undefined, 2)}\n`);
    } else io.write(formatDrift(origin, node.plane.options.nodeName, drift, namesOf(node)));
    return drifts(drift) ? Exit.NO : Exit.OK;
  },
};

export default command;
