import type { FileReport, Finding } from '../validate/index.ts';

/** Formats of findings. */
export const FINDING_FORMATS = ['text', 'json', 'sarif', 'github'] as const;
export type FindingFormat = (typeof FINDING_FORMATS)[number];

const count = (findings: readonly Finding[], severity: Finding['severity']): number =>
  findings.filter((finding) => finding.severity === severity).length;

const plural = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

function text(reports: readonly FileReport[]): string {
  const all = reports.flatMap(({ findings }) => findings);
  const lines = all.flatMap((finding) => {
    const { file, line, column, severity, stage, code, message, hint, object, source } = finding;
    const who = source === undefined ? stage : `${stage}, ${source}`;
    return [
      `${file}:${line}:${column}: ${severity}: ${object === undefined ? '' : `${object}: `}${message} [${who}: ${code}]`,
      ...(hint === undefined ? [] : [`    ${hint}`]),
    ];
  });
  const looked = new Map<string, number>();
  for (const name of reports.flatMap(({ checked }) => checked)) looked.set(name, (looked.get(name) ?? 0) + 1);
  const what = [...looked].map(([name, n]) => `${n} ${name}`).join(', ');
  const errors = plural(count(all, 'error'), 'error');
  lines.push(
    `${plural(reports.length, 'file')} (${what || 'nothing'}): ${errors}, ${plural(count(all, 'warning'), 'warning')}`,
  );
  return `${lines.join('\n')}\n`;
}

const GITHUB_LEVEL = { error: 'error', warning: 'warning', note: 'notice' } as const;
const escapeData = (value: string): string =>
  value.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const escapeProperty = (value: string): string => escapeData(value).replaceAll(':', '%3A').replaceAll(',', '%2C');

function github(reports: readonly FileReport[]): string {
  return reports
    .flatMap(({ findings }) => findings)
    .map(({ file, line, column, severity, stage, code, message, hint }) => {
      const place = `file=${escapeProperty(file)},line=${line},col=${column},title=${escapeProperty(`${stage}: ${code}`)}`;
      return `::${GITHUB_LEVEL[severity]} ${place}::${escapeData(hint === undefined ? message : `${message}\n${hint}`)}\n`;
    })
    .join('');
}

function sarif(reports: readonly FileReport[], version: string): string {
  const all = reports.flatMap(({ findings }) => findings);
  const ids = [...new Set(all.map(({ stage, code }) => `${stage}/${code}`))].sort();
  const log = {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'lbtwin', version, rules: ids.map((id) => ({ id })) } },
        results: all.map(({ file, line, column, severity, stage, code, message, hint, object }) => ({
          ruleId: `${stage}/${code}`,
          ruleIndex: ids.indexOf(`${stage}/${code}`),
          level: severity,
          message: { text: hint === undefined ? message : `${message} (${hint})` },
          locations: [
            {
              physicalLocation: { artifactLocation: { uri: file }, region: { startLine: line, startColumn: column } },
              ...(object === undefined ? {} : { logicalLocations: [{ name: object }] }),
            },
          ],
        })),
      },
    ],
  };
  return `${JSON.stringify(log, undefined, 2)}\n`;
}

/** Findings as text for people, JSON, SARIF 2.1.0, or GitHub's workflow commands. `version` is lbtwin's own. */
export function formatFindings(reports: readonly FileReport[], format: FindingFormat, version: string): string {
  switch (format) {
    case 'json':
      return `${JSON.stringify({ files: reports }, undefined, 2)}\n`;
    case 'sarif':
      return sarif(reports, version);
    case 'github':
      return github(reports);
    case 'text':
      return text(reports);
  }
}
