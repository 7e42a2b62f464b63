import { murmur3x64 } from '../../src/hash/murmur3.ts';
import { conformance } from './harness.ts';

interface Murmur3Case {
  hex: string;
  len: number;
  seed: number;
  h1: string;
  h2: string;
  input?: string;
}

const out = new Uint32Array(4);
const hex64 = (hi: number, lo: number): string => hi.toString(16).padStart(8, '0') + lo.toString(16).padStart(8, '0');

conformance<{ vectors: Murmur3Case[] }, Murmur3Case>(
  'murmur3',
  (doc) => doc.vectors,
  (testCase) => {
    const bytes = Buffer.from(testCase.hex, 'hex');
    murmur3x64(bytes, bytes.length, testCase.seed, out);
    return {
      hex: bytes.toString('hex'),
      len: bytes.length,
      seed: testCase.seed,
      h1: hex64(out[0]!, out[1]!),
      h2: hex64(out[2]!, out[3]!),
      ...('input' in testCase ? { input: bytes.toString('utf8') } : {}),
    };
  },
);
