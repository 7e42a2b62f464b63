import type { ResolvedConfig } from '../config/index.ts';
import { LbtwinError } from '../errors.ts';
import { ControlPlane } from '../k8s/control-plane.ts';
import { controlPlaneInit, lbMapsOf } from '../k8s/from-config.ts';
import { Inventory } from '../k8s/inventory.ts';
import { Scope } from '../lb/layout.ts';
import type { LbMaps } from '../lb/maps.ts';
import { parseL4Address } from '../net/endpoint.ts';
import { readServiceIds } from '../report/agent/service-list.ts';
import type { StatusDevice } from '../report/agent/status.ts';
import { didYouMean, nearest } from '../text/nearest.ts';
import { type Args, usageError } from './args.ts';
import { readConfig } from './config.ts';
import { nodePortAddresses, parseDevice } from './devices.ts';
import { readText } from './files.ts';
import { checkObjects, readInput } from './input.ts';
import type { Io } from './io.ts';

/** A node's control plane after it has seen all objects. */
export interface NodePlane {
  readonly plane: ControlPlane;
  readonly resolved: ResolvedConfig;
  readonly inventory: Inventory;
  /** As `--device` gives them. */
  readonly devices: readonly StatusDevice[] | undefined;
}

export function readDevices(args: Args): readonly StatusDevice[] | undefined {
  const devices = args.strings('device').map(parseDevice);
  return devices.length === 0 ? undefined : devices;
}

/**
 * The node that `--node` names; the only one there is (or, with `any`, the first); none, if no object tells of nodes.
 * @throws LbtwinError `unknown-node`, or `usage` if a choice is needed
 */
export function chooseNode(args: Args, inventory: Inventory, any = false): string {
  const known = [...inventory.nodes.keys()].sort();
  const asked = args.string('node');
  if (asked === undefined) {
    if (known.length > 1 && !any)
      throw usageError('--node is missing: each node has maps of its own', known.join(', '));
    return known[0] ?? '';
  }
  if (known.length === 0 || known.includes(asked)) return asked;
  throw new LbtwinError(
    'unknown-node',
    `there is no node ${JSON.stringify(asked)}${didYouMean(nearest(asked, known))}`,
    { allowed: known.join(', ') },
  );
}

/** Puts services with the ids of a live agent into the maps, for the control plane to take over as after a restart. */
function adoptIds(ids: ReadonlyMap<string, number>, maps: LbMaps): void {
  for (const [key, id] of ids) {
    const internal = key.endsWith('/i');
    const { address, port, protocol } = parseL4Address(internal ? key.slice(0, -2) : key);
    const scope = internal ? Scope.INTERNAL : Scope.EXTERNAL;
    const value = { union: 0, count: 0, revNatIndex: id, flags: 0, qcount: 0 };
    maps.of(address.family).services.set({ address, port, protocol, scope, slot: 0 }, value);
  }
}

/** Reads the input of `planeOptions` and runs the control plane of the node on it. */
export async function readPlane(args: Args, io: Io): Promise<NodePlane> {
  const devices = readDevices(args);
  const batch = await readInput(args, io);
  const resolved = await readConfig(args, io, batch);
  const inventory = new Inventory(batch.objects);
  const nodeName = chooseNode(args, inventory);
  const maps = lbMapsOf(resolved.config);
  const plane = new ControlPlane({ ...controlPlaneInit(resolved.config), nodeName, maps });
  const idsFrom = args.string('ids-from');
  if (idsFrom !== undefined) {
    const ids = readServiceIds(await readText(idsFrom, io));
    if (ids.size === 0) {
      throw new LbtwinError('no-ids', `${idsFrom}: no service ids in it`, {
        allowed: 'the output of `bpf lb list` or `service list`',
      });
    }
    adoptIds(ids, maps);
    plane.restart();
  }
  if (devices !== undefined) {
    const known = inventory.nodes.get(nodeName)?.addresses ?? [];
    plane.setNode({ addresses: nodePortAddresses(devices, known, plane.options.nodePortAddresses) });
  }
  checkObjects(plane.apply(batch.objects), batch, args, io);
  if (idsFrom !== undefined) plane.prune();
  return { plane, resolved, inventory, devices };
}
