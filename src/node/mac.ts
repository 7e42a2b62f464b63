import { LbtwinError } from '../errors.ts';

/** A MAC address as two numbers, for comparing and storing: the first four bytes, and the last two. */
export interface Mac {
  /** Bytes 0..3, a u32. */
  readonly high: number;
  /** Bytes 4..5, a u16. */
  readonly low: number;
}

export const ZERO_MAC: Mac = { high: 0, low: 0 };

/** `0a:1b:2c:3d:4e:5f`, upper or lower case. @throws LbtwinError `invalid-mac` */
export function parseMac(text: string): Mac {
  if (typeof text !== 'string' || !/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(text)) {
    throw new LbtwinError('invalid-mac', `${JSON.stringify(text)} is not a MAC address`, {
      allowed: 'six bytes in hexadecimal, such as 0a:1b:2c:3d:4e:5f',
    });
  }
  const digits = text.replaceAll(':', '');
  return { high: parseInt(digits.slice(0, 8), 16), low: parseInt(digits.slice(8), 16) };
}

export function formatMac(mac: Mac): string {
  const digits = mac.high.toString(16).padStart(8, '0') + mac.low.toString(16).padStart(4, '0');
  return digits.replace(/..(?!$)/g, '$&:');
}
