import { DEFAULT_PROFILE, parseProfile, type Profile } from '../config/profile.ts';
import { configDataOf } from '../config/read.ts';
import type { ConfigData } from '../config/render.ts';
import { resolveConfig, type ResolvedConfig } from '../config/resolve.ts';
import { parseSet, parseSetJson, parseSetString } from '../config/set.ts';
import { type MergedValues, mergeValues, type Values, type ValuesSource } from '../config/values.ts';
import { LbtwinError } from '../errors.ts';
import type { YamlDocument } from '../yaml/document.ts';
import type { Args } from './args.ts';
import { readText } from './files.ts';
import type { Io } from './io.ts';

/** The documents of a YAML or JSON file; errors name it. */
async function documentsOf(file: string, io: Io): Promise<YamlDocument[]> {
  const text = await readText(file, io);
  // Not at the top: most command lines name no such file, and the parser that knows places is slow to load.
  const { readYaml } = await import('../yaml/document.ts');
  try {
    return readYaml(text);
  } catch (error) {
    throw inFile(file, error);
  }
}

const inFile = (file: string, error: unknown): unknown =>
  error instanceof LbtwinError
    ? new LbtwinError(error.code, `${file}: ${error.reason}`, {
        path: error.path,
        ...(error.allowed === undefined ? {} : { allowed: error.allowed }),
        cause: error,
      })
    : error;

/** Helm values of a file, with a way back to the place of each. */
export async function readValuesFile(file: string, io: Io): Promise<ValuesSource> {
  const [document, second] = await documentsOf(file, io);
  if (document === undefined) return { name: file, values: {} };
  const { value } = document;
  if (second !== undefined || typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new LbtwinError('invalid-values', `${file}: Helm values are one map`, { allowed: 'key: value' });
  }
  for (const { text, value: meant, value12, position } of document.dialect) {
    io.warn(
      `lbtwin: ${file}:${position.line}:${position.column}: ${text} is ${JSON.stringify(meant)} for Helm (YAML 1.1), ${JSON.stringify(value12)} in YAML 1.2\n`,
    );
  }
  return { name: file, values: value as Values, positionOf: (path) => document.positionOf(path) };
}

/** The entries of a ConfigMap file. */
export async function readConfigMapFile(file: string, io: Io): Promise<{ name: string; data: ConfigData }> {
  const [document] = await documentsOf(file, io);
  try {
    return { name: file, data: configDataOf(document?.value ?? {}) };
  } catch (error) {
    throw inFile(file, error);
  }
}

export interface Settings {
  readonly profile: Profile;
  readonly sources: readonly ValuesSource[];
  readonly resolved: ResolvedConfig;
  readonly merged: MergedValues;
}

/** The Helm values of the command line in their order. */
export async function readSources(args: Args, io: Io): Promise<ValuesSource[]> {
  const sources: ValuesSource[] = [];
  for (const file of args.strings('values')) sources.push(await readValuesFile(file, io));
  sources.push(...args.strings('set').map(parseSet));
  sources.push(...args.strings('set-string').map(parseSetString));
  sources.push(...args.strings('set-json').map(parseSetJson));
  return sources;
}

/** What the command line says about settings, findings and all: nothing is thrown for what they say. */
export async function readSettings(args: Args, io: Io): Promise<Settings> {
  const profile = args.parsed('profile', parseProfile) ?? DEFAULT_PROFILE;
  const sources = await readSources(args, io);
  const file = args.string('config');
  const configMap = file === undefined ? undefined : await readConfigMapFile(file, io);
  return {
    profile,
    sources,
    resolved: resolveConfig({ profile, values: sources, ...(configMap === undefined ? {} : { configMap }) }),
    merged: mergeValues(profile, sources),
  };
}
