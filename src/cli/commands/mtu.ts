import { formatMtu, mtuRows } from '../../report/mtu.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';

const MIN_MTU = 576;

const command: Command = {
  usage: ['[--path-mtu BYTES] [-o text|json]'],
  description: `Tells how much each way of forwarding adds to a packet on its way to a backend on another node, what the datapath checks
against the MTU (with pmtuDiscovery.enabled; without it, too large packets are sent and lost), and how large a client's packet may be. \`lbtwin trace --size … --df\` shows what becomes of a larger one.`,
  options: {
    'path-mtu': { type: 'string', value: 'BYTES', help: 'MTU of the path between the nodes (default: 1500)' },
    ...outputOption,
  },
  examples: [['lbtwin mtu --path-mtu 1450', 'what fits on a path of 1450 bytes']],
  exits: ['answered', 'never'],
  run(args, io) {
    const mtu = args.integer('path-mtu', MIN_MTU, 65535) ?? 1500;
    const rows = mtuRows(mtu);
    const json = (args.choice('output', ['text', 'json'] as const) ?? 'text') === 'json';
    io.write(json ? `${JSON.stringify({ pathMtu: mtu, modes: rows }, undefined, 2)}\n` : formatMtu(mtu, rows));
    return Exit.OK;
  },
};

export default command;
