import { type Cidr, maskCidr, parseProtocol, Protocol } from '../net/index.ts';
import type { DirectionName } from './layout.ts';
import { isPortName } from './ports.ts';
import { Raw } from './raw.ts';
import { cidrSelectors, readBlock } from './read-peers.ts';
import {
  clusterRequirement,
  hasNamespace,
  NAMESPACE_LABEL_PREFIX,
  namespaceIs,
  readKubernetesSelector,
  type Scope,
} from './read-selector.ts';
import type {
  ParsedPolicy,
  Peer,
  PolicyOrigin,
  PolicyParseOptions,
  PolicyRule,
  PortRule,
  SectionRule,
} from './rule.ts';
import { type Requirement, selectorOf, WILDCARD } from './selector.ts';

/**
 * Reads a Kubernetes NetworkPolicy as the agent translates it, deviations from Kubernetes included (`docs/fidelity.md`).
 * `object` is what YAML or JSON gave.
 * @throws LbtwinError with the path into the object
 */
export function parseNetworkPolicy(object: unknown, options: PolicyParseOptions = {}): ParsedPolicy {
  const raw = new Raw(object);
  const metadata = raw.field('metadata');
  const name = metadata.field('name').string() ?? '';
  if (name === '') metadata.field('name').fail('name-missing', 'a policy needs a name');
  const namespace = metadata.field('namespace').string() || 'default';
  const origin: PolicyOrigin = { kind: 'NetworkPolicy', namespace, name };
  const spec = raw.field('spec');
  spec.object();
  const scope: Scope = {
    namespace,
    matchesInit: false,
    ...(options.defaultLocalCluster === true ? { localCluster: options.clusterName ?? 'default' } : {}),
  };
  const types = readTypes(spec.field('policyTypes'));
  const context: Context = { origin, scope, options };
  const ingress = readDirection(spec, 'ingress', types.includes('Ingress') || !types.includes('Egress'), context);
  const egress = readDirection(spec, 'egress', types.includes('Egress'), context);
  const podSelector = spec.field('podSelector');
  const rule: PolicyRule = {
    origin,
    path: spec.path,
    subject: selectorOf([...(podSelector.missing ? [] : readKubernetesSelector(podSelector)), namespaceIs(namespace)]),
    forNodes: false,
    ingress,
    egress,
    defaultDeny: { ingress: ingress.length > 0, egress: egress.length > 0 },
  };
  const notices = (
    [
      ['Ingress', ingress],
      ['Egress', egress],
    ] as const
  )
    .filter(([type, rules]) => types.length > 0 && !types.includes(type) && rules.length > 0)
    .map(([type]) => ({
      code: 'section-without-policy-type',
      message: `policyTypes leaves ${type} out; Kubernetes ignores the section, Cilium enforces it all the same`,
      origin,
      path: spec.field('policyTypes').path,
    }));
  return { origin, rules: [rule], notices };
}

interface Context {
  readonly origin: PolicyOrigin;
  readonly scope: Scope;
  readonly options: PolicyParseOptions;
}

function readTypes(raw: Raw): string[] {
  return (raw.list() ?? []).map((item) => {
    const type = item.string() ?? '';
    if (type !== 'Ingress' && type !== 'Egress') {
      item.fail('unknown-policy-type', `${JSON.stringify(type)} is not a policy type`, 'Ingress, Egress');
    }
    return type;
  });
}

function readDirection(spec: Raw, direction: DirectionName, isolates: boolean, context: Context): SectionRule[] {
  const section = spec.field(direction);
  const items = section.list() ?? [];
  const base = {
    origin: context.origin,
    direction,
    deny: false,
    nobody: false,
    services: [],
    requires: [],
    defaultDeny: true,
  };
  if (items.length === 0) {
    // Isolation without a rule: one that lets nobody through.
    return isolates ? [{ ...base, path: section.path, hasPeers: false, peers: [], prefixes: [] }] : [];
  }
  return items.flatMap((item) => {
    item.object();
    const ports = readPorts(item.field('ports'));
    const toPorts = ports === undefined ? {} : { toPorts: [ports] };
    const peers = item.field(direction === 'ingress' ? 'from' : 'to').list() ?? [];
    if (peers.length === 0) {
      const any: Peer = { kind: 'any', selector: WILDCARD, path: item.path, text: 'everyone' };
      return [{ ...base, path: item.path, hasPeers: true, peers: [any], prefixes: [], ...toPorts }];
    }
    return peers.map((peer) => ({
      ...base,
      path: peer.path,
      hasPeers: true,
      ...readPeer(peer, direction, context),
      ...toPorts,
    }));
  });
}

function readPeer(raw: Raw, direction: DirectionName, context: Context): { peers: Peer[]; prefixes: Cidr[] } {
  raw.object();
  const block = raw.field('ipBlock');
  const pods = raw.field('podSelector');
  const namespaces = raw.field('namespaceSelector');
  if (!block.missing) {
    if (!pods.missing || !namespaces.missing) {
      raw.fail('two-peer-kinds-in-one-rule', 'ipBlock cannot be combined with selectors', 'one kind of peer');
    }
    if (context.scope.localCluster !== undefined && direction === 'ingress') {
      raw.fail(
        'two-peer-kinds-in-one-rule',
        'with policy-default-local-cluster the agent adds a pod selector to an ingress ipBlock, and then refuses both',
      );
    }
    return blockPeers(block, context.options);
  }
  if (pods.missing && namespaces.missing) raw.fail('no-peer', 'a peer needs a selector or an ipBlock');
  const requirements = peerRequirements(pods, namespaces, context.scope);
  const selector = selectorOf([...requirements, ...clusterRequirement(requirements, context.scope)]);
  return { peers: [{ kind: 'endpoints', selector, path: raw.path, text: `pods ${selector.id}` }], prefixes: [] };
}

function peerRequirements(pods: Raw, namespaces: Raw, scope: Scope): Requirement[] {
  const podPart = pods.missing ? [] : readKubernetesSelector(pods);
  if (namespaces.missing) return [...podPart, namespaceIs(scope.namespace)];
  const namespacePart = readKubernetesSelector(namespaces, NAMESPACE_LABEL_PREFIX);
  return [...podPart, ...(namespacePart.length === 0 ? [hasNamespace] : namespacePart)];
}

function blockPeers(raw: Raw, options: PolicyParseOptions): { peers: Peer[]; prefixes: Cidr[] } {
  const { cidr, except, text } = readBlock(raw);
  const peers = cidrSelectors(cidr, except, options.dualStack === true).map((selector): Peer => ({
    kind: 'cidrSet',
    selector,
    path: raw.path,
    text: `ipBlock ${text}`,
  }));
  return { peers, prefixes: [cidr, ...except].map(maskCidr) };
}

function readPorts(raw: Raw): PortRule | undefined {
  const items = raw.list() ?? [];
  if (items.length === 0) return undefined;
  const ports = items.map((item) => {
    item.object();
    const protocol = item.field('protocol').string() ?? 'TCP';
    if (!['TCP', 'UDP', 'SCTP'].includes(protocol)) {
      item
        .field('protocol')
        .fail('unknown-protocol', `${JSON.stringify(protocol)} is not a protocol of ports`, 'TCP, UDP, SCTP');
    }
    const at = item.field('port');
    const port = at.stringOrInteger() ?? 0;
    const endPort = item.field('endPort').integer() ?? 0;
    const base = { endPort, proto: parseProtocol(protocol) || Protocol.TCP, path: item.path };
    if (typeof port === 'string') {
      if (!isPortName(port)) at.fail('port-out-of-range-or-not-a-number', `${JSON.stringify(port)} is not a port name`);
      return { ...base, port: 0, name: port.toLowerCase() };
    }
    if (port < 0 || port > 65535) at.fail('port-out-of-range-or-not-a-number', `${port} is not a port`, '1..65535');
    return { ...base, port, name: '' };
  });
  return { ports, path: raw.path };
}
