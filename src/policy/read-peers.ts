import type { ErrorPath } from '../errors.ts';
import { type Cidr, cidrContains, maskCidr, tryParseCidr } from '../net/index.ts';
import { worldLabel } from './identity.ts';
import { cidrKey, hostCidr, LabelKey, LabelSource } from './labels.ts';
import type { Raw } from './raw.ts';
import { readKubernetesSelector, readSelector, type Scope, scopeSelector } from './read-selector.ts';
import type { Peer, PeerKind, PolicyParseOptions, ServicePeer } from './rule.ts';
import { type Requirement, requirement, reservedSelector, type Selector, selectorOf, WILDCARD } from './selector.ts';

const SINGLE_ENTITIES = [
  'host',
  'init',
  'ingress',
  'unmanaged',
  'remote-node',
  'health',
  'none',
  'kube-apiserver',
  'world-ipv4',
  'world-ipv6',
] as const;

const CLUSTER_ENTITIES = ['host', 'remote-node', 'init', 'ingress', 'health', 'unmanaged', 'kube-apiserver'] as const;

/** Entities that a rule may name. `world-ipv4` and `world-ipv6` are known to the agent, but not to the API server. */
export const ENTITIES: readonly string[] = ['all', 'world', 'cluster', ...SINGLE_ENTITIES];

/** What an entity selects. */
export function entitySelectors(entity: string, clusterName: string): Selector[] {
  switch (entity) {
    case 'all':
      return [WILDCARD];
    case 'world':
      return ['world', 'world-ipv4', 'world-ipv6'].map(reservedSelector);
    case 'cluster':
      return [
        ...CLUSTER_ENTITIES.map(reservedSelector),
        selectorOf([requirement(LabelSource.K8S, LabelKey.CLUSTER, 'In', [clusterName])]),
      ];
    default:
      return [reservedSelector(entity)];
  }
}

const outside = (except: readonly Cidr[]): Requirement[] =>
  except.map((hole) => requirement(LabelSource.CIDR, cidrKey(maskCidr(hole)), 'DoesNotExist'));

/** What a prefix selects: the identities of prefixes inside it; for `/0` also the world; nothing inside an exception. */
export function cidrSelectors(cidr: Cidr, except: readonly Cidr[], dualStack: boolean): Selector[] {
  const holes = outside(except);
  const inside = requirement(LabelSource.CIDR, cidrKey(maskCidr(cidr)), 'Exists');
  const selectors = [selectorOf([inside, ...holes])];
  if (cidr.bits === 0) {
    const { key } = worldLabel(cidr.address.family, dualStack);
    selectors.push(selectorOf([requirement(LabelSource.RESERVED, key, 'In', ['']), ...holes]));
  }
  return selectors;
}

/** What was read of the peer lists of one section item. */
export interface PeerLists {
  hasPeers: boolean;
  nobody: boolean;
  peers: Peer[];
  services: ServicePeer[];
  requires: Requirement[];
  prefixes: Cidr[];
  /** `toGroups`, `fromGroups`: an operator turns them into another object. */
  groups: boolean;
}

export const noPeers = (): PeerLists => ({
  hasPeers: false,
  nobody: false,
  peers: [],
  services: [],
  requires: [],
  prefixes: [],
  groups: false,
});

type ListReader = (items: readonly Raw[], lists: PeerLists) => void;

/** Reads the peer lists (`fromEndpoints`, ...) of one item of a section. */
export function readPeers(
  raw: Raw,
  prefix: 'from' | 'to',
  deny: boolean,
  scope: Scope,
  options: PolicyParseOptions,
): PeerLists {
  const lists = noPeers();
  const readers: Readonly<Record<string, ListReader>> = {
    Endpoints: (items, out) => readSelectors(items, 'endpoints', out, (r) => scopeSelector(r, scope)),
    CIDR: (items, out) => items.forEach((item) => readCidr(item, out, options)),
    CIDRSet: (items, out) => items.forEach((item) => readCidrSet(item, out, options)),
    Entities: (items, out) => items.forEach((item) => readEntity(item, out, options)),
    Nodes: (items, out) => readNodes(items, out, options),
    Groups: (_, out) => (out.groups = true),
    ...(prefix === 'to' ? { Services: readServices } : {}),
    ...(prefix === 'to' && !deny ? { FQDNs: readFqdns } : {}),
  };
  const given = Object.keys(readers).filter((name) => (raw.field(`${prefix}${name}`).list()?.length ?? 0) > 0);
  if (given.length > 1) {
    raw.fail(
      'two-peer-kinds-in-one-rule',
      `${prefix}${given[0]} and ${prefix}${given[1]} cannot be combined`,
      'one kind of peer per rule',
    );
  }
  for (const [name, read] of Object.entries(readers)) {
    const items = raw.field(`${prefix}${name}`).list();
    if (items === undefined) continue;
    // An empty list of services or groups counts as none.
    const counts = name !== 'Services' && name !== 'Groups';
    if (items.length === 0) lists.nobody ||= counts;
    lists.hasPeers ||= items.length > 0 || counts;
    read(items, lists);
  }
  for (const item of raw.field(`${prefix}Requires`).list() ?? []) {
    lists.requires.push(...scopeSelector(readSelector(item), scope).requirements);
  }
  return lists;
}

function add(lists: PeerLists, kind: PeerKind, selectors: readonly Selector[], path: ErrorPath, text: string): void {
  for (const selector of selectors) lists.peers.push({ kind, selector, path, text });
}

function readSelectors(
  items: readonly Raw[],
  kind: PeerKind,
  lists: PeerLists,
  make: (requirements: readonly Requirement[]) => Selector,
): void {
  for (const item of items) {
    const selector = make(readSelector(item));
    add(lists, kind, [selector], item.path, `${kind} ${selector.id || 'all'}`);
  }
}

function readNodes(items: readonly Raw[], lists: PeerLists, options: PolicyParseOptions): void {
  if (items.length > 0 && options.nodeSelectorLabels !== true) {
    items[0]!.fail('node-selector-labels-disabled', 'selecting nodes needs enable-node-selector-labels');
  }
  const remoteNode = requirement(LabelSource.RESERVED, 'remote-node', 'Exists');
  readSelectors(items, 'nodes', lists, (requirements) => selectorOf([...requirements, remoteNode]));
}

function readEntity(item: Raw, lists: PeerLists, options: PolicyParseOptions): void {
  const entity = item.string() ?? '';
  if (!ENTITIES.includes(entity)) {
    item.fail('unknown-entity', `${JSON.stringify(entity)} is not an entity`, ENTITIES.join(', '));
  }
  add(lists, 'entities', entitySelectors(entity, options.clusterName ?? 'default'), item.path, `entity ${entity}`);
}

function readCidr(item: Raw, lists: PeerLists, options: PolicyParseOptions): void {
  const text = item.string() ?? '';
  if (text === '') item.fail('empty-cidr', 'a CIDR must not be empty');
  const cidr = tryParseCidr(text) ?? hostCidr(text);
  if (cidr === undefined) {
    return item.fail('not-an-address-or-prefix', `${JSON.stringify(text)} is neither an address nor a prefix`);
  }
  lists.prefixes.push(maskCidr(cidr));
  add(lists, 'cidr', cidrSelectors(cidr, [], options.dualStack === true), item.path, `CIDR ${text}`);
}

function readPrefix(raw: Raw): Cidr {
  const text = raw.string() ?? '';
  const cidr = tryParseCidr(text);
  if (cidr !== undefined) return cidr;
  return raw.fail(
    'cidr-needs-prefix-form',
    `${JSON.stringify(text)} is not a prefix`,
    'an address with a prefix length',
  );
}

/** Reads `except` lists. */
const readHoles = (raw: Raw): Cidr[] => (raw.field('except').list() ?? []).map(readPrefix);

/** Reads `cidr` and `except` of a CIDRSet item or an ipBlock. */
export function readBlock(raw: Raw): { cidr: Cidr; except: Cidr[]; text: string } {
  const cidr = readPrefix(raw.field('cidr'));
  const except = readHoles(raw);
  const text = raw.field('cidr').string()!;
  except.forEach((hole, index) => {
    // Only the address has to lie inside: a shorter exception at the same address passes.
    if (cidrContains(cidr, hole.address)) return;
    const at = raw.field('except').list()![index]!;
    at.fail('except-outside-cidr', `${at.string()} does not lie inside ${text}`);
  });
  const but = except.length === 0 ? '' : ` except ${raw.field('except').strings()!.join(', ')}`;
  return { cidr, except, text: `${text}${but}` };
}

function readCidrSet(item: Raw, lists: PeerLists, options: PolicyParseOptions): void {
  item.object();
  const text = item.field('cidr').string() ?? '';
  const group = item.field('cidrGroupRef').string() ?? '';
  const groupSelector = item.field('cidrGroupSelector');
  const sources = Number(text !== '') + Number(group !== '') + Number(!groupSelector.missing);
  const allowed = 'one of cidr, cidrGroupRef, cidrGroupSelector';
  if (sources === 0) item.fail('no-cidr-source', 'neither a cidr nor a group is given', allowed);
  if (sources > 1) item.fail('two-cidr-sources', 'more than one of cidr and groups is given', allowed);
  if (text !== '') {
    const block = readBlock(item);
    lists.prefixes.push(...[block.cidr, ...block.except].map(maskCidr));
    const selectors = cidrSelectors(block.cidr, block.except, options.dualStack === true);
    add(lists, 'cidrSet', selectors, item.path, `CIDR ${block.text}`);
    return;
  }
  // Beside a group the agent does not check what is excepted.
  const except = (item.field('except').strings() ?? []).map(tryParseCidr).filter((hole) => hole !== undefined);
  lists.prefixes.push(...except.map(maskCidr));
  const requirements =
    group !== ''
      ? [requirement(LabelSource.CIDR_GROUP, `${LabelKey.CIDR_GROUP_NAME}/${group}`, 'Exists')]
      : readKubernetesSelector(groupSelector).map((r) => ({ ...r, source: LabelSource.CIDR_GROUP }));
  const selector = selectorOf([...requirements, ...outside(except)]);
  add(lists, 'cidrSet', [selector], item.path, group === '' ? `CIDR groups ${selector.id}` : `CIDR group ${group}`);
}

function readServices(items: readonly Raw[], lists: PeerLists): void {
  for (const item of items) {
    const byName = item.field('k8sService');
    const bySelector = item.field('k8sServiceSelector');
    if (!byName.missing) {
      lists.services.push({
        path: item.path,
        name: byName.field('serviceName').string() ?? '',
        namespace: byName.field('namespace').string() ?? '',
      });
    }
    if (!bySelector.missing) {
      const namespace = bySelector.field('namespace').string();
      lists.services.push({
        path: item.path,
        selector: selectorOf(readSelector(bySelector.field('selector'))),
        ...(namespace === undefined || namespace === '' ? {} : { namespace }),
      });
    }
  }
}

const MATCH_NAME = /^[-a-zA-Z0-9_.]*$/;
const MATCH_PATTERN = /^[-a-zA-Z0-9_.*]*$/;

/** `matchName` and `matchPattern` of an item, checked for characters that no DNS name has. */
export function readDnsMatch(item: Raw): { name: string; pattern: string } {
  const name = item.field('matchName').string() ?? '';
  const pattern = item.field('matchPattern').string() ?? '';
  if (!MATCH_NAME.test(name)) {
    item
      .field('matchName')
      .fail('bad-fqdn-characters', `${JSON.stringify(name)} is not a DNS name`, 'letters, digits, - _ .');
  }
  if (!MATCH_PATTERN.test(pattern)) {
    const at = item.field('matchPattern');
    at.fail('bad-fqdn-characters', `${JSON.stringify(pattern)} is not a DNS pattern`, 'letters, digits, - _ . *');
  }
  return { name, pattern };
}

function readFqdns(items: readonly Raw[], lists: PeerLists): void {
  for (const item of items) {
    item.object();
    const { name, pattern } = readDnsMatch(item);
    if (name !== '' && pattern !== '') {
      item.fail('two-fqdn-matches', 'matchName and matchPattern are both given', 'one of the two');
    }
    const text = name === '' ? pattern : name;
    const selector = selectorOf([requirement(LabelSource.FQDN, text, 'In', [''])]);
    add(lists, 'fqdns', [selector], item.path, `FQDN ${text}`);
  }
}
