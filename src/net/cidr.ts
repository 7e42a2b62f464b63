import { LbtwinError } from '../errors.ts';
import { formatAddress, type IpAddress, tryParseAddress } from './address.ts';

/** An address prefix. `address` may have bits set after the prefix; `maskCidr` clears them. */
export interface Cidr {
  readonly address: IpAddress;
  /** Prefix length: 0..32 or 0..128. */
  readonly bits: number;
}

/** Parses `10.0.0.0/8` or `fd00::/64`. @throws LbtwinError `invalid-cidr` */
export function parseCidr(text: string): Cidr {
  const cidr = tryParseCidr(text);
  if (cidr === undefined) {
    throw new LbtwinError('invalid-cidr', `${JSON.stringify(text)} is not a CIDR`, {
      allowed: 'an IP address, a slash and a prefix length, such as 10.0.0.0/8',
    });
  }
  return cidr;
}

/** Like `parseCidr`, but `undefined` for what is no CIDR. */
export function tryParseCidr(text: string): Cidr | undefined {
  if (typeof text !== 'string') return undefined;
  const slash = text.lastIndexOf('/');
  if (slash < 0) return undefined;
  const address = tryParseAddress(text.slice(0, slash));
  const length = text.slice(slash + 1);
  if (address === undefined || !/^(0|[1-9]\d{0,2})$/.test(length)) return undefined;
  const bits = Number(length);
  return bits > (address.family === 4 ? 32 : 128) ? undefined : { address, bits };
}

/** The u32 with the `bits` most significant bits set; `bits` outside 0..32 is clamped. */
export const maskWord = (bits: number): number => (bits <= 0 ? 0 : bits >= 32 ? 0xffffffff : (-1 << (32 - bits)) >>> 0);

/** The prefix with all bits after its length cleared. */
export function maskCidr(cidr: Cidr): Cidr {
  const words = cidr.address.words.map((word, i) => (word & maskWord(cidr.bits - 32 * i)) >>> 0);
  return { address: { family: cidr.address.family, words }, bits: cidr.bits };
}

export function cidrContains(cidr: Cidr, address: IpAddress): boolean {
  if (cidr.address.family !== address.family) return false;
  for (let i = 0; i < address.words.length; i++) {
    const mask = maskWord(cidr.bits - 32 * i);
    if (((cidr.address.words[i]! ^ address.words[i]!) & mask) !== 0) return false;
  }
  return true;
}

export const formatCidr = (cidr: Cidr): string => `${formatAddress(cidr.address)}/${cidr.bits}`;
