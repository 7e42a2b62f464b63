import { type Cidr, type IpAddress, formatAddress } from '../net/index.ts';
import { LbtwinError } from '../errors.ts';
import { parseCiliumPolicy } from './cilium.ts';
import { EndpointPolicy } from './endpoint-policy.ts';
import { ReservedIdentity, worldIdentity } from '../node/identity.ts';
import { IdentityTable, type SecurityIdentity } from './identity.ts';
import { parseNetworkPolicy } from './kubernetes.ts';
import { compareText, type Label, LabelKey, LabelSource } from './labels.ts';
import { POLICY_MAP_SIZE, type DirectionName } from './layout.ts';
import { LocalIdentities } from './local-identities.ts';
import { exampleProxyPorts } from './proxy-ports.ts';
import { type EnforcementMode, resolvePolicy, type ResolveOptions, selectsSubject } from './resolve.ts';
import {
  formatOrigin,
  type ParsedPolicy,
  type PolicyNotice,
  type PolicyOrigin,
  type PolicyParseOptions,
  type PolicyRule,
} from './rule.ts';
import { SelectorCache } from './selector-cache.ts';
import { expandServices, type PolicyService } from './services.ts';

/** Settings of the agent that policy depends on; defaults in brackets. */
export interface PolicyConfig extends PolicyParseOptions {
  /** `enable-policy` [default]. */
  readonly enforcement?: EnforcementMode;
  /** `allow-localhost` [auto, which is always under Kubernetes]. */
  readonly allowLocalhost?: 'auto' | 'always' | 'policy';
  /** `enable-host-firewall` [false]. */
  readonly hostFirewall?: boolean;
  /** `enable-k8s-networkpolicy` [true]: Kubernetes NetworkPolicy objects count. */
  readonly networkPolicy?: boolean;
  /** `bpf-policy-map-max` [16384]. */
  readonly policyMapMax?: number;
  /** Proxy ports of redirects [examples]. */
  readonly proxyPort?: ResolveOptions['proxyPort'];
}

export interface NamedPort {
  readonly name: string;
  /** Protocol number. */
  readonly proto: number;
  readonly port: number;
}

/** An endpoint whose policy can be asked for. */
export interface PolicyEndpoint {
  /** `ns/name` of a pod, `node:name` of a host. */
  readonly name: string;
  readonly identity: number;
  /** In the order of `sortLabels`. */
  readonly labels: readonly Label[];
  readonly namedPorts: readonly NamedPort[];
}

const keyOf = (origin: PolicyOrigin): string => formatOrigin(origin);

/** Reads a policy object of any kind. @throws LbtwinError `unknown-policy-kind` and what the readers throw */
export function parsePolicy(object: unknown, options: PolicyParseOptions = {}): ParsedPolicy {
  const kind = (object as { kind?: unknown } | null)?.kind;
  if (kind === 'NetworkPolicy') return parseNetworkPolicy(object, options);
  if (kind === 'CiliumNetworkPolicy' || kind === 'CiliumClusterwideNetworkPolicy') {
    return parseCiliumPolicy(object, options);
  }
  throw new LbtwinError('unknown-policy-kind', `${JSON.stringify(kind)} is not a kind of policy`, {
    path: ['kind'],
    allowed: 'NetworkPolicy, CiliumNetworkPolicy, CiliumClusterwideNetworkPolicy',
  });
}

export const isPolicyKind = (kind: unknown): boolean =>
  kind === 'NetworkPolicy' || kind === 'CiliumNetworkPolicy' || kind === 'CiliumClusterwideNetworkPolicy';

/**
 * A node's policy engine: policies and identities in, one resolved policy per endpoint out. Endpoints with the same identity
 * and named ports share one; a change re-resolves only what it concerns, when it is next asked for.
 */
export class PolicyEngine {
  readonly config: PolicyConfig;
  readonly identities: IdentityTable;
  readonly selectors: SelectorCache;
  /** Identities of prefixes. */
  readonly local: LocalIdentities;
  readonly #options: ResolveOptions;
  readonly #policies = new Map<string, ParsedPolicy & { expanded: readonly PolicyRule[] }>();
  readonly #byNamespace = new Map<string, Set<PolicyRule>>();
  readonly #addresses = new Map<string, number>();
  readonly #ports = new Map<string, NamedPort[]>();
  readonly #cache = new Map<string, { policy: EndpointPolicy; selections: readonly Selection[]; checked: number }>();
  #services: readonly PolicyService[] = [];
  #revision = 0;
  /** Policies resolved so far: what a change costs. */
  resolutions = 0;

  constructor(config: PolicyConfig = {}, hostLabels: readonly Label[] = []) {
    this.config = config;
    this.identities = new IdentityTable(hostLabels);
    this.selectors = new SelectorCache(this.identities);
    this.local = new LocalIdentities(this.identities, config.dualStack === true);
    this.identities.onChange(() => this.#revision++);
    this.#options = {
      enforcement: config.enforcement ?? 'default',
      alwaysAllowLocalhost: config.allowLocalhost !== 'policy',
      hostFirewall: config.hostFirewall === true,
      dualStack: config.dualStack === true,
      proxyPort: config.proxyPort ?? exampleProxyPorts(),
    };
  }

  /** Adds an identity of pods or nodes. @throws LbtwinError `duplicate-identity` */
  addIdentity(id: number, labels: readonly Label[]): SecurityIdentity {
    return this.identities.add(id, labels);
  }

  /** Gives an address of a pod or node its identity; no prefix of a policy overrides it. */
  setAddress(address: IpAddress, identity: number): void {
    this.#addresses.set(formatAddress(address), identity);
  }

  /** The identity that the node's ipcache gives an address. */
  identityOf(address: IpAddress): number {
    return (
      this.#addresses.get(formatAddress(address)) ??
      this.local.lookup(address) ??
      worldIdentity(address.family, this.config.dualStack === true)
    );
  }

  /** Makes the named ports of a pod known: egress rules look names up over all pods. */
  addNamedPorts(ports: readonly NamedPort[]): void {
    for (const port of ports) {
      const known = this.#ports.get(port.name) ?? [];
      if (known.some(({ proto, port: number }) => proto === port.proto && number === port.port)) continue;
      this.#ports.set(port.name, [...known, port]);
      this.#cache.clear();
    }
  }

  /** Notes labels (of CIDR groups, DNS names, the API server) for prefixes outside the cluster. */
  addPrefixLabels(labels: Iterable<readonly [prefix: Cidr, label: Label]>): void {
    for (const [prefix, label] of labels) this.local.add(prefix, label);
    this.local.reconcile();
  }

  /** The services that `toServices` rules can mean. */
  setServices(services: readonly PolicyService[]): void {
    this.#services = services;
    const policies = [...this.#policies.values()].filter(usesServices);
    this.#replace(policies, policies);
  }

  /** The objects in force. */
  get policies(): readonly ParsedPolicy[] {
    return [...this.#policies.values()];
  }

  /** Every rule in force, with services replaced by what they stand for. */
  get rules(): readonly PolicyRule[] {
    return [...this.#policies.values()].flatMap(({ expanded }) => expanded);
  }

  /**
   * Adds policy objects, or replaces those of the same kind, namespace and name. All or nothing.
   * @throws LbtwinError as `parsePolicy`, with the index of the object in front of the path
   */
  setPolicies(objects: readonly unknown[]): ParsedPolicy[] {
    const parsed = objects.map((object, index) => {
      try {
        return parsePolicy(object, this.config);
      } catch (error) {
        throw error instanceof LbtwinError ? error.under(index) : error;
      }
    });
    this.applyPolicies(parsed);
    return parsed;
  }

  /** Like `setPolicies`, for objects that were read already. */
  applyPolicies(parsed: readonly ParsedPolicy[]): void {
    const old = parsed.map(({ origin }) => this.#policies.get(keyOf(origin))).filter((policy) => policy !== undefined);
    this.#replace(old, parsed);
  }

  /** False if there was no such policy. */
  deletePolicy(origin: PolicyOrigin): boolean {
    const old = this.#policies.get(keyOf(origin));
    if (old === undefined) return false;
    this.#replace([old], []);
    return true;
  }

  /** What users should know about the objects in force: deviations, and references that lead nowhere. */
  get notices(): PolicyNotice[] {
    return [...this.#policies.values()].flatMap((policy) => [...policy.notices, ...this.#dangling(policy)]);
  }

  /** The rules that select an endpoint, in an order that does not depend on how they came. */
  rulesFor(endpoint: Pick<PolicyEndpoint, 'identity' | 'labels'>): PolicyRule[] {
    const namespace = endpoint.labels.find(
      ({ source, key }) => source === LabelSource.K8S && key === LabelKey.NAMESPACE,
    )?.value;
    const found: PolicyRule[] = [];
    for (const name of ['', ...(namespace === undefined ? [] : [namespace])]) {
      for (const rule of this.#byNamespace.get(name) ?? []) if (selectsSubject(rule, endpoint)) found.push(rule);
    }
    return found.sort(
      (a, b) => compareText(keyOf(a.origin), keyOf(b.origin)) || compareText(a.path.join('/'), b.path.join('/')),
    );
  }

  /**
   * The policy of an endpoint.
   * @throws LbtwinError `policy-conflict` when two rules cannot both be had: the agent keeps the endpoint's old map then
   */
  policyOf(endpoint: PolicyEndpoint): EndpointPolicy {
    const ports = endpoint.namedPorts.map(({ name, proto, port }) => `${name}/${proto}=${port}`).sort();
    const labels = endpoint.identity === ReservedIdentity.HOST ? endpoint.name : '';
    const key = `${endpoint.identity} ${labels} ${ports.join(',')}`;
    const known = this.#cache.get(key);
    if (known !== undefined) {
      if (known.checked === this.#revision) return known.policy;
      if (known.selections.every(([selector, ids]) => this.selectors.ids(selector) === ids)) {
        known.checked = this.#revision;
        return known.policy;
      }
    }
    const policy = this.#resolve(endpoint);
    const filters = [...policy.resolved.ingress.filters, ...policy.resolved.egress.filters];
    const used = filters.flatMap((filter) => [...filter.peers.values()].map(({ selector }) => selector));
    const selections = [...new Map(used.map((selector) => [selector.id, selector])).values()]
      .filter(({ id }) => id !== '')
      .map((selector): Selection => [selector, this.selectors.ids(selector)]);
    this.#cache.set(key, { policy, selections, checked: this.#revision });
    return policy;
  }

  #resolve(endpoint: PolicyEndpoint): EndpointPolicy {
    this.resolutions++;
    const subject = {
      identity: endpoint.identity,
      labels: endpoint.labels,
      namedPort: (direction: DirectionName, name: string, proto: number): number =>
        uniquePort(direction === 'ingress' ? endpoint.namedPorts : (this.#ports.get(name) ?? []), name, proto),
    };
    const resolved = resolvePolicy(this.rulesFor(endpoint), subject, this.selectors, this.#options);
    return new EndpointPolicy(subject, resolved, this.config.policyMapMax ?? POLICY_MAP_SIZE);
  }

  #replace(old: readonly ParsedPolicy[], added: readonly ParsedPolicy[]): void {
    const changed: PolicyRule[] = [];
    const expanded = added.map((policy) => ({
      ...policy,
      expanded: policy.rules.map((rule) => expandServices(rule, this.#services, this.config.dualStack === true)),
    }));
    for (const { expanded: rules } of expanded) for (const prefix of prefixesOf(rules)) this.local.add(prefix);
    for (const { origin } of old) {
      const known = this.#policies.get(keyOf(origin));
      if (known === undefined) continue;
      for (const prefix of prefixesOf(known.expanded)) this.local.remove(prefix);
      for (const rule of known.expanded) this.#byNamespace.get(origin.namespace)!.delete(rule);
      changed.push(...known.expanded);
      this.#policies.delete(keyOf(origin));
    }
    for (const policy of expanded) {
      const { namespace } = policy.origin;
      let rules = this.#byNamespace.get(namespace);
      if (rules === undefined) this.#byNamespace.set(namespace, (rules = new Set()));
      for (const rule of policy.expanded) rules.add(rule);
      changed.push(...policy.expanded);
      this.#policies.set(keyOf(policy.origin), policy);
    }
    this.local.reconcile();
    for (const [key, { policy }] of this.#cache) {
      if (changed.some((rule) => selectsSubject(rule, policy.subject))) this.#cache.delete(key);
    }
  }

  #dangling({ expanded, origin }: { expanded: readonly PolicyRule[]; origin: PolicyOrigin }): PolicyNotice[] {
    const notices: PolicyNotice[] = [];
    const say = (code: string, message: string, path: PolicyNotice['path']): void => {
      notices.push({ code, message, origin, path });
    };
    for (const section of expanded.flatMap((rule) => [...rule.ingress, ...rule.egress])) {
      for (const { path, name, namespace } of section.services) {
        if (section.peers.some((peer) => peer.path === path)) continue;
        say('unknown-service', `no service ${namespace ?? ''}/${name ?? ''} is known: the peer selects nobody`, path);
      }
      for (const { selector, path, text, kind } of section.peers) {
        if (kind !== 'cidrSet' || !selector.requirements.some(({ source }) => source === LabelSource.CIDR_GROUP))
          continue;
        if (this.selectors.ids(selector).length === 0) say('unknown-cidr-group', `${text} has no members`, path);
      }
      for (const { name, proto, path } of (section.toPorts ?? []).flatMap(({ ports }) => ports)) {
        if (name === '') continue;
        const known = this.#ports.get(name)?.some((port) => proto === 0 || port.proto === proto) === true;
        if (!known) say('unknown-named-port', `no pod has a port named ${name}: the port opens nothing`, path);
      }
    }
    return notices;
  }
}

type Selection = readonly [selector: Parameters<SelectorCache['ids']>[0], ids: Uint32Array];

const usesServices = ({ rules }: ParsedPolicy): boolean =>
  rules.some(({ egress }) => egress.some(({ services }) => services.length > 0));

function* prefixesOf(rules: readonly PolicyRule[]): Generator<Cidr> {
  for (const rule of rules) for (const section of [...rule.ingress, ...rule.egress]) yield* section.prefixes;
}

/** The one port number of a name and protocol; 0 if there is none, or more than one. */
function uniquePort(ports: readonly NamedPort[], name: string, proto: number): number {
  const numbers = new Set(ports.filter((port) => port.name === name && port.proto === proto).map(({ port }) => port));
  return numbers.size === 1 ? [...numbers][0]! : 0;
}
