import { CNI_FILE, type DatapathConfig } from '../config/index.ts';
import { LbtwinError } from '../errors.ts';

/** What of the agent's configuration decides about its CNI file. */
export interface CniSettings {
  /** `write-cni-conf-when-ready`: empty means that the agent manages no file. Its last part names the file. */
  readonly writePath: string;
  /** `read-cni-conf`. */
  readonly readPath: string;
  readonly chainingMode: string;
  readonly chainingTarget: string;
  readonly exclusive: boolean;
  readonly externalRouting: boolean;
  readonly logFile: string;
  readonly debug: boolean;
}

/** The files of a CNI directory: names to contents. */
export type CniDirectory = ReadonlyMap<string, string>;

/** A rename that the agent makes. */
export interface CniRename {
  readonly from: string;
  readonly to: string;
}

/** What the agent would do with a CNI directory (docs/install.md); nothing is touched. */
export interface CniPlan {
  readonly chainingMode: string;
  readonly chainingTarget: string;
  readonly externalRouting: boolean;
  /** The text of the agent's file, if it writes one. */
  readonly text: string | undefined;
  /** The name of that file; undefined if the agent manages none. */
  readonly file: string | undefined;
  /** True if the file is there with the same bytes already. */
  readonly unchanged: boolean;
  readonly renames: readonly CniRename[];
  /** Names in the directory afterwards, sorted. */
  readonly filesAfter: readonly string[];
  /** Why nothing is written; the agent tries again every 10 seconds. */
  readonly error: LbtwinError | undefined;
  /** What will go wrong although the file is written. */
  readonly warnings: readonly string[];
  /** The directory is watched: files that appear later are renamed too. */
  readonly watched: boolean;
}

const BACKUP = '.cilium_bak';
const OLD_FILE = '05-cilium.conf';
const PLUGIN = 'cilium-cni';
/** Modes that the CNI plugin knows; any other in its file fails every pod. */
const PLUGIN_MODES: readonly string[] = ['aws-cni', 'azure', 'flannel', 'generic-veth'];

export function cniSettingsOf(config: DatapathConfig): CniSettings {
  return {
    writePath: config.writeCniConfWhenReady,
    readPath: config.readCniConf,
    chainingMode: config.cniChainingMode,
    chainingTarget: config.cniChainingTarget,
    exclusive: config.cniExclusive,
    externalRouting: config.cniExternalRouting,
    logFile: config.cniLogFile,
    debug: config.debug,
  };
}

/** Modes and targets that were left out are filled in when the agent starts. */
function normalise({ chainingMode, chainingTarget, externalRouting }: CniSettings): {
  chainingMode: string;
  chainingTarget: string;
  externalRouting: boolean;
} {
  if (chainingMode === 'aws-cni' && chainingTarget === '') {
    return { chainingMode, chainingTarget: 'aws-cni', externalRouting: true };
  }
  const mode = chainingMode === '' ? (chainingTarget === '' ? 'none' : 'generic-veth') : chainingMode;
  return { chainingMode: mode, chainingTarget, externalRouting };
}

type Json = Record<string, unknown>;
const portmap: Json = { type: 'portmap', capabilities: { portMappings: true } };

/** The file that the agent generates without a target. */
function template(mode: string, settings: CniSettings): Json {
  const plugin = { type: PLUGIN, 'enable-debug': settings.debug, 'log-file': settings.logFile };
  const list = (name: string, plugins: Json[]): Json => ({ cniVersion: '0.3.1', name, plugins });
  switch (mode.toLowerCase()) {
    case 'none':
      return list('cilium', [plugin]);
    case 'portmap':
      return list('portmap', [plugin, portmap]);
    case 'flannel':
      return list('flannel', [
        { type: 'flannel', delegate: { hairpinMode: true, isDefaultGateway: true } },
        portmap,
        { ...plugin, 'chaining-mode': 'flannel' },
      ]);
    default:
      throw new LbtwinError('cni-chaining-mode', `invalid CNI chaining mode ${JSON.stringify(mode)}`, {
        allowed: 'none, portmap, flannel; with a chaining target any mode of the plugin',
      });
  }
}

function parseObject(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}

const isConfig = (name: string): boolean => /\.(?:conflist|conf|json)$/.test(name);
const byName = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** The network configuration that Cilium is to be inserted into, as a list of plugins. */
function findNetwork(target: string, own: string, directory: CniDirectory): Json {
  for (const name of [...directory.keys()].sort(byName)) {
    if (name === own || !(isConfig(name) || name.endsWith(BACKUP))) continue;
    const config = parseObject(directory.get(name)!);
    if (typeof config?.['name'] !== 'string' || (target !== '*' && config['name'] !== target)) continue;
    const { plugins } = config;
    if (Array.isArray(plugins) && plugins.length > 0) return config;
    return { cniVersion: config['cniVersion'] ?? null, name: target, plugins: [config] };
  }
  throw new LbtwinError('cni-target-missing', `no CNI configuration named ${JSON.stringify(target)}`, {
    allowed: 'the network name of a *.conflist, *.conf, *.json or *.cilium_bak file, or * for the first one',
  });
}

function insert(target: string, mode: string, settings: CniSettings, own: string, directory: CniDirectory): Json {
  const network = findNetwork(target, own, directory);
  const entry = {
    type: PLUGIN,
    'chaining-mode': mode,
    'enable-debug': settings.debug,
    'log-file': settings.logFile,
  };
  const plugins = [...(network['plugins'] as unknown[])];
  const at = plugins.findIndex((plugin) => (plugin as Json | null)?.['type'] === PLUGIN);
  if (at < 0) plugins.push(entry);
  else plugins[at] = entry;
  return { ...network, plugins };
}

function warningsOf(text: string, settings: CniSettings): string[] {
  const warnings: string[] = [];
  if (settings.readPath === '' && settings.logFile.includes("'")) {
    warnings.push(`cni-log-file has a single quote: the agent escapes it as \\', which is no JSON`);
  }
  const config = parseObject(text);
  if (config === undefined) return [...warnings, 'the file is no JSON object: the container runtime ignores it'];
  const plugins = Array.isArray(config['plugins']) ? (config['plugins'] as (Json | null)[]) : [];
  const own = plugins.filter((plugin) => plugin?.['type'] === PLUGIN);
  if (own.length === 0) warnings.push(`no plugin of type ${PLUGIN}: pods get no Cilium endpoint`);
  for (const plugin of own) {
    const mode = plugin!['chaining-mode'];
    if (typeof mode === 'string' && mode !== '' && !PLUGIN_MODES.includes(mode)) {
      warnings.push(
        `chaining-mode ${JSON.stringify(mode)}: the plugin knows ${PLUGIN_MODES.join(', ')} only and fails every pod`,
      );
    }
  }
  return warnings;
}

/**
 * What the agent would do with a CNI directory.
 * @param readFile the text of `read-cni-conf`, or undefined if there is none
 */
export function planCni(
  settings: CniSettings,
  directory: CniDirectory,
  readFile: (path: string) => string | undefined = (path) => directory.get(path),
): CniPlan {
  const { chainingMode, chainingTarget, externalRouting } = normalise(settings);
  const file =
    settings.writePath === '' ? undefined : settings.writePath.slice(settings.writePath.lastIndexOf('/') + 1);
  const base = { chainingMode, chainingTarget, externalRouting, file, unchanged: false, renames: [] as CniRename[] };
  const before = [...directory.keys()].sort(byName);
  const idle = { ...base, text: undefined, filesAfter: before, warnings: [], watched: false };
  if (file === undefined) return { ...idle, error: undefined };
  let text: string;
  try {
    if (settings.readPath !== '') {
      const copy = readFile(settings.readPath);
      if (copy === undefined) throw new LbtwinError('cni-file-missing', `cannot read ${settings.readPath}`);
      text = copy;
    } else {
      const config =
        chainingTarget === ''
          ? template(chainingMode, settings)
          : insert(chainingTarget, chainingMode, settings, file, directory);
      text = `${JSON.stringify(config, undefined, 2)}\n`;
    }
  } catch (error) {
    if (error instanceof LbtwinError) return { ...idle, error };
    throw error;
  }
  const renames = before
    .filter((name) => name !== file && (name === OLD_FILE || (settings.exclusive && isConfig(name))))
    .map((name) => ({ from: name, to: `${name}${BACKUP}` }));
  const gone = new Set(renames.map(({ from }) => from));
  const after = new Set([...before.filter((name) => !gone.has(name)), ...renames.map(({ to }) => to), file]);
  return {
    ...base,
    text,
    unchanged: directory.get(file) === text,
    renames,
    filesAfter: [...after].sort(byName),
    error: undefined,
    warnings: warningsOf(text, settings),
    watched: settings.exclusive,
  };
}

/** The name that the chart gives the file. */
export { CNI_FILE };
