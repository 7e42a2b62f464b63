import { describe, it } from 'vitest';
import { fuzz } from '../datapath/fuzz.ts';

const seed = Number(process.env['LBTWIN_FC_SEED']) >>> 0;

describe('any frame has a verdict', () => {
  it(`1,200,000 frames, seed ${seed}`, { timeout: 600_000 }, () => fuzz(1_200_000, seed));
});
