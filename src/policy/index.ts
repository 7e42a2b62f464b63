export { parseCiliumPolicy } from './cilium.ts';
export { EndpointPolicy } from './endpoint-policy.ts';
export {
  isPolicyKind,
  type NamedPort,
  parsePolicy,
  type PolicyConfig,
  type PolicyEndpoint,
  PolicyEngine,
} from './engine.ts';
export {
  authOf,
  compareKeys,
  isAuthExplicit,
  isDeny,
  packEntry,
  priorityOf,
  proxyPortOf,
  unpackEntry,
} from './entry.ts';
export { IdentityTable, type SecurityIdentity } from './identity.ts';
export { parseNetworkPolicy } from './kubernetes.ts';
export { formatLabel, type Label, LabelKey, LabelSource, parseLabel, sortLabels } from './labels.ts';
export {
  AuthType,
  authTypeName,
  Direction as PolicyDirection,
  directionName,
  type DirectionName,
  type MatchName,
  matchName,
  MatchType,
  POLICY_MAP_SIZE,
  type PolicyEntry,
  type PolicyKey,
  PolicyVerdictCode,
  prefixOf,
  verdictReason,
} from './layout.ts';
export { LocalIdentities } from './local-identities.ts';
export { POLICY_STATS_SIZE, type PolicyCount, PolicyMap, PolicyStats } from './map.ts';
export type { EnforcementMode, PolicySubject, Redirect, ResolvedDirection, ResolvedPolicy } from './resolve.ts';
export type {
  ParsedPolicy,
  Peer,
  PeerKind,
  PolicyKind,
  PolicyNotice,
  PolicyOrigin,
  PolicyParseOptions,
  PolicyRule,
  PortRule,
  PortSpec,
  SectionRule,
} from './rule.ts';
export { formatOrigin } from './rule.ts';
export type { PolicyService } from './services.ts';
export { formatSelector, isWildcard, type Requirement, type Selector, selects } from './selector.ts';
export {
  checkPolicy,
  type PolicyDatapathConfig,
  type PolicyPacket,
  policyPacket,
  type PolicyResult,
  policyResult,
} from './verdict.ts';
export {
  PARTY_ENTITIES,
  type PolicyCheck,
  PolicyCluster,
  type PolicyClusterOptions,
  type PolicyParty,
  type PolicyTraffic,
  type RefusedPolicy,
} from './cluster.ts';
export type { ClusterNode, ClusterObjects, ClusterPod, ClusterService } from './cluster-objects.ts';
export { type DnsView, matchesFqdn } from './dns.ts';
export { explainVerdict, type PolicyVerdict, type RuleEffect, type RuleStep } from './explain.ts';
export { policyConfigOf, policyDatapathOf } from './from-config.ts';
export {
  diffReach,
  isPolicyReached,
  policyMatrix,
  type PolicyMatrix,
  Reach,
  REACH_SYMBOLS,
  type ReachChange,
  reachOfCheck,
  trafficOfRules,
} from './matrix.ts';
export { partyName, trafficPacket } from './cluster.ts';
export { lintPolicies, POLICY_LINT_RULES, type PolicyFinding, type PolicySeverity } from './lint.ts';
