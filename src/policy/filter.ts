import { LbtwinError } from '../errors.ts';
import { Protocol } from '../net/index.ts';
import type { DirectionName } from './layout.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { formatOrigin, type L7Spec, type Peer, type PortSpec, type SectionRule } from './rule.ts';
import type { SelectorCache } from './selector-cache.ts';
import { isWildcard, narrow, type Requirement, reservedSelector, type Selector, WILDCARD } from './selector.ts';

/** What a filter says about the peers of one selector. */
export interface PeerPolicy {
  readonly selector: Selector;
  deny: boolean;
  /** `` no redirect, `dns`, `http`, `kafka`, `tls`, `crd`, or the name of an l7proto. */
  parser: string;
  /** Of parser `crd`. */
  listener: string;
  /** The lower number wins among redirects: 101..126 by parser, 1..100 by choice; 0 = no redirect. */
  rank: number;
  tls: string;
  /** Undefined where no rule had an authentication section. */
  auth: number | undefined;
  /** The section rules that it comes from. */
  readonly rules: SectionRule[];
}

/** All rules of one direction for one port (or range, or named port) and protocol. */
export interface Filter {
  readonly port: number;
  readonly name: string;
  readonly endPort: number;
  readonly proto: number;
  /** By selector id. */
  readonly peers: Map<string, PeerPolicy>;
}

/** The filters of a direction, and which kinds of rules there are: they decide how entries push each other out. */
export interface FilterSet {
  readonly direction: DirectionName;
  readonly filters: Map<string, Filter>;
  denies: boolean;
  redirects: boolean;
  auths: boolean;
}

const PARSER_RANK: Readonly<Record<string, number>> = { http: 101, kafka: 106, tls: 116, dns: 121, crd: 126 };
const PROXYLIB_RANK = 111;

const HOST = reservedSelector('host');
const NONE = reservedSelector('none');

/** Every protocol and port. */
const EVERYTHING = { port: 0, name: '', endPort: 0, proto: Protocol.ANY };

/** Protocols of `ANY` with a port. */
const PORT_PROTOCOLS = [Protocol.TCP, Protocol.UDP, Protocol.SCTP];

/**
 * Turns the rules of one direction that select a subject into filters.
 * @throws LbtwinError `policy-conflict` when two rules cannot both be had: the agent then fails for the whole subject
 */
export function buildFilters(
  direction: DirectionName,
  rules: readonly SectionRule[],
  cache: SelectorCache,
  also: { readonly localhost: boolean; readonly allowAll: boolean },
): FilterSet {
  const set: FilterSet = { direction, filters: new Map(), denies: false, redirects: false, auths: false };
  const requires = (deny: boolean): Requirement[] => rules.filter((r) => r.deny === deny).flatMap((r) => r.requires);
  const conditions = { allow: requires(false), deny: requires(true) };
  for (const rule of rules) {
    const selectors = selectorsOf(rule, rule.deny ? conditions.deny : conditions.allow);
    if (selectors === undefined) continue;
    for (const { spec, l7 } of portsOf(rule, selectors.length > 0)) {
      addFilter(set, rule, selectors.length > 0 ? selectors : [WILDCARD], spec, l7);
    }
  }
  if (also.allowAll) addPeers(set, EVERYTHING, [WILDCARD], plain([]));
  if (direction === 'ingress' && also.localhost) openForHost(set, cache);
  return set;
}

/** Peers of a rule; empty: no peer section; undefined: the rule counts for nothing. */
function selectorsOf(rule: SectionRule, requires: readonly Requirement[]): Selector[] | undefined {
  if (rule.nobody) return undefined;
  if (!rule.hasPeers) return [];
  const found = rule.peers.map((peer: Peer) =>
    peer.kind === 'endpoints' && requires.length > 0 ? narrow(peer.selector, ...requires) : peer.selector,
  );
  // Names and services that lead nowhere yet select nobody, but they are a peer section.
  if (found.length === 0) return [NONE];
  return found.some(isWildcard) ? [WILDCARD] : found;
}

function* portsOf(rule: SectionRule, hasPeers: boolean): Generator<{ spec: PortKey; l7: L7Spec | undefined }> {
  const toPorts = rule.toPorts ?? [];
  const icmps = rule.icmps ?? [];
  if (toPorts.length === 0 && icmps.length === 0) {
    if (hasPeers) yield { spec: EVERYTHING, l7: undefined };
    return;
  }
  for (const { ports, l7 } of toPorts) {
    for (const spec of ports) {
      const protocols = spec.proto === Protocol.ANY ? PORT_PROTOCOLS : [spec.proto];
      for (const proto of protocols) yield { spec: { ...spec, proto }, l7 };
    }
  }
  for (const { proto, type } of icmps) yield { spec: { port: type, name: '', endPort: 0, proto }, l7: undefined };
}

/** The parser that a rule asks for on a protocol. */
export function parserOf(l7: L7Spec | undefined, proto: number): string {
  if (l7 === undefined) return '';
  if (l7.listener !== undefined) return 'crd';
  if (l7.rules === 'dns' || (l7.rules !== '' && proto === Protocol.TCP)) return l7.rules;
  return l7.tls !== '' || l7.serverNames ? 'tls' : '';
}

type PortKey = Pick<PortSpec, 'port' | 'name' | 'endPort' | 'proto'>;

function addFilter(
  set: FilterSet,
  rule: SectionRule,
  selectors: readonly Selector[],
  spec: PortKey,
  l7: L7Spec | undefined,
): void {
  const parser = rule.deny ? '' : parserOf(l7, spec.proto);
  set.denies ||= rule.deny;
  set.redirects ||= parser !== '';
  set.auths ||= rule.auth !== undefined;
  addPeers(set, spec, selectors, {
    deny: rule.deny,
    parser,
    listener: parser === 'crd' ? l7!.listener!.name : '',
    rank: parser === '' ? 0 : l7?.listener?.priority || rankOf(parser),
    tls: rule.deny ? '' : (l7?.tls ?? ''),
    auth: rule.auth,
    rules: [rule],
  });
}

const rankOf = (parser: string): number => (parser === '' ? 0 : (PARSER_RANK[parser] ?? PROXYLIB_RANK));

const plain = (rules: SectionRule[]): Omit<PeerPolicy, 'selector'> => ({
  deny: false,
  parser: '',
  listener: '',
  rank: 0,
  tls: '',
  auth: undefined,
  rules,
});

function addPeers(
  set: FilterSet,
  { port, name, endPort, proto }: PortKey,
  selectors: readonly Selector[],
  policy: Omit<PeerPolicy, 'selector'>,
): void {
  const key = name === '' ? `${port}-${endPort}/${proto}` : `${name}/${proto}`;
  let filter = set.filters.get(key);
  if (filter === undefined) set.filters.set(key, (filter = { port, name, endPort, proto, peers: new Map() }));
  for (const selector of selectors) {
    const known = filter.peers.get(selector.id);
    if (known === undefined) filter.peers.set(selector.id, { ...policy, selector, rules: [...policy.rules] });
    // Nobody is behind `reserved:none`: what is said of it cannot conflict.
    else if (selector.id !== NONE.id) merge(known, policy);
  }
}

/** TLS handling is part of what HTTP, Kafka and other protocol parsers do. */
const promotes = (from: string, to: string): boolean => from === 'tls' && to !== 'dns' && to !== 'crd';

/** Lets the more general parser give way. `undefined`: they conflict. */
function mergeParsers(a: string, b: string): string | undefined {
  if (a === b || b === '') return a;
  if (a === '') return b;
  if (promotes(a, b)) return b;
  return promotes(b, a) ? a : undefined;
}

function merge(into: PeerPolicy, other: Omit<PeerPolicy, 'selector'>): void {
  const rules = other.rules.filter((rule) => !into.rules.includes(rule));
  if (into.deny || other.deny) {
    if (other.deny && !into.deny) {
      const { rules: _, ...nothingElse } = plain([]);
      Object.assign(into, nothingElse, { deny: true });
    }
    into.rules.push(...rules);
    return;
  }
  const conflict = (what: string): never => {
    const [mine, theirs] = [into.rules[0]!, other.rules[0]!];
    throw new LbtwinError(
      'policy-conflict',
      `${formatOrigin(mine.origin)} and ${formatOrigin(theirs.origin)} ask for ${what} for the same peers and port: the agent refuses the whole policy of every endpoint that both select`,
      { path: theirs.path },
    );
  };
  const parser = mergeParsers(into.parser, other.parser);
  if (parser === undefined) return conflict(`L7 parsers ${into.parser} and ${other.parser}`);
  mergeListeners(into, other, conflict);
  if (into.tls !== '' && other.tls !== '' && into.tls !== other.tls) return conflict('different TLS contexts');
  if (into.auth !== undefined && other.auth !== undefined && into.auth !== other.auth) {
    return conflict('different authentication modes');
  }
  into.parser = parser;
  if (parser !== 'crd') into.rank = rankOf(parser);
  into.tls ||= other.tls;
  into.auth ??= other.auth;
  into.rules.push(...rules);
}

function mergeListeners(
  into: PeerPolicy,
  other: Omit<PeerPolicy, 'selector'>,
  conflict: (what: string) => never,
): void {
  if (other.listener === '') return;
  if (into.listener === '' || other.rank < into.rank) {
    into.listener = other.listener;
    into.rank = other.rank;
  } else if (other.rank === into.rank && other.listener !== into.listener) conflict('different listeners');
}

/** Where a redirect would catch the local host, and the host is always let in, the host passes without the proxy. */
function openForHost(set: FilterSet, cache: SelectorCache): void {
  for (const filter of set.filters.values()) {
    const caught = [...filter.peers.values()].find(
      ({ parser, selector }) => parser !== '' && cache.has(selector, ReservedIdentity.HOST),
    );
    if (caught === undefined || filter.peers.has(HOST.id)) continue;
    filter.peers.set(HOST.id, { ...plain([...caught.rules]), selector: HOST });
  }
}
