import type { Cidr, IpAddress } from '../net/index.ts';
import { LabelSource, label, type Label, sortLabels } from './labels.ts';
import { cidrSelectors } from './read-peers.ts';
import { namespaceIs } from './read-selector.ts';
import type { Peer, PolicyRule, SectionRule, ServicePeer } from './rule.ts';
import { requirement, selectorOf, selects } from './selector.ts';

/** A Kubernetes service as `toServices` sees it. */
export interface PolicyService {
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Its pod selector; undefined or empty where addresses are managed by hand. */
  readonly selector?: Readonly<Record<string, string>>;
  /** Addresses of its endpoints. */
  readonly addresses: readonly IpAddress[];
}

const labelsOf = (labels: Readonly<Record<string, string>>): Label[] =>
  sortLabels(Object.entries(labels).map(([key, value]) => label(LabelSource.K8S, key, value)));

function isMeant(peer: ServicePeer, service: PolicyService): boolean {
  if (peer.namespace !== undefined && peer.namespace !== '' && peer.namespace !== service.namespace) return false;
  return peer.selector === undefined ? peer.name === service.name : selects(peer.selector, labelsOf(service.labels));
}

/** A rule with every service peer replaced: by the service's pods, or without a selector by its endpoint addresses. */
export function expandServices(rule: PolicyRule, services: readonly PolicyService[], dualStack: boolean): PolicyRule {
  if (!rule.egress.some((section) => section.services.length > 0)) return rule;
  return { ...rule, egress: rule.egress.map((section) => expandSection(section, services, dualStack)) };
}

function expandSection(section: SectionRule, services: readonly PolicyService[], dualStack: boolean): SectionRule {
  const peers: Peer[] = [...section.peers];
  const prefixes: Cidr[] = [...section.prefixes];
  for (const peer of section.services) {
    for (const service of services) {
      if (!isMeant(peer, service)) continue;
      const text = `service ${service.namespace}/${service.name}`;
      const add = (selector: Peer['selector']): void => {
        peers.push({ kind: 'services', selector, path: peer.path, text });
      };
      const pods = Object.entries(service.selector ?? {});
      if (pods.length > 0) {
        const wanted = pods.map(([key, value]) => requirement(LabelSource.K8S, key, 'In', [value]));
        add(selectorOf([...wanted, namespaceIs(service.namespace)]));
        continue;
      }
      for (const address of service.addresses) {
        const cidr = { address, bits: address.family === 4 ? 32 : 128 };
        prefixes.push(cidr);
        for (const selector of cidrSelectors(cidr, [], dualStack)) add(selector);
      }
    }
  }
  return { ...section, peers, prefixes };
}
