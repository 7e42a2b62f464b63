import { LbtwinError } from '../errors.ts';

/** An unsigned 64-bit number as its two halves, each 0..2^32-1: kernel cookies, which need not fit a `number`. */
export interface U64 {
  readonly low: number;
  readonly high: number;
}

const HALF = 0x1_0000_0000;

/**
 * A non-negative integer as a `U64`: a safe integer, or decimal digits.
 * @throws LbtwinError `invalid-u64`
 */
export function u64(value: number | string): U64 {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    return { low: value >>> 0, high: Math.floor(value / HALF) };
  }
  if (typeof value === 'string' && /^\d{1,20}$/.test(value)) {
    let low = 0;
    let high = 0;
    for (let i = 0; i < value.length; i++) {
      low = low * 10 + (value.charCodeAt(i) - 48);
      high = high * 10 + Math.floor(low / HALF);
      low >>>= 0;
    }
    if (high < HALF) return { low, high };
  }
  throw new LbtwinError('invalid-u64', `${JSON.stringify(value)} is not an unsigned 64-bit number`, {
    allowed: '0..18446744073709551615, as decimal text where it is beyond 2^53',
  });
}

/** Decimal digits. */
export function formatU64({ low, high }: U64): string {
  if (high < 0x20_0000) return String(high * HALF + low);
  // Long division by 10^9, the halves as base-2^16 digits.
  let digits = [high >>> 16, high & 0xffff, low >>> 16, low & 0xffff];
  const parts: number[] = [];
  for (let round = 0; round < 3; round++) {
    let rest = 0;
    digits = digits.map((digit) => {
      const value = rest * 0x1_0000 + digit;
      rest = value % 1_000_000_000;
      return Math.floor(value / 1_000_000_000);
    });
    parts.unshift(rest);
  }
  return parts
    .map((part, i) => (i === 0 ? String(part) : String(part).padStart(9, '0')))
    .join('')
    .replace(/^0+(?=\d)/, '');
}

/** Remainder of a division by `divisor` (1..65535). */
export function moduloU64(low: number, high: number, divisor: number): number {
  return ((high % divisor) * (HALF % divisor) + (low % divisor)) % divisor;
}
