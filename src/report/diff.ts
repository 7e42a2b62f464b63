import type { FrontendDiff, NodeDiff } from '../lint/diff.ts';
import { serviceFlagNames } from '../lb/flag-names.ts';
import { percent, textTable } from './table.ts';

/** A change that is the same on several nodes. */
interface SharedDiff {
  readonly diff: FrontendDiff;
  /** Of a NodePort: the same at the addresses of the nodes, where clients from outside come in. */
  readonly outside: FrontendDiff | undefined;
  readonly nodes: string[];
}

const WILDCARD = /^(?:0\.0\.0\.0|\[::\])(?=:)/;

/**
 * The changes with the nodes that have them. A NodePort's entries for the addresses of the node go with those of its wildcard.
 * @param isNodeAddress whether the host part of a frontend's address (`10.0.0.1`, `[fd00::1]`) is a node's
 */
function shared(nodes: readonly NodeDiff[], isNodeAddress: (host: string) => boolean): SharedDiff[] {
  const found = new Map<string, SharedDiff>();
  for (const { node, frontends } of nodes) {
    const split = (address: string): [host: string, rest: string] => {
      const [, host = '', rest = ''] = /^(\[[^\]]*\]|[^:]*)(:.*)$/.exec(address) ?? [];
      return [host, rest];
    };
    const copies = new Map<string, FrontendDiff>();
    for (const diff of frontends) {
      const [host, rest] = split(diff.address);
      if (!WILDCARD.test(diff.address) && isNodeAddress(host))
        copies.set(`${host.startsWith('[') ? 6 : 4}${rest}`, diff);
    }
    const wildcards = new Set<string>();
    for (const { address } of frontends) {
      if (WILDCARD.test(address)) wildcards.add(`${address.startsWith('[') ? 6 : 4}${split(address)[1]}`);
    }
    for (const diff of frontends) {
      const [host, rest] = split(diff.address);
      const port = `${host.startsWith('[') ? 6 : 4}${rest}`;
      const wildcard = WILDCARD.test(diff.address);
      if (!wildcard && wildcards.has(port) && isNodeAddress(host)) continue;
      const outside = wildcard ? copies.get(port) : undefined;
      const key = JSON.stringify([diff, outside?.moved, outside?.selection]);
      const known = found.get(key);
      if (known === undefined) found.set(key, { diff, outside, nodes: [node] });
      else known.nodes.push(node);
    }
  }
  return [...found.values()];
}

const MAX = 6;

function listed(sign: string, addresses: readonly string[], nameOf: (address: string) => string): string[] {
  const lines = addresses.slice(0, MAX).map((address) => `    ${sign} ${address}${suffix(nameOf(address))}`);
  return addresses.length > MAX ? [...lines, `    ${sign} … and ${addresses.length - MAX} more`] : lines;
}

const suffix = (name: string): string => (name === '' ? '' : `  ${name}`);

const CHANGES = { added: 'new', removed: 'gone', changed: 'changed' } as const;

const valueText = (field: string, value: string): string =>
  field === 'flags' ? serviceFlagNames(Number(value)).join(', ') : value || '(none)';

const flowsText = ({ moved, selection }: FrontendDiff): string =>
  moved === 0 ? 'no new flow moves' : `${percent(moved, 1)} of new flows move (${selection})`;

function lines({ diff, outside }: SharedDiff, nameOf: (address: string) => string): string[] {
  const { address, change, fields } = diff;
  const told = `: ${flowsText(diff)}`;
  const also =
    outside === undefined || outside.moved === diff.moved
      ? ''
      : `; from outside, at the nodes' addresses, ${flowsText(outside)}`;
  if (change !== 'changed') {
    const count = diff.backendsAdded.length + diff.backendsRemoved.length;
    return [`  ${address}  ${CHANGES[change]} (${count} ${count === 1 ? 'backend' : 'backends'})`];
  }
  return [
    `  ${address}  ${CHANGES[change]}${told}${also}`,
    ...fields.map(([field, before, after]) => `    ${field}: ${valueText(field, before)} → ${valueText(field, after)}`),
    ...listed('+', diff.backendsAdded, nameOf),
    ...listed('-', diff.backendsRemoved, nameOf),
    ...listed('now picked:', diff.selectableAdded, nameOf),
    ...listed('no longer picked:', diff.selectableRemoved, nameOf),
  ];
}

export interface DiffTextOptions {
  readonly isNodeAddress: (host: string) => boolean;
  /** Who a backend's address is; `''` if that is not known. */
  readonly nameOf: (address: string) => string;
}

/** What changes between two states of a cluster, for people: by nodes that change alike, then by service. */
export function formatDiff(nodes: readonly NodeDiff[], options: DiffTextOptions): string {
  const groups = new Map<string, SharedDiff[]>();
  for (const change of shared(nodes, options.isNodeAddress)) {
    const where = change.nodes.length === nodes.length ? 'on every node' : `on ${change.nodes.join(', ')}`;
    const group = groups.get(where);
    if (group === undefined) groups.set(where, [change]);
    else group.push(change);
  }
  if (groups.size === 0) return 'nothing changes on any node\n';
  let text = '';
  for (const [where, changes] of [...groups].sort(([a], [b]) =>
    a === 'on every node' ? -1 : b === 'on every node' ? 1 : 0,
  )) {
    text += `${text === '' ? '' : '\n'}${where === 'on ' ? 'on the node' : where}\n`;
    let service = '';
    for (const change of [...changes].sort((a, b) => (a.diff.service < b.diff.service ? -1 : 1))) {
      const { diff } = change;
      if (diff.service !== service) text += ` ${diff.service}\n`;
      service = diff.service;
      text += `${lines(change, options.nameOf).join('\n')}\n`;
    }
  }
  const counts = nodes.map(({ node, count: [before, after] }) => [node, String(before), String(after)]);
  const table = textTable([['node', 'frontends before', 'after'], ...counts], new Set([1, 2]));
  return `${text}\n${table}`;
}
