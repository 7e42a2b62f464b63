import { packEntry } from './entry.ts';
import { buildFilters, type Filter, type FilterSet, type PeerPolicy } from './filter.ts';
import { ReservedIdentity } from '../node/identity.ts';
import { packL4, portOfL4, prefixOfL4, protoOfL4 } from './l4.ts';
import { Direction, type DirectionName, PROTO_BITS } from './layout.ts';
import { MapState } from './map-state.ts';
import type { Label } from './labels.ts';
import { portBlocks } from './ports.ts';
import type { PolicyRule, SectionRule } from './rule.ts';
import type { SelectorCache } from './selector-cache.ts';
import { isWildcard, selects } from './selector.ts';

/** `policy-enforcement-mode`. */
export type EnforcementMode = 'default' | 'always' | 'never';

/** Settings of the agent that decide what entries a policy becomes. */
export interface ResolveOptions {
  readonly enforcement: EnforcementMode;
  /** The local host reaches every pod unless a rule denies it: `allow-localhost` is `always`, or `auto` under Kubernetes. */
  readonly alwaysAllowLocalhost: boolean;
  readonly hostFirewall: boolean;
  /** IPv4 and IPv6 are both on. */
  readonly dualStack: boolean;
  /** Proxy port of a redirect, 1..65535. */
  readonly proxyPort: (direction: DirectionName, parser: string, listener: string) => number;
}

/** The endpoint that a policy is resolved for. */
export interface PolicySubject {
  readonly identity: number;
  /** In the order of `sortLabels`. */
  readonly labels: readonly Label[];
  /** Port number of a named port: its own on ingress, any pod's on egress. 0 = unknown or not unique. */
  namedPort(direction: DirectionName, name: string, proto: number): number;
}

/** A redirect to a proxy: one per filter and peer selector that asks for it. */
export interface Redirect {
  readonly direction: DirectionName;
  readonly proto: number;
  readonly port: number;
  readonly parser: string;
  readonly listener: string;
  readonly proxyPort: number;
}

/** One direction of a resolved policy. */
export interface ResolvedDirection {
  readonly direction: DirectionName;
  readonly enforced: boolean;
  /** Enforced, but no rule asks for default deny: everything that no rule denies passes. */
  readonly allowAll: boolean;
  /** The section rules that took part. */
  readonly rules: readonly SectionRule[];
  readonly filters: readonly Filter[];
  readonly redirects: readonly Redirect[];
  /** Entries; more than one where the engine's result depends on the order in which it takes the filters. */
  readonly states: readonly MapState[];
}

export interface ResolvedPolicy {
  readonly rules: readonly PolicyRule[];
  readonly ingress: ResolvedDirection;
  readonly egress: ResolvedDirection;
}

/** Whether a rule's subject selector selects an endpoint: rules for nodes select the host only, others never do. */
export const selectsSubject = (rule: PolicyRule, subject: Pick<PolicySubject, 'identity' | 'labels'>): boolean =>
  rule.forNodes === (subject.identity === ReservedIdentity.HOST) && selects(rule.subject, subject.labels);

/**
 * Resolves the rules that select a subject (`selectsSubject`) into the entries of its policy map.
 * @throws LbtwinError `policy-conflict` when two rules cannot both be had
 */
export function resolvePolicy(
  rules: readonly PolicyRule[],
  subject: PolicySubject,
  cache: SelectorCache,
  options: ResolveOptions,
): ResolvedPolicy {
  return {
    rules,
    ingress: resolveDirection('ingress', rules, subject, cache, options),
    egress: resolveDirection('egress', rules, subject, cache, options),
  };
}

function isEnforced(has: boolean, subject: PolicySubject, options: ResolveOptions): boolean {
  if (options.enforcement === 'never') return false;
  if (subject.identity === ReservedIdentity.HOST && !options.hostFirewall) return false;
  return has || enforcesAlways(subject, options);
}

const enforcesAlways = (subject: PolicySubject, options: ResolveOptions): boolean =>
  options.enforcement === 'always' || subject.labels.some(({ source, key }) => source === 'reserved' && key === 'init');

function resolveDirection(
  direction: DirectionName,
  rules: readonly PolicyRule[],
  subject: PolicySubject,
  cache: SelectorCache,
  options: ResolveOptions,
): ResolvedDirection {
  const having = rules.filter((rule) => rule[direction].length > 0);
  const enforced = isEnforced(having.length > 0, subject, options);
  const allowAll = enforced && !enforcesAlways(subject, options) && !having.some((rule) => rule.defaultDeny[direction]);
  const sections = enforced ? having.flatMap((rule) => rule[direction]) : [];
  const set = buildFilters(direction, sections, cache, { localhost: options.alwaysAllowLocalhost, allowAll });
  const redirects: Redirect[] = [];
  const work = [...set.filters.values()].flatMap((filter) => prepare(filter, direction, subject, options, redirects));
  work.sort(
    (a, b) => prefixOfL4(a.l4s[0]!) - prefixOfL4(b.l4s[0]!) || a.l4s[0]! - b.l4s[0]! || b.l4s.length - a.l4s.length,
  );
  const localhost =
    direction === 'ingress' && subject.identity !== ReservedIdentity.HOST && options.alwaysAllowLocalhost;
  // An upper bound: entries of several selectors may fall on one key.
  const expected = Math.min(
    work.reduce(
      (sum, { l4s, peers }) => sum + l4s.length * peers.reduce((n, { peer }) => n + countOf(peer, cache), 0),
      2,
    ),
    MOST_RESERVED,
  );
  const build = (order: readonly Work[], backwards: boolean): MapState => {
    const state = new MapState(set, expected);
    if (!enforced) state.insert(0, 0, 0, set);
    for (const item of order) insertFilter(state, item, set, cache, { backwards, dualStack: options.dualStack });
    if (localhost) state.insert(ReservedIdentity.HOST, 0, 0, ALL_FEATURES);
    return state;
  };
  const states = [build(work, false)];
  if (set.auths && work.length > 0) {
    // With authentication, what is left can depend on the order, which is random in the agent.
    const seen = new Set([fingerprint(states[0]!)]);
    for (const [order, backwards] of otherOrders(work)) {
      const state = build(order, backwards);
      const print = fingerprint(state);
      if (seen.has(print)) continue;
      seen.add(print);
      states.push(state);
    }
  }
  return { direction, enforced, allowAll, rules: sections, filters: [...set.filters.values()], redirects, states };
}

const countOf = (peer: PeerPolicy, cache: SelectorCache): number =>
  isWildcard(peer.selector) ? 1 : cache.ids(peer.selector).length;

const MOST_RESERVED = 1 << 17;

const ALL_FEATURES = { denies: true, redirects: true, auths: true };

/** A filter ready to be inserted. */
interface Work {
  readonly l4s: readonly number[];
  readonly named: boolean;
  readonly peers: readonly { readonly peer: PeerPolicy; readonly value: number }[];
}

function prepare(
  filter: Filter,
  direction: DirectionName,
  subject: PolicySubject,
  options: ResolveOptions,
  redirects: Redirect[],
): Work[] {
  const port = filter.name === '' ? filter.port : subject.namedPort(direction, filter.name, filter.proto);
  if (filter.name !== '' && port === 0) return [];
  const l4s =
    filter.proto === 0
      ? [0]
      : portBlocks(port, filter.endPort).map((block) =>
          packL4(Direction.INGRESS, PROTO_BITS + block.prefix, filter.proto, block.port),
        );
  const peers = [...filter.peers.values()].map((peer) => {
    const proxyPort = peer.parser === '' ? 0 : options.proxyPort(direction, peer.parser, peer.listener);
    if (proxyPort > 0) {
      const { parser, listener } = peer;
      redirects.push({ direction, proto: filter.proto, port, parser, listener, proxyPort });
    }
    const value = packEntry({
      deny: peer.deny,
      proxyPort,
      priority: peer.rank === 0 ? 0 : 128 - peer.rank,
      auth: peer.auth ?? 0,
      authExplicit: peer.auth !== undefined,
    });
    return { peer, value };
  });
  return [{ l4s, named: filter.name !== '' || filter.port !== 0, peers }];
}

function insertFilter(
  state: MapState,
  work: Work,
  set: FilterSet,
  cache: SelectorCache,
  { backwards, dualStack }: { readonly backwards: boolean; readonly dualStack: boolean },
): void {
  const wildcard = work.peers.find(({ peer }) => isWildcard(peer.selector));
  if (wildcard !== undefined) for (const l4 of work.l4s) state.insert(0, l4, wildcard.value, set);
  const others = work.peers.filter((item) => item !== wildcard);
  if (backwards) others.reverse();
  for (const { peer, value } of others) {
    if (work.named && wildcard?.value === value) continue;
    const ids = cache.ids(peer.selector);
    for (let i = 0; i < ids.length; i++) {
      for (const l4 of work.l4s) {
        state.insert(ids[i]!, l4, value, set);
        if (ids[i] !== ReservedIdentity.WORLD || !dualStack) continue;
        // With both families the world is two: who selects it means both.
        state.insert(ReservedIdentity.WORLD_IPV4, l4, value, set);
        state.insert(ReservedIdentity.WORLD_IPV6, l4, value, set);
      }
    }
  }
}

const EXHAUSTIVE = 4;

/** Orders to try besides the sorted one: all of them for few filters, else a spread that brings each filter to both ends. */
function* otherOrders(work: readonly Work[]): Generator<[order: readonly Work[], backwards: boolean]> {
  yield [work, true];
  if (work.length <= EXHAUSTIVE) {
    for (const order of permutations(work)) {
      yield [order, false];
      yield [order, true];
    }
    return;
  }
  yield [work.toReversed(), true];
  for (let i = 0; i < work.length; i++) {
    const rest = work.filter((_, index) => index !== i);
    yield [[work[i]!, ...rest], false];
    yield [[...rest, work[i]!], true];
    yield [[work[i]!, ...rest.toReversed()], true];
    yield [[...rest.toReversed(), work[i]!], false];
  }
}

function* permutations<T>(items: readonly T[]): Generator<T[]> {
  if (items.length <= 1) {
    yield [...items];
    return;
  }
  for (let i = 0; i < items.length; i++) {
    for (const rest of permutations(items.filter((_, index) => index !== i))) yield [items[i]!, ...rest];
  }
}

function fingerprint(state: MapState): string {
  const rows: string[] = [];
  state.forEach((identity, l4, value) => rows.push(`${identity} ${l4} ${value}`));
  return rows.sort().join(';');
}

/**
 * Calls `write` with every entry as the kernel's key has it. The block of a port range that starts at port 0 loses its prefix on
 * the way, so that it stands for all ports of the protocol: with `cut` only such entries, else only the others.
 */
export function forEachMapEntry(
  resolved: ResolvedDirection,
  state: MapState,
  cut: boolean,
  write: (identity: number, l4: number, value: number) => void,
): void {
  const direction = resolved.direction === 'egress' ? Direction.EGRESS : Direction.INGRESS;
  state.forEach((identity, l4, value) => {
    const loses = portOfL4(l4) === 0 && prefixOfL4(l4) > PROTO_BITS;
    if (loses !== cut) return;
    const prefix = loses ? PROTO_BITS : prefixOfL4(l4);
    write(identity, packL4(direction, prefix, protoOfL4(l4), portOfL4(l4)), value);
  });
}
