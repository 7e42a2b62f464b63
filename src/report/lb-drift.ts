import type { LiveFrontend } from './agent/read-lb-list.ts';
import { indented, textTable } from './table.ts';

/** A frontend whose entries are otherwise than the objects want them. */
export interface FrontendDrift {
  readonly frontend: string;
  /** Slots of backends that the objects do not give. */
  readonly stale: readonly string[];
  /** Backends that have no slot. */
  readonly missing: readonly string[];
  /** The same backends, in other slots: random choices fall otherwise. */
  readonly reordered: boolean;
  /** Flags on one side only. */
  readonly flags: { readonly found: readonly string[]; readonly wanted: readonly string[] };
}

/** Where a node's maps and its objects disagree. Ids are not looked at: they depend on history. */
export interface LbDrift {
  /** Frontends in the maps, and those that the objects give. */
  readonly found: number;
  readonly wanted: number;
  readonly stale: readonly LiveFrontend[];
  readonly missing: readonly LiveFrontend[];
  readonly changed: readonly FrontendDrift[];
}

const without = (list: readonly string[], other: readonly string[]): string[] =>
  list.filter((one) => !other.includes(one));

function compare(found: LiveFrontend, wanted: LiveFrontend): FrontendDrift | undefined {
  const stale = without(found.backends, wanted.backends);
  const missing = without(wanted.backends, found.backends);
  const same = stale.length === 0 && missing.length === 0;
  const reordered = same && found.backends.join() !== wanted.backends.join();
  const flags = { found: without(found.flags, wanted.flags), wanted: without(wanted.flags, found.flags) };
  if (same && !reordered && flags.found.length === 0 && flags.wanted.length === 0) return undefined;
  return { frontend: found.frontend, stale, missing, reordered, flags };
}

/**
 * @param found what a node's `bpf lb list` shows
 * @param wanted what its agent would write for the objects
 */
export function lbDrift(found: ReadonlyMap<string, LiveFrontend>, wanted: ReadonlyMap<string, LiveFrontend>): LbDrift {
  const changed: FrontendDrift[] = [];
  for (const [key, one] of wanted) {
    const live = found.get(key);
    const drift = live === undefined ? undefined : compare(live, one);
    if (drift !== undefined) changed.push(drift);
  }
  return {
    found: found.size,
    wanted: wanted.size,
    stale: [...found.values()].filter(({ frontend }) => !wanted.has(frontend)),
    missing: [...wanted.values()].filter(({ frontend }) => !found.has(frontend)),
    changed,
  };
}

export const drifts = ({ stale, missing, changed }: LbDrift): boolean =>
  stale.length + missing.length + changed.length > 0;

export interface DriftNames {
  /** `shop/web` of a frontend that the objects give. */
  serviceOf(frontend: string): string;
  /** What is known of a backend: its pod and node, or that no object has its address. */
  backendOf(backend: string): string;
}

const MAX_BACKENDS = 5;

function listed(title: string, frontends: readonly LiveFrontend[], names: DriftNames): string {
  if (frontends.length === 0) return '';
  const rows = frontends.map(({ frontend, flags, backends }) => [
    frontend,
    flags[0] ?? '',
    names.serviceOf(frontend),
    `${backends.slice(0, MAX_BACKENDS).join(', ')}${backends.length > MAX_BACKENDS ? `, … (${backends.length})` : ''}`,
  ]);
  return `\n${title}\n${indented(textTable(rows))}`;
}

function changeLines({ stale, missing, reordered, flags }: FrontendDrift, names: DriftNames): string {
  const rows = [
    ...stale.map((backend) => ['only in the maps:', backend, names.backendOf(backend)]),
    ...missing.map((backend) => ['not in the maps:', backend, names.backendOf(backend)]),
    ...flags.found.map((flag) => ['flag only in the maps:', flag, '']),
    ...flags.wanted.map((flag) => ['flag not in the maps:', flag, '']),
    ...(reordered ? [['the same backends, in other slots', '', '']] : []),
  ];
  return indented(textTable(rows), '    ');
}

/** The answer for people. */
export function formatDrift(configuration: string, node: string, drift: LbDrift, names: DriftNames): string {
  const { found, wanted, stale, missing, changed } = drift;
  let text = `${configuration}\n\n${node === '' ? 'the node' : node}: ${found} frontends in its maps, ${wanted} by the objects\n`;
  text += listed('in the maps, and not by the objects (stale, or from objects that are not here)', stale, names);
  text += listed('by the objects, and not in the maps', missing, names);
  if (changed.length > 0) text += '\notherwise than by the objects\n';
  for (const one of changed) {
    text += `  ${[one.frontend, names.serviceOf(one.frontend)].join('  ').trimEnd()}\n${changeLines(one, names)}`;
  }
  return drifts(drift) ? text : `${text}no difference\n`;
}
