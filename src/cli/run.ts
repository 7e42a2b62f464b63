import { LbtwinError } from '../errors.ts';
import { parseCommandLine, usageError } from './args.ts';
import { Exit } from './command.ts';
import { commandHelp, overview } from './help.ts';
import type { Io } from './io.ts';
import { version } from './package.ts';
import { COMMANDS } from './registry.ts';
import { didYouMean, nearest } from '../text/nearest.ts';

interface Found {
  readonly name: string;
  readonly rest: readonly string[];
}

/** The longest run of leading words that names a command. */
function findCommand(words: readonly string[]): Found | undefined {
  for (let count = Math.min(words.length, 4); count > 0; count--) {
    const name = words.slice(0, count).join(' ');
    if (COMMANDS[name] !== undefined) return { name, rest: words.slice(count) };
  }
  return undefined;
}

const isHelp = (word: string | undefined): boolean => word === '--help' || word === '-h';

/** The leading words that are a prefix of some command's name, joined (`bpf lb`); empty if there is none. */
function commandPrefix(words: readonly string[]): string {
  for (let count = words.length; count > 0; count--) {
    const prefix = words.slice(0, count).join(' ');
    if (Object.keys(COMMANDS).some((name) => name.startsWith(`${prefix} `))) return prefix;
  }
  return '';
}

async function dispatch(argv: readonly string[], io: Io): Promise<number> {
  const words = argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv;
  if (words.length === 0 || isHelp(words[0])) {
    io.write(overview());
    return words.length === 0 ? Exit.BAD_INPUT : Exit.OK;
  }
  if (words[0] === '--version' || words[0] === '-V') {
    io.write(`lbtwin ${version()}\n`);
    return Exit.OK;
  }
  const found = findCommand(words);
  if (found === undefined) {
    const prefix = commandPrefix(words);
    const next = words[prefix === '' ? 0 : prefix.split(' ').length];
    if (prefix !== '' && (next === undefined || isHelp(next))) {
      io.write(overview(prefix));
      return next === undefined ? Exit.BAD_INPUT : Exit.OK;
    }
    const wrong = prefix === '' ? words[0]! : `${prefix} ${next}`;
    throw usageError(
      `${JSON.stringify(wrong)} is not a command${didYouMean(nearest(wrong, Object.keys(COMMANDS)))}`,
      '`lbtwin --help` lists them',
    );
  }
  const entry = COMMANDS[found.name]!;
  const { default: command } = await entry.load();
  const terminator = found.rest.indexOf('--');
  if ((terminator < 0 ? found.rest : found.rest.slice(0, terminator)).some(isHelp)) {
    io.write(commandHelp(found.name, entry, command));
    return Exit.OK;
  }
  return command.run(parseCommandLine(found.rest, command.options), io);
}

/** Runs one command line (without `node` and the program's name) and returns the exit code. */
export async function run(argv: readonly string[], io: Io): Promise<number> {
  try {
    return await dispatch(argv, io);
  } catch (error) {
    if (error instanceof LbtwinError) {
      io.warn(`lbtwin: ${error.message}\n`);
      return Exit.BAD_INPUT;
    }
    io.warn(`lbtwin: a defect of lbtwin itself, please report it:\n${error instanceof Error ? error.stack : error}\n`);
    return Exit.DEFECT;
  }
}
