import { formatPath } from '../errors.ts';
import type { CaseResult, ScenarioResult } from '../scenario/run.ts';
import { formatJourney } from './journey.ts';
import { indented } from './table.ts';

/** A scenario file with what came of it. */
export interface ScenarioReport {
  readonly file: string;
  readonly result: ScenarioResult;
}

const shown = (value: unknown): string => {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
};

/** Why a case failed: each field with what was expected and what came. */
export function failureLines({ differences, error, path }: CaseResult): string[] {
  if (error !== undefined) return [`${formatPath(path)}: ${error.message}`];
  return differences.flatMap(({ field, expected, actual }) => [
    `${field}:`,
    `  expected  ${shown(expected)}`,
    `  actual    ${shown(actual)}`,
  ]);
}

const total = (reports: readonly ScenarioReport[], ok: boolean): number =>
  reports.reduce((sum, { result }) => sum + result.cases.filter((one) => one.ok === ok).length, 0);

export function formatScenarios(reports: readonly ScenarioReport[], color: boolean): string {
  const paint = (text: string, code: string): string => (color ? `\u001b[${code}m${text}\u001b[0m` : text);
  const parts = reports.map(({ file, result }) => {
    const lines = result.cases.map((one) => {
      const mark = one.ok ? paint('✓', '32') : paint('✗', '31');
      if (one.ok) return `  ${mark} ${one.name}\n`;
      const journey = one.journey === undefined ? '' : indented(formatJourney(one.journey), '      ');
      return `  ${mark} ${one.name}\n${failureLines(one)
        .map((line) => `      ${line}\n`)
        .join('')}${journey}`;
    });
    return `${file}: ${result.name}\n  ${result.config}\n${lines.join('')}`;
  });
  const [passed, failed] = [total(reports, true), total(reports, false)];
  return `${parts.join('\n')}\n${passed} passed, ${failed} failed\n`;
}

export function scenariosTap(reports: readonly ScenarioReport[]): string {
  const cases = reports.flatMap(({ file, result }) => result.cases.map((one) => ({ file, one })));
  const lines = cases.map(({ file, one }, i) => {
    const name = `${file}: ${one.name}`.replaceAll('#', '\\#');
    const detail = one.ok
      ? ''
      : `  ---\n${failureLines(one)
          .map((line) => `  # ${line}\n`)
          .join('')}  ...\n`;
    return `${one.ok ? 'ok' : 'not ok'} ${i + 1} - ${name}\n${detail}`;
  });
  return `TAP version 14\n1..${cases.length}\n${lines.join('')}`;
}

const XML: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };
/** Also drops what XML 1.0 cannot hold. */
const xml = (text: string): string =>
  [...text]
    .filter((c) => c >= ' ' || c === '\n' || c === '\t')
    .join('')
    .replace(/[&<>"']/g, (c) => XML[c]!);

/** JUnit XML, as CI systems read it. */
export function scenariosJunit(reports: readonly ScenarioReport[]): string {
  const suites = reports.map(({ file, result }) => {
    const failures = result.cases.filter(({ ok }) => !ok).length;
    const cases = result.cases.map((one) => {
      const head = `    <testcase classname="${xml(file)}" name="${xml(one.name)}"`;
      if (one.ok) return `${head}/>\n`;
      const lines = failureLines(one);
      return `${head}>\n      <failure message="${xml(lines[0] ?? 'failed')}">${xml(lines.join('\n'))}</failure>\n    </testcase>\n`;
    });
    return `  <testsuite name="${xml(`${file}: ${result.name}`)}" tests="${result.cases.length}" failures="${failures}">\n${cases.join('')}  </testsuite>\n`;
  });
  const tests = total(reports, true) + total(reports, false);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="lbtwin" tests="${tests}" failures="${total(reports, false)}">\n${suites.join('')}</testsuites>\n`;
}

export function scenariosJson(reports: readonly ScenarioReport[]): unknown {
  return {
    passed: total(reports, true),
    failed: total(reports, false),
    files: reports.map(({ file, result }) => ({
      file,
      name: result.name,
      config: result.config,
      assumptions: result.assumptions,
      cases: result.cases.map(({ name, ok, differences, error, path }) => ({
        name,
        step: formatPath(path),
        ok,
        differences,
        ...(error === undefined ? {} : { error: error.message }),
      })),
    })),
  };
}
