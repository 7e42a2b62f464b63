import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { runCli } from './cli/run-cli.ts';

/** A command of the README and what is shown below it; `…` alone on a line stands for any lines, within a line for any text. */
interface Shown {
  readonly command: string;
  readonly lines: readonly string[];
}

function shownCommands(markdown: string): Shown[] {
  const found: { command: string; lines: string[] }[] = [];
  for (const [, block] of markdown.matchAll(/```console\n([\s\S]*?)```/g)) {
    for (const line of block!.trimEnd().split('\n')) {
      if (line.startsWith('$ ')) found.push({ command: line.slice(2).replace(/\s+# .*$/, ''), lines: [] });
      else found.at(-1)!.lines.push(line);
    }
  }
  return found;
}

/** Trials and wall times: runs for ten seconds and never prints the same twice. */
const NOT_REPEATABLE = 'maglev plan';

const answerable = ({ command, lines }: Shown): boolean =>
  lines.some((line) => line !== '…') &&
  !command.includes(NOT_REPEATABLE) &&
  command.split(' ').every((word) => !/\.ya?ml$/.test(word) || command.includes(`> ${word}`) || existsSync(word));

function matches(line: string, shown: string): boolean {
  const parts = shown.replaceAll('[…]', '…').split('…');
  const pattern = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`)).join('.*');
  return new RegExp(`^${pattern}$`).test(line.trimEnd());
}

/** The first shown line that the output lacks at its place, or undefined. */
function firstMissing(output: string, shown: readonly string[]): string | undefined {
  const lines = output.split('\n');
  let at = 0;
  let anywhere = false;
  for (const want of shown) {
    if (want.trim() === '…') {
      anywhere = true;
      continue;
    }
    if (anywhere) while (at < lines.length && !matches(lines[at]!, want)) at++;
    if (at >= lines.length || !matches(lines[at]!, want)) return want;
    at++;
    anywhere = false;
  }
  return undefined;
}

const commands = shownCommands(readFileSync('README.md', 'utf8')).filter(answerable);

it('finds the commands of the README', () => {
  expect(commands.length).toBeGreaterThan(8);
  expect(firstMissing('a\nb\nc', ['a', '…', 'c'])).toBeUndefined();
  expect(firstMissing('a\nb\nc', ['a', 'c'])).toBe('c');
});

it.each(commands)('README: $command', async ({ command, lines }) => {
  const [call, redirected] = command.split(' > ');
  const { out, err } = await runCli(call!.replace(/^npx /, '').split(' ').slice(1));
  const output = redirected === undefined ? out : err;
  expect(firstMissing(output, lines), output.slice(0, 3000)).toBeUndefined();
});
