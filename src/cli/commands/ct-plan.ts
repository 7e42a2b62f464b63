import { type FlowClass, FLOW_PATHS, type FlowPath, planOccupancy } from '../../nat/occupancy.ts';
import { DEFAULT_CONNTRACK_OPTIONS } from '../../conntrack/options.ts';
import { DEFAULT_NAT_MAX_ENTRIES } from '../../nat/nat.ts';
import { duration, occupancyTable } from '../../report/nat-plan.ts';
import { usageError } from '../args.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';

const MAX_ENTRIES = 16_777_216;
const NUMBER = /^\d*\.?\d+$/;

/** `PATH:tcp|udp:RATE:DURATION[:SILENT%]` */
function flowClass(text: string): FlowClass {
  const [path, protocol, rate, seconds, silent, ...rest] = text.split(':');
  const percent =
    silent === undefined ? 0 : NUMBER.test(silent.replace(/%$/, '')) ? Number.parseFloat(silent) : Number.NaN;
  const valid =
    FLOW_PATHS.includes(path as FlowPath) &&
    (protocol === 'tcp' || protocol === 'udp') &&
    NUMBER.test(rate ?? '') &&
    NUMBER.test(seconds ?? '') &&
    percent >= 0 &&
    percent <= 100 &&
    (silent === undefined || protocol === 'tcp') &&
    rest.length === 0;
  if (!valid) {
    throw usageError(
      `--flows: ${JSON.stringify(text)} is no kind of traffic`,
      `PATH:tcp|udp:PER-SECOND:SECONDS[:SILENT%] with PATH ${FLOW_PATHS.join(', ')}; SILENT for tcp only`,
    );
  }
  return {
    path: path as FlowPath,
    tcp: protocol === 'tcp',
    rate: Number(rate),
    duration: Number(seconds),
    silent: percent / 100,
  };
}

const command: Command = {
  usage: ['--flows PATH:tcp|udp:PER-SECOND:SECONDS[:SILENT%]... [options]'],
  description: `How full the conntrack and NAT maps of a node get, from rates and durations of flows, the timeouts and the map sizes. PATH says
what a flow leaves behind: snat, local, dsr (service traffic on the node it enters, to a remote or local backend), dsr-backend,
pod (a pod's own connections) or masquerade (those that leave the cluster). SILENT is the share of TCP connections that end
without FIN or RST: their entries stay for the whole TCP timeout. One address family; the maps of the other are separate.`,
  options: {
    flows: { type: 'string', rest: true, value: 'KIND...', help: 'kinds of traffic, as above' },
    'ct-tcp-max': { type: 'string', value: 'N', help: 'bpf-ct-global-tcp-max (default: 524288)' },
    'ct-any-max': { type: 'string', value: 'N', help: 'bpf-ct-global-any-max (default: 262144)' },
    'nat-max': { type: 'string', value: 'N', help: 'bpf-nat-global-max (default: 524288)' },
    'tcp-timeout': { type: 'string', value: 'S', help: 'bpf-ct-timeout-regular-tcp and -service-tcp (default: 8000)' },
    'any-timeout': { type: 'string', value: 'S', help: 'bpf-ct-timeout-regular-any and -service-any (default: 60)' },
    'gc-interval': {
      type: 'string',
      value: 'S',
      help: 'conntrack-gc-interval (default: adaptive, as the agent does it)',
    },
    ...outputOption,
  },
  examples: [
    ['lbtwin ct plan --flows snat:tcp:2000:3', '2000 short connections a second through a NodePort'],
    ['lbtwin ct plan --flows snat:tcp:500:30:2% pod:udp:3000:0', 'a mix; two of a hundred clients vanish'],
  ],
  exits: ['everything fits', 'a map is too small: entries in use may be evicted'],
  run(args, io) {
    const classes = args.strings('flows').map(flowClass);
    if (classes.length === 0)
      throw usageError('--flows is missing', '--flows PATH:tcp|udp:PER-SECOND:SECONDS[:SILENT%]');
    const tcp = args.integer('tcp-timeout', 1, 0xffff_ffff) ?? DEFAULT_CONNTRACK_OPTIONS.tcpTimeout;
    const any = args.integer('any-timeout', 1, 0xffff_ffff) ?? DEFAULT_CONNTRACK_OPTIONS.anyTimeout;
    const conntrack = {
      tcpTimeout: tcp,
      serviceTcpTimeout: tcp,
      anyTimeout: any,
      serviceAnyTimeout: any,
      tcpMaxEntries: args.integer('ct-tcp-max', 1, MAX_ENTRIES) ?? DEFAULT_CONNTRACK_OPTIONS.tcpMaxEntries,
      anyMaxEntries: args.integer('ct-any-max', 1, MAX_ENTRIES) ?? DEFAULT_CONNTRACK_OPTIONS.anyMaxEntries,
    };
    const natMaxEntries = args.integer('nat-max', 1, MAX_ENTRIES) ?? DEFAULT_NAT_MAX_ENTRIES;
    const gcInterval = args.integer('gc-interval', 1, 0xffff_ffff) ?? 0;
    const occupancy = planOccupancy(classes, { conntrack, natMaxEntries, gcInterval });
    const fits = occupancy.maps.every((map) => map.evictedAfter === undefined);
    if (args.choice('output', ['text', 'json']) === 'json') {
      io.write(`${JSON.stringify({ ...occupancy, fits }, undefined, 2)}\n`);
    } else {
      const how = gcInterval > 0 ? 'as configured' : 'where the adaptive interval settles';
      io.write(`${occupancyTable(occupancy)}\nGarbage collection every ${duration(occupancy.gcInterval)} (${how}).\n`);
    }
    return fits ? Exit.OK : Exit.NO;
  },
};

export default command;
