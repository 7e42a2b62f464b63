import { LbtwinError } from '../errors.ts';
import { didYouMean, nearest } from '../text/nearest.ts';
import type { ConfigCheck } from './check.ts';
import { CHECKS } from './checks.ts';
import { goText } from './go.ts';
import { ABSENT, type Option } from './option.ts';
import { OPTION_OF_KEY, OPTIONS } from './options.ts';
import { type PerProfile, type Profile, PROFILES } from './profile.ts';
import { nameOf } from './read.ts';
import { renderConfigMap } from './render.ts';
import { mergeValues } from './values.ts';

/** Everything the table knows of one option, as text. */
export interface OptionExplanation {
  readonly helm: string | undefined;
  readonly key: string | undefined;
  readonly flag: string | undefined;
  /** The environment variable that the agent reads in place of the flag. */
  readonly env: string | undefined;
  readonly type: string;
  readonly allowed: string;
  /** In values.yaml; undefined if it is not in there. */
  readonly chartDefault: PerProfile<string | undefined>;
  /** What an untouched chart writes; undefined if it leaves the key out. */
  readonly configMapDefault: PerProfile<string | undefined>;
  /** When the key is not there; undefined if no flag reads it. */
  readonly agentDefault: PerProfile<string | undefined>;
  readonly writtenWhen: string | undefined;
  readonly effect: string;
  readonly note: string | undefined;
  readonly reader: Option['reader'];
  /** Refusals and traps that concern it. */
  readonly checks: readonly ConfigCheck[];
}

const each = <T>(read: (profile: Profile) => T): PerProfile<T> =>
  Object.fromEntries(PROFILES.map((profile) => [profile, read(profile)])) as Record<Profile, T>;

function explain(option: Option): OptionExplanation {
  const { helm, key } = option;
  const plain = each((profile) => renderConfigMap(mergeValues(profile, [])).data);
  const flag = option.field === undefined || key === undefined ? undefined : `--${key}`;
  const names = [helm, key, nameOf(option)];
  const writer = option.partOf === undefined ? option : OPTION_OF_KEY.get(option.partOf);
  return {
    helm,
    key: key ?? option.partOf,
    flag,
    env: flag === undefined ? undefined : `CILIUM_${key!.toUpperCase().replaceAll('-', '_')}`,
    type: option.kind.name,
    allowed: option.kind.allowed,
    chartDefault: each((profile) =>
      option.values[profile] === ABSENT ? undefined : JSON.stringify(option.values[profile]),
    ),
    configMapDefault: each((profile) => (key === undefined ? undefined : plain[profile][key])),
    agentDefault: each((profile) => option.agent[profile] ?? undefined),
    writtenWhen: helm === undefined ? 'by extraConfig only' : writer?.emit?.when,
    effect: option.effect,
    note: option.note,
    reader: option.reader,
    checks: CHECKS.filter((check) => check.options.some((name) => names.includes(name))),
  };
}

/**
 * Explains an option by its Helm value, ConfigMap key or agent flag; the name of a group (`maglev`, `loadBalancer`) gives all in it.
 * @throws LbtwinError `unknown-option` with near matches
 */
export function explainOption(name: string): OptionExplanation[] {
  const wanted = name.trim().replace(/^--/, '').replace(/=.*$/, '');
  const asKey = wanted
    .replace(/^CILIUM_/, '')
    .toLowerCase()
    .replaceAll('_', '-');
  const matches = (test: (option: Option) => boolean): Option[] => OPTIONS.filter(test);
  const exact = matches(({ helm, key }) => helm === wanted || key === wanted || key === asKey);
  const group = wanted.replace(/\.\*?$/, '');
  const found = exact.length > 0 ? exact : matches(({ helm }) => helm?.startsWith(`${group}.`) === true);
  if (found.length === 0) {
    const known = OPTIONS.flatMap(({ helm, key }) => [helm, key]).filter((text) => text !== undefined);
    const byWord = OPTIONS.filter(({ helm }) => helm?.split('.').at(-1)?.toLowerCase() === wanted.toLowerCase());
    const near = [...byWord.map(nameOf), ...nearest(wanted, known)];
    const hint = didYouMean([...new Set(near)].slice(0, 4));
    throw new LbtwinError(
      'unknown-option',
      `${JSON.stringify(name)} is no option that lbtwin knows${hint}`,
      hint === '' ? { allowed: 'a Helm value, ConfigMap key or agent flag' } : {},
    );
  }
  return found.map(explain);
}

/** The text of a typed option value, for people. */
export const shownValue = (option: Option, value: unknown): string => {
  const text = option.field === undefined ? goText(value) : option.kind.format(value as never);
  return text === '' ? '(empty)' : text;
};
