import { LbtwinError } from '../../src/errors.ts';
import { formatCidr, parseAddress, parseProtocol } from '../../src/net/index.ts';
import {
  PolicyDirection,
  parseLabel,
  parsePolicy,
  type PolicyConfig,
  type PolicyEndpoint,
  policyPacket,
  PolicyVerdictCode,
  policyResult,
  sortLabels,
} from '../../src/policy/index.ts';
import { buildCluster, type ClusterMeta, entryRows, onlyKeys, parseYaml, type TestCluster } from './policy-cluster.ts';
import { conformance } from './harness.ts';

interface Scenario {
  name: string;
  description: string;
  kind: string;
  config?: Record<string, unknown>;
  external?: Record<string, string>;
  hostLabels?: string[];
  fqdnLabels?: Record<string, { identity: number; selectors: string[] }>;
  extraIdentities?: Record<string, { identity: number; labels: string[] }>;
  namedPorts?: Record<string, number | Record<string, number>>;
  policies: string[];
  endpoints: string[];
  cidrIdentities: unknown;
  mapEntries: Record<string, unknown>;
  table: Record<string, string[]>;
}

interface Meta {
  cluster: ClusterMeta & { external: Record<string, string>; reserved: Record<string, number> };
}

const SCENARIO_KEYS = [
  'name',
  'description',
  'kind',
  'config',
  'external',
  'hostLabels',
  'fqdnLabels',
  'extraIdentities',
  'namedPorts',
  'policies',
  'endpoints',
  'cidrIdentities',
  'mapEntries',
  'table',
];

const KINDS = ['documented', 'implementation-quirk'];

const CONFIG_KEYS = [
  'DualStack',
  'HostFirewall',
  'AllowLocalhost',
  'Enforcement',
  'NodeSelectorLabels',
  'DefaultLocalCluster',
];

function configOf(given: Record<string, unknown>): PolicyConfig {
  onlyKeys('config', given, CONFIG_KEYS);
  return {
    dualStack: given['DualStack'] === true,
    hostFirewall: given['HostFirewall'] === true,
    nodeSelectorLabels: given['NodeSelectorLabels'] === true,
    defaultLocalCluster: given['DefaultLocalCluster'] === true,
    allowLocalhost: (given['AllowLocalhost'] ?? 'always') as 'always',
    enforcement: (given['Enforcement'] ?? 'default') as 'default',
  };
}

function isAccepted(object: unknown, config: PolicyConfig): boolean {
  try {
    parsePolicy(object, config);
    return true;
  } catch (error) {
    if (error instanceof LbtwinError) return false;
    throw error;
  }
}

/** The host takes part as an endpoint with a policy of its own where the scenario gives it labels. */
function subjectsOf(scenario: Scenario, { pods }: TestCluster): Map<string, PolicyEndpoint> {
  const subjects = new Map(pods);
  if (scenario.hostLabels !== undefined) {
    const labels = sortLabels(['reserved:host', ...scenario.hostLabels].map(parseLabel));
    subjects.set('host', { name: 'host', identity: 1, labels, namedPorts: [] });
  }
  return subjects;
}

conformance<{ meta: Meta; scenarios: Scenario[] }, Scenario>(
  'policy-scenarios',
  (doc) => doc.scenarios,
  (scenario, { meta }) => {
    onlyKeys('scenario', scenario, SCENARIO_KEYS);
    if (!KINDS.includes(scenario.kind)) throw new Error(`kind ${scenario.kind}`);
    for (const key of ['name', 'description'] as const) {
      if (typeof scenario[key] !== 'string') throw new Error(`no ${key}`);
    }
    for (const entry of Object.values(scenario.extraIdentities ?? {}))
      onlyKeys('identity', entry, ['identity', 'labels']);
    for (const entry of Object.values(scenario.fqdnLabels ?? {})) onlyKeys('labels', entry, ['identity', 'selectors']);
    const cluster = buildCluster(
      meta.cluster,
      configOf(scenario.config ?? {}),
      scenario.namedPorts,
      scenario.hostLabels,
    );
    const { engine } = cluster;
    for (const { identity, labels } of Object.values(scenario.extraIdentities ?? {})) {
      engine.addIdentity(identity, labels.map(parseLabel));
    }
    const external = { ...meta.cluster.external, ...scenario.external };
    for (const [name, { identity, selectors }] of Object.entries(scenario.fqdnLabels ?? {})) {
      const { family } = parseAddress(external[name]!);
      const world = scenario.config?.['DualStack'] === true ? `reserved:world-ipv${family}` : 'reserved:world';
      const labels = [world, ...selectors.map((selector) => `fqdn:${selector}`)];
      engine.addIdentity(identity, labels.map(parseLabel));
      engine.setAddress(parseAddress(external[name]!), identity);
    }
    // An object that the agent refuses takes no effect.
    engine.setPolicies(scenario.policies.map(parseYaml).filter((object) => isAccepted(object, engine.config)));
    const subjects = subjectsOf(scenario, cluster);
    const identityOf = (name: string): number =>
      cluster.pods.get(name)?.identity ??
      meta.cluster.reserved[name] ??
      scenario.extraIdentities?.[name]?.identity ??
      engine.identityOf(parseAddress(external[name]!));

    const result = policyResult();
    const ask = (subject: string, peer: string, probe: string, direction: PolicyDirection): string => {
      const [protocol, number] = probe.split('/') as [string, string];
      const proto = parseProtocol(protocol);
      const icmp = protocol.startsWith('ICMP');
      const policy = engine.policyOf(subjects.get(subject)!);
      const packet = policyPacket({
        direction,
        local: policy.subject.identity,
        remote: identityOf(peer),
        proto,
        dport: icmp ? 0 : Number(number),
        ...(icmp ? { icmpType: Number(number), icmpCode: 0 } : {}),
      });
      const code = policy.check(packet, {}, result);
      if (code === undefined) throw new Error(`${subject}: depends on order`);
      if (code === PolicyVerdictCode.OK) return result.proxyPort > 0 ? 'P' : 'X';
      if (code === PolicyVerdictCode.POLICY_DENIED) return direction === PolicyDirection.EGRESS ? 'e' : 'i';
      if (code === PolicyVerdictCode.POLICY_DENY_EXPLICIT) return direction === PolicyDirection.EGRESS ? 'E' : 'I';
      if (code === PolicyVerdictCode.AUTH_REQUIRED) return direction === PolicyDirection.EGRESS ? 'u' : 'U';
      throw new Error(`verdict ${code}`);
    };
    const cell = (from: string, to: string, probe: string): string => {
      if (from === to || (!subjects.has(from) && !subjects.has(to))) return '-';
      const egress = subjects.has(from) ? ask(from, to, probe, PolicyDirection.EGRESS) : 'X';
      if (egress !== 'X' && egress !== 'P') return egress;
      const ingress = subjects.has(to) ? ask(to, from, probe, PolicyDirection.INGRESS) : 'X';
      return ingress === 'X' ? egress : ingress;
    };

    const mapEntries: Record<string, unknown> = {};
    for (const [name, subject] of subjects) {
      const policy = engine.policyOf(subject);
      const { ingressEnforced, egressEnforced } = policy;
      // Pods without any policy are left out of the recording; the host never is.
      if (name !== 'host' && !ingressEnforced && !egressEnforced) continue;
      mapEntries[name] = { ingressEnforced, egressEnforced, entries: entryRows(policy) };
    }
    const table = Object.fromEntries(
      Object.keys(scenario.table).map((probe) => [
        probe,
        scenario.endpoints.map((from) => scenario.endpoints.map((to) => cell(from, to, probe)).join('')),
      ]),
    );
    const cidrIdentities = Object.fromEntries(
      engine.local.all().map(({ cidr, identity }) => [formatCidr(cidr), identity]),
    );
    return { ...scenario, cidrIdentities, mapEntries, table };
  },
);
