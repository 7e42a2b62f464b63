import type { Command } from './command.ts';

/*
 * How to add a command
 *  1. Write `commands/<name with dashes>.ts`: `const command: Command = { usage, description, options, examples, exits, run };
 *     export default command;` (see command.ts; `select.ts` is a full example). Keep it thin: read the options, call the
 *     library, print with `src/report`, return `Exit.OK` or `Exit.NO`; throw `LbtwinError` (or `usageError`) for bad input.
 *  2. Take the shared options by spreading them: `...inputOptions`, `...outputOption` (options.ts), and read
 *     the objects with `readInput(args, io)` (input.ts).
 *  3. Add one line to `COMMANDS` below. The summary stands here, so that `lbtwin --help` loads no command at all.
 *  4. Test it in-process: `runCli(['select', ...])` of test/cli/run-cli.ts gives exit code, stdout and stderr.
 */

export interface CommandEntry {
  readonly group: 'Ask' | "Show, in the agent's formats" | 'Compare and check' | 'Plan and measure';
  readonly summary: string;
  readonly load: () => Promise<{ readonly default: Command }>;
}

/** Every command by its words; several words make a subcommand. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  'snat plan': {
    group: 'Plan and measure',
    summary: 'how many flows to one destination a node can translate',
    load: () => import('./commands/snat-plan.ts'),
  },
  'ct plan': {
    group: 'Plan and measure',
    summary: 'how full the conntrack and NAT maps get',
    load: () => import('./commands/ct-plan.ts'),
  },
  churn: {
    group: 'Plan and measure',
    summary: 'which live connections a change of backends moves, by algorithm',
    load: () => import('./commands/churn.ts'),
  },
  'maglev plan': {
    group: 'Plan and measure',
    summary: 'which Maglev table size: balance, needless moves, memory',
    load: () => import('./commands/maglev-plan.ts'),
  },
  spread: {
    group: 'Plan and measure',
    summary: 'why load is uneven: connections replayed through Maglev, random and least connections',
    load: () => import('./commands/spread.ts'),
  },
};
