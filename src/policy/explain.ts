import { Protocol } from '../net/index.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';
import { parserOf } from './filter.ts';
import {
  type DirectionName,
  directionName,
  matchName,
  type MatchName,
  type PolicyEntry,
  type PolicyKey,
  PolicyVerdictCode,
  verdictReason,
} from './layout.ts';
import type { PolicySubject, Redirect } from './resolve.ts';
import type { Peer, SectionRule } from './rule.ts';
import type { SelectorCache } from './selector-cache.ts';
import { narrow } from './selector.ts';
import { checkPolicy, type PolicyDatapathConfig, type PolicyPacket, policyResult } from './verdict.ts';

export type RuleEffect =
  /** It decides: the packet is let through, sent to a proxy, has to be authenticated, or is refused. */
  | 'allows'
  | 'redirects'
  | 'requires-authentication'
  | 'denies'
  /** It is about other peers, or about these peers and other ports. */
  | 'other-peers'
  | 'other-ports'
  /** An empty peer list, or neither peers nor ports: it only isolates. */
  | 'allows-nobody';

/** A rule of the subject that was considered for one packet. */
export interface RuleStep {
  readonly rule: SectionRule;
  readonly effect: RuleEffect;
  /** The peer of the rule that the other side is, where it is one. */
  readonly peer?: Peer;
}

/** The answer for one side of a connection, with everything that explains it. */
export interface PolicyVerdict {
  readonly direction: DirectionName;
  readonly allowed: boolean;
  /** 0 or a negative drop code. */
  readonly code: number;
  readonly reason: string;
  /** Whether any rule enforces this direction. */
  readonly enforced: boolean;
  readonly match: MatchName;
  /** The map entry that decided. */
  readonly entry?: { readonly key: PolicyKey; readonly entry: PolicyEntry };
  /** The proxy that gets the packet. */
  readonly redirect?: Redirect;
  /** Auth type that is missing. */
  readonly authType: number;
  readonly audited: boolean;
  /** The agent's result depends on the order in which it takes its rules, and this packet's verdict with it. */
  readonly undecided: boolean;
  /** The rules that decided; empty where no rule did. */
  readonly decidedBy: readonly RuleStep[];
  /** Every rule of this direction that selects the subject, deciding or not. */
  readonly steps: readonly RuleStep[];
}

/** True if one of the rule's ports is this one (for ICMP: this type). A rule without ports is about all. */
export function coversPort(rule: SectionRule, subject: PolicySubject, proto: number, port: number): boolean {
  const toPorts = rule.toPorts ?? [];
  const icmps = rule.icmps ?? [];
  if (toPorts.length === 0 && icmps.length === 0) return rule.hasPeers;
  if (icmps.some((icmp) => icmp.proto === proto && (icmp.type === 0 || icmp.type === port))) return true;
  return toPorts.some(({ ports }) =>
    ports.some((spec) => {
      if (proto === Protocol.ICMP || proto === Protocol.ICMPV6) return false;
      if (spec.proto !== Protocol.ANY && spec.proto !== proto) return false;
      const start = spec.name === '' ? spec.port : subject.namedPort(rule.direction, spec.name, proto);
      if (spec.name !== '' && start === 0) return false;
      return start === 0 || port === start || (port > start && port <= spec.endPort);
    }),
  );
}

/** What each rule of a direction says about a remote identity and a port, or ICMP type. */
export function considerRules(
  policy: EndpointPolicy,
  direction: DirectionName,
  remote: number,
  proto: number,
  port: number,
  cache: SelectorCache,
): RuleStep[] {
  const { rules } = policy.direction(direction);
  return rules.map((rule): RuleStep => {
    const requires = rules.filter((other) => other.deny === rule.deny).flatMap((other) => other.requires);
    const noPorts = (rule.toPorts ?? []).length === 0 && (rule.icmps ?? []).length === 0;
    if (rule.nobody || (!rule.hasPeers && noPorts)) return { rule, effect: 'allows-nobody' };
    const peer = rule.peers.find((candidate) =>
      cache.has(
        candidate.kind === 'endpoints' && requires.length > 0
          ? narrow(candidate.selector, ...requires)
          : candidate.selector,
        remote,
      ),
    );
    if (rule.hasPeers && peer === undefined) return { rule, effect: 'other-peers' };
    const found = peer === undefined ? {} : { peer };
    if (!coversPort(rule, policy.subject, proto, port)) return { rule, effect: 'other-ports', ...found };
    return { rule, effect: effectOf(rule, policy.subject, proto, port), ...found };
  });
}

function effectOf(rule: SectionRule, subject: PolicySubject, proto: number, port: number): RuleEffect {
  if (rule.deny) return 'denies';
  const redirects = (rule.toPorts ?? []).some(
    (item) => parserOf(item.l7, proto) !== '' && coversPort({ ...rule, toPorts: [item] }, subject, proto, port),
  );
  if (redirects) return 'redirects';
  return (rule.auth ?? 0) > 0 ? 'requires-authentication' : 'allows';
}

const DECISIVE: Readonly<Record<number, readonly RuleEffect[]>> = {
  [PolicyVerdictCode.OK]: ['allows', 'redirects'],
  [PolicyVerdictCode.POLICY_DENY_EXPLICIT]: ['denies'],
  [PolicyVerdictCode.AUTH_REQUIRED]: ['requires-authentication', 'redirects', 'allows'],
};

/** Asks an endpoint's policy about one packet and says which rules decided. `packet` is not changed. */
export function explainVerdict(
  policy: EndpointPolicy,
  packet: Readonly<PolicyPacket>,
  datapath: PolicyDatapathConfig,
  cache: SelectorCache,
): PolicyVerdict {
  const direction = directionName(packet.direction);
  const result = policyResult();
  const decided = policy.check(packet, datapath, result);
  if (decided === undefined) checkPolicy(policy.map, packet, datapath, result);
  const icmp = packet.proto === Protocol.ICMP || packet.proto === Protocol.ICMPV6;
  const port = icmp ? packet.icmpType : packet.dport;
  const steps = considerRules(policy, direction, packet.remote, packet.proto, port, cache);
  // In audit mode a dropped packet passes: the rules that would have dropped it are the ones to name.
  const code = result.code;
  const effects = DECISIVE[code] ?? [];
  const redirect = policy
    .direction(direction)
    .redirects.find(({ proto, proxyPort }) => proto === packet.proto && proxyPort === result.proxyPort);
  const entry =
    result.row < 0 ? {} : { entry: { key: policy.map.keyAt(result.row), entry: policy.map.entryAt(result.row) } };
  return {
    direction,
    allowed: code === PolicyVerdictCode.OK,
    code,
    reason: verdictReason(code),
    enforced: policy.direction(direction).enforced,
    match: matchName(result.match),
    ...entry,
    ...(redirect === undefined || code < 0 ? {} : { redirect }),
    authType: result.authType,
    audited: result.audited === true,
    undecided: decided === undefined,
    decidedBy: steps.filter(({ effect }) => effects.includes(effect)),
    steps,
  };
}
