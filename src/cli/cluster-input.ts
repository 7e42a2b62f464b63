import { Cluster } from '../cluster/index.ts';
import { checkObjects, checkShapes, readInput } from './input.ts';
import { readStored } from './stored.ts';
import type { Args } from './args.ts';
import { readConfigInput, tellConfig, tellReplacement } from './config.ts';
import type { Io } from './io.ts';
import type { ObjectBatch } from '../k8s/read.ts';

/** The cluster of `-f`, under the configuration of the command line. What had to be assumed is told on standard error. */
export async function readCluster(args: Args, io: Io): Promise<{ cluster: Cluster; batch: ObjectBatch }> {
  const batch = await readInput(args, io);
  const config = await readConfigInput(args, io, batch);
  const cluster = Cluster.fromKubernetes(await readStored(batch, args, io), { config });
  tellConfig(cluster.resolved, io);
  tellReplacement(config, cluster.resolved, io);
  return { cluster, batch };
}

/** Tells what a control plane refused, if one was run; with `--strict` in any case. */
export function tellRefusals(cluster: Cluster, batch: ObjectBatch, args: Args, io: Io): void {
  if (cluster.report !== undefined) checkObjects(cluster.report, batch, args, io);
  else if (args.flag('strict')) checkShapes(batch, args, io);
}
