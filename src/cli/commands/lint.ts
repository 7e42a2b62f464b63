import { formatPath } from '../../errors.ts';
import { controlPlaneInit } from '../../k8s/from-config.ts';
import { formatRef } from '../../k8s/objects/fields.ts';
import { LINT_RULES, type LintFinding, lintObjects, type Severity } from '../../lint/index.ts';
import { textTable } from '../../report/table.ts';
import { type Command, Exit } from '../command.ts';
import { readConfig } from '../config.ts';
import { placeOf, readInput } from '../input.ts';
import { configOptions, inputOptions, outputOption } from '../options.ts';

const RANK: Readonly<Record<Severity, number>> = { error: 2, warning: 1, info: 0 };

const plural = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

function line({ rule, severity, object, path, message, nodes }: LintFinding, place: string): string {
  const where = [`${place}${severity}`, formatRef(object), ...(path.length > 0 ? [formatPath(path)] : [])].join(': ');
  const on = nodes.length > 0 && !nodes.every((node) => message.includes(node)) ? ` (on ${nodes.join(', ')})` : '';
  return `${where}: ${message}${on} [${rule}]\n`;
}

const command: Command = {
  usage: ['-f FILE... [--level error|warning|info] [options]', '--rules'],
  description: `Tells what the objects imply that their owner should know: nodes that are black holes under a Local policy, addresses that two
services claim, hints that select nothing, settings that have no effect, limits that are exceeded. Each finding names the
object with file, line and column, and its rule; --rules lists the rules and where they are told.`,
  options: {
    ...inputOptions,
    level: { type: 'string', value: 'error|warning|info', help: 'leave out what is less severe (default: info)' },
    rules: { type: 'boolean', help: 'list what is looked for' },
    ...configOptions,
    ...outputOption,
  },
  examples: [['lbtwin lint -f examples/shop.yaml', 'all findings']],
  exits: ['no errors and no warnings', 'errors or warnings'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const level = args.choice('level', ['error', 'warning', 'info'] as const) ?? 'info';
    if (args.flag('rules')) {
      io.write(textTable(Object.entries(LINT_RULES).map(([rule, { title, source }]) => [rule, title, source])));
      return Exit.OK;
    }
    const batch = await readInput(args, io);
    const { config, origin } = await readConfig(args, io, batch);
    const findings = lintObjects(batch.objects, controlPlaneInit(config)).filter(
      ({ severity }) => RANK[severity] >= RANK[level],
    );
    const place = placeOf(batch);
    if (output === 'json') {
      const rows = findings.map((finding) => ({
        ...finding,
        place: place(finding.object, finding.path).replace(/: $/, ''),
        source: LINT_RULES[finding.rule].source,
      }));
      io.write(`${JSON.stringify({ configuration: origin, findings: rows }, undefined, 2)}\n`);
    } else {
      io.write(`${origin}\n\n`);
      for (const finding of findings) io.write(line(finding, place(finding.object, finding.path)));
      const count = (severity: Severity): number => findings.filter((one) => one.severity === severity).length;
      io.write(
        `${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}, ${plural(count('info'), 'note')}\n`,
      );
    }
    return findings.some(({ severity }) => severity !== 'info') ? Exit.NO : Exit.OK;
  },
};

export default command;
