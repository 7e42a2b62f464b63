import { LbtwinError } from '../errors.ts';

/** A block of ports that one map key can hold: `prefix` significant bits of `port`, 0..16. */
export interface PortBlock {
  readonly port: number;
  readonly prefix: number;
}

/**
 * A port range as the fewest aligned blocks, ascending. `start` 0 with `end` 0 or 65535 is every port; `end` at or below
 * `start` is the single port.
 */
export function portBlocks(start: number, end: number): PortBlock[] {
  if (start === 0 && (end === 0 || end === 65535)) return [{ port: 0, prefix: 0 }];
  if (end <= start) return [{ port: start, prefix: 16 }];
  const blocks: PortBlock[] = [];
  for (let at = start; at <= end;) {
    let size = at === 0 ? 65536 : at & -at;
    while (at + size - 1 > end) size >>>= 1;
    blocks.push({ port: at, prefix: 16 - (31 - Math.clz32(size)) });
    at += size;
  }
  return blocks;
}

const SERVICE_NAME = /^(?=.{1,15}$)(?=.*[A-Za-z])[A-Za-z0-9]+(-[A-Za-z0-9]+)*$/;

/** True for what is read as the name of a port: `http`, but also `0x50`. */
export const isPortName = (text: string): boolean => SERVICE_NAME.test(text);

/**
 * A port number written as an integer literal with base prefix: `80`, `010` (8). Most of those with
 * letters (`0x50`) are names and do not come here. Undefined if it is none or above 65535.
 */
export function parsePortNumber(text: string): number | undefined {
  const number = parseIntegerLiteral(text);
  return number === undefined || number > 65535 ? undefined : number;
}

/** A non-negative integer literal: decimal, octal after a leading zero, or with a base prefix; underscores between digits. */
export function parseIntegerLiteral(text: string): number | undefined {
  if (/^0(?:[xX](?:_?[\da-fA-F])+|[bB](?:_?[01])+|[oO](?:_?[0-7])+)$/.test(text))
    return Number(text.replaceAll('_', ''));
  if (/^0(?:_?[0-7])+$/.test(text)) return Number.parseInt(text.replaceAll('_', ''), 8);
  if (/^(?:0|[1-9](?:_?\d)*)$/.test(text)) return Number(text.replaceAll('_', ''));
  return undefined;
}

export const ICMP_FAMILIES = ['IPv4', 'IPv6'] as const;
export type IcmpFamily = (typeof ICMP_FAMILIES)[number];

const ICMP_TYPES: Readonly<Record<IcmpFamily, Readonly<Record<string, number>>>> = {
  IPv4: {
    EchoReply: 0,
    DestinationUnreachable: 3,
    Redirect: 5,
    Echo: 8,
    EchoRequest: 8,
    RouterAdvertisement: 9,
    RouterSelection: 10,
    TimeExceeded: 11,
    ParameterProblem: 12,
    Timestamp: 13,
    TimestampReply: 14,
    Photuris: 40,
    ExtendedEchoRequest: 42,
    ExtendedEchoReply: 43,
  },
  IPv6: {
    DestinationUnreachable: 1,
    PacketTooBig: 2,
    TimeExceeded: 3,
    ParameterProblem: 4,
    EchoRequest: 128,
    EchoReply: 129,
    MulticastListenerQuery: 130,
    MulticastListenerReport: 131,
    MulticastListenerDone: 132,
    RouterSolicitation: 133,
    RouterAdvertisement: 134,
    NeighborSolicitation: 135,
    NeighborAdvertisement: 136,
    RedirectMessage: 137,
    RouterRenumbering: 138,
    ICMPNodeInformationQuery: 139,
    ICMPNodeInformationResponse: 140,
    InverseNeighborDiscoverySolicitation: 141,
    InverseNeighborDiscoveryAdvertisement: 142,
    HomeAgentAddressDiscoveryRequest: 144,
    HomeAgentAddressDiscoveryReply: 145,
    MobilePrefixSolicitation: 146,
    MobilePrefixAdvertisement: 147,
    DuplicateAddressRequestCodeSuffix: 157,
    DuplicateAddressConfirmationCodeSuffix: 158,
    ExtendedEchoRequest: 160,
    ExtendedEchoReply: 161,
  },
};

/** The number of an ICMP type written as number or name. @throws LbtwinError `unknown-icmp-type-name` */
export function icmpTypeNumber(family: IcmpFamily, type: string | number): number {
  if (typeof type === 'number') return type;
  if (/^-?\d+$/.test(type)) return Number(type);
  const number = ICMP_TYPES[family][type];
  if (number === undefined) {
    throw new LbtwinError('unknown-icmp-type-name', `${JSON.stringify(type)} is no ICMP type of ${family}`, {
      allowed: `0..255, ${Object.keys(ICMP_TYPES[family]).join(', ')}`,
    });
  }
  return number;
}
