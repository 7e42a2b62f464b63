import { formatPath } from '../../errors.ts';
import {
  formatOrigin,
  lintPolicies,
  POLICY_LINT_RULES,
  type PolicyFinding,
  type PolicySeverity,
} from '../../policy/index.ts';
import { textTable } from '../../report/table.ts';
import { type Command, Exit } from '../command.ts';
import { outputOption } from '../options.ts';
import { policyOptions, readPolicyCluster } from '../policy.ts';

const RANK: Readonly<Record<PolicySeverity, number>> = { error: 2, warning: 1, info: 0 };

const where = ({ origin, path }: PolicyFinding): string =>
  [origin === undefined ? '' : formatOrigin(origin), formatPath(path)].filter((part) => part !== '').join(' ');

const command: Command = {
  usage: ['-f FILE... [--level error|warning|info] [options]', '--rules'],
  description: `Looks for policies that do not do what their authors probably meant: rules that select nothing, that a deny shadows, that open
more than they say, entities that mean more than people think, results that depend on order.`,
  options: {
    level: { type: 'string', value: 'error|warning|info', help: 'leave out what is less severe (default: info)' },
    rules: { type: 'boolean', help: 'list what is looked for' },
    ...policyOptions,
    ...outputOption,
  },
  examples: [['lbtwin policy lint -f examples/policy.yaml', 'all findings']],
  exits: ['no errors and no warnings', 'errors or warnings'],
  async run(args, io) {
    const output = args.choice('output', ['text', 'json'] as const) ?? 'text';
    const level = args.choice('level', ['error', 'warning', 'info'] as const) ?? 'info';
    if (args.flag('rules')) {
      io.write(textTable(Object.entries(POLICY_LINT_RULES)));
      return Exit.OK;
    }
    const { cluster, origin } = await readPolicyCluster(args, io);
    const findings = lintPolicies(cluster).filter(({ severity }) => RANK[severity] >= RANK[level]);
    if (output === 'json') {
      const rows = findings.map((finding) => ({ ...finding, where: where(finding) }));
      io.write(`${JSON.stringify({ configuration: origin, findings: rows }, undefined, 2)}\n`);
    } else {
      io.write(`${origin}\n`);
      for (const finding of findings) {
        io.write(`${finding.severity} ${finding.code}: ${where(finding)}: ${finding.message}\n`);
      }
      if (findings.length === 0) io.write('nothing found\n');
    }
    return findings.some(({ severity }) => severity !== 'info') ? Exit.NO : Exit.OK;
  },
};

export default command;
