import { LbtwinError } from '../../errors.ts';
import { ControlPlane } from '../../k8s/control-plane.ts';
import { controlPlaneInit, lbMapsOf } from '../../k8s/from-config.ts';
import { Inventory } from '../../k8s/inventory.ts';
import type { Frontend } from '../../k8s/model.ts';
import { isLocalOnly } from '../../k8s/select.ts';
import { arrangeSlots } from '../../k8s/slots.ts';
import type { MaglevBackend } from '../../maglev/index.ts';
import { formatEndpoint, formatL4Address, parseL4Address, Protocol, protocolName } from '../../net/index.ts';
import { didYouMean, nearest } from '../../text/nearest.ts';
import { type Args, type OptionSpecs, usageError } from '../args.ts';
import { readConfig } from '../config.ts';
import { checkObjects, readInput } from '../input.ts';
import type { Io } from '../io.ts';
import { configOptions, inputOptions, nodeOption } from '../options.ts';
import { chooseNode } from '../plane.ts';

/** A service of a cluster as the lab takes it. */
export interface LabService {
  /** `shop/web (203.0.113.10:80/TCP)` */
  readonly name: string;
  /** Which configuration the answer is for, in a line. */
  readonly origin: string;
  readonly frontend: Frontend;
  /** Those that may be selected, in slot order; ids from 1. */
  readonly backends: readonly MaglevBackend[];
  readonly affinity: boolean;
  readonly tableSize: number;
  readonly hashSeed: string;
}

export const serviceOptions: OptionSpecs = {
  ...inputOptions,
  service: { type: 'string', value: 'NAMESPACE/NAME[:PORT]', help: 'with -f: whose backends; --to says it by address' },
  ...nodeOption,
  ...configOptions,
};

/** The frontends that `--service` or `--to` means. */
function wanted(args: Args, plane: ControlPlane): Frontend[] {
  const to = args.string('to');
  if (to !== undefined) {
    const l4 = args.parsed('to', (text) => parseL4Address(text, Protocol.TCP))!;
    const frontend = plane.frontend(formatL4Address(l4));
    if (frontend === undefined) throw new LbtwinError('no-frontend', `there is no frontend ${formatL4Address(l4)}`);
    return [frontend];
  }
  const names = plane.services.map(({ name }) => name);
  const asked = args.string('service');
  if (asked === undefined) throw usageError('--service is missing', 'NAMESPACE/NAME[:PORT], or --to IP:PORT');
  const [, name, port] = /^([^:]+)(?::(.+))?$/.exec(asked) ?? [];
  if (name === undefined || !names.includes(name)) {
    const hint = didYouMean(nearest(name ?? asked, names));
    throw new LbtwinError('no-service', `there is no service ${JSON.stringify(name ?? asked)}${hint}`);
  }
  const all = plane.frontendsOf(name);
  const found = all.filter(
    ({ portName, servicePort }) => port === undefined || port === portName || port === String(servicePort),
  );
  const ports = [...new Set(found.map(({ servicePort, protocol }) => `${servicePort}/${protocolName(protocol)}`))];
  if (found.length === 0) {
    const allowed = [...new Set(all.map(({ servicePort }) => servicePort))].join(', ');
    throw new LbtwinError('no-frontend', `${name} has no port ${port ?? ''}`, { allowed });
  }
  if (ports.length > 1)
    throw usageError(
      `${name} has several ports`,
      ports.map((one) => `--service ${name}:${one.split('/')[0]}`).join(', '),
    );
  return found;
}

const EXPOSED = ['LoadBalancer', 'ExternalIPs', 'NodePort', 'ClusterIP'];

/** The one to look at: what is reached from outside first. */
const bestOf = (frontends: readonly Frontend[]): Frontend =>
  [...frontends].sort((a, b) => EXPOSED.indexOf(a.type) - EXPOSED.indexOf(b.type))[0]!;

/**
 * Reads `-f` and gives the backends of one service on a node; without `--node` on the first one, which is any node's answer
 * unless the service keeps traffic local.
 * @throws LbtwinError `no-service`, `no-frontend`, `no-backends`, `usage`
 */
export async function readService(args: Args, io: Io): Promise<LabService> {
  const batch = await readInput(args, io);
  const { config, origin } = await readConfig(args, io, batch);
  const inventory = new Inventory(batch.objects);
  const nodeName = chooseNode(args, inventory, true);
  const plane = new ControlPlane({ ...controlPlaneInit(config), nodeName, maps: lbMapsOf(config) });
  checkObjects(plane.apply(batch.objects), batch, args, io);
  const frontend = bestOf(wanted(args, plane));
  const { service } = frontend.entry;
  const at = formatL4Address(frontend);
  if (
    args.string('node') === undefined &&
    inventory.nodes.size > 1 &&
    service !== undefined &&
    isLocalOnly(frontend, service)
  ) {
    throw usageError(
      `--node is missing: ${frontend.entry.name} keeps traffic on its node`,
      [...inventory.nodes.keys()].sort().join(', '),
    );
  }
  const { backends, count } = arrangeSlots(frontend.backends, undefined);
  if (count === 0) throw new LbtwinError('no-backends', `${frontend.entry.name} (${at}) has no backend`);
  return {
    name: `${frontend.entry.name} (${at})`,
    origin,
    frontend,
    backends: backends.slice(0, count).map(({ backend, weight }, i) => ({
      id: i + 1,
      address: backend.address,
      port: backend.port,
      protocol: protocolName(backend.protocol),
      scope: backend.scope === 0 ? 'external' : 'internal',
      weight,
    })),
    affinity: service?.affinity !== undefined,
    tableSize: config.maglevTableSize,
    hashSeed: config.maglevHashSeed,
  };
}

/** `10.0.1.5:8080` */
export const backendName = ({ address, port }: MaglevBackend): string =>
  typeof address === 'string' ? `${address}:${port}` : formatEndpoint({ address, port });
