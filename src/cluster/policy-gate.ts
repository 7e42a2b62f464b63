import { formatPath, LbtwinError } from '../errors.ts';
import { ICMP } from '../net/headers.ts';
import { formatOrigin, PolicyDirection } from '../policy/index.ts';
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

/** Network policy where packets pass it: at pods, after service translation. */
export class PolicyGate {
  readonly #identities: IdentityBook;

  constructor(identities: IdentityBook) {
    this.#identities = identities;
  }

  /** Undefined where no policy governs this side. @throws LbtwinError `policy-conflict`, `policy-undecided` */
  check(pod: TopologyPod, parts: PacketParts, frame: Uint8Array, side: 'egress' | 'ingress'): PolicyAnswer | undefined {
    const { policy } = this.#identities;
    const name = `${pod.namespace}/${pod.name}`;
    if (!policy.pods.has(name)) return undefined;
    const remote = addressOf(parts.family, side === 'egress' ? parts.daddr : parts.saddr);
    const direction = side === 'egress' ? PolicyDirection.EGRESS : PolicyDirection.INGRESS;
    const icmp = isIcmp(parts.protocol);
    const verdict = policy.verdict({ kind: 'pod', name }, policy.partyAt(remote), direction, {
      proto: parts.protocol,
      port: parts.dport,
      ...(icmp ? { icmpType: frame[parts.l4 + ICMP.TYPE] ?? 0, icmpCode: frame[parts.l4 + ICMP.CODE] ?? 0 } : {}),
    });
    if (verdict === undefined || !verdict.enforced) return undefined;
    if (verdict.undecided) {
      throw new LbtwinError(
        'policy-undecided',
        `${side} of pod ${name}: the agent's entries depend on the order in which it takes its rules, which is random`,
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
}
