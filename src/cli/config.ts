import {
  type ConfigData,
  type ConfigInput,
  configDataOf,
  parseProfile,
  parseSet,
  refusedConfig,
  resolveConfig,
  type ResolvedConfig,
  type Values,
  type ValuesSource,
} from '../config/index.ts';
import { LbtwinError, withPath } from '../errors.ts';
import type { ObjectBatch } from '../k8s/read.ts';
import { readYaml } from '../yaml/index.ts';
import type { Args } from './args.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';

/** Runs `read`; its error names the file. */
function inFile<T>(file: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof LbtwinError)) throw error;
    throw new LbtwinError(error.code, `${file}: ${error.message}`, { cause: error });
  }
}

async function readConfigMap(file: string, io: Io): Promise<{ name: string; data: ConfigData }> {
  const text = await readText(file, io);
  return inFile(file, () => {
    const documents = readYaml(text);
    if (documents.length === 0) throw new LbtwinError('empty-input', 'no ConfigMap in this file');
    return { name: file, data: configDataOf(documents[0]!.value) };
  });
}

async function readValues(file: string, io: Io): Promise<ValuesSource> {
  const text = await readText(file, io);
  return inFile(file, () => {
    const [document] = readYaml(text);
    const values = document?.value ?? {};
    if (typeof values !== 'object' || Array.isArray(values)) {
      throw new LbtwinError('invalid-values', 'Helm values are a mapping', { allowed: 'key: value' });
    }
    const source = { name: file, values: values as Values };
    return document === undefined ? source : { ...source, positionOf: (path) => document.positionOf(path) };
  });
}

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
      ? await readConfigMap(file, io)
      : object !== undefined
        ? {
            name: `${object.metadata.namespace ?? 'default'}/${object.metadata.name}`,
            data: withPath([`ConfigMap ${object.metadata.name}`], () => configDataOf(object)),
          }
        : undefined;
  const values: ValuesSource[] = [];
  for (const name of args.strings('values')) values.push(await readValues(name, io));
  for (const text of args.strings('set')) values.push(parseSet(text));
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
