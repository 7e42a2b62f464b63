import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bigDump } from './dump.ts';
import { type Benchmark, lazy, summary } from './measure.ts';

/* Wall time of whole commands, from starting Node to its end, beside that of a Node that does nothing: on the example, and on a big dump. */

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  node: ['-e', '0'],
  select: 'dist/bin/main.js select -f examples/shop.yaml --from 198.51.100.7:40000 --to 203.0.113.10:80'.split(' '),
  trace:
    'dist/bin/main.js trace -f examples/shop.yaml --from external:198.51.100.7:40000 --to 203.0.113.10:443 --via worker-a2'.split(
      ' ',
    ),
};

function start(args: readonly string[]): { stdout: string; stderr: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`);
  return { stdout, stderr };
}

/** The dump as a file, until this process ends. */
const bigFile = (format: 'json' | 'yaml'): (() => string) =>
  lazy(() => {
    const folder = mkdtempSync(join(tmpdir(), 'lbtwin-bench-'));
    process.on('exit', () => rmSync(folder, { recursive: true }));
    const file = join(folder, `dump.${format}`);
    writeFileSync(file, bigDump()[format]);
    return file;
  });

const TRACE = '--from external:198.51.100.7:40000 --to 203.0.113.11:80/TCP --via worker-3'.split(' ');

/** Has the command tell the largest size that it had, in KiB, when it ends. */
const TELL_MEMORY = `data:text/javascript,${encodeURIComponent('process.on("exit", () => console.error(process.resourceUsage().maxRSS))')}`;

function bigTrace(format: 'json' | 'yaml', samples: number): Benchmark {
  const name = `startup.trace, big ${format.toUpperCase()}`;
  const file = bigFile(format);
  const args = (): string[] => ['dist/bin/main.js', 'trace', '-f', file(), ...TRACE];
  return {
    name,
    operations: 1,
    elsewhere: true,
    samples,
    run: () => start(args()).stdout.length,
    figures: () => {
      const kib = Number(
        start(['--import', TELL_MEMORY, ...args()])
          .stderr.trim()
          .split('\n')
          .at(-1),
      );
      return [summary(`${name}, memory`, 'bytes', [kib * 1024])];
    },
  };
}

export const startupBenchmarks = (): Benchmark[] => [
  ...Object.entries(COMMANDS).map(([name, args]) => ({
    name: `startup.${name}`,
    operations: 1,
    elsewhere: true,
    run: () => start(args).stdout.length,
  })),
  bigTrace('json', 5),
  bigTrace('yaml', 3),
];
