import type { ErrorPath } from '../errors.ts';
import type { ObjectRef } from '../k8s/objects/fields.ts';

export type Severity = 'error' | 'warning' | 'info';

/** What a rule is about, and where it comes from. */
export interface Rule {
  readonly title: string;
  /** Page and section of the documentation that tells the rule. */
  readonly source: string;
}

export type LintRule =
  | 'no-local-backend'
  | 'external-ip-unreachable-inside'
  | 'address-conflict'
  | 'map-address-collision'
  | 'host-port-in-node-port-range'
  | 'host-port-without-frontend'
  | 'hints-select-nothing'
  | 'weight-ignored'
  | 'maglev-table-small'
  | 'service-ids-exhausted'
  | 'exposed-nowhere'
  | 'port-without-backends'
  | 'source-ranges-of-other-family'
  | 'annotation-without-option'
  | 'unknown-traffic-distribution'
  | 'source-ranges-on-node-ports'
  | 'object-without-option'
  | 'redirect-of-nothing'
  | 'redirect-to-nobody'
  | 'frontend-not-written'
  | 'object-refused'
  | 'unknown-annotation-value'
  | 'unparsable-node-selector'
  | 'unparsable-address'
  | 'unparsable-source-range';

const page = (section: string): string => `docs/control-plane.md, "${section}"`;

/** Everything that lint looks for. */
export const LINT_RULES: Readonly<Record<LintRule, Rule>> = {
  'no-local-backend': {
    title: 'Nodes without a local backend under a Local policy drop what reaches them',
    source: page('Which backends a frontend gets'),
  },
  'external-ip-unreachable-inside': {
    title: 'externalIPs of a Service with exactly one Local policy are never matched from inside the cluster',
    source: page('The flags word'),
  },
  'address-conflict': {
    title: 'An address that another service has: the whole Service (or the pod’s hostPorts) is refused',
    source: page('From Services to frontends'),
  },
  'map-address-collision': {
    title: 'Two frontends write the same entry of the service map; the later one wins',
    source: page('From Services to frontends'),
  },
  'host-port-in-node-port-range': {
    title: 'A hostPort inside the NodePort range is passed over',
    source: page('hostPort'),
  },
  'host-port-without-frontend': {
    title: 'A hostIP of 0.0.0.0 or :: makes no frontend',
    source: page('hostPort'),
  },
  'hints-select-nothing': {
    title: 'Zone hints leave no backend',
    source: page('Which backends a frontend gets'),
  },
  'weight-ignored': {
    title: 'Backends of Kubernetes all have weight 100; nothing reads another one',
    source: 'docs/maglev.md',
  },
  'maglev-table-small': {
    title: 'A Maglev table with less than 100 slots per backend spreads flows unevenly',
    source: 'docs/maglev.md',
  },
  'service-ids-exhausted': {
    title: 'More frontends than there are service ids',
    source: page('Ids'),
  },
  'exposed-nowhere': {
    title: 'No node matches the node or node-selector annotation',
    source: page('From Services to frontends'),
  },
  'port-without-backends': {
    title: 'A service port whose name no endpoint port has',
    source: page('Which backends a frontend gets'),
  },
  'source-ranges-of-other-family': {
    title: 'Source ranges are checked, but none is of the family of the frontend: every client is refused',
    source: page('Map contents'),
  },
  'annotation-without-option': {
    title: 'An annotation that counts only where the agent has an option for it',
    source: page('Map contents'),
  },
  'unknown-traffic-distribution': {
    title: 'A trafficDistribution that the agent does not know counts as none',
    source: page('Which backends a frontend gets'),
  },
  'source-ranges-on-node-ports': {
    title: 'loadBalancerSourceRanges are checked on NodePorts and external IPs, too (profile 1.18)',
    source: page('Map contents'),
  },
  'object-without-option': {
    title: 'A local redirect policy or Envoy configuration that the agent has no option for',
    source: page('Local redirect policies'),
  },
  'redirect-of-nothing': {
    title: 'A redirect whose service or listener does not exist',
    source: page('Redirects to the proxy'),
  },
  'redirect-to-nobody': {
    title: 'A local redirect policy without pods on some nodes: what it redirects has no backend there (profile 1.18)',
    source: page('Local redirect policies'),
  },
  'frontend-not-written': {
    title: 'The maps refuse a frontend',
    source: page('Map contents'),
  },
  'object-refused': { title: 'An object that cannot be used', source: page('From Services to frontends') },
  'unknown-annotation-value': {
    title: 'An annotation value that counts as absent',
    source: page('From Services to frontends'),
  },
  'unparsable-node-selector': {
    title: 'A node selector that does not parse and is passed over',
    source: page('From Services to frontends'),
  },
  'unparsable-address': {
    title: 'Text that is no address and is passed over',
    source: page('From Services to frontends'),
  },
  'unparsable-source-range': { title: 'Text that is no source range and is dropped', source: page('Map contents') },
};

/** What the owner of an object should know. */
export interface LintFinding {
  readonly rule: LintRule;
  readonly severity: Severity;
  readonly object: ObjectRef;
  /** Into the object. */
  readonly path: ErrorPath;
  readonly message: string;
  /** Nodes concerned, sorted; all or none in particular when empty. */
  readonly nodes: readonly string[];
}

/** The object a finding is about, with the path within it and what is to be said. */
export type Report = (
  rule: LintRule,
  severity: Severity,
  object: ObjectRef,
  path: ErrorPath,
  message: string,
  nodes?: readonly string[],
) => void;

/** `a, b and 3 more` */
export function listed(names: readonly string[], limit = 4): string {
  if (names.length <= limit) return names.join(', ');
  return `${names.slice(0, limit).join(', ')} and ${names.length - limit} more`;
}
