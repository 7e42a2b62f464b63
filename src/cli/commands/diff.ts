import { controlPlaneInit } from '../../k8s/from-config.ts';
import { Inventory } from '../../k8s/inventory.ts';
import { diffObjects } from '../../lint/index.ts';
import { parseAddress } from '../../net/address.ts';
import { parseL4Address } from '../../net/endpoint.ts';
import { formatDiff } from '../../report/diff.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { checkShapes, readFiles } from '../input.ts';
import { configOptions, inputOptions, nodeOption, outputOption } from '../options.ts';

const command: Command = {
  usage: ['OLD NEW [options]'],
  description: `Compares two states of a cluster, each a file or a folder: what changes on which node for frontends, backends and slots, and which share
of new flows reaches another backend (with Maglev the slots that change hands; with random the flows whose backend is gone).
Connections in the conntrack table stay where they are as long as their backend exists.`,
  options: {
    strict: inputOptions['strict']!,
    ...nodeOption,
    ...configOptions,
    ...outputOption,
  },
  examples: [['lbtwin diff before.yaml after.yaml', 'what a rollout does to every node']],
  exits: ['nothing changes', 'something changes'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const [old, now, third] = args.positionals;
    if (old === undefined || now === undefined || third !== undefined) {
      throw usageError('two states are to be compared', 'OLD NEW, each a file or a folder');
    }
    const strict = args.flag('strict');
    const before = await readFiles([old], strict, io);
    const after = await readFiles([now], strict, io);
    for (const batch of [before, after]) checkShapes(batch, args, io);
    const configs = [await readConfig(args, io, before), await readConfig(args, io, after)] as const;
    const inventory = new Inventory([...before.objects, ...after.objects]);
    const node = args.string('node');
    if (node !== undefined && inventory.nodes.size > 0 && !inventory.nodes.has(node)) {
      throw usageError(`there is no node ${JSON.stringify(node)}`, [...inventory.nodes.keys()].sort().join(', '));
    }
    const [init, initAfter] = configs.map(({ config }) => controlPlaneInit(config));
    const nodes = diffObjects(before.objects, after.objects, init, initAfter).filter(
      (one) => node === undefined || one.node === node,
    );
    const [origin, originAfter] = configs.map((config) => config.origin);
    if (output === 'json') {
      const head = { configuration: { before: origin, after: originAfter } };
      io.write(`${JSON.stringify({ ...head, nodes }, undefined, 2)}\n`);
    } else {
      io.write(`${origin}\n${origin === originAfter ? '' : `afterwards ${originAfter}\n`}\n`);
      io.write(
        formatDiff(nodes, {
          isNodeAddress: (host) => inventory.nodeOf(parseAddress(host.replace(/^\[(.*)\]$/, '$1'))) !== undefined,
          nameOf: (address) => inventory.podOf(parseL4Address(address.replace(/\/i$/, '')).address)?.name ?? '',
        }),
      );
    }
    return nodes.some(({ frontends }) => frontends.length > 0) ? Exit.NO : Exit.OK;
  },
};

export default command;
