import { type ParseArgsConfig, parseArgs } from 'node:util';
import { LbtwinError } from '../errors.ts';
import { didYouMean, nearest } from '../text/nearest.ts';

/** One option of a command, as parsed and as told in `--help`. */
export interface OptionSpec {
  readonly type: 'string' | 'boolean';
  readonly help: string;
  readonly short?: string;
  /** What the value is called in the help, for instance `FILE`. */
  readonly value?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** Takes all words up to the next option (`-f a.yaml b.yaml`), as a glob of the shell gives them. Implies `multiple`. */
  readonly rest?: boolean;
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

/** An error in the command line itself. */
export const usageError = (reason: string, allowed?: string): LbtwinError =>
  new LbtwinError('usage', reason, allowed === undefined ? {} : { allowed });

/** The parsed command line of one command. Reading an option that the command does not declare is a programming error. */
export class Args {
  readonly positionals: readonly string[];
  private readonly specs: OptionSpecs;
  private readonly values: ReadonlyMap<string, readonly string[]>;

  constructor(specs: OptionSpecs, values: ReadonlyMap<string, readonly string[]>, positionals: readonly string[]) {
    this.specs = specs;
    this.values = values;
    this.positionals = positionals;
  }

  strings(name: string): readonly string[] {
    if (this.specs[name] === undefined) throw new Error(`option --${name} is not declared`);
    return this.values.get(name) ?? [];
  }

  string(name: string): string | undefined {
    return this.strings(name).at(-1);
  }

  required(name: string): string {
    const value = this.string(name);
    if (value === undefined)
      throw usageError(`--${name} is missing`, `--${name} ${this.specs[name]!.value ?? 'VALUE'}`);
    return value;
  }

  flag(name: string): boolean {
    return this.strings(name).length > 0;
  }

  /** A decimal integer `min`..`max`. */
  integer(name: string, min: number, max: number): number | undefined {
    const text = this.string(name);
    if (text === undefined) return undefined;
    const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) {
      throw usageError(`--${name}: ${JSON.stringify(text)} is not a number in range`, `${min}..${max}`);
    }
    return value;
  }

  /** One of the words of `allowed`. */
  choice<T extends string>(name: string, allowed: readonly T[]): T | undefined {
    const text = this.string(name);
    if (text === undefined) return undefined;
    const found = allowed.find((word) => word === text);
    if (found === undefined) throw usageError(`--${name}: ${JSON.stringify(text)} is not known`, allowed.join(', '));
    return found;
  }

  /** Runs `parse` on the value of an option; an error of it names the option. */
  parsed<T>(name: string, parse: (text: string) => T): T | undefined {
    const text = this.string(name);
    if (text === undefined) return undefined;
    try {
      return parse(text);
    } catch (error) {
      if (!(error instanceof LbtwinError)) throw error;
      throw new LbtwinError(error.code, `--${name}: ${error.message}`, { cause: error });
    }
  }

  /** The single word beside the options, or `undefined`; more than one is an error. */
  positional(what: string): string | undefined {
    if (this.positionals.length > 1) throw usageError(`${JSON.stringify(this.positionals[1])}: one ${what} is enough`);
    return this.positionals[0];
  }
}

/** @throws LbtwinError `usage` for unknown options, missing values, or an option given twice. */
export function parseCommandLine(words: readonly string[], specs: OptionSpecs): Args {
  const options: NonNullable<ParseArgsConfig['options']> = {};
  for (const [name, spec] of Object.entries(specs)) {
    options[name] = { type: spec.type, multiple: true, ...(spec.short === undefined ? {} : { short: spec.short }) };
  }
  let tokens;
  try {
    ({ tokens } = parseArgs({ args: [...words], options, allowPositionals: true, strict: true, tokens: true }));
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    const dashed = /^Option '([^']*)' argument is ambiguous[^]*use '([^=']*)=/.exec(message);
    if (dashed !== null) {
      throw usageError(`${dashed[1]}: its value is missing or begins with a dash`, `${dashed[2]}=VALUE`);
    }
    const text = message.split(/\.(?:\s|$)/)[0]!;
    const unknown = /^Unknown option '--([^']*)'/.exec(text)?.[1];
    const hint =
      unknown === undefined ? '' : didYouMean(nearest(unknown, Object.keys(specs)).map((name) => `--${name}`));
    const allowed = unknown === undefined || hint !== '' ? undefined : 'those that --help lists';
    throw usageError(`${text[0]?.toLowerCase() ?? ''}${text.slice(1)}${hint}`, allowed);
  }
  const values = new Map<string, string[]>();
  const positionals: string[] = [];
  let taking: string[] | undefined;
  for (const token of tokens) {
    if (token.kind === 'positional') (taking ?? positionals).push(token.value);
    else if (token.kind === 'option-terminator') taking = undefined;
    else {
      const spec = specs[token.name]!;
      const list = values.get(token.name) ?? [];
      if (list.length > 0 && spec.type === 'string' && spec.multiple !== true && spec.rest !== true) {
        throw usageError(`--${token.name} is given twice`);
      }
      list.push(token.value ?? '');
      values.set(token.name, list);
      taking = spec.rest === true ? list : undefined;
    }
  }
  return new Args(specs, values, positionals);
}
