import { LbtwinError } from '../errors.ts';

/**
 * Defects of the reference datapath that the twin reproduces, since the question is what a real node does. Each can be switched
 * off, which gives what the code meant to do; docs/fidelity.md tells each one.
 */
export interface Defects {
  /** A RST closes both directions of a connection, also when only one side had sent it. */
  readonly ctRstClosesBoth: boolean;
  /** A translated ICMPv4 error keeps an outer checksum that is off by the change of the embedded addresses. */
  readonly natIcmp4OuterChecksum: boolean;
  /** An ICMPv4 error that embeds less than 18 bytes of TCP is dropped, CSUM_L4. */
  readonly natIcmp4ShortTcp: boolean;
  /** The packet embedded in an ICMPv6 packet-too-big is read four bytes too early: it is never translated. */
  readonly natIcmp6EmbeddedOffset: boolean;
  /** A SYN without DSR information leaves an old connection's DSR mark in place. */
  readonly dsrStaleMark: boolean;
  /** The frag-needed answer of DSR patches the port of a packet with IP options at the wrong place, with a wrong checksum. */
  readonly dsrIcmp4Options: boolean;
  /** The too-big answers of DSR by IPIP name the backend's address and the client's port as the service. */
  readonly dsrIcmpIpipService: boolean;
  /** The outer header that IPIP puts before a packet with IP options has the inner header's length. */
  readonly ipip4OuterOptions: boolean;
  /** The ICMPv6 answer for a service without backends leaves bytes 128..255 of each 256 out of its checksum. */
  readonly icmp6UnreachableChecksum: boolean;
}

export type DefectName = keyof Defects;

export const ALL_DEFECTS: Defects = {
  ctRstClosesBoth: true,
  natIcmp4OuterChecksum: true,
  natIcmp4ShortTcp: true,
  natIcmp6EmbeddedOffset: true,
  dsrStaleMark: true,
  dsrIcmp4Options: true,
  dsrIcmpIpipService: true,
  ipip4OuterOptions: true,
  icmp6UnreachableChecksum: true,
};

/** All defects, those named `false` switched off. @throws LbtwinError `unknown-defect` */
export function resolveDefects(off: Partial<Defects> = {}): Defects {
  for (const [name, value] of Object.entries(off)) {
    if (name in ALL_DEFECTS && typeof value === 'boolean') continue;
    throw new LbtwinError('unknown-defect', `${JSON.stringify(name)}: ${String(value)} switches no defect`, {
      path: ['defects', name],
      allowed: `true or false for ${Object.keys(ALL_DEFECTS).join(', ')}`,
    });
  }
  return { ...ALL_DEFECTS, ...off };
}
