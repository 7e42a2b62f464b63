import { nearest } from '../text/nearest.ts';
import { OTHER_CHART_VALUES, OTHER_GROUP_VALUES, REMOVED_VALUES } from './chart-keys.ts';
import type { ConfigFinding } from './finding.ts';
import { goText } from './go.ts';
import type { Option } from './option.ts';
import { isKnownTo, OPTION_OF_HELM, OPTION_OF_KEY, OPTIONS } from './options.ts';
import type { Profile } from './profile.ts';
import { isTable, leaves, type Values, type ValuesSource } from './values.ts';

const HELM_PATHS: readonly string[] = [...OPTION_OF_HELM.keys()];
const GROUPS: ReadonlySet<string> = new Set(HELM_PATHS.flatMap((path) => path.split('.').slice(0, -1).join('.') || []));
/** Tables with free keys. */
const FREE: readonly string[] = ['extraConfig', 'hostServices'];
const TOP: ReadonlySet<string> = new Set([...HELM_PATHS.map((path) => path.split('.')[0]!), ...OTHER_CHART_VALUES]);

const find = (text: string): string[] => {
  const leaf = text.split('.').at(-1)!;
  const byLeaf = HELM_PATHS.filter((path) => path.split('.').at(-1)!.toLowerCase() === leaf.toLowerCase());
  return [...new Set([...byLeaf, ...nearest(text, HELM_PATHS)])].slice(0, 3);
};

/** A ConfigMap key, a flag or a text with blanks where a Helm path belongs. */
function misprint(path: string): { hint: string } | undefined {
  const key = path.replace(/^-+/, '').replaceAll('_', '-');
  const byKey = OPTION_OF_KEY.get(key);
  if (byKey !== undefined) {
    return {
      hint:
        byKey.helm === undefined
          ? `extraConfig.${key}`
          : `${key} is the ConfigMap key; the Helm value is ${byKey.helm}`,
    };
  }
  if (/^_?set_/.test(path) || path.startsWith('_')) {
    const near = find(path.replace(/^_?set_/, ''));
    return { hint: `"--set${path}" lacks the blank after --set${near.length > 0 ? `; meant: --set ${near[0]}` : ''}` };
  }
  return undefined;
}

function unknownOf(path: string): { code: string; message: string; hint?: string } | undefined {
  const parts = path.split('.');
  if (OPTION_OF_HELM.has(path) || FREE.includes(parts[0]!)) return undefined;
  const removed = Object.keys(REMOVED_VALUES).find((gone) => path === gone || path.startsWith(`${gone}.`));
  if (removed !== undefined) {
    return {
      code: 'removed-value',
      message: `${removed} no longer exists in the chart and has no effect`,
      hint: `now: ${REMOVED_VALUES[removed]}`,
    };
  }
  // A table below a known leaf, or a leaf where a table belongs, is a matter of types.
  if (HELM_PATHS.some((known) => path.startsWith(`${known}.`) || known.startsWith(`${path}.`))) return undefined;
  const group = parts.slice(0, -1).join('.');
  const strict = OTHER_GROUP_VALUES[parts[0]!];
  const known = strict === undefined ? TOP.has(parts[0]!) : strict.has(parts[1]!);
  if (known && !(GROUPS.has(group) && strict !== undefined && !strict.has(parts[1]!))) return undefined;
  const slip = misprint(path);
  const near = find(path);
  const hint = slip?.hint ?? (near.length > 0 ? `near: ${near.join(', ')}` : undefined);
  return {
    code: slip === undefined ? 'unknown-value' : 'misprinted-value',
    message: `${path} is no value of the cilium chart; Helm ignores it`,
    ...(hint === undefined ? {} : { hint }),
  };
}

/** True for a value whose text the option's type can never take; the agent's answer to the text itself is found elsewhere. */
function wrongType(option: Option, value: unknown): boolean {
  if (value === null || (option.emit === undefined && option.key === undefined && option.kind.name === 'text'))
    return false;
  if (isTable(value)) return option.helm !== 'extraConfig' && option.helm !== 'hostServices';
  if (Array.isArray(value))
    return option.kind.name !== 'list' && option.kind.name !== 'CIDR list' && option.kind.name !== 'port range';
  if (option.kind.name === 'boolean')
    return typeof value !== 'boolean' && 'problem' in option.kind.parse(goText(value));
  return false;
}

function typeFindings(source: ValuesSource): Omit<ConfigFinding, 'severity'>[] {
  return OPTIONS.flatMap((option) => {
    if (option.helm === undefined) return [];
    const parts = option.helm.split('.');
    let at: unknown = source.values;
    for (const [index, part] of parts.entries()) {
      if (!isTable(at)) {
        if (index === 0 || at === undefined || at === null) return [];
        const path = parts.slice(0, index).join('.');
        return [
          {
            code: 'wrong-type',
            message: `${path} must be a table of values, it is ${JSON.stringify(at)}`,
            options: [path],
          },
        ];
      }
      if (!Object.hasOwn(at, part)) return [];
      at = at[part];
    }
    if (!wrongType(option, at)) return [];
    const message = `${option.helm}: ${JSON.stringify(at)} is the wrong type (${option.kind.name})`;
    return [{ code: 'wrong-type', message, hint: `allowed: ${option.kind.allowed}`, options: [option.helm] }];
  });
}

/** "yes" in quotes is text for Helm, and the chart copies it: the agent knows true and false only. */
function booleanTexts(values: Values): [path: string, text: string][] {
  return leaves(values).flatMap(([path, value]): [string, string][] =>
    typeof value === 'string' &&
    OPTION_OF_HELM.get(path)?.kind.name === 'boolean' &&
    /^(?:yes|no|on|off|y|n|enabled?|disabled?)$/i.test(value)
      ? [[path, value]]
      : [],
  );
}

function chartFinding(sources: readonly ValuesSource[]): ConfigFinding[] {
  return sources.flatMap((source): ConfigFinding[] => {
    const top = Object.keys(source.values);
    const strange = top.filter((key) => !TOP.has(key) && !(key in REMOVED_VALUES) && misprint(key) === undefined);
    if (top.length < 3 || strange.length * 2 <= top.length) return [];
    return [
      {
        severity: 'error',
        code: 'another-chart',
        message: `${source.name}: ${strange.length} of ${top.length} top-level values are unknown to the cilium chart (${strange.slice(0, 4).join(', ')}): values of another chart?`,
        options: [],
        source: source.name,
      },
    ];
  });
}

/** What is wrong with values before the chart sees them: unknown names, types, misprints, values of another chart. */
export function lintValues(sources: readonly ValuesSource[], profile: Profile): ConfigFinding[] {
  const findings: ConfigFinding[] = [...chartFinding(sources)];
  const foreign = new Set(findings.map(({ source }) => source));
  const once = new Set<string>();
  for (const source of sources) {
    if (foreign.has(source.name)) continue;
    const add = (severity: ConfigFinding['severity'], found: Omit<ConfigFinding, 'severity'>, path: string): void => {
      if (once.has(`${found.code} ${found.message}`)) return;
      once.add(`${found.code} ${found.message}`);
      const position = source.positionOf?.(path.split('.'));
      findings.push({ severity, ...found, source: source.name, ...(position === undefined ? {} : { position }) });
    };
    for (const [path] of leaves(source.values)) {
      const option = OPTION_OF_HELM.get(path);
      const found =
        option === undefined || isKnownTo(option, profile)
          ? unknownOf(path)
          : { code: 'other-version', message: `${path} is no value of the ${profile} chart; Helm ignores it` };
      if (found !== undefined) add('warning', { ...found, options: [path] }, path);
    }
    for (const found of typeFindings(source)) add('error', { by: 'chart', ...found }, found.options[0]!);
    const version = source.values['upgradeCompatibility'];
    if (typeof version === 'number') {
      const message = `upgradeCompatibility: ${version} is a number: 1.10 would be 1.1`;
      const path = 'upgradeCompatibility';
      add('warning', { code: 'number-version', message, hint: 'quote it', options: [path] }, path);
    }
    for (const [path, text] of booleanTexts(source.values)) {
      add(
        'note',
        { code: 'quoted-boolean', message: `${path}: ${JSON.stringify(text)} is text, not a boolean`, options: [path] },
        path,
      );
    }
  }
  return findings;
}
