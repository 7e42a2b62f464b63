import { LbtwinError } from '../errors.ts';
import { formatAddress, type IpAddress, parseAddress } from './address.ts';
import { parseServiceProtocol, protocolName } from './protocol.ts';

/** An address with an L4 port (0..65535). */
export interface Endpoint {
  readonly address: IpAddress;
  readonly port: number;
}

/** A service's address: endpoint and L4 protocol number. */
export interface L4Address extends Endpoint {
  readonly protocol: number;
}

/** A port number 0..65535 (or `min`..65535). @throws LbtwinError `invalid-port` */
export function checkPort(port: unknown, min = 0): number {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < min || port > 65535) {
    throw new LbtwinError('invalid-port', `${JSON.stringify(port)} is not a port number`, { allowed: `${min}..65535` });
  }
  return port;
}

/** A port in decimal digits. @throws LbtwinError `invalid-port` */
export function parsePort(text: string, min = 0): number {
  return checkPort(/^(0|[1-9]\d{0,4})$/.test(text) ? Number(text) : text, min);
}

/** Ports from `min` to `max`, both included. */
export interface PortSpan {
  readonly min: number;
  readonly max: number;
}

/** `1024-65535`. @throws LbtwinError `invalid-port-range` */
export function parsePortRange(text: string): PortSpan {
  const match = /^(\d{1,5})-(\d{1,5})$/.exec(text);
  const [min, max] = [Number(match?.[1]), Number(match?.[2])];
  if (min <= max && max <= 65535) return { min, max };
  throw new LbtwinError('invalid-port-range', `${JSON.stringify(text)} is not a range of ports`, {
    allowed: 'FIRST-LAST within 0..65535',
  });
}

/** `web`, `shop/web:80`, `web.shop.svc:80`: what people have at hand. */
const NAME = /^[a-z][^:[\]]*(?::[^:]*)?$/i;

/**
 * `10.0.0.1:80`, `[fd00::1]:80`; an IPv6 address with a port needs its brackets.
 * @throws LbtwinError `invalid-endpoint`, `invalid-address`, `invalid-port`
 */
export function parseEndpoint(text: string): Endpoint {
  if (typeof text === 'string' && NAME.test(text)) {
    throw new LbtwinError('invalid-endpoint', `${JSON.stringify(text)} is a name, not an address`, {
      allowed: 'IPV4:PORT or [IPV6]:PORT',
    });
  }
  const match = typeof text === 'string' ? /^(?:\[([^\]]*)\]|([^:[\]]*)):([^:]*)$/.exec(text) : null;
  if (match === null) {
    throw new LbtwinError('invalid-endpoint', `${JSON.stringify(text)} is not an address with a port`, {
      allowed: 'IPV4:PORT or [IPV6]:PORT',
    });
  }
  const bracketed = match[1] !== undefined;
  const address = parseAddress(match[1] ?? match[2]!);
  if (bracketed !== (address.family === 6)) {
    throw new LbtwinError('invalid-endpoint', `${JSON.stringify(text)}: brackets are for IPv6 addresses`, {
      allowed: 'IPV4:PORT or [IPV6]:PORT',
    });
  }
  return { address, port: parsePort(match[3]!) };
}

/**
 * `10.0.0.1:80/TCP`, `[fd00::1]:53/UDP`. Without `/PROTO` the protocol is `defaultProtocol` (a number); without that, an error.
 * @throws LbtwinError `invalid-endpoint`, `invalid-address`, `invalid-port`, `unknown-protocol`
 */
export function parseL4Address(text: string, defaultProtocol?: number): L4Address {
  const [place, protocol] = splitProtocol(text);
  if (protocol === undefined) {
    if (defaultProtocol === undefined) {
      throw new LbtwinError('invalid-endpoint', `${JSON.stringify(text)} has no protocol`, {
        allowed: 'IPV4:PORT/PROTO or [IPV6]:PORT/PROTO',
      });
    }
    return { ...parseEndpoint(text), protocol: defaultProtocol };
  }
  return { ...parseEndpoint(place), protocol: parseServiceProtocol(protocol) };
}

/** What is before and after the slash of `10.0.0.1:80/TCP`. A port after it, as in `shop/web:80`, makes it a name and no protocol. */
export function splitProtocol(text: string): [place: string, protocol: string | undefined] {
  const slash = typeof text === 'string' ? text.indexOf('/') : -1;
  const isProtocol = slash >= 0 && !text.includes(':', slash);
  return isProtocol ? [text.slice(0, slash), text.slice(slash + 1)] : [text, undefined];
}

export const formatEndpoint = (endpoint: Endpoint): string =>
  endpoint.address.family === 4
    ? `${formatAddress(endpoint.address)}:${endpoint.port}`
    : `[${formatAddress(endpoint.address)}]:${endpoint.port}`;

export const formatL4Address = (l4: L4Address): string => `${formatEndpoint(l4)}/${protocolName(l4.protocol)}`;
