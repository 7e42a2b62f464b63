import { formatPath } from '../errors.ts';
import { formatAddress, protocolName } from '../net/index.ts';
import {
  authTypeName,
  formatOrigin,
  type PolicyCheck,
  type PolicyCluster,
  partyName,
  type PolicyParty,
  type PolicyTraffic,
  type PolicyVerdict,
  type RuleEffect,
  type RuleStep,
  type SectionRule,
} from '../policy/index.ts';
import { indented } from './table.ts';

/** `pod x/a`, `node n1`, `address 192.0.2.1`, `entity world`. */
export function partyText(party: PolicyParty): string {
  if (party.kind === 'address') return `address ${formatAddress(party.address)}`;
  return `${party.kind} ${party.name}`;
}

/** `80/TCP`, `ICMP type 8`. */
export function trafficText({ proto, port, icmpType, icmpCode }: PolicyTraffic): string {
  if (icmpType === undefined) return `${port ?? 0}/${protocolName(proto)}`;
  return `${protocolName(proto)} type ${icmpType}${icmpCode === undefined ? '' : ` code ${icmpCode}`}`;
}

/** `CiliumNetworkPolicy x/web spec.ingress[0]`. */
export const ruleText = (rule: SectionRule): string => `${formatOrigin(rule.origin)} ${formatPath(rule.path)}`;

const EFFECTS: Readonly<Record<RuleEffect, string>> = {
  allows: 'allows it',
  redirects: 'allows it through the proxy',
  'requires-authentication': 'allows it once authenticated',
  denies: 'denies it',
  'other-peers': 'is about other peers',
  'other-ports': 'is about these peers, but other ports',
  'allows-nobody': 'lets nobody through, it only isolates',
};

const MARKS: Readonly<Partial<Record<RuleEffect, string>>> = {
  allows: '+',
  redirects: '+',
  'requires-authentication': '!',
  denies: '-',
};

function stepText({ rule, effect, peer }: RuleStep): string {
  const who = peer === undefined ? '' : ` (${peer.text})`;
  return `${MARKS[effect] ?? '·'} ${ruleText(rule)}: ${EFFECTS[effect]}${who}`;
}

/** Why a side says what it says, in one line. */
export function reasonText(verdict: PolicyVerdict): string {
  const { code, entry, redirect } = verdict;
  if (verdict.undecided)
    return "depends on the order in which the agent takes its rules, which is random: lbtwin doesn't guess";
  if (verdict.audited) return 'would be dropped; audit mode lets it pass';
  if (code === 0) {
    if (redirect !== undefined)
      return `goes to the ${redirect.parser} proxy (${redirect.proxyPort} here; the agent picks its port)`;
    if (!verdict.enforced) return `no policy selects it for ${verdict.direction}`;
    if (verdict.decidedBy.length > 0) return 'a rule allows it';
    if (entry === undefined) return 'passes before policy is asked';
    return entry.key.identity === 1
      ? 'the local host is always let in'
      : 'no rule denies it, and none asks for default deny';
  }
  if (verdict.reason === 'policy-denied') return 'default deny: no rule allows it';
  if (verdict.reason === 'policy-deny-explicit') return 'a deny rule refuses it';
  if (verdict.reason === 'auth-required') return `authentication (${authTypeName(verdict.authType)}) is needed first`;
  return verdict.reason;
}

/** What would have to change for a refused packet to pass. */
export function remedyText(
  verdict: PolicyVerdict,
  subject: PolicyParty,
  peer: PolicyParty,
  traffic: PolicyTraffic,
): string | undefined {
  if (verdict.allowed || verdict.undecided) return undefined;
  const toward = verdict.direction === 'egress' ? 'to' : 'from';
  if (verdict.reason === 'policy-deny-explicit') {
    const rules = verdict.decidedBy.map(({ rule }) => ruleText(rule)).join(' and ');
    return `${rules} would have to go or to leave this out: no allow rule can override a deny`;
  }
  if (verdict.reason === 'auth-required')
    return 'both sides have to authenticate, or the authentication section has to go';
  if (verdict.reason !== 'policy-denied') return undefined;
  const near = verdict.steps.find(({ effect, rule }) => effect === 'other-ports' && !rule.deny);
  const rule = `a rule that selects ${partyText(subject)} and allows ${verdict.direction} ${toward} ${partyText(peer)} on ${trafficText(traffic)}`;
  return near === undefined ? rule : `${rule}; ${ruleText(near.rule)} already allows the peer on other ports`;
}

function sideText(
  verdict: PolicyVerdict | undefined,
  direction: 'egress' | 'ingress',
  subject: PolicyParty,
  peer: PolicyParty,
  traffic: PolicyTraffic,
): string {
  const head = `${direction.padEnd(8)} ${partyName(subject)}: `;
  if (verdict === undefined)
    return `${head}not asked (${subject.kind === 'pod' ? 'the packet does not leave the pod' : 'no policy of this cluster applies there'})\n`;
  const word = verdict.undecided
    ? 'UNDECIDED'
    : verdict.allowed
      ? verdict.redirect
        ? 'REDIRECTED'
        : 'ALLOWED'
      : 'DENIED';
  let text = `${head}${word}, ${reasonText(verdict)}\n`;
  const lines = verdict.steps.map(stepText);
  const remedy = remedyText(verdict, subject, peer, traffic);
  if (remedy !== undefined) lines.push(`→ needed: ${remedy}`);
  text += lines.map((line) => indented(`${line}\n`, '         ')).join('');
  return text;
}

/** The answer about one connection for people. */
export function formatPolicyCheck(check: PolicyCheck, cluster: PolicyCluster): string {
  const { from, to, traffic } = check;
  const identity = (party: PolicyParty, other: PolicyParty): string =>
    `identity ${cluster.identityOf(party, cluster.nodeOf(other))}`;
  const verdict = check.undecided ? 'UNDECIDED' : check.allowed ? 'ALLOWED' : 'DENIED';
  return (
    `${partyText(from)} (${identity(from, to)}) → ${partyText(to)} (${identity(to, from)}), ${trafficText(traffic)}: ${verdict}\n` +
    sideText(check.egress, 'egress', from, to, traffic) +
    sideText(check.ingress, 'ingress', to, from, traffic)
  );
}

const stepJson = ({ rule, effect, peer }: RuleStep): unknown => ({
  policy: formatOrigin(rule.origin),
  path: formatPath(rule.path),
  effect,
  ...(peer === undefined ? {} : { peer: peer.text }),
});

function verdictJson(verdict: PolicyVerdict | undefined): unknown {
  if (verdict === undefined) return null;
  const { steps, decidedBy, ...rest } = verdict;
  return {
    ...rest,
    explanation: reasonText(verdict),
    decidedBy: decidedBy.map(stepJson),
    considered: steps.map(stepJson),
  };
}

/** The same as `formatPolicyCheck`, for programs. */
export function policyCheckJson(check: PolicyCheck, cluster: PolicyCluster): unknown {
  const { from, to, traffic, allowed, undecided } = check;
  const party = (one: PolicyParty, other: PolicyParty): unknown => {
    const identity = cluster.identityOf(one, cluster.nodeOf(other));
    return {
      name: partyName(one),
      identity,
      labels: cluster.engineOf(cluster.nodeOf(other)).identities.labelsOf(identity),
    };
  };
  return {
    from: party(from, to),
    to: party(to, from),
    protocol: protocolName(traffic.proto),
    ...(traffic.port === undefined ? {} : { port: traffic.port }),
    ...(traffic.icmpType === undefined ? {} : { icmpType: traffic.icmpType, icmpCode: traffic.icmpCode ?? 0 }),
    allowed,
    undecided,
    egress: verdictJson(check.egress),
    ingress: verdictJson(check.ingress),
  };
}
