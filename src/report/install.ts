import type { CniPlan, InstallCheck, InstallPlan, UnitFinding } from '../install/index.ts';
import { indented } from './table.ts';

/** `cni render`: the file, and what becomes of the directory. */
export function formatCniPlan(plan: CniPlan): string {
  const lines: string[] = [];
  if (plan.file === undefined) lines.push('the agent manages no CNI configuration: the directory is yours\n');
  else if (plan.error !== undefined) {
    lines.push(`nothing is written, the agent tries again every 10 seconds: ${plan.error.message}\n`);
  } else lines.push(`# ${plan.file}${plan.unchanged ? ' (unchanged: not written again)' : ''}\n`, plan.text!);
  for (const { from, to } of plan.renames) lines.push(`# renamed: ${from} -> ${to}\n`);
  if (plan.filesAfter.length > 0) lines.push(`# directory afterwards: ${plan.filesAfter.join(', ')}\n`);
  if (plan.watched) lines.push('# the directory is watched: configurations that appear later are renamed too\n');
  for (const warning of plan.warnings) lines.push(`# warning: ${warning}\n`);
  return lines.join('');
}

export const cniPlanJson = (plan: CniPlan): unknown => ({
  ...plan,
  error: plan.error === undefined ? undefined : { code: plan.error.code, message: plan.error.message },
});

/** `install plan`: numbered steps. */
export function formatInstallPlan({ steps, problems }: InstallPlan): string {
  const lines = problems.map((problem) => `problem: ${problem}\n`);
  if (lines.length > 0) lines.push('\n');
  steps.forEach(({ title, where, commands, reason, check }, index) => {
    lines.push(`${index + 1}. ${title} (${where})\n`);
    lines.push(`   ${reason}\n`, indented(commands.map((command) => `$ ${command}\n`).join(''), '     '));
    if (check !== undefined) lines.push(`   check: ${check}\n`);
  });
  return lines.join('');
}

/** `install check`: one line for each thing. */
export function formatInstallChecks(checks: readonly InstallCheck[]): string {
  return checks
    .map(
      ({ what, good, found, hint }) =>
        `${good ? 'ok ' : 'NO '} ${what}: ${found}\n${hint === undefined ? '' : `       ${hint}\n`}`,
    )
    .join('');
}

/** `mount-unit check`. */
export function formatUnitFindings(file: string, findings: readonly UnitFinding[]): string {
  if (findings.length === 0) return `${file}: nothing to say\n`;
  return findings
    .map(({ severity, code, message, hint, line }) => {
      const place = line === undefined ? file : `${file}:${line}`;
      return `${place}: ${severity}: ${message} [${code}]\n${hint === undefined ? '' : `    ${hint}\n`}`;
    })
    .join('');
}
