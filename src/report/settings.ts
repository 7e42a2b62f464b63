import {
  type ConfigDiff,
  type ConfigFinding,
  type KernelReport,
  type OptionExplanation,
  type PerProfile,
  type Profile,
  PROFILES,
} from '../config/index.ts';
import { indented, textTable } from './table.ts';

function perProfile(values: PerProfile<string | undefined>, absent: string, profile?: Profile): string {
  const show = (one: Profile): string => values[one] ?? absent;
  if (profile !== undefined) return show(profile);
  const [first, ...rest] = PROFILES;
  return rest.every((one) => values[one] === values[first!])
    ? show(first!)
    : PROFILES.map((one) => `${show(one)} (${one})`).join(', ');
}

/** `config explain`: one option in a few lines. */
export function formatExplanation(option: OptionExplanation, profile?: Profile): string {
  const { helm, key, flag, env } = option;
  const rows: [string, string | undefined][] = [
    ['Helm value', helm],
    ['ConfigMap key', key],
    ['agent flag', flag],
    ['environment', env],
    ['type', `${option.type}: ${option.allowed}`],
    ['values.yaml', helm === undefined ? undefined : perProfile(option.chartDefault, 'not in it', profile)],
    ['chart writes', key === undefined ? 'no ConfigMap key' : perProfile(option.configMapDefault, 'nothing', profile)],
    ['written', key === undefined ? undefined : option.writtenWhen],
    ['without the key', flag === undefined ? undefined : perProfile(option.agentDefault, 'no flag', profile)],
    ['acted on by', option.reader === 'described' ? 'nothing in lbtwin: carried and explained' : option.reader],
  ];
  const shown = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [[`${name}:`, value === '' ? '(empty)' : value]],
  );
  const lines = [`${helm ?? key}\n`, `  ${option.effect}\n`];
  if (option.note !== undefined) lines.push(`  ${option.note}\n`);
  lines.push(indented(textTable(shown)));
  for (const { severity, code, rule } of option.checks) {
    lines.push(`  ${severity === 'error' ? 'refused' : severity}: ${rule} [${code}]\n`);
  }
  return lines.join('');
}

/** A finding in a line or two. */
export function formatConfigFinding({ severity, by, message, hint, options, source, position }: ConfigFinding): string {
  const where =
    source === undefined ? '' : `${source}${position === undefined ? '' : `:${position.line}:${position.column}`}: `;
  const who = by === undefined ? '' : `the ${by} refuses this: `;
  const names = options.length > 0 ? ` [${options.join(', ')}]` : '';
  return `${where}${severity}: ${who}${message}${names}\n${hint === undefined ? '' : `    ${hint}\n`}`;
}

/** `config diff`: what changes, in words. */
export function formatConfigDiff(diff: ConfigDiff): string {
  const parts: string[] = [];
  for (const { option, key, from, to, effect, onChange, reader } of diff.settings) {
    const name = key === undefined || key === option ? option : `${option} (${key})`;
    parts.push(`${name}: ${from} -> ${to}\n    ${effect}\n`);
    if (onChange !== undefined) parts.push(`    On a live cluster: ${onChange}\n`);
    if (reader === 'described') parts.push('    Nothing that lbtwin simulates depends on it.\n');
  }
  if (diff.derived.length > 0) {
    parts.push('\nWhat follows\n');
    parts.push(indented(textTable(diff.derived.map(({ what, from, to }) => [`${what}:`, `${from} -> ${to}`]))));
  }
  const findings: [string, readonly ConfigFinding[]][] = [
    ['New findings', diff.newFindings],
    ['Findings that are gone', diff.goneFindings],
  ];
  for (const [title, list] of findings) {
    const shown = list.filter(({ severity }) => severity !== 'note');
    if (shown.length > 0) parts.push(`\n${title}\n`, ...shown.map((finding) => indented(formatConfigFinding(finding))));
  }
  return parts.length === 0 ? 'no setting differs\n' : parts.join('').replace(/^\n/, '');
}

/** ConfigMap entries as YAML; every value is quoted, as the chart does. */
export function formatConfigData(data: Readonly<Record<string, string>>): string {
  const lines = Object.entries(data).map(([key, value]) => `  ${key}: ${JSON.stringify(value)}\n`);
  return `apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: cilium-config\n  namespace: kube-system\ndata:\n${lines.join('')}`;
}

/** `kernel`: the minimum, then what is used and what is missing. */
export function formatKernelReport({ release, minimum, requirements, answer }: KernelReport): string {
  const known = release.distribution;
  const about = known === undefined ? '' : ` (${known}: features of newer kernels may be backported)`;
  const verdict = {
    yes: 'this kernel has what the configuration needs',
    no: 'the agent will not start, or not work, on this kernel',
    unknown: 'cannot be told from the version: ask the distribution, or let the agent probe',
  }[answer];
  const order = (used: boolean): readonly (readonly string[])[] =>
    requirements
      .filter((one) => one.used === used)
      .map(({ feature, needs, answer: has, without, fatal }) => [
        has,
        feature,
        needs,
        has === 'yes' ? '' : `${fatal ? 'fatal' : 'without it'}: ${without}`,
      ]);
  return [
    `kernel ${release.text}${about}: ${verdict}\n`,
    `minimum: ${minimum.needs}: ${minimum.answer} (${minimum.source})\n`,
    '\nUsed by this configuration\n',
    indented(textTable(order(true))),
    '\nNot used\n',
    indented(textTable(order(false))),
  ].join('');
}
