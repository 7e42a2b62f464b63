import { LbtwinError } from '../errors.ts';

/** A probability 0 <= p < 1 in decimal (`0.001`, `1e-6`). @throws LbtwinError `invalid-probability` */
export function probability(text: string): number {
  const value = /^\d*\.?\d+(e-\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value < 1) return value;
  throw new LbtwinError('invalid-probability', `${JSON.stringify(text)} is not a probability`, {
    allowed: '0 up to, not including, 1',
  });
}
