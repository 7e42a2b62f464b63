import { formatPath, LbtwinError } from '../errors.ts';
import { ICMP } from '../net/headers.ts';
import { formatOrigin, partyName, PolicyDirection, type PolicyParty } from '../policy/index.ts';
import type { IdentityBook } from './identities.ts';
import { isIcmp, type PacketParts } from './packet-view.ts';
import { addressOf } from './kernel.ts';
import type { TopologyPod } from './topology.ts';

/** What policy says of a packet on one side, in short. */
export interface PolicyAnswer {
  readonly allowed: boolean;
  /** Cilium's drop reason, positive; 0 if allowed. */
  readonly code: number;
  readonly match: string;
  /** The rules that decided, each with its object. */
  readonly rules: readonly string[];
  /** The proxy that gets the flow. */
  readonly redirect: string | undefined;
}

/** Whose policy is asked: a pod's, or the host's of a node. */
export type PolicySubject = { readonly pod: TopologyPod } | { readonly host: string };

/** Network policy where packets pass it: at pods after service translation, and at hosts. */
export class PolicyGate {
  readonly #identities: IdentityBook;

  constructor(identities: IdentityBook) {
    this.#identities = identities;
  }

  /** Undefined where no policy governs this side. @throws LbtwinError `policy-conflict`, `policy-undecided` */
  check(
    subject: PolicySubject,
    parts: PacketParts,
    frame: Uint8Array,
    side: 'egress' | 'ingress',
  ): PolicyAnswer | undefined {
    const { policy } = this.#identities;
    const party = this.#party(subject);
    if (party === undefined) return undefined;
    const remote = addressOf(parts.family, side === 'egress' ? parts.daddr : parts.saddr);
    const direction = side === 'egress' ? PolicyDirection.EGRESS : PolicyDirection.INGRESS;
    const icmp = isIcmp(parts.protocol);
    const verdict = policy.verdict(party, policy.partyAt(remote), direction, {
      proto: parts.protocol,
      port: parts.dport,
      ...(icmp ? { icmpType: frame[parts.l4 + ICMP.TYPE] ?? 0, icmpCode: frame[parts.l4 + ICMP.CODE] ?? 0 } : {}),
    });
    if (verdict === undefined || !verdict.enforced) return undefined;
    if (verdict.undecided) {
      throw new LbtwinError(
        'policy-undecided',
        `${side} of ${partyName(party)}: the agent's entries depend on the order in which it takes its rules, which is random`,
        { allowed: 'policies whose result does not depend on it: `lbtwin policy lint` names the rules' },
      );
    }
    return {
      allowed: verdict.allowed,
      code: Math.abs(verdict.code),
      match: verdict.match,
      rules: verdict.decidedBy.map(({ rule }) => `${formatOrigin(rule.origin)} ${formatPath(rule.path)}`),
      redirect: verdict.redirect === undefined ? undefined : verdict.redirect.listener || verdict.redirect.parser,
    };
  }

  #party(subject: PolicySubject): PolicyParty | undefined {
    const { policy } = this.#identities;
    if ('host' in subject) {
      return policy.objects.nodes.has(subject.host) ? { kind: 'node', name: subject.host } : undefined;
    }
    const name = `${subject.pod.namespace}/${subject.pod.name}`;
    return policy.pods.has(name) ? { kind: 'pod', name } : undefined;
  }
}
