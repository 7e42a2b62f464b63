/** A widespread misprint in guides and what people copied from them. */
export interface Misprint {
  readonly code: string;
  /** Global: every place counts. */
  readonly pattern: RegExp;
  readonly message: (found: RegExpExecArray) => string;
  readonly hint: (found: RegExpExecArray) => string;
  readonly severity: 'error' | 'warning';
}

/** One place of a misprint in a text. */
export interface MisprintPlace {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly severity: 'error' | 'warning';
  /** Both from 1. */
  readonly line: number;
  readonly column: number;
}

const UNIT_KEYS: Readonly<Record<string, string>> = {
  what: 'What',
  where: 'Where',
  type: 'Type',
  options: 'Options',
  wantedby: 'WantedBy',
};

export const MISPRINTS: readonly Misprint[] = [
  {
    code: 'custom-conf-key',
    pattern: /cni\.customConf\b[^\n]{0,120}?\bcni-exclusive\b|\bcni-exclusive\b[^\n]{0,120}?\bcni\.customConf\b/g,
    message: () => 'cni.customConf does not set cni-exclusive',
    hint: () => 'its ConfigMap key is custom-cni-conf; cni-exclusive belongs to cni.exclusive',
    severity: 'warning',
  },
  {
    code: 'set-without-blank',
    pattern: /--set_([A-Za-z][\w.]*)/g,
    message: (found) => `${found[0]} is no option of helm: the blank after --set is missing`,
    hint: (found) => `--set ${found[1]}`,
    severity: 'error',
  },
  {
    code: 'agent-label',
    pattern: /\bk8s-app-cilium\b/g,
    message: () => 'the label of the agent pods is not k8s-app-cilium',
    hint: () => 'k8s-app=cilium',
    severity: 'error',
  },
  {
    code: 'unit-key-case',
    pattern: /^[ \t]*(what|where|type|options|wantedBy|wantedby|Wantedby)=/gm,
    message: (found) => `${found[1]}= is unknown to systemd, which ignores it: its keys are case-sensitive`,
    hint: (found) => `${UNIT_KEYS[found[1]!.toLowerCase()]}=`,
    severity: 'error',
  },
  {
    code: 'bpffs-spelling',
    pattern: /\bbpfss\b/g,
    message: () => 'bpfss is a misprint; as What= of a mount it works all the same, since that is only a label',
    hint: () => 'bpffs',
    severity: 'warning',
  },
  {
    code: 'unit-for-api-file-system',
    pattern: /^[ \t]*Where=[ \t]*\/sys\/fs\/bpf\/?[ \t]*$/gm,
    message: () => 'systemd mounts /sys/fs/bpf on its own and refuses a unit for it (seen with 252)',
    hint: () => 'leave the unit out, unless systemd is older',
    severity: 'warning',
  },
  {
    code: 'feature-gate-gone',
    pattern: /\bCustomResourceValidation\b/g,
    message: () =>
      'the feature gate CustomResourceValidation is long gone: a component that is given it does not start',
    hint: () => 'leave it out; custom resources are always validated',
    severity: 'error',
  },
];

/** Finds misprints in any text: values, manifests, scripts, pages. */
export function findMisprints(text: string): MisprintPlace[] {
  const places: MisprintPlace[] = [];
  for (const { code, pattern, message, hint, severity } of MISPRINTS) {
    for (const found of text.matchAll(pattern)) {
      const at = found.index + found[0].search(/\S/);
      const before = text.slice(0, at);
      const line = before.split('\n').length;
      const column = at - (before.lastIndexOf('\n') + 1) + 1;
      places.push({ code, message: message(found), hint: hint(found), severity, line, column });
    }
  }
  return places.sort((a, b) => a.line - b.line || a.column - b.column);
}
