import { unknownName } from '../../cluster/party.ts';
import { compareWithKubeProxy, DIFFERENCES } from '../../migrate/index.ts';
import { formatMigration } from '../../report/migrate.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { checkShapes, readInput } from '../input.ts';
import { configOptions, inputOptions, outputOption } from '../options.ts';

const command: Command = {
  usage: ['-f FILE... [--kube-proxy iptables|ipvs] [--service NS/NAME] [--all] [options]'],
  description: `Compares, for every service, what kube-proxy answers with what Cilium's replacement will: per kind of client (pod, host, outside; on a node with
a backend and on one without), frontend and traffic policy. Cilium's side is found by sending packets through the twin,
kube-proxy's by a reference model. Each difference is explained.`,
  options: {
    ...inputOptions,
    ...configOptions,
    'kube-proxy': { type: 'string', value: 'iptables|ipvs', help: 'the mode of kube-proxy (default: iptables)' },
    service: { type: 'string', value: 'NS/NAME', help: 'only this service' },
    all: { type: 'boolean', help: 'also what does not differ' },
    ...outputOption,
  },
  examples: [
    ['lbtwin migrate -f examples/shop.yaml --service shop/api', 'one service'],
    ['lbtwin migrate -f dump.yaml --kube-proxy ipvs -o json', 'the whole cluster, for a program'],
  ],
  exits: ['nothing differs', 'something differs'],
  async run(args, io) {
    const batch = await readInput(args, io);
    checkShapes(batch, args, io);
    const resolved = await readConfig(args, io, batch);
    const service = args.string('service');
    const names = batch.objects
      .filter(({ kind }) => kind === 'Service')
      .map(({ metadata }) => `${metadata.namespace ?? 'default'}/${metadata.name}`);
    if (service !== undefined && !names.includes(service)) {
      throw unknownName('unknown-service', 'service', service, names.toSorted());
    }
    const report = compareWithKubeProxy(batch.objects, {
      resolved,
      mode: args.choice('kube-proxy', ['iptables', 'ipvs']) ?? 'iptables',
      ...(service === undefined ? {} : { service }),
    });
    if (args.choice('output', ['text', 'json']) === 'json') {
      io.write(`${JSON.stringify({ ...report, differences: DIFFERENCES }, undefined, 2)}\n`);
    } else io.write(formatMigration(report, args.flag('all')));
    const differs =
      report.rows.some(({ differences }) => differences.length > 0) ||
      report.notes.some(({ code }) => code === 'family-off');
    return differs ? Exit.NO : Exit.OK;
  },
};

export default command;
