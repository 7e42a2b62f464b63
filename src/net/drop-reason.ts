import { LbtwinError } from '../errors.ts';

/**
 * Why the datapath drops a packet: the numbers of Cilium's drop notifications and metrics (positive), under its own names.
 * Those above 128 that never leave the programs (159, 173, 205) are answers between their parts, not drops.
 */
export const DropReason = {
  INVALID_SIP: 132,
  POLICY: 133,
  INVALID: 134,
  CT_INVALID_HDR: 135,
  FRAG_NEEDED: 136,
  CT_UNKNOWN_PROTO: 137,
  UNKNOWN_L3: 139,
  MISSED_TAIL_CALL: 140,
  WRITE_ERROR: 141,
  UNKNOWN_L4: 142,
  UNKNOWN_ICMP4_CODE: 143,
  UNKNOWN_ICMP4_TYPE: 144,
  UNKNOWN_ICMP6_CODE: 145,
  UNKNOWN_ICMP6_TYPE: 146,
  NO_TUNNEL_KEY: 147,
  UNROUTABLE: 151,
  CSUM_L3: 153,
  CSUM_L4: 154,
  CT_CREATE_FAILED: 155,
  INVALID_EXTHDR: 156,
  FRAG_NOSUPPORT: 157,
  NO_SERVICE: 158,
  UNSUPP_SERVICE_PROTO: 159,
  NO_TUNNEL_ENDPOINT: 160,
  UNKNOWN_CT: 163,
  HOST_UNREACHABLE: 164,
  UNSUPPORTED_L2: 166,
  NAT_NO_MAPPING: 167,
  NAT_UNSUPP_PROTO: 168,
  NO_FIB: 169,
  ENCAP_PROHIBITED: 170,
  INVALID_IDENTITY: 171,
  UNKNOWN_SENDER: 172,
  NAT_NOT_NEEDED: 173,
  IS_CLUSTER_IP: 174,
  FRAG_NOT_FOUND: 175,
  FORBIDDEN_ICMP6: 176,
  NOT_IN_SRC_RANGE: 177,
  PROXY_UNKNOWN_PROTO: 180,
  POLICY_DENY: 181,
  NO_CT_MAP: 190,
  NO_NAT_MAP: 191,
  DSR_ENCAP_UNSUPP_PROTO: 193,
  TTL_EXCEEDED: 196,
  NO_NODE_ID: 197,
  RATE_LIMITED: 198,
  HOST_NOT_READY: 202,
  EP_NOT_READY: 203,
  PUNT_PROXY: 205,
} as const;

/** Reasons of the metrics map that are no drops. */
export const ForwardReason = { FORWARDED: 0, PLAINTEXT: 3, FRAG_PACKET: 9, FRAG_PACKET_UPDATE: 10 } as const;

export type DropReasonName = keyof typeof DropReason;

const NAMES: ReadonlyMap<number, string> = new Map(
  [...Object.entries(ForwardReason), ...Object.entries(DropReason)].map(([name, code]) => [code, name]),
);

/** The name of a drop or metrics reason: `134` is `INVALID`; a number without a name is itself. */
export const dropReasonName = (code: number): string => NAMES.get(code) ?? String(code);

/** The number of a drop or metrics reason. @throws LbtwinError `unknown-drop-reason` */
export function parseDropReason(name: string): number {
  for (const [code, known] of NAMES) if (known === name) return code;
  throw new LbtwinError('unknown-drop-reason', `${JSON.stringify(name)} is not a drop reason`, {
    allowed: [...NAMES.values()].join(', '),
  });
}
