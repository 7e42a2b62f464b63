import { type ObjectBatch, positionOf } from '../../k8s/read.ts';
import { lintPolicies, POLICY_LINT_RULES, type PolicyFinding, type PolicySeverity } from '../../policy/index.ts';
import { FINDING_FORMATS, formatFindings } from '../../report/findings.ts';
import { textTable } from '../../report/table.ts';
import { apiPath, type FileReport, type Finding } from '../../validate/index.ts';
import { type Command, Exit } from '../command.ts';
import { version } from '../package.ts';
import { policyOptions, readPolicyCluster } from '../policy.ts';

const RANK: Readonly<Record<PolicySeverity, number>> = { error: 2, warning: 1, info: 0 };

/** A finding with its place in the text; what is about no single object stands at the start of the first file. */
function located({ code, severity, message, origin, path }: PolicyFinding, batch: ObjectBatch): Finding {
  const object = batch.objects.findLast(
    ({ kind, metadata }) =>
      kind === origin?.kind &&
      metadata.name === origin.name &&
      (origin.namespace === '' || (metadata.namespace ?? 'default') === origin.namespace),
  );
  const place = batch.origins.get(object ?? batch.objects[0]!)!;
  const base = {
    file: place.source.name,
    severity: severity === 'info' ? ('note' as const) : severity,
    stage: 'policy' as const,
    code,
    message,
  };
  if (object === undefined) return { ...base, line: 1, column: 1 };
  const { namespace, name } = object.metadata;
  return {
    ...base,
    ...positionOf(place, path),
    object: `${object.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`,
    path: apiPath(path),
  };
}

/** Findings by file; every file that was read is there. */
function reportsOf(findings: readonly Finding[], batch: ObjectBatch): FileReport[] {
  const files = [...new Set([...batch.origins.values()].map(({ source }) => source.name))];
  return files.map((file) => ({
    file,
    findings: findings.filter((finding) => finding.file === file),
    checked: batch.objects
      .filter((object) => batch.origins.get(object)!.source.name === file && object.kind.endsWith('NetworkPolicy'))
      .map(({ kind }) => kind),
  }));
}

const command: Command = {
  usage: ['-f FILE... [--level error|warning|info] [-o text|json|sarif|github] [options]', '--rules'],
  description: `Looks for policies that do not do what their authors probably meant: rules that select nothing, that a deny shadows, that open
more than they say, entities that mean more than people think, names that are never learned, results that depend on order.`,
  options: {
    level: { type: 'string', value: 'error|warning|info', help: 'leave out what is less severe (default: info)' },
    rules: { type: 'boolean', help: 'list what is looked for' },
    ...policyOptions,
    output: {
      type: 'string',
      short: 'o',
      value: FINDING_FORMATS.join('|'),
      help: 'how to print the findings (default: text)',
    },
  },
  examples: [
    ['lbtwin policy lint -f examples/policy.yaml', 'all findings'],
    ['lbtwin policy lint -f manifests/ -o github', 'annotations in a workflow of GitHub'],
  ],
  exits: ['no errors and no warnings', 'errors or warnings'],
  async run(args, io) {
    const format = args.choice('output', FINDING_FORMATS) ?? 'text';
    const level = args.choice('level', ['error', 'warning', 'info'] as const) ?? 'info';
    if (args.flag('rules')) {
      io.write(textTable(Object.entries(POLICY_LINT_RULES)));
      return Exit.OK;
    }
    const { cluster, batch, origin } = await readPolicyCluster(args, io);
    const findings = lintPolicies(cluster).filter(({ severity }) => RANK[severity] >= RANK[level]);
    const reports = reportsOf(
      findings.map((finding) => located(finding, batch)),
      batch,
    );
    if (format === 'text') io.write(`${origin}\n`);
    io.write(formatFindings(reports, format, version()));
    return findings.some(({ severity }) => severity !== 'info') ? Exit.NO : Exit.OK;
  },
};

export default command;
