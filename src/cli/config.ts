import { parseProfile } from '../config/profile.ts';
import { configDataOf } from '../config/read.ts';
import { type ConfigInput, refusedConfig, resolveConfig, type ResolvedConfig } from '../config/resolve.ts';
import { withPath } from '../errors.ts';
import type { ObjectBatch } from '../k8s/read.ts';
import type { Args } from './args.ts';
import type { Io } from './io.ts';
import { readConfigMapFile, readSources } from './settings.ts';

/** Where the command line, or a `cilium-config` among the objects, says that the configuration comes from. */
export async function readConfigInput(args: Args, io: Io, batch?: ObjectBatch): Promise<ConfigInput> {
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
  return {
    ...(profile === undefined ? {} : { profile }),
    ...(configMap === undefined ? {} : { configMap }),
    values: await readSources(args, io),
  };
}

/** Tells on standard error what a configuration warns of. */
export function tellConfig(resolved: ResolvedConfig, io: Io): void {
  for (const finding of resolved.findings) {
    if (finding.severity !== 'warning') continue;
    io.warn(`lbtwin: configuration: ${finding.message}${finding.hint === undefined ? '' : ` (${finding.hint})`}\n`);
  }
}

/**
 * The configuration that the command line names, or a `cilium-config` among the objects, or the default. What it warns of is
 * told on standard error.
 * @throws LbtwinError `refused-config` and those of reading the files
 */
export async function readConfig(args: Args, io: Io, batch?: ObjectBatch): Promise<ResolvedConfig> {
  const input = await readConfigInput(args, io, batch);
  const resolved = resolveConfig(input);
  const error = resolved.findings.find(({ severity }) => severity === 'error');
  if (error !== undefined) throw refusedConfig(error);
  tellConfig(resolved, io);
  tellReplacement(input, resolved, io);
  return resolved;
}

/** Values that do not speak of kube-proxy replacement leave it off, as the chart does: who asks "the same, but with ..." may not expect that. */
export function tellReplacement({ configMap, values = [] }: ConfigInput, { config }: ResolvedConfig, io: Io): void {
  if (configMap !== undefined || config.nodePort || values.length === 0) return;
  if (values.some((source) => 'kubeProxyReplacement' in source.values)) return;
  io.warn(
    "lbtwin: configuration: the values do not set kubeProxyReplacement, and the chart's default is false (--set kubeProxyReplacement=true)\n",
  );
}
