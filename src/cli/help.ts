import { COMMANDS, type CommandEntry } from './registry.ts';
import type { Command } from './command.ts';
import type { OptionSpecs } from './args.ts';

const wrap = (text: string, width: number, indent: string): string => {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${indent}`);
};

function twoColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.min(34, Math.max(...rows.map(([left]) => left.length)));
  const indent = ' '.repeat(width + 4);
  let text = '';
  for (const [left, right] of rows) {
    const body = wrap(right, Math.max(40, 96 - indent.length), indent);
    text += left.length > width ? `  ${left}\n${indent}${body}\n` : `  ${left.padEnd(width)}  ${body}\n`;
  }
  return text;
}

function optionRows(options: OptionSpecs): [string, string][] {
  return Object.entries(options).map(([name, spec]) => {
    const short = spec.short === undefined ? '    ' : `-${spec.short}, `;
    const value = spec.type === 'string' ? ` ${spec.value ?? 'VALUE'}` : '';
    return [`${short}--${name}${value}`, spec.help];
  });
}

const EXITS = '2  bad input: one line on standard error says where and what';

/** The help of one command. */
export function commandHelp(name: string, entry: CommandEntry, command: Command): string {
  const usage = command.usage.map((line) => `  lbtwin ${name} ${line}`.trimEnd()).join('\n');
  const options = twoColumns([...optionRows(command.options), ['-h, --help', 'this help']]);
  const examples = command.examples.map(([line, shows]) => `  # ${shows}\n  ${line}\n`).join('');
  return (
    `lbtwin ${name}: ${entry.summary}\n\nUsage:\n${usage}\n\n${command.description.trim()}\n\nOptions:\n${options}` +
    (examples === '' ? '' : `\nExamples:\n${examples}`) +
    `\nExit codes:\n  0  ${command.exits[0]}\n  1  ${command.exits[1]}\n  ${EXITS}\n`
  );
}

/** The list of commands, or of those that start with the words of `prefix`. */
export function overview(prefix = ''): string {
  const names = Object.keys(COMMANDS).filter((name) => prefix === '' || name.startsWith(`${prefix} `));
  let text =
    prefix === ''
      ? "lbtwin: a digital twin of Cilium's eBPF service load balancer\n\nUsage:\n  lbtwin COMMAND [options]\n"
      : `Usage:\n  lbtwin ${prefix} COMMAND [options]\n`;
  for (const group of new Set(names.map((name) => COMMANDS[name]!.group))) {
    const rows = names.filter((name) => COMMANDS[name]!.group === group);
    text += `\n${group}:\n${twoColumns(rows.map((name) => [name, COMMANDS[name]!.summary] as const))}`;
  }
  return (
    `${text}\n\`lbtwin COMMAND --help\` tells a command's options, examples and exit codes` +
    (prefix === '' ? '; `lbtwin --version` the version.\n' : '.\n')
  );
}
