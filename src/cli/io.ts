/** What a command may touch of the outside world; tests give their own. */
export interface Io {
  /** Writes to standard output. */
  write(text: string): void;
  /** Writes to standard error: warnings, progress, errors. */
  warn(text: string): void;
  /** All of standard input (`-f -`). */
  stdin(): Promise<Uint8Array>;
  /** True if standard output is a terminal that takes colour. */
  readonly color: boolean;
  /** True if progress may be shown on standard error (a terminal). */
  readonly progress: boolean;
  /** Width to fit tables and bars into, in characters. */
  readonly columns: number;
}

/** The real streams of this process. */
export function processIo(): Io {
  const { stdout, stderr, stdin, env } = process;
  // A reader that has seen enough (`| head`) closes the pipe: that is no error.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    throw error;
  });
  return {
    write: (text) => void stdout.write(text),
    warn: (text) => void stderr.write(text),
    stdin: async () => {
      const chunks: Buffer[] = [];
      for await (const chunk of stdin) chunks.push(chunk as Buffer);
      return Buffer.concat(chunks);
    },
    color: stdout.isTTY === true && (env['NO_COLOR'] ?? '') === '' && env['TERM'] !== 'dumb',
    progress: stderr.isTTY === true,
    columns: stdout.isTTY === true ? stdout.columns : 100,
  };
}
