import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { katranHash, katranPermutation, katranRing } from '../../src/maglev/variants/index.ts';
import { conformance, loadFamily } from './harness.ts';

interface Endpoint {
  num: number;
  weight: number;
  hash: string;
  offset: number;
  skip: number;
  slots: number;
}

interface Ring {
  name: string;
  note?: string;
  version: 1 | 2;
  ringSize: number;
  endpoints: Endpoint[];
  sha256: string;
  first64: number[];
  empty: number;
}

interface HashCase {
  a: string;
  b: string;
  seed: number;
  h: string;
}

interface KatranFile {
  about: unknown;
  murmur64: HashCase[];
  cases: Ring[];
}

const halves = (hex: string): [number, number] => {
  if (!/^[0-9a-f]{16}$/.test(hex)) throw new Error(`${hex} is not a 64-bit value`);
  return [Number.parseInt(hex.slice(0, 8), 16), Number.parseInt(hex.slice(8), 16)];
};
const hex64 = ([high, low]: readonly [number, number]): string =>
  high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');

/** SHA-256 over the ring as little-endian int32. */
function digest(ring: Int32Array): string {
  const bytes = new DataView(new ArrayBuffer(4 * ring.length));
  ring.forEach((value, slot) => bytes.setInt32(4 * slot, value, true));
  return createHash('sha256').update(bytes).digest('hex');
}

function answer({ name, note, version, ringSize, endpoints }: Ring): Ring {
  if (version !== 1 && version !== 2) throw new Error(`version ${String(version)} is not known`);
  const ring = katranRing(
    endpoints.map(({ num, weight, hash }) => ({ num, weight, hash: halves(hash) })),
    version,
    ringSize,
  );
  const slots = new Map<number, number>();
  for (const owner of ring) slots.set(owner, (slots.get(owner) ?? 0) + 1);
  return {
    name,
    ...(note === undefined ? {} : { note }),
    version,
    ringSize,
    endpoints: endpoints.map(({ num, weight, hash }) => ({
      num,
      weight,
      hash,
      ...katranPermutation(halves(hash), ringSize),
      slots: slots.get(num) ?? 0,
    })),
    sha256: digest(ring),
    first64: Array.from(ring.subarray(0, 64)),
    empty: slots.get(-1) ?? 0,
  };
}

conformance<KatranFile, Ring>('katran', (doc) => doc.cases, answer);

conformance<KatranFile, HashCase>(
  'katran',
  (doc) => doc.murmur64,
  ({ a, b, seed }) => ({ a, b, seed, h: hex64(katranHash(halves(a), halves(b), seed)) }),
);

describe('katran vector files', () => {
  it('hold nothing but rings and hashes', () => {
    for (const { doc } of loadFamily<KatranFile>('katran')) {
      expect(Object.keys(doc).sort()).toEqual(['about', 'cases', 'murmur64']);
    }
  });
});
