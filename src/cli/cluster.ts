import type { ClusterOptions } from '../cluster/index.ts';
import type { ResolvedConfig } from '../config/index.ts';
import { parseAddress } from '../net/address.ts';
import { type Args, usageError } from './args.ts';
import type { OptionSpecs } from './args.ts';

/** What no object says of a cluster; read with `readCluster()`. */
export const clusterOptions: OptionSpecs = {
  announce: {
    type: 'string',
    multiple: true,
    value: 'VIP=NODE,...',
    help: 'the nodes that attract an address (otherwise Leases of L2 announcements say it, or all nodes do)',
  },
  mtu: { type: 'string', value: 'BYTES', help: "MTU of the nodes' devices (default: the configuration's, or 1500)" },
  seed: { type: 'string', value: 'N', help: 'seeds everything that a kernel would draw' },
  now: { type: 'string', value: 'SECONDS', help: "the nodes' clock at the start (default: 1000000)" },
  'strict-inputs': { type: 'boolean', help: 'refuse to assume what no object says' },
};

/** What the network between the nodes does; read with `readCluster()`. */
export const fabricOptions: OptionSpecs = {
  'drop-ip-options': { type: 'boolean', help: 'the network drops packets with IP options, as some clouds do' },
  'check-source': {
    type: 'boolean',
    help: "the network drops what leaves a node from an address that is not the node's",
  },
  'fabric-mtu': { type: 'string', value: 'BYTES', help: 'the largest packet that the network carries' },
};

/** The cluster's options of the command line. @throws LbtwinError `usage`, `invalid-address` */
export function readCluster(args: Args, resolved: ResolvedConfig): ClusterOptions {
  const mtu = args.integer('mtu', 68, 65535);
  const seed = args.integer('seed', 0, 0xffffffff);
  const now = args.integer('now', 0, 0xffffffff);
  const fabricMtu = args.integer('fabric-mtu', 68, 65535);
  const announce = Object.fromEntries(args.strings('announce').map(readAnnouncement));
  return {
    resolved,
    ...(mtu === undefined ? {} : { mtu }),
    ...(seed === undefined ? {} : { seed }),
    ...(now === undefined ? {} : { now }),
    announce,
    fabric: {
      ...(args.flag('drop-ip-options') ? { dropIpOptions: true } : {}),
      ...(args.flag('check-source') ? { checkSource: true } : {}),
      ...(fabricMtu === undefined ? {} : { mtu: fabricMtu }),
    },
  };
}

function readAnnouncement(text: string): [string, string[]] {
  const equals = text.indexOf('=');
  if (equals < 0) throw usageError(`--announce: ${JSON.stringify(text)} names no nodes`, 'VIP=NODE,...');
  parseAddress(text.slice(0, equals));
  return [text.slice(0, equals), text.slice(equals + 1).split(',')];
}
