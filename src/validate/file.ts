import { isUsedKind } from '../k8s/raw.ts';
import {
  type ConfigFinding,
  configDataOf,
  DEFAULT_PROFILE,
  OPTION_OF_HELM,
  type Profile,
  resolveConfig,
  type Values,
} from '../config/index.ts';
import { type ErrorPath, formatPath, LbtwinError } from '../errors.ts';
import { checkMountUnit } from '../install/mount-unit.ts';
import { type DialectNote, readYaml, type YamlDocument } from '../yaml/index.ts';
import { findMisprints } from './misprints.ts';
import { VALIDATED_KINDS, type ValidateOptions, validateObject } from './object.ts';
import { apiPath } from './schema.ts';

/** Who says it. */
export type FindingStage =
  /** The text is no YAML or JSON, or says something else than it seems to. */
  | 'text'
  /** The API server, by a schema or the published rules. */
  | 'api-server'
  /** The agent, after the object is stored. */
  | 'agent'
  /** Policies that do not do what they seem to (`lbtwin policy lint`). */
  | 'policy'
  /** Helm values and the ConfigMap. */
  | 'settings'
  /** systemd and mount(8). */
  | 'systemd'
  /** A widespread misprint. */
  | 'misprint';

export interface Finding {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
  readonly severity: 'error' | 'warning' | 'note';
  readonly stage: FindingStage;
  /** Stable, kebab-case; unique together with the stage. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  /** `Kind namespace/name`. */
  readonly object?: string;
  /** Where in the object, as the API server writes it. */
  readonly path?: string;
  /** What the answer was made from, where that matters. */
  readonly source?: string;
}

export interface ValidateFileOptions extends ValidateOptions {
  readonly profile?: Profile;
  /** Unknown fields are errors, as under `kubectl apply --validate=strict`. */
  readonly strict?: boolean;
}

export interface FileReport {
  readonly file: string;
  readonly findings: readonly Finding[];
  /** What was looked at: objects by kind, `Helm values`, `cilium-config`, `mount unit`. */
  readonly checked: readonly string[];
}

type Json = Record<string, unknown>;
const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const shown = (value: unknown): string => (typeof value === 'string' ? JSON.stringify(value) : String(value));

class FileValidator {
  readonly findings: Finding[] = [];
  readonly checked: string[] = [];
  private readonly file: string;
  private readonly options: ValidateFileOptions;

  constructor(file: string, options: ValidateFileOptions) {
    this.file = file;
    this.options = options;
  }

  add(finding: Omit<Finding, 'file'>): void {
    this.findings.push({ file: this.file, ...finding });
  }

  text(text: string): void {
    for (const place of findMisprints(text)) this.add({ ...place, stage: 'misprint' });
    if (/\.(?:mount|automount)$/.test(this.file)) return this.unit(text);
    if (!/\.(?:ya?ml|json)$/.test(this.file) && this.file !== '-') {
      this.checked.push('text');
      return;
    }
    let documents: YamlDocument[];
    try {
      documents = readYaml(text);
    } catch (error) {
      if (!(error instanceof LbtwinError)) throw error;
      const place = /^line (\d+), column (\d+): /.exec(error.reason);
      const [line, column] = place === null ? [1, 1] : [Number(place[1]), Number(place[2])];
      const message = error.reason.slice(place?.[0].length ?? 0);
      this.add({ line, column, severity: 'error', stage: 'text', code: error.code, message });
      return;
    }
    if (documents.length === 0) {
      this.add({
        line: 1,
        column: 1,
        severity: 'error',
        stage: 'text',
        code: 'empty',
        message: 'nothing in this file',
      });
    }
    for (const document of documents) this.document(document);
  }

  private unit(text: string): void {
    this.checked.push('mount unit');
    const name = this.file.slice(this.file.lastIndexOf('/') + 1);
    for (const { line, ...finding } of checkMountUnit(text, name)) {
      this.add({ line: line ?? 1, column: 1, stage: 'systemd', ...finding });
    }
  }

  private document(document: YamlDocument): void {
    const { value } = document;
    for (const note of document.dialect) this.dialect(note);
    for (const { path, position } of document.duplicates) {
      const message = `key ${formatPath(path)} is given twice; the last one counts in Helm, kubectl refuses the document`;
      this.add({ ...position, severity: 'error', stage: 'text', code: 'duplicate-key', message });
    }
    if (!isObject(value)) {
      const message = 'neither Kubernetes objects nor Helm values';
      this.add({ ...document.positionOf([]), severity: 'error', stage: 'text', code: 'not-an-object', message });
      return;
    }
    if ('kind' in value || 'apiVersion' in value) this.objects(value, [], document);
    else this.values(value, document);
  }

  private dialect({ path, position, text, value, value12, isKey }: DialectNote): void {
    const what = isKey ? 'key' : 'value';
    const message = `${what} ${text} at ${formatPath(path)} is ${shown(value)} for kubectl and Helm (YAML 1.1), ${shown(value12)} in YAML 1.2`;
    this.add({
      ...position,
      severity: 'warning',
      stage: 'text',
      code: 'yaml-1.1',
      message,
      hint: `quote it: "${text}"`,
    });
  }

  private objects(value: Json, path: ErrorPath, document: YamlDocument): void {
    if (typeof value['kind'] === 'string' && value['kind'].endsWith('List') && Array.isArray(value['items'])) {
      value['items'].forEach((item: unknown, index) => {
        if (isObject(item)) this.objects(item, [...path, 'items', index], document);
      });
      return;
    }
    const metadata = isObject(value['metadata']) ? value['metadata'] : {};
    const [kind, apiVersion] = [String(value['kind']), value['apiVersion']];
    const own = this.options.schemas?.has(kind) === true;
    if (typeof apiVersion === 'string' && VALIDATED_KINDS.includes(kind) && !own && !isUsedKind(apiVersion, kind)) {
      this.checked.push(`${kind} of ${apiVersion} (not validated)`);
      return;
    }
    if (value['kind'] === 'ConfigMap' && metadata['name'] === 'cilium-config') this.configMap(value, path, document);
    else if (VALIDATED_KINDS.includes(kind) || own) {
      this.object(value, path, document);
    } else this.checked.push(`${kind} (not validated)`);
  }

  private object(value: Json, at: ErrorPath, document: YamlDocument): void {
    const verdict = validateObject(value, this.options);
    const namespace = verdict.namespace === undefined ? '' : `${verdict.namespace}/`;
    const object = `${verdict.kind} ${namespace}${verdict.name}`;
    this.checked.push(verdict.kind);
    const where = (path: ErrorPath): { line: number; column: number; object: string; path: string } => ({
      ...document.positionOf([...at, ...path]),
      object,
      path: apiPath(path),
    });
    for (const error of verdict.schema) {
      this.add({
        ...where(error.at),
        severity: 'error',
        stage: 'api-server',
        code: error.kind,
        message: error.message,
        source: verdict.schemaSource,
      });
    }
    for (const path of verdict.unknown) {
      const message = `unknown field "${apiPath(path)}"`;
      const severity = this.options.strict === true ? 'error' : 'warning';
      this.add({ ...where(path), severity, stage: 'api-server', code: 'unknown-field', message });
    }
    for (const { code, message, path } of verdict.notices) {
      this.add({ ...where(path), severity: 'warning', stage: 'agent', code, message });
    }
    const { agent } = verdict;
    if (agent === undefined) return;
    const after = verdict.schema.length === 0 ? '; kubectl apply succeeds all the same' : '';
    this.add({
      ...where(agent.path),
      severity: 'error',
      stage: 'agent',
      code: agent.code,
      message: `${agent.path.length > 0 ? `${apiPath(agent.path)}: ` : ''}${agent.message}${after}`,
      ...(agent.allowed === undefined ? {} : { hint: `allowed: ${agent.allowed}` }),
    });
  }

  private settings(
    findings: readonly ConfigFinding[],
    positionOf: (option: string | undefined) => { line: number; column: number },
  ): void {
    for (const finding of findings) {
      if (finding.severity === 'note') continue;
      const { line, column } = finding.position ?? positionOf(finding.options[0]);
      const { severity, code, hint, by } = finding;
      const message = by === undefined ? finding.message : `the ${by} refuses this: ${finding.message}`;
      this.add({ line, column, severity, stage: 'settings', code, message, ...(hint === undefined ? {} : { hint }) });
    }
  }

  private values(values: Values, document: YamlDocument): void {
    this.checked.push('Helm values');
    const source = { name: this.file, values, positionOf: (path: ErrorPath) => document.positionOf(path) };
    const { findings } = resolveConfig({ profile: this.options.profile ?? DEFAULT_PROFILE, values: [source] });
    this.settings(findings, (option) => document.positionOf(option?.split('.') ?? []));
  }

  private configMap(value: Json, at: ErrorPath, document: YamlDocument): void {
    this.checked.push('cilium-config');
    try {
      const data = configDataOf(value);
      const profile = this.options.profile ?? DEFAULT_PROFILE;
      const { findings } = resolveConfig({ profile, configMap: { name: this.file, data } });
      this.settings(findings, (option) => {
        const key = (option === undefined ? undefined : OPTION_OF_HELM.get(option)?.key) ?? option;
        return document.positionOf([...at, 'data', ...(key === undefined ? [] : [key])]);
      });
    } catch (error) {
      if (!(error instanceof LbtwinError)) throw error;
      const place = document.positionOf([...at, ...error.path]);
      this.add({ ...place, severity: 'error', stage: 'settings', code: error.code, message: error.message });
    }
  }
}

/**
 * Validates a file: Kubernetes and Cilium objects, Helm values, a `cilium-config` ConfigMap, mount units (by name), and misprints in
 * any text. Findings are in the order of the text.
 */
export function validateFile(file: string, text: string, options: ValidateFileOptions = {}): FileReport {
  const validator = new FileValidator(file, options);
  validator.text(text);
  const findings = validator.findings.sort((a, b) => a.line - b.line || a.column - b.column);
  return { file, findings, checked: validator.checked };
}
