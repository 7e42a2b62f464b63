import { load } from 'js-yaml';
import { parseAddress, parseProtocol, protocolName } from '../../src/net/index.ts';
import {
  directionName,
  type EndpointPolicy,
  type Label,
  parseLabel,
  type NamedPort,
  type PolicyConfig,
  type PolicyEndpoint,
  PolicyEngine,
  sortLabels,
} from '../../src/policy/index.ts';
import { label } from '../../src/policy/labels.ts';

/** The cluster that both policy families describe in their `meta`. */
export interface ClusterMeta {
  namespaces: Record<string, Record<string, string>>;
  pods: Record<string, { labels: Record<string, string>; identity: number; ip?: string }>;
  namedPorts: Record<string, number>;
}

export function onlyKeys(what: string, value: object, keys: readonly string[]): void {
  const unknown = Object.keys(value).filter((key) => !keys.includes(key));
  if (unknown.length > 0) throw new Error(`${what}: unknown fields ${unknown.join(', ')}`);
}

export interface TestCluster {
  engine: PolicyEngine;
  pods: Map<string, PolicyEndpoint>;
}

export function podLabels(meta: ClusterMeta, name: string): Label[] {
  const namespace = name.split('/')[0]!;
  const namespaceLabels = { 'kubernetes.io/metadata.name': namespace, ...meta.namespaces[namespace] };
  return sortLabels([
    ...Object.entries(meta.pods[name]!.labels).map(([key, value]) => label('k8s', key, value)),
    label('k8s', 'io.kubernetes.pod.namespace', namespace),
    label('k8s', 'io.cilium.k8s.policy.cluster', 'default'),
    label('k8s', 'io.cilium.k8s.policy.serviceaccount', 'default'),
    ...Object.entries(namespaceLabels).map(([key, value]) =>
      label('k8s', `io.cilium.k8s.namespace.labels.${key}`, value),
    ),
  ]);
}

export function buildCluster(
  meta: ClusterMeta,
  config: PolicyConfig,
  override: Record<string, number | Record<string, number>> = {},
  hostLabels: readonly string[] = [],
): TestCluster {
  const engine = new PolicyEngine(config, hostLabels.map(parseLabel));
  const pods = new Map<string, PolicyEndpoint>();
  for (const [name, pod] of Object.entries(meta.pods)) {
    const labels = podLabels(meta, name);
    const ports = namedPortsOf(meta, override, name);
    engine.addNamedPorts(ports);
    engine.addIdentity(pod.identity, labels);
    if (pod.ip !== undefined) engine.setAddress(parseAddress(pod.ip), pod.identity);
    pods.set(name, { name, identity: pod.identity, labels, namedPorts: ports });
  }
  return { engine, pods };
}

/** An override names ports for every pod, or per pod. */
function namedPortsOf(
  meta: ClusterMeta,
  override: Record<string, number | Record<string, number>>,
  pod: string,
): NamedPort[] {
  const entries = Object.entries(override);
  const everywhere = entries.filter((entry): entry is [string, number] => typeof entry[1] === 'number');
  const own = override[pod];
  const chosen =
    typeof own === 'object' ? own : everywhere.length > 0 ? Object.fromEntries(everywhere) : meta.namedPorts;
  return Object.entries(chosen).map(([text, port]) => {
    const [name, proto] = text.split('/') as [string, string];
    return { name, proto: parseProtocol(proto), port };
  });
}

export const parseYaml = (text: string): unknown => load(text);

/** Entries as the vectors write them. */
export function entryRows(policy: EndpointPolicy): unknown[] {
  return policy
    .entries()
    .map(({ key, entry }) => [
      directionName(key.direction),
      key.identity,
      key.proto,
      key.port,
      key.portPrefix,
      entry.deny ? 'deny' : 'allow',
      entry.proxyPort,
      entry.priority,
      entry.authExplicit ? `${entry.auth}!` : entry.auth,
    ]);
}

/** Redirects as the vectors write them: sorted text. */
export const redirectRows = (policy: EndpointPolicy): string[] =>
  policy.redirects
    .map(
      ({ direction, proto, port, parser, listener, proxyPort }) =>
        `${direction}:${protocolName(proto)}:${port}:${listener}=${proxyPort}(${parser})`,
    )
    .sort();
