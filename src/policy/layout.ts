/**
 * Layout and numbers of the policy map: what the kernel's key and entry hold, and what a lookup can answer.
 * `docs/policy.md` tells the rules.
 */

/** Traffic direction as the key has it: bit 0 of its direction byte. Seen from the endpoint that owns the map. */
export const Direction = { INGRESS: 0, EGRESS: 1 } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

export type DirectionName = 'ingress' | 'egress';
export const directionName = (direction: Direction): DirectionName =>
  direction === Direction.EGRESS ? 'egress' : 'ingress';

/** Identity 0 in a key means any remote identity. */
export const ANY_IDENTITY = 0;

/** Key bits that are always compared: identity (32) and direction (8). Prefix lengths below are counted after them. */
export const STATIC_BITS = 40;
/** Prefix bits of a protocol without a port. */
export const PROTO_BITS = 8;
/** Prefix bits of a protocol with a whole port. */
export const FULL_BITS = 24;

/** Default capacity of an endpoint's policy map (`bpf-policy-map-max`). */
export const POLICY_MAP_SIZE = 16384;

export const AuthType = { DISABLED: 0, REQUIRED: 1, ALWAYS_FAIL: 2 } as const;
/** Names of auth types as the agent prints them. */
export const authTypeName = (type: number): string =>
  type === 0 ? 'disabled' : type === 1 ? 'spire' : type === 2 ? 'test-always-fail' : String(type);

/** What a lookup answers: 0 to let pass, else the drop code (negative, as in the kernel). */
export const PolicyVerdictCode = {
  OK: 0,
  POLICY_DENIED: -133,
  INVALID: -134,
  FRAG_NOSUPPORT: -157,
  ENCAP_PROHIBITED: -170,
  POLICY_DENY_EXPLICIT: -181,
  AUTH_REQUIRED: -189,
} as const;

const REASONS: Readonly<Record<number, string>> = {
  0: 'ok',
  [-133]: 'policy-denied',
  [-134]: 'invalid',
  [-157]: 'frag-nosupport',
  [-170]: 'encap-prohibited',
  [-181]: 'policy-deny-explicit',
  [-189]: 'auth-required',
};

/** Kebab-case reason of a verdict code. */
export const verdictReason = (code: number): string => REASONS[code] ?? String(code);

/** Which kind of entry decided; NONE where no entry did. Numbers as in Cilium's policy-verdict events. */
export const MatchType = {
  NONE: 0,
  L3_ONLY: 1,
  L3_L4: 2,
  L4_ONLY: 3,
  ALL: 4,
  L3_PROTO: 5,
  PROTO_ONLY: 6,
} as const;
export type MatchType = (typeof MatchType)[keyof typeof MatchType];

const MATCH_NAMES = ['none', 'l3-only', 'l3-l4', 'l4-only', 'all', 'l3-proto', 'proto-only'] as const;
export type MatchName = (typeof MATCH_NAMES)[number];
export const matchName = (match: MatchType): MatchName => MATCH_NAMES[match];

/** Match type of a deciding entry with `prefix` bits, found under the remote identity (`l3`) or under identity 0. */
export function matchTypeOf(prefix: number, l3: boolean): MatchType {
  if (prefix === 0) return l3 ? MatchType.L3_ONLY : MatchType.ALL;
  if (prefix <= PROTO_BITS) return l3 ? MatchType.L3_PROTO : MatchType.PROTO_ONLY;
  return l3 ? MatchType.L3_L4 : MatchType.L4_ONLY;
}

/** A key of the policy map. `identity` 0 = any, `proto` 0 = any, `portPrefix` = significant bits of `port`, 0..16. */
export interface PolicyKey {
  readonly direction: Direction;
  readonly identity: number;
  readonly proto: number;
  readonly port: number;
  readonly portPrefix: number;
}

/** The value under a key. `auth` is an `AuthType`; `proxyPort` 0 = no redirect. */
export interface PolicyEntry {
  readonly deny: boolean;
  readonly proxyPort: number;
  /** 0 (no redirect) .. 127; the higher one wins. */
  readonly priority: number;
  readonly auth: number;
  readonly authExplicit: boolean;
}

/** Prefix bits of a key after identity and direction: 0, 8, or 8 + portPrefix. */
export const prefixOf = (key: PolicyKey): number => (key.proto === 0 ? 0 : PROTO_BITS + key.portPrefix);
