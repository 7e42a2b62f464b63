import { defineConfig } from 'vitest/config';

/** Long-running suites (fuzzing, statistical envelopes): `npm run test:slow`. */
export default defineConfig({
  test: { include: ['test/slow/**/*.test.ts'], setupFiles: ['test/setup.ts'], testTimeout: 1_800_000 },
});
