import fc from 'fast-check';

/**
 * One seed for every property of a run: printed when a property fails (fast-check does that), and re-injectable with
 * `FC_SEED=… npm run vitest`. Without FC_SEED the seed is drawn anew for each run. `FC_RUNS` raises the number of runs.
 */
const seed =
  process.env['FC_SEED'] === undefined ? (Math.random() * 0x1_0000_0000) | 0 : Number(process.env['FC_SEED']);
const numRuns = Number(process.env['FC_RUNS'] ?? 100);
fc.configureGlobal({ seed, numRuns });
process.env['LBTWIN_FC_SEED'] = String(seed);
