import { type MatrixRow, serviceMatrix } from '../../cluster/index.ts';
import { formatMatrix, matrixJson, matrixMarkdown } from '../../report/matrix.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig, readConfigInput } from '../config.ts';
import { readStored } from '../stored.ts';
import { checkObjects, readInput } from '../input.ts';
import { configOptions, inputOptions } from '../options.ts';

const command: Command = {
  usage: ['-f FILE... [--service NAMESPACE/NAME] [--node NAME] [-o text|json|md] [options]'],
  description: `Prints who reaches a service how: for every frontend, and for pods, hosts and clients outside at every node, which backends may
answer (all, those on the node, those of the zone, none), what happens when none may, which source address a backend sees, and
whether the socket or the packet is translated. Every line is computed by sending packets through the twin.`,
  options: {
    ...inputOptions,
    service: { type: 'string', value: 'NS/NAME', help: 'this service only' },
    node: { type: 'string', value: 'NAME', help: 'clients at this node only' },
    ...configOptions,
    output: { type: 'string', short: 'o', value: 'text|json|md', help: 'how to print the answer (default: text)' },
  },
  examples: [
    ['lbtwin matrix -f examples/shop.yaml --service shop/checkout', 'who reaches a service with a Local policy'],
    ['lbtwin matrix -f examples/shop.yaml -o md > reachability.md', 'a page for the wiki'],
  ],
  exits: [
    'every kind of client finds a backend somewhere',
    'some kind of client finds none at some node, or it cannot be told (lbtwin trace says why)',
  ],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json', 'md'] as const) ?? 'text';
    if (args.positionals.length > 0) throw usageError(`${JSON.stringify(args.positionals[0])} is not an option`);
    const batch = await readInput(args, io);
    await readConfig(args, io, batch);
    const config = await readConfigInput(args, io, batch);
    const objects = await readStored(batch, args, io);
    const matrix = serviceMatrix(objects, { config, service: args.string('service'), node: args.string('node') });
    checkObjects(matrix.report, batch, args, io);
    io.write(
      output === 'json'
        ? `${JSON.stringify(matrixJson(matrix), undefined, 2)}\n`
        : output === 'md'
          ? matrixMarkdown(matrix)
          : formatMatrix(matrix),
    );
    return matrix.rows.some((row) => findsNone(row) && !isMeantToFail(row)) ? Exit.NO : Exit.OK;
  },
};

const findsNone = ({ candidates }: MatrixRow): boolean => candidates === 'none' || candidates === 'unknown';

/** ClusterIPs are not there for clients outside, and a pod's loopback is its own. */
const isMeantToFail = ({ type, client, target }: MatrixRow): boolean =>
  (type === 'ClusterIP' && client === 'external') || (target === 'loopback' && client === 'pod');

export default command;
