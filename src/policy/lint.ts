import { type ErrorPath, LbtwinError } from '../errors.ts';
import { cidrContains, formatAddress, Protocol } from '../net/index.ts';
import { type PolicyCluster, type PolicyParty, partyName } from './cluster.ts';
import { coversPort } from './explain.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';
import { type DirectionName, PolicyVerdictCode } from './layout.ts';
import { directionNumber } from './endpoint-policy.ts';
import { trafficOfRules } from './matrix.ts';
import { formatOrigin, type PolicyOrigin, type PolicyRule, type SectionRule } from './rule.ts';
import { formatSelector, isWildcard } from './selector.ts';
import { selectsSubject } from './resolve.ts';
import { policyPacket, policyResult } from './verdict.ts';

const DNS_PORT = 53;

export type PolicySeverity = 'error' | 'warning' | 'info';

/** Something about policies that their authors probably did not mean, or should know. */
export interface PolicyFinding {
  /** Stable, kebab-case; a key of `POLICY_LINT_RULES`, or a code of a notice or a refusal. */
  readonly code: string;
  readonly severity: PolicySeverity;
  readonly message: string;
  readonly origin?: PolicyOrigin;
  readonly path: ErrorPath;
}

/** What `lintPolicies` looks for, beside refused objects and the notices of those in force. */
export const POLICY_LINT_RULES: Readonly<Record<string, string>> = {
  'policy-conflict': 'Two rules ask for different things for the same peers and port: the agent refuses both.',
  'order-dependent': 'With authentication, the agent comes to different entries depending on the order of its maps.',
  'map-full': 'The entries do not fit the policy map of an endpoint.',
  'selects-nothing': 'The subject selector of a rule selects no pod and no node.',
  'peers-select-nothing': 'No peer of a rule exists in this cluster.',
  'empty-peer-list': 'A peer list is present and empty: the rule lets nobody through.',
  'empty-rule-denies': 'An empty rule of a Cilium policy allows nothing, unlike in a NetworkPolicy: it only isolates.',
  'shadowed-by-deny': 'A deny rule refuses everything that an allow rule would let through.',
  'icmp-type-0': 'ICMP type 0 (EchoReply) stands for every type.',
  'port-0-range': 'A port range that starts at 0 opens (or denies) every port of the protocol.',
  'end-port-below-port': 'An endPort below its port is ignored.',
  'cidr-covers-pods': 'Prefixes never match pods or nodes, whatever their addresses are.',
  'entity-cluster':
    'The entity `cluster` includes hosts, remote nodes, the API server, health and unmanaged endpoints.',
  'entity-all': 'The entity `all` includes the world, hosts and nodes.',
  'default-deny-without-rules': 'enableDefaultDeny is true for a direction without rules: it does nothing.',
  'host-firewall-off': 'A rule for nodes has no effect without the host firewall.',
  'fqdn-without-dns-rule': 'Addresses of toFQDNs are learned from DNS rules only, and no rule of the endpoint has any.',
  'egress-without-dns': 'Egress is restricted and DNS (UDP 53) is allowed to nobody.',
};

/** Checks the policies of a cluster. Findings come in the order of objects. */
export function lintPolicies(cluster: PolicyCluster): PolicyFinding[] {
  const findings: PolicyFinding[] = cluster.refused.map(({ object, error }) => ({
    code: error.code,
    severity: 'error',
    message: `refused by the agent: ${error.message}`,
    ...originOf(object),
    path: error.path,
  }));
  for (const { code, message, origin, path } of cluster.notices) {
    findings.push({ code, severity: 'warning', message, path, ...(origin === undefined ? {} : { origin }) });
  }
  const subjects = subjectsOf(cluster);
  const linter = new Linter(cluster, subjects, findings);
  for (const rule of cluster.engineOf('').rules) linter.rule(rule);
  linter.endpoints();
  return findings;
}

function originOf(object: unknown): { origin?: PolicyOrigin } {
  const { kind, metadata } = object as {
    kind: PolicyOrigin['kind'];
    metadata?: { name?: unknown; namespace?: unknown };
  };
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  return { origin: { kind, name: text(metadata?.name), namespace: text(metadata?.namespace) } };
}

interface Subject {
  readonly party: PolicyParty;
  readonly policy: EndpointPolicy | LbtwinError;
}

/** Pods and nodes; of those that policy cannot tell apart, one. */
function subjectsOf(cluster: PolicyCluster): Subject[] {
  const parties: PolicyParty[] = [
    ...[...cluster.pods.keys()].map((name) => cluster.pod(name)),
    ...[...cluster.objects.nodes.keys()].map((name) => cluster.node(name)),
  ];
  const seen = new Set<EndpointPolicy>();
  const subjects: Subject[] = [];
  for (const party of parties) {
    const policy = tryPolicy(cluster, party);
    if (!(policy instanceof LbtwinError)) {
      if (seen.has(policy)) continue;
      seen.add(policy);
    }
    subjects.push({ party, policy });
  }
  return subjects;
}

function tryPolicy(cluster: PolicyCluster, party: PolicyParty): EndpointPolicy | LbtwinError {
  try {
    return cluster.engineOf(cluster.nodeOf(party)).policyOf(cluster.endpointOf(party)!);
  } catch (error) {
    if (error instanceof LbtwinError) return error;
    throw error;
  }
}

class Linter {
  readonly #cluster: PolicyCluster;
  readonly #subjects: readonly Subject[];
  readonly #findings: PolicyFinding[];

  constructor(cluster: PolicyCluster, subjects: readonly Subject[], findings: PolicyFinding[]) {
    this.#cluster = cluster;
    this.#subjects = subjects;
    this.#findings = findings;
  }

  #say(
    code: string,
    severity: PolicySeverity,
    message: string,
    origin: PolicyOrigin | undefined,
    path: ErrorPath,
  ): void {
    this.#findings.push({ code, severity, message, path, ...(origin === undefined ? {} : { origin }) });
  }

  rule(rule: PolicyRule): void {
    const { origin, path } = rule;
    const selected = this.#subjects.filter(({ party }) => selectsSubject(rule, this.#cluster.endpointOf(party)!));
    if (selected.length === 0) {
      const what = rule.forNodes ? 'node' : 'pod';
      this.#say('selects-nothing', 'warning', `selects no ${what}: ${formatSelector(rule.subject)}`, origin, path);
    }
    if (rule.forNodes && this.#cluster.config.hostFirewall !== true) {
      const message = 'a rule for nodes, while the host firewall is off: no effect';
      this.#say('host-firewall-off', 'warning', message, origin, path);
    }
    for (const direction of ['ingress', 'egress'] as const) {
      if (rule.defaultDeny[direction] && rule[direction].length === 0) {
        const message = `enableDefaultDeny.${direction} without ${direction} rules does nothing`;
        this.#say('default-deny-without-rules', 'warning', message, origin, [...path, 'enableDefaultDeny', direction]);
      }
      for (const section of rule[direction]) this.#section(section);
    }
    this.#shadowed(rule, selected);
  }

  #section(section: SectionRule): void {
    const { origin, path } = section;
    const noPorts = (section.toPorts ?? []).length === 0 && (section.icmps ?? []).length === 0;
    if (section.nobody) {
      this.#say('empty-peer-list', 'warning', 'an empty peer list lets nobody through', origin, path);
    } else if (!section.hasPeers && noPorts && origin.kind !== 'NetworkPolicy') {
      const message =
        'an empty rule allows nothing here (in a NetworkPolicy it would allow everything); it only isolates';
      this.#say('empty-rule-denies', 'info', message, origin, path);
    }
    this.#peers(section);
    for (const icmp of section.icmps ?? []) {
      if (icmp.type !== 0) continue;
      const message = `ICMP type 0 matches every ICMP type, so this ${section.deny ? 'denies' : 'allows'} them all`;
      this.#say('icmp-type-0', 'warning', message, origin, icmp.path);
    }
    for (const { port, name, endPort, path: at } of (section.toPorts ?? []).flatMap(({ ports }) => ports)) {
      if (name === '' && port === 0 && endPort > 0 && endPort < 65535) {
        const message = `port 0 to ${endPort} covers every port of the protocol, not only those up to ${endPort}`;
        this.#say('port-0-range', 'warning', message, origin, at);
      }
      if (endPort > 0 && endPort < port) {
        this.#say('end-port-below-port', 'warning', `endPort ${endPort} is below port ${port} and ignored`, origin, at);
      }
    }
  }

  #peers(section: SectionRule): void {
    const { origin, peers, deny } = section;
    const cache = this.#cluster.engineOf('').selectors;
    const dead = peers.filter(({ selector }) => !isWildcard(selector) && cache.ids(selector).length === 0);
    if (peers.length > 0 && dead.length === peers.length) {
      const message = `no peer exists: ${[...new Set(dead.map(({ text }) => text))].join('; ')}`;
      this.#say('peers-select-nothing', 'info', message, origin, section.path);
    }
    const entity = (name: string): ErrorPath | undefined => peers.find(({ text }) => text === `entity ${name}`)?.path;
    const effect = deny ? 'denies' : 'allows';
    const cluster = entity('cluster');
    if (cluster !== undefined) {
      const message = `${effect} not only pods: also hosts, remote nodes, the API server's nodes, health, ingress, init and unmanaged endpoints`;
      this.#say('entity-cluster', 'info', message, origin, cluster);
    }
    const all = entity('all');
    if (all !== undefined) {
      this.#say('entity-all', 'info', `${effect} everybody: the world, hosts and nodes as well as pods`, origin, all);
    }
    const pods = [...this.#cluster.objects.pods.entries()].filter(([, pod]) => !pod.hostNetwork);
    for (const { kind, path, selector, text } of peers) {
      if (kind !== 'cidr' && kind !== 'cidrSet') continue;
      const cidr = selector.requirements.find(({ operator, cidr: prefix }) => operator === 'Exists' && prefix)?.cidr;
      if (cidr === undefined || cidr.bits === 0) continue;
      const pod = pods.find(([, { addresses }]) => addresses.some((address) => cidrContains(cidr, address)));
      if (pod === undefined) continue;
      const message = `${text} covers the address of pod ${pod[0]} (${pod[1].addresses.map(formatAddress).join(', ')}), but never matches pods`;
      this.#say('cidr-covers-pods', 'warning', message, origin, path);
    }
  }

  /** Allow rules of which every peer and port is denied, for every endpoint that they are for. */
  #shadowed(rule: PolicyRule, selected: readonly Subject[]): void {
    for (const direction of ['ingress', 'egress'] as const) {
      if (!this.#cluster.engineOf('').rules.some((other) => other[direction].some(({ deny }) => deny))) continue;
      for (const section of rule[direction]) {
        if (section.deny || section.peers.length === 0 || selected.length === 0) continue;
        const ids = this.#peerIds(section);
        if (ids.length === 0) continue;
        const all = selected.every(({ policy }) => this.#denied(policy, section, direction, ids));
        if (all) {
          this.#say(
            'shadowed-by-deny',
            'warning',
            'every peer and port of this rule is denied by another',
            section.origin,
            section.path,
          );
        }
      }
    }
  }

  #peerIds(section: SectionRule): number[] {
    const engine = this.#cluster.engineOf('');
    if (section.peers.some(({ selector }) => isWildcard(selector))) return engine.identities.all().map(({ id }) => id);
    return [...new Set(section.peers.flatMap(({ selector }) => [...engine.selectors.ids(selector)]))];
  }

  #denied(
    policy: EndpointPolicy | LbtwinError,
    section: SectionRule,
    direction: DirectionName,
    ids: readonly number[],
  ): boolean {
    if (policy instanceof LbtwinError) return false;
    const only: PolicyRule = { ...NO_RULE, origin: section.origin, ingress: [section] };
    const traffic = trafficOfRules([only], this.#cluster).filter(({ proto, port, icmpType }) =>
      coversPort(section, policy.subject, proto, port ?? icmpType ?? 0),
    );
    const result = policyResult();
    return traffic.every(({ proto, port, icmpType }) =>
      ids.every((remote) => {
        const packet = policyPacket({
          direction: directionNumber(direction),
          remote,
          proto,
          dport: port ?? 0,
          icmpType: icmpType ?? -1,
          icmpCode: 0,
        });
        return policy.check(packet, {}, result) === PolicyVerdictCode.POLICY_DENY_EXPLICIT;
      }),
    );
  }

  /** Names that cannot be learned, or not be asked for at all. */
  #dns(party: PolicyParty, policy: EndpointPolicy): void {
    const { enforced, rules, redirects } = policy.direction('egress');
    if (!enforced) return;
    const byName = rules.find(({ peers }) => peers.some(({ kind }) => kind === 'fqdns'));
    if (byName !== undefined && !redirects.some(({ parser }) => parser === 'dns')) {
      const message = `${partyName(party)}: no egress rule has DNS rules, so names of toFQDNs are never learned`;
      this.#say('fqdn-without-dns-rule', 'warning', message, byName.origin, byName.path);
    }
    const asks = policy.entries().some(({ key, entry }) => {
      if (entry.deny || key.direction !== directionNumber('egress')) return false;
      const last = key.port + 2 ** (16 - key.portPrefix) - 1;
      return key.proto === 0 || (key.proto === Protocol.UDP && key.port <= DNS_PORT && DNS_PORT <= last);
    });
    if (!asks && rules[0] !== undefined) {
      const { origin, path } = rules[0];
      const message = `${partyName(party)}: egress is restricted, and DNS (UDP ${DNS_PORT}) is allowed to nobody`;
      this.#say('egress-without-dns', 'info', message, origin, path);
    }
  }

  /** What only shows when policies are resolved. */
  endpoints(): void {
    const conflicts = new Set<string>();
    for (const { party, policy } of this.#subjects) {
      if (policy instanceof LbtwinError) {
        if (conflicts.has(policy.reason)) continue;
        conflicts.add(policy.reason);
        this.#say('policy-conflict', 'error', `${partyName(party)}: ${policy.reason}`, undefined, policy.path);
        continue;
      }
      for (const direction of policy.orderDependent) {
        const rules = policy.direction(direction).rules.filter(({ auth }) => auth !== undefined);
        const names = [...new Set(rules.map(({ origin }) => formatOrigin(origin)))].join(', ');
        const message = `${partyName(party)}: ${policy.direction(direction).states.length} different results for ${direction}, by the order of rules with authentication (${names})`;
        this.#say('order-dependent', 'error', message, rules[0]?.origin, rules[0]?.path ?? []);
      }
      this.#dns(party, policy);
      if (policy.missing > 0) {
        const message = `${partyName(party)}: ${policy.missing} entries find no room in a map of ${policy.map.maxEntries}`;
        this.#say('map-full', 'error', message, undefined, []);
      }
    }
  }
}

const NO_RULE = {
  path: [],
  subject: { requirements: [], id: '' },
  forNodes: false,
  egress: [],
  defaultDeny: { ingress: false, egress: false },
};
