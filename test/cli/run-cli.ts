import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/run.ts';

export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a command line in this process; `stdin` is what `-f -` reads. */
export async function runCli(
  argv: readonly string[],
  options: { stdin?: string | Uint8Array; color?: boolean } = {},
): Promise<CliResult> {
  let out = '';
  let err = '';
  const io: Io = {
    write: (text) => void (out += text),
    warn: (text) => void (err += text),
    stdin: async () =>
      typeof options.stdin === 'string' ? new TextEncoder().encode(options.stdin) : (options.stdin ?? new Uint8Array()),
    color: options.color ?? false,
    progress: false,
    columns: 100,
  };
  const code = await run(argv, io);
  return { code, out, err };
}
