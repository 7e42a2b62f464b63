import { LbtwinError } from '../errors.ts';

/** IANA protocol numbers of what the datapath looks at; ANY is the wildcard of service keys. */
export const Protocol = {
  ANY: 0,
  ICMP: 1,
  TCP: 6,
  UDP: 17,
  ICMPV6: 58,
  SCTP: 132,
} as const;

/** Protocols that a service port can have. */
export type ServiceProtocol = 'TCP' | 'UDP' | 'SCTP' | 'ANY';

const NUMBERS: Readonly<Record<string, number>> = {
  ANY: Protocol.ANY,
  ICMP: Protocol.ICMP,
  TCP: Protocol.TCP,
  UDP: Protocol.UDP,
  ICMPV6: Protocol.ICMPV6,
  SCTP: Protocol.SCTP,
};

const NAMES = new Map<number, string>([
  [Protocol.ANY, 'ANY'],
  [Protocol.ICMP, 'ICMP'],
  [Protocol.TCP, 'TCP'],
  [Protocol.UDP, 'UDP'],
  [Protocol.ICMPV6, 'ICMPv6'],
  [Protocol.SCTP, 'SCTP'],
]);

/** The number of a service protocol name, upper or lower case. @throws LbtwinError `unknown-protocol` */
export function parseServiceProtocol(text: string): number {
  const number = typeof text === 'string' ? NUMBERS[text.toUpperCase()] : undefined;
  if (number === undefined || number === Protocol.ICMP || number === Protocol.ICMPV6) {
    throw new LbtwinError('unknown-protocol', `${JSON.stringify(text)} is not a service protocol`, {
      allowed: 'TCP, UDP, SCTP or ANY',
    });
  }
  return number;
}

/** The number of any protocol known here, by name (upper or lower case). @throws LbtwinError `unknown-protocol` */
export function parseProtocol(text: string): number {
  const number = typeof text === 'string' ? NUMBERS[text.toUpperCase()] : undefined;
  if (number === undefined) {
    throw new LbtwinError('unknown-protocol', `${JSON.stringify(text)} is not a known protocol`, {
      allowed: 'TCP, UDP, SCTP, ICMP, ICMPv6 or ANY',
    });
  }
  return number;
}

/** `6` as `TCP`; a number without a name here as itself. */
export const protocolName = (protocol: number): string => NAMES.get(protocol) ?? String(protocol);
