import { describe, it } from 'vitest';
import { fuzz } from './fuzz.ts';

const seed = Number(process.env['LBTWIN_FC_SEED']) >>> 0;

describe('any frame has a verdict', () => {
  it(`20,000 frames, seed ${seed}`, () => fuzz(20_000, seed));
});
