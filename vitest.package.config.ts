import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

const folder = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
const [src, dist] = [folder('src/'), folder('dist/')];

/** The vectors once more, through the modules that are published: `npm run build` rewrites what the compiler gives. */
export default defineConfig({
  plugins: [
    {
      name: 'published-modules',
      enforce: 'pre',
      async resolveId(source, importer) {
        const found = await this.resolve(source, importer, { skipSelf: true });
        return found?.id.startsWith(src) ? found.id.replace(src, dist).replace(/\.ts$/, '.js') : found;
      },
    },
  ],
  test: {
    include: ['test/conformance/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
