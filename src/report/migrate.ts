import { type DifferenceCode, DIFFERENCES, type MigrationReport, type MigrationRow } from '../migrate/index.ts';
import { indented, textTable } from './table.ts';

const backends = (candidates: readonly string[]): string =>
  candidates.length === 1 ? candidates[0]! : `${candidates.length} backends`;

function theirs({ kubeProxy: { outcome, candidates, source } }: MigrationRow): string {
  if (outcome !== 'reaches') return outcome;
  return `${backends(candidates)}, from ${source === 'node' ? 'the node' : 'the client'}`;
}

const SOURCES = { client: 'the client', node: 'the node', loopback: 'the loopback address' } as const;

/** Outcomes whose detail is a sentence: it stands below the tables. */
const EXPLAINED: ReadonlySet<string> = new Set(['undecided', 'untranslated', 'wrongSource']);

function ours({ cilium: { outcome, candidates, sources, detail } }: MigrationRow): string {
  if (outcome !== 'reaches') return detail === undefined || EXPLAINED.has(outcome) ? outcome : `${outcome} (${detail})`;
  return `${backends(candidates)}, from ${sources.map((source) => SOURCES[source]).join(' or ')}`;
}

/** `migrate`: what differs, each difference explained once; `all` lists what is equal too. */
export function formatMigration(report: MigrationReport, all: boolean): string {
  const { rows, mode, config, notes, assumptions } = report;
  const shown = all ? rows : rows.filter(({ differences }) => differences.length > 0);
  const parts = [`${config}\n`, `compared with kube-proxy in ${mode} mode\n`];
  for (const sentence of assumptions) parts.push(`assumed: ${sentence}\n`);
  for (const service of new Set(shown.map((row) => row.service))) {
    const own = shown.filter((row) => row.service === service);
    parts.push(`\n${service}\n`);
    parts.push(
      indented(
        textTable([
          ['frontend', 'policy', 'client', 'kube-proxy', 'Cilium', 'difference'],
          ...own.map((row) => [
            `${row.frontend} ${row.to}`,
            row.policy,
            row.client,
            theirs(row),
            ours(row),
            row.differences.join(', '),
          ]),
        ]),
      ),
    );
  }
  const codes = [...new Set(rows.flatMap(({ differences }) => differences))].sort();
  if (codes.length > 0) {
    parts.push('\nWhat they mean\n');
    for (const code of codes) parts.push(`  ${code}: ${DIFFERENCES[code as DifferenceCode]}\n`);
  }
  const details = new Set(
    shown.flatMap(({ to, cilium: { outcome, detail } }) =>
      EXPLAINED.has(outcome) && detail !== undefined ? [`${to}: ${detail}`] : [],
    ),
  );
  if (details.size > 0) {
    parts.push('\nIn detail\n');
    for (const detail of details) parts.push(`  ${detail}\n`);
  }
  if (notes.length > 0) {
    parts.push('\nBeside single connections\n');
    for (const { service, code, message } of notes) parts.push(`  ${service}: ${message} [${code}]\n`);
  }
  const different = rows.filter(({ differences }) => differences.length > 0).length;
  parts.push(`\n${different} of ${rows.length} answers differ\n`);
  return parts.join('');
}
