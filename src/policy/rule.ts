import type { ErrorPath } from '../errors.ts';
import type { Cidr } from '../net/index.ts';
import type { DirectionName } from './layout.ts';
import type { Requirement, Selector } from './selector.ts';

export type PolicyKind = 'NetworkPolicy' | 'CiliumNetworkPolicy' | 'CiliumClusterwideNetworkPolicy';

/** The object that a rule comes from. `namespace` is empty for clusterwide ones. */
export interface PolicyOrigin {
  readonly kind: PolicyKind;
  readonly namespace: string;
  readonly name: string;
}

export type PeerKind = 'any' | 'endpoints' | 'entities' | 'cidr' | 'cidrSet' | 'nodes' | 'services' | 'fqdns';

/** One peer of a rule: who may (or may not) be on the other side. */
export interface Peer {
  readonly kind: PeerKind;
  readonly selector: Selector;
  /** Where the object names it; several peers may come from one place. */
  readonly path: ErrorPath;
  /** As people would say it. */
  readonly text: string;
}

/** A Kubernetes service as a peer, to be replaced by its pods or addresses. */
export interface ServicePeer {
  readonly path: ErrorPath;
  readonly name?: string;
  readonly namespace?: string;
  readonly selector?: Selector;
}

export interface PortSpec {
  /** 0 = every port, also when `name` is set. */
  readonly port: number;
  /** Of a named port, else empty. */
  readonly name: string;
  /** 0 = none; at or below `port`: the single port. */
  readonly endPort: number;
  /** Protocol number; 0 = TCP, UDP and SCTP. */
  readonly proto: number;
  readonly path: ErrorPath;
}

/** What `rules`, TLS contexts, server names or a listener ask of a proxy. */
export interface L7Spec {
  /** `dns`, `http`, `kafka`, or the name of an l7proto; empty without rules. */
  readonly rules: string;
  /** Text that is the same for the same TLS contexts; empty without TLS. */
  readonly tls: string;
  /** `serverNames` are given. */
  readonly serverNames: boolean;
  readonly listener?: { readonly name: string; readonly priority: number };
}

export interface PortRule {
  readonly ports: readonly PortSpec[];
  readonly l7?: L7Spec;
  readonly path: ErrorPath;
}

export interface IcmpSpec {
  /** 1 or 58. */
  readonly proto: number;
  readonly type: number;
  readonly path: ErrorPath;
}

/** One item of an ingress, egress, ingressDeny or egressDeny section. */
export interface SectionRule {
  readonly origin: PolicyOrigin;
  readonly direction: DirectionName;
  readonly deny: boolean;
  /** From the object's root: `['spec', 'ingress', 0]`. */
  readonly path: ErrorPath;
  /** False where no peer section is given at all. */
  readonly hasPeers: boolean;
  /** A peer list is present and empty: the rule counts for nothing. */
  readonly nobody: boolean;
  readonly peers: readonly Peer[];
  readonly services: readonly ServicePeer[];
  /** Conditions for the `endpoints` peers of all rules of the same direction and section. */
  readonly requires: readonly Requirement[];
  /** Undefined where the section has no `toPorts`. */
  readonly toPorts?: readonly PortRule[];
  readonly icmps?: readonly IcmpSpec[];
  /** An `AuthType`, where the rule has an authentication section. */
  readonly auth?: number;
  /** False turns L7 rules into "and everything else": the policy's direction has default deny switched off. */
  readonly defaultDeny: boolean;
  /** Prefixes that the rule names, exceptions included. */
  readonly prefixes: readonly Cidr[];
}

/** One rule (`spec`, or one of `specs`): the endpoints it is for and its sections. */
export interface PolicyRule {
  readonly origin: PolicyOrigin;
  readonly path: ErrorPath;
  readonly subject: Selector;
  /** True where the subject is the host of the nodes selected, false where it is pods. */
  readonly forNodes: boolean;
  /** Allow rules in order, then deny rules. */
  readonly ingress: readonly SectionRule[];
  readonly egress: readonly SectionRule[];
  /** Whether the rule asks for default deny, per direction. */
  readonly defaultDeny: { readonly ingress: boolean; readonly egress: boolean };
}

/** Something about an object that users should know and that changes no result. */
export interface PolicyNotice {
  readonly code: string;
  readonly message: string;
  readonly origin?: PolicyOrigin;
  readonly path: ErrorPath;
}

/** What one policy object means. */
export interface ParsedPolicy {
  readonly origin: PolicyOrigin;
  readonly rules: readonly PolicyRule[];
  readonly notices: readonly PolicyNotice[];
}

/** Settings of the agent that decide how objects are read. */
export interface PolicyParseOptions {
  /** IPv4 and IPv6 are both on. Default false. */
  readonly dualStack?: boolean;
  /** `enable-node-selector-labels`. Default false. */
  readonly nodeSelectorLabels?: boolean;
  /** `enable-icmp-rules`. Default true. */
  readonly icmpRules?: boolean;
  /** `enable-l7-proxy`. Default true. */
  readonly l7Proxy?: boolean;
  /** `policy-default-local-cluster`. Default false. */
  readonly defaultLocalCluster?: boolean;
  /** `cluster-name`. Default `default`. */
  readonly clusterName?: string;
}

export const formatOrigin = ({ kind, namespace, name }: PolicyOrigin): string =>
  `${kind} ${namespace === '' ? '' : `${namespace}/`}${name}`;
