import { LbtwinError } from '../errors.ts';

/** What the twelve seed bytes of `bpf-lb-maglev-hash-seed` hold: three big-endian words (docs/hashing.md). */
export interface HashSeeds {
  /** Seeds the Maglev table. */
  readonly murmur: number;
  /** Seeds the hash of IPv4 flows. */
  readonly jhash4: number;
  /** Seeds the hash of IPv6 flows. */
  readonly jhash6: number;
}

/** Cilium's default seed. */
export const DEFAULT_HASH_SEED = 'JLfvgnHc2kaSUFaI';

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/**
 * Decodes a hash seed: standard base64 of exactly twelve bytes. Carriage returns and line feeds are skipped, as the agent's decoder does;
 * the URL alphabet, padding and any other length are refused.
 * @throws LbtwinError `invalid-hash-seed`
 */
export function parseHashSeed(text: string): HashSeeds {
  const digits = typeof text === 'string' ? text.replaceAll(/[\r\n]/g, '') : '';
  const values = Array.from(digits, (digit) => ALPHABET.indexOf(digit));
  if (digits.length !== 16 || values.includes(-1)) {
    throw new LbtwinError('invalid-hash-seed', `${JSON.stringify(text)} is not a hash seed`, {
      allowed: '12 bytes in standard base64: 16 characters of A-Z a-z 0-9 + /',
    });
  }
  const bytes: number[] = [];
  for (let i = 0; i < 16; i += 4) {
    const group = (values[i]! << 18) | (values[i + 1]! << 12) | (values[i + 2]! << 6) | values[i + 3]!;
    bytes.push(group >>> 16, (group >>> 8) & 255, group & 255);
  }
  const word = (at: number): number =>
    ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  return { murmur: word(0), jhash4: word(4), jhash6: word(8) };
}
