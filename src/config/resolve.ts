import { LbtwinError } from '../errors.ts';
import { DEFAULT_EPHEMERAL } from './check.ts';
import { checkConfig } from './checks.ts';
import { type DatapathConfig, deriveDatapathConfig } from './datapath-config.ts';
import type { ConfigFinding } from './finding.ts';
import { OPTION_OF_KEY } from './options.ts';
import { DEFAULT_PROFILE, type Profile } from './profile.ts';
import { nameOf, readConfigData, type ReadConfig } from './read.ts';
import { type ConfigData, renderConfigMap } from './render.ts';
import { lintValues } from './unknown.ts';
import { hasPath, mergeValues, type Values, type ValuesSource } from './values.ts';

/** Where a configuration comes from. Nothing given: the profile's Helm defaults plus `kubeProxyReplacement=true`. */
export interface ConfigInput {
  readonly profile?: Profile;
  /** Helm values, in the order of the command line. */
  readonly values?: readonly ValuesSource[];
  /** Entries of a `cilium-config` ConfigMap, for instance one among the objects. */
  readonly configMap?: { readonly name: string; readonly data: ConfigData };
  /** The host's ephemeral ports. */
  readonly ephemeral?: { readonly min: number; readonly max: number };
}

/** Two sources that say different things about one key. */
export interface Disagreement {
  readonly key: string;
  readonly option: string;
  readonly fromValues: string | undefined;
  readonly fromConfigMap: string | undefined;
  /** Which one counts. */
  readonly used: 'values' | 'configMap';
}

export interface ResolvedConfig {
  readonly config: DatapathConfig;
  /** The ConfigMap entries in force. */
  readonly data: ConfigData;
  readonly read: ReadConfig;
  /** One line that says which configuration and profile this is. */
  readonly origin: string;
  readonly disagreements: readonly Disagreement[];
  /** Errors first. With errors `config` is what a wrong value's default gives: do not answer from it. */
  readonly findings: readonly ConfigFinding[];
}

/** What is meant when no configuration is given. */
export const ASSUMED_VALUES: ValuesSource = { name: 'assumed', values: { kubeProxyReplacement: true } };

/** Keys that the values speak of: set by an explicit value, or made different from what the plain chart writes. */
function explicitKeys(values: readonly ValuesSource[], data: ConfigData, profile: Profile): Set<string> {
  const keys = new Set<string>();
  for (const [key, option] of OPTION_OF_KEY) {
    if (option.helm !== undefined && values.some((source) => hasPath(source.values, option.helm!))) keys.add(key);
  }
  const plain = renderConfigMap(mergeValues(profile, [])).data;
  for (const [key, text] of Object.entries(data)) if (plain[key] !== text) keys.add(key);
  keys.delete('<any>');
  return keys;
}

function disagree(explicit: ReadonlySet<string>, rendered: ConfigData, data: ConfigData): Disagreement[] {
  return [...explicit]
    .filter((key) => rendered[key] !== data[key])
    .sort()
    .map((key) => ({
      key,
      option: OPTION_OF_KEY.has(key) ? nameOf(OPTION_OF_KEY.get(key)!) : key,
      fromValues: rendered[key],
      fromConfigMap: data[key],
      used: 'values' as const,
    }));
}

const ORDER = { error: 0, warning: 1, note: 2 } as const;

function originOf(input: ConfigInput, profile: Profile, { nodePort }: DatapathConfig): string {
  const values = (input.values ?? []).map(({ name }) => name);
  const parts = input.configMap === undefined ? [] : [`ConfigMap ${input.configMap.name}`];
  if (values.length > 0) parts.push(values.join(', '));
  if (parts.length === 0) parts.push('Helm defaults plus kubeProxyReplacement=true (none was given)');
  const base = values.length > 0 && input.configMap === undefined ? ' over the Helm defaults' : '';
  const without = nodePort ? '' : ', without kube-proxy replacement';
  return `configuration: ${parts.join(' + ')}${base}; profile ${profile}${without}`;
}

/**
 * Resolves a configuration without throwing for what it says: wrong values and refused combinations are findings. With both
 * values and a ConfigMap the ConfigMap is the base, explicit values win, and what they disagree on is listed.
 */
export function resolveConfig(input: ConfigInput = {}): ResolvedConfig {
  const profile = input.profile ?? DEFAULT_PROFILE;
  const none = input.configMap === undefined && (input.values ?? []).length === 0;
  const values = none ? [ASSUMED_VALUES] : (input.values ?? []);
  // Without values the chart has nothing to say beside a ConfigMap.
  const rendered = values.length === 0 ? { data: {}, findings: [] } : renderConfigMap(mergeValues(profile, values));
  let data = rendered.data;
  let disagreements: Disagreement[] = [];
  if (input.configMap !== undefined) {
    const explicit = values.length === 0 ? new Set<string>() : explicitKeys(values, rendered.data, profile);
    disagreements = disagree(explicit, rendered.data, input.configMap.data);
    const base: Record<string, string> = { ...input.configMap.data };
    for (const { key, fromValues } of disagreements) {
      if (fromValues === undefined) delete base[key];
      else base[key] = fromValues;
    }
    data = base;
  }
  const read = readConfigData(data, profile);
  const config = deriveDatapathConfig(read.options, read.given, profile);
  const context = { config, read, ephemeral: input.ephemeral ?? DEFAULT_EPHEMERAL };
  const all: ConfigFinding[] = [
    ...rendered.findings,
    ...read.findings,
    ...checkConfig(context),
    ...(none ? [] : lintValues(values, profile)),
    ...disagreements.map(({ key, option, fromValues, fromConfigMap }): ConfigFinding => ({
      severity: 'warning',
      code: 'sources-disagree',
      message: `${key}: the values say ${fromValues ?? '(nothing)'}, the ConfigMap says ${fromConfigMap ?? '(nothing)'}; the values count here`,
      options: [option],
    })),
  ];
  const findings = all.map((finding) => placed(finding, values)).sort((a, b) => ORDER[a.severity] - ORDER[b.severity]);
  return { config, data, read, origin: originOf(input, profile, config), disagreements, findings };
}

/** Says where the first option of a finding was set. */
function placed(finding: ConfigFinding, values: readonly ValuesSource[]): ConfigFinding {
  if (finding.source !== undefined) return finding;
  for (const path of finding.options) {
    const source = values.findLast((candidate) => hasPath(candidate.values, path));
    if (source === undefined || source === ASSUMED_VALUES) continue;
    const position = source.positionOf?.(path.split('.'));
    return { ...finding, source: source.name, ...(position === undefined ? {} : { position }) };
  }
  return finding;
}

/**
 * The configuration in force. @throws LbtwinError `refused-config` with the first reason for which the chart or the agent would
 * refuse it (the options' names are in the message).
 */
export function datapathConfig(input: ConfigInput = {}): DatapathConfig {
  const { config, findings } = resolveConfig(input);
  const error = findings.find(({ severity }) => severity === 'error');
  if (error !== undefined) throw refusedConfig(error);
  return config;
}

/** The finding as the error that commands end with. */
export function refusedConfig({ by, message, options, hint, source, position }: ConfigFinding): LbtwinError {
  const where = source === undefined ? '' : ` (${source}${position === undefined ? '' : `:${position.line}`})`;
  const who = by === undefined ? '' : `the ${by} refuses this: `;
  return new LbtwinError(
    'refused-config',
    `${who}${message}${options.length > 0 ? ` [${options.join(', ')}]` : ''}${where}`,
    hint === undefined ? {} : { allowed: hint.replace(/^allowed: /, '') },
  );
}

/** Values given as plain data. */
export const valuesSource = (values: Values, name = 'values'): ValuesSource => ({ name, values });
