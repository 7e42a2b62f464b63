import {
  type ConfigInput,
  configDataOf,
  parseProfile,
  refusedConfig,
  resolveConfig,
  type ResolvedConfig,
} from '../config/index.ts';
import { withPath } from '../errors.ts';
import type { ObjectBatch } from '../k8s/read.ts';
import type { Args } from './args.ts';
import type { Io } from './io.ts';
import { readConfigMapFile, readSources } from './settings.ts';

/**
 * The configuration that the command line names, or a `cilium-config` among the objects, or the default. What it warns of is
 * told on standard error.
 * @throws LbtwinError `refused-config` and those of reading the files
 */
export async function readConfig(args: Args, io: Io, batch?: ObjectBatch): Promise<ResolvedConfig> {
  const profile = args.parsed('profile', parseProfile);
  const file = args.string('config');
  const object = batch?.objects.findLast(({ kind }) => kind === 'ConfigMap');
  const configMap =
    file !== undefined
      ? await readConfigMapFile(file, io)
      : object !== undefined
        ? {
            name: `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`,
            data: withPath([`ConfigMap ${object.metadata.name}`], () => configDataOf(object)),
          }
        : undefined;
  const values = await readSources(args, io);
  const input: ConfigInput = {
    ...(profile === undefined ? {} : { profile }),
    ...(configMap === undefined ? {} : { configMap }),
    values,
  };
  const resolved = resolveConfig(input);
  for (const finding of resolved.findings) {
    if (finding.severity === 'error') throw refusedConfig(finding);
    if (finding.severity === 'warning') io.warn(`lbtwin: configuration: ${finding.message}\n`);
  }
  return resolved;
}
