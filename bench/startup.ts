import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Benchmark } from './measure.ts';

/* Wall time of whole commands on the example, from starting Node to its end, beside that of a Node that does nothing. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  node: ['-e', '0'],
  select: 'dist/bin/main.js select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.10:80'.split(' '),
  trace:
    'dist/bin/main.js trace -f examples/shop.yaml --from external:198.51.100.7:40000 --to 203.0.113.10:443 --via worker-a2'.split(
      ' ',
    ),
};

function start(args: readonly string[]): number {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return stdout.length;
}

export const startupBenchmarks = (): Benchmark[] =>
  Object.entries(COMMANDS).map(([name, args]) => ({
    name: `startup.${name}`,
    operations: 1,
    run: () => start(args),
  }));
