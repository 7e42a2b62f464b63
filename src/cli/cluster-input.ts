import { Cluster } from '../cluster/index.ts';
import { checkObjects, readInput } from './input.ts';
import type { Args } from './args.ts';
import { readConfigInput, tellConfig } from './config.ts';
import type { Io } from './io.ts';
import type { ObjectBatch } from '../k8s/read.ts';

/** The cluster of `-f`, under the configuration of the command line. What had to be assumed is told on standard error. */
export async function readCluster(args: Args, io: Io): Promise<{ cluster: Cluster; batch: ObjectBatch }> {
  const batch = await readInput(args, io);
  const config = await readConfigInput(args, io, batch);
  const cluster = Cluster.fromKubernetes(batch.objects, { config });
  tellConfig(cluster.resolved, io);
  return { cluster, batch };
}

/** Tells what the control plane of a node refused. */
export function tellRefusals(cluster: Cluster, node: string, batch: ObjectBatch, args: Args, io: Io): void {
  checkObjects(cluster.node(node).report, batch, args, io);
}
