import { LbtwinError } from '../errors.ts';
import type { AgentOptions } from './agent-options.ts';
import type { ConfigFinding } from './finding.ts';
import type { Option } from './option.ts';
import { OPTION_OF_KEY, OPTIONS } from './options.ts';
import type { Profile } from './profile.ts';
import type { ConfigData } from './render.ts';

/** The agent's options after reading a ConfigMap, before anything is implied. */
export interface ReadConfig {
  readonly profile: Profile;
  readonly options: AgentOptions;
  /** Keys that were given, as against flag defaults. */
  readonly given: ReadonlySet<string>;
  /** Keys that the twin does not know; they have no effect here. */
  readonly unknownKeys: readonly string[];
  readonly findings: readonly ConfigFinding[];
}

/** Options whose name users know: the Helm path, else the key. */
export const nameOf = (option: Option): string => option.helm ?? option.key!;

/** How the agent words a value that it cannot use, where that is known. */
function refusalOf(key: string, text: string, problem: string): string {
  switch (key) {
    case 'node-port-range':
      return `parse NodePort range: ${problem}`;
    case 'bpf-lb-mode':
    case 'bpf-lb-algorithm':
    case 'bpf-lb-dsr-dispatch':
    case 'bpf-lb-acceleration':
    case 'kube-proxy-replacement':
      return `Invalid value for --${key}: ${text}`;
    case 'bpf-lb-maglev-table-size':
      return `Invalid value for --${key}: ${text}, supported values are: [${OPTION_OF_KEY.get(key)!.kind.allowed.replaceAll(',', '')}]`;
    case 'bpf-lb-map-max':
      return /^-?\d+$/.test(text)
        ? `specified LBMap max entries ${text} must be a value greater than 0`
        : `--${key}: ${problem}`;
    default:
      return `--${key}: ${problem}`;
  }
}

const HINTS: Readonly<Record<string, string>> = {
  'node-port-range': 'write one text, "min,max"; a YAML list reaches the agent as [min max]',
};

/** Reads ConfigMap entries with the flag defaults of the profile. Wrong values become findings and keep the default. */
export function readConfigData(data: ConfigData, profile: Profile): ReadConfig {
  const options: Record<string, unknown> = {};
  const findings: ConfigFinding[] = [];
  for (const option of OPTIONS) {
    if (option.field === undefined || option.key === undefined) continue;
    const parsed = option.kind.parse(option.agent[profile] ?? '');
    if ('problem' in parsed) throw new Error(`default of ${option.key}: ${parsed.problem}`);
    options[option.field] = parsed.value;
    const text = data[option.key];
    if (text === undefined) continue;
    const given = option.kind.parse(text);
    if ('value' in given) {
      options[option.field] = given.value;
      continue;
    }
    const hint = HINTS[option.key];
    findings.push({
      severity: 'error',
      code: 'invalid-value',
      by: 'agent',
      message: refusalOf(option.key, text, given.problem),
      hint: hint ?? `allowed: ${option.kind.allowed}`,
      options: [nameOf(option)],
    });
  }
  const keys = Object.keys(data);
  return {
    profile,
    options: options as unknown as AgentOptions,
    given: new Set(keys),
    unknownKeys: keys.filter((key) => !OPTION_OF_KEY.has(key)),
    findings,
  };
}

/** Writes options as ConfigMap entries: `keys` of them, or all. `readConfigData` of the result gives the same options. */
export function writeConfigData(options: AgentOptions, keys?: ReadonlySet<string>): ConfigData {
  const data: [string, string][] = [];
  for (const option of OPTIONS) {
    if (option.field === undefined || option.key === undefined || (keys !== undefined && !keys.has(option.key)))
      continue;
    data.push([option.key, option.kind.format(options[option.field])]);
  }
  return Object.fromEntries(data.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The `data` of a ConfigMap object, or a plain map of keys. @throws LbtwinError `not-a-config-map` */
export function configDataOf(object: unknown): ConfigData {
  const fail = (path: string[], reason: string): never => {
    throw new LbtwinError('not-a-config-map', reason, { path, allowed: 'a ConfigMap, or a map of texts' });
  };
  if (typeof object !== 'object' || object === null || Array.isArray(object)) return fail([], 'not a ConfigMap');
  const record = object as Record<string, unknown>;
  const isObject = 'kind' in record || 'apiVersion' in record;
  if (isObject && record['kind'] !== 'ConfigMap')
    return fail(['kind'], `${JSON.stringify(record['kind'])} is not ConfigMap`);
  const data = isObject ? (record['data'] ?? {}) : record;
  if (typeof data !== 'object' || data === null || Array.isArray(data)) return fail(['data'], 'not a map');
  const texts: Record<string, string> = {};
  for (const [key, value] of Object.entries(data)) {
    if (typeof value !== 'string') {
      fail(isObject ? ['data', key] : [key], `${JSON.stringify(value)} is not text; ConfigMap values need quotes`);
    }
    texts[key] = value as string;
  }
  return texts;
}
