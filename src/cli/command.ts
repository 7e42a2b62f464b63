import type { Args, OptionSpecs } from './args.ts';
import type { Io } from './io.ts';

/** Exit codes of every command. */
export const Exit = {
  /** Answered, or found. */
  OK: 0,
  /** Answered, and the answer is no: no service, no backend, findings, a difference, a failed expectation. */
  NO: 1,
  /** The input cannot be used; nothing was answered. */
  BAD_INPUT: 2,
  /** A defect of lbtwin itself. */
  DEFECT: 70,
} as const;

/** One command: a file in `commands/` with this as its default export. */
export interface Command {
  /** What follows `lbtwin` and the command's name, one line for each way to call it. */
  readonly usage: readonly string[];
  /** What the command does, in a few lines. */
  readonly description: string;
  readonly options: OptionSpecs;
  /** Complete command lines, each with what it shows. */
  readonly examples: readonly (readonly [command: string, shows: string])[];
  /** What exit codes 0 and 1 mean here. */
  readonly exits: readonly [ok: string, no: string];
  /** Returns the exit code. Throws `LbtwinError` for bad input (exit code 2, one line on standard error). */
  run(args: Args, io: Io): number | Promise<number>;
}
