import { seededRandom } from '../../hash/random.ts';
import { flowsWithin, planSnat, type SnatPlanPoint } from '../../nat/plan.ts';
import { parsePortRange } from '../../net/endpoint.ts';
import { odds, snatPlanTable } from '../../report/nat-plan.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';
import { probability } from '../probability.ts';

const MOST_RUNS = 1000;

const at = (points: readonly SnatPlanPoint[], flows: number): SnatPlanPoint | undefined =>
  points.find((point) => point.flows === flows);

const command: Command = {
  usage: ['--flows N [options]', '--probability P [options]', '--flows N --probability P [options]'],
  description: `How many flows to one destination (address, port and protocol) a node can translate at the same time, by replay of the
datapath's own port allocator: it does not search all ports, so new flows fail long before the ports run out. With --flows: what
the next flow can expect when N are open. With --probability: how many flows keep the failures of a new one at or below P.
With both: whether N flows do.`,
  options: {
    flows: { type: 'string', value: 'N', help: 'concurrent flows to the destination' },
    probability: {
      type: 'string',
      value: 'P',
      help: 'accepted probability that a new flow gets no port, such as 0.001',
    },
    occupied: { type: 'string', value: 'N', help: 'ports that others hold towards the same destination (default: 0)' },
    range: {
      type: 'string',
      value: 'A-B',
      help: 'ports for translation (default: 32768-65535, above the NodePort range)',
    },
    'source-ports': {
      type: 'string',
      value: 'A-B',
      help: 'source ports that the clients use (default: 32768-60999, as Linux)',
    },
    runs: { type: 'string', value: 'N', help: 'repetitions that are averaged (default: 8)' },
    seed: { type: 'string', value: 'N', help: 'seed of the random words (default: 1)' },
    ...outputOption,
  },
  examples: [
    ['lbtwin snat plan --probability 0.001', 'how many connections to one backend fit'],
    ['lbtwin snat plan --flows 20000 --occupied 2000', 'what happens at 20000'],
    ['lbtwin snat plan --flows 15000 --probability 0.0001', 'exit code 1 if 15000 are too many'],
  ],
  exits: ['answered; with both options: the flows fit', 'with both options: they do not'],
  run(args, io) {
    const flows = args.integer('flows', 0, 65_536);
    const limit = args.parsed('probability', probability);
    if (flows === undefined && limit === undefined)
      throw usageError('nothing asked', '--flows N, --probability P or both');
    const { min: minPort, max: maxPort } = args.parsed('range', parsePortRange) ?? { min: 32_768, max: 65_535 };
    const source = args.parsed('source-ports', parsePortRange) ?? { min: 32_768, max: 60_999 };
    const { min: sourceMin, max: sourceMax } = source;
    const ports = maxPort - minPort + 1;
    const occupied = args.integer('occupied', 0, ports) ?? 0;
    const runs = args.integer('runs', 1, MOST_RUNS) ?? 8;
    const seed = args.integer('seed', 0, 0xffff_ffff) ?? 1;
    const options = { minPort, maxPort, sourceMin, sourceMax, occupied, runs, random: seededRandom(seed) };
    const points = planSnat(options, flows === undefined ? [] : [flows]);
    const asked = flows === undefined ? undefined : at(points, flows);
    const most = limit === undefined ? undefined : flowsWithin(points, limit);
    const fits = flows === undefined || most === undefined || most >= flows;

    if (args.choice('output', ['text', 'json']) === 'json') {
      const answer = { range: [minPort, maxPort], sourcePorts: [sourceMin, sourceMax], occupied, runs, seed };
      io.write(
        `${JSON.stringify({ ...answer, flows: asked ?? null, probability: limit, most, fits, curve: points }, undefined, 2)}\n`,
      );
      return fits ? Exit.OK : Exit.NO;
    }
    io.write(
      `SNAT ports ${minPort}-${maxPort} (${ports}), towards one destination address, port and protocol from one node address.\n` +
        `Clients use source ports ${sourceMin}-${sourceMax}; ${occupied} ports are held by others; mean of ${runs} runs, seed ${seed}.\n\n`,
    );
    if (flows !== undefined) {
      io.write(
        asked === undefined
          ? `${flows} flows do not fit: more than nine of ten new flows fail before that.\n`
          : `With ${flows} flows open a new one fails with probability ${odds(asked.fails)}, after ${asked.failedAttempts.toFixed(2)} failed attempts in the mean.\n`,
      );
    }
    if (most !== undefined) {
      io.write(
        most < 0
          ? `A new flow fails with a higher probability than ${limit} from the first on.\n`
          : `Up to ${most} flows (${((100 * most) / ports).toFixed(1)} % of the ports) a new one fails with probability at most ${limit}.\n`,
      );
    }
    io.write(`\n${snatPlanTable(points, ports)}`);
    return fits ? Exit.OK : Exit.NO;
  },
};

export default command;
