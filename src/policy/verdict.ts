import { type Family, Protocol } from '../net/index.ts';
import { Direction, MatchType, matchTypeOf, PolicyVerdictCode } from './layout.ts';
import { authOf, isAuthExplicit, isDeny, priorityOf, proxyPortOf } from './entry.ts';
import { packL4 } from './l4.ts';
import type { PolicyMap, PolicyStats } from './map.ts';

const HOST_ID = 1;
const ICMP_DEST_UNREACH = 3;
const ICMP_FRAG_NEEDED = 4;

/** Switches of the datapath that the policy lookup depends on. */
export interface PolicyDatapathConfig {
  /** Match ICMP types like ports (`enable-icmp-rules`). Default true. */
  readonly icmpRules?: boolean;
  /** Always let ICMPv4 "fragmentation needed" pass (`allow-icmp-frag-needed`). Default true. */
  readonly allowIcmpFragNeeded?: boolean;
  /** Report instead of dropping (`policy-audit-mode`). Default false. */
  readonly auditMode?: boolean;
  /** UDP port that only the host may send to, because it carries the tunnel; 0 without tunnelling. Default 0. */
  readonly tunnelPort?: number;
}

/** What the lookup is asked about. All fields are written before a call; one object can serve any number of calls. */
export interface PolicyPacket {
  direction: Direction;
  /** Number of the endpoint that owns the map, for accounting. */
  endpoint: number;
  /** Security identity of the endpoint that owns the map. */
  local: number;
  /** Security identity of the other side: the sender on ingress, the destination on egress. */
  remote: number;
  family: Family;
  /** Protocol number of the packet. */
  proto: number;
  /** Destination port, host order; ignored for ICMP when ICMP rules are on. */
  dport: number;
  /** ICMP type and code; -1 where the packet is not ICMP or has no ICMP header. */
  icmpType: number;
  icmpCode: number;
  /** A fragment without L4 ports, while fragments are not tracked. */
  untrackedFragment: boolean;
  /** The packet ends before its L4 header. */
  l4Truncated: boolean;
}

/** What the lookup answered; `row` is the deciding entry's (-1: none). Reused by every call that is given it. */
export interface PolicyResult {
  /** 0 or a negative drop code, see `PolicyVerdictCode`. */
  code: number;
  proxyPort: number;
  match: MatchType;
  /** Undefined where the lookup says nothing about it: it let the packet pass by itself. */
  audited: boolean | undefined;
  /** Auth type that is missing when `code` is AUTH_REQUIRED (kept when audit mode let the packet pass). */
  authType: number;
  row: number;
}

export const policyResult = (): PolicyResult => ({
  code: 0,
  proxyPort: 0,
  match: MatchType.NONE,
  audited: undefined,
  authType: 0,
  row: -1,
});

export const policyPacket = (fields: Partial<PolicyPacket> = {}): PolicyPacket => ({
  direction: Direction.INGRESS,
  endpoint: 0,
  local: 0,
  remote: 0,
  family: fields.proto === Protocol.ICMPV6 ? 6 : 4,
  proto: 0,
  dport: 0,
  icmpType: -1,
  icmpCode: -1,
  untrackedFragment: false,
  l4Truncated: false,
  ...fields,
});

/**
 * The policy question as the datapath asks it for one packet: two longest-prefix lookups (remote identity, any identity), the
 * choice between them, and what is let pass or dropped before and after. Writes `result`, returns its code, allocates nothing.
 * With `stats`, a packet that an entry decided counts there with its `bytes`, denied or not.
 */
export function checkPolicy(
  map: PolicyMap,
  packet: PolicyPacket,
  config: PolicyDatapathConfig,
  result: PolicyResult,
  stats?: PolicyStats,
  bytes = 0,
): number {
  result.proxyPort = 0;
  result.match = MatchType.NONE;
  result.audited = undefined;
  result.authType = 0;
  result.row = -1;
  const { direction, proto } = packet;
  const tunnelPort = config.tunnelPort ?? 0;
  if (
    direction === Direction.EGRESS &&
    tunnelPort !== 0 &&
    proto === Protocol.UDP &&
    packet.dport === tunnelPort &&
    packet.local !== HOST_ID
  ) {
    return (result.code = PolicyVerdictCode.ENCAP_PROHIBITED);
  }
  const code = lookup(map, packet, config, result, stats, bytes);
  if (code < 0) {
    result.audited = config.auditMode === true;
    return (result.code = result.audited ? PolicyVerdictCode.OK : code);
  }
  return (result.code = code);
}

function lookup(
  map: PolicyMap,
  packet: PolicyPacket,
  config: PolicyDatapathConfig,
  result: PolicyResult,
  stats: PolicyStats | undefined,
  bytes: number,
): number {
  const { direction, proto, family } = packet;
  let dport = packet.dport;
  if (proto === (family === 4 ? Protocol.ICMP : Protocol.ICMPV6)) {
    const fragNeeded = family === 4 && config.allowIcmpFragNeeded !== false;
    const rules = config.icmpRules !== false;
    if ((fragNeeded || rules) && (packet.l4Truncated || packet.icmpType < 0)) return PolicyVerdictCode.INVALID;
    if (fragNeeded && packet.icmpType === ICMP_DEST_UNREACH && packet.icmpCode === ICMP_FRAG_NEEDED) {
      return PolicyVerdictCode.OK;
    }
    if (rules) dport = packet.icmpType;
  }

  const l3 = map.match(direction, packet.remote, proto, dport);
  const l3Value = l3 < 0 ? 0 : map.valueAt(l3);
  let l4 = -1;
  let l4Value = 0;
  let chooseL4 = false;
  if (l3 < 0 || !isDeny(l3Value)) {
    l4 = map.match(direction, 0, proto, dport);
    if (l4 >= 0) {
      l4Value = map.valueAt(l4);
      const ahead = priorityOf(l4Value) - priorityOf(l3Value);
      chooseL4 = l3 < 0 || isDeny(l4Value) || ahead > 0 || (ahead === 0 && map.prefixAt(l4) > map.prefixAt(l3));
    } else if (l3 < 0) {
      return packet.untrackedFragment && direction === Direction.INGRESS
        ? PolicyVerdictCode.FRAG_NOSUPPORT
        : PolicyVerdictCode.POLICY_DENIED;
    }
  }

  const row = chooseL4 ? l4 : l3;
  const value = chooseL4 ? l4Value : l3Value;
  result.row = row;
  result.match = matchTypeOf(map.prefixAt(row), !chooseL4);
  // The accounting map gets the packet's own port, not the ICMP type that was looked up.
  if (stats !== undefined) {
    const l4 = packL4(direction, map.prefixAt(row), proto, packet.dport);
    stats.count(packet.endpoint, chooseL4 ? 0 : packet.remote, l4, bytes);
  }
  if (isDeny(value)) return PolicyVerdictCode.POLICY_DENY_EXPLICIT;

  result.proxyPort = proxyPortOf(value);
  let auth = authOf(value);
  if (!isAuthExplicit(value) && l3 >= 0 && l4 >= 0) {
    // A derived type gives way to a stricter one of the entry that was not chosen.
    auth = Math.max(auth, authOf(chooseL4 ? l3Value : l4Value));
  }
  if (auth !== 0) {
    result.authType = auth;
    return PolicyVerdictCode.AUTH_REQUIRED;
  }
  return PolicyVerdictCode.OK;
}
