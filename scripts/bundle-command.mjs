// The command as few files. Of `lbtwin select`'s time beyond that of a bare Node a third went into finding and loading the 120 modules it
// needs, one by one (docs/performance.md has the figures). The library stays as tsc writes it.
import { chmodSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const at = (path) => fileURLToPath(new URL(`../dist/${path}`, import.meta.url));

rmSync(at('bin'), { recursive: true, force: true });
await build({
  entryPoints: { main: at('cli/main.js'), worker: at('cli/lab/worker.js') },
  outdir: at('bin'),
  // All in one folder: threads are started from `./worker.js`, wherever the code that starts them ends up.
  chunkNames: '[name]-[hash]',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  logLevel: 'warning',
});
// Nobody else sets the executable bit: npm does so only when it links a package for the first time.
chmodSync(at('bin/main.js'), 0o755);
