import type { HealthCheck } from '../cluster/host-reason.ts';
import type { Matrix, MatrixRow } from '../cluster/matrix.ts';
import { indented, textTable } from './table.ts';

/** Rows that say the same of several nodes, as one. */
export interface MatrixLine {
  /** `203.0.113.10:80/TCP`; of a NodePort `own node:30080/TCP`, `other node:30080/TCP` or `loopback:30080/TCP`. */
  readonly frontend: string;
  readonly row: MatrixRow;
  readonly nodes: readonly string[];
}

function frontendOf({ target, frontend }: MatrixRow): string {
  if (target === 'service') return frontend;
  const family = frontend.startsWith('[') ? ' (IPv6)' : '';
  return `${target}${family}:${frontend.slice(frontend.lastIndexOf(':') + 1)}`;
}

/** A node that differs from row to row, told as a role. */
function sourceText({ sourceSeen: { local, remote }, node }: MatrixRow): string {
  const role = (seen: string | undefined): string | undefined =>
    seen === `node ${node}` ? 'the node' : seen === undefined ? undefined : seen;
  const [here, there] = [role(local), role(remote)];
  if (here === undefined || there === undefined) return here ?? there ?? '';
  return here === there ? here : `${here}; from other nodes' backends: ${there}`;
}

/** `socket`, `packet`, or `packet on worker-2` where that is not the client's node. */
const translationText = ({ translatedAt, translatedOn, node }: MatrixRow): string =>
  `${translatedAt ?? ''}${translatedOn === undefined || translatedOn === node ? '' : ` on ${translatedOn}`}`;

const backendsText = ({ candidates, count, of }: MatrixRow): string =>
  candidates === 'none' || candidates === 'unknown'
    ? candidates
    : `${candidates} (${count}${candidates === 'all' ? '' : ` of ${of}`})`;

/** The rows, those that agree on everything but the node together. */
export function matrixLines(rows: readonly MatrixRow[]): MatrixLine[] {
  const lines = new Map<string, { line: MatrixLine; nodes: string[] }>();
  for (const row of rows) {
    const { service, client, hasLocal, result } = row;
    const frontend = frontendOf(row);
    const key = JSON.stringify([
      service,
      frontend,
      client,
      hasLocal,
      backendsText(row),
      result,
      sourceText(row),
      translationText(row),
    ]);
    const known = lines.get(key);
    if (known !== undefined) known.nodes.push(row.node);
    else {
      const nodes = [row.node];
      lines.set(key, { line: { frontend, row, nodes }, nodes });
    }
  }
  return [...lines.values()].map(({ line }) => line);
}

const cells = ({ row, nodes }: MatrixLine, all: number): string[] => [
  row.client,
  row.hasLocal ? 'yes' : 'no',
  nodes.length === all && all > 2 ? 'every node' : nodes.join(', '),
  backendsText(row),
  row.result,
  sourceText(row),
  translationText(row),
];

const HEAD = ['client', 'backend there', 'node', 'backends', 'result', 'source seen', 'translated at'];

/** Lines of one frontend together, in the order in which the frontends come. */
function byFrontend(rows: readonly MatrixRow[]): MatrixLine[][] {
  const groups = new Map<string, MatrixLine[]>();
  for (const line of matrixLines(rows)) {
    const key = `${line.row.service} ${line.frontend}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [line]);
    else group.push(line);
  }
  for (const group of groups.values()) group.sort(inGroup);
  return [...groups.values()];
}

const CLIENTS: readonly string[] = ['pod', 'host', 'external'];

/** Pods first, then hosts, then clients outside; where there is a backend before where there is none. */
const inGroup = ({ row: a }: MatrixLine, { row: b }: MatrixLine): number =>
  CLIENTS.indexOf(a.client) - CLIENTS.indexOf(b.client) || Number(b.hasLocal) - Number(a.hasLocal);

const nodeCount = (rows: readonly MatrixRow[]): number => new Set(rows.map(({ node }) => node)).size;

function title({ frontend, row }: MatrixLine): string {
  const { service, type, target, addressOf, externalTrafficPolicy: external, internalTrafficPolicy: internal } = row;
  const owner = target === 'service' && addressOf !== undefined ? `, the address of ${addressOf}` : '';
  return `${service}  ${type} ${frontend}${owner}  (externalTrafficPolicy ${external}, internalTrafficPolicy ${internal})`;
}

/** What each service's health check node port answers: `shop/web  health check node port 32100: 200 on n1; 503 on n2, n3`. */
function healthLines(checks: readonly HealthCheck[]): string[] {
  const lines = new Map<string, Map<number, string[]>>();
  for (const { service, port, status, node } of checks) {
    const key = `${service}  health check node port ${port}`;
    const answers = lines.get(key) ?? new Map<number, string[]>();
    lines.set(key, answers.set(status, [...(answers.get(status) ?? []), node]));
  }
  return [...lines].map(([key, answers]) => {
    const parts = [...answers].sort(([a], [b]) => a - b).map(([status, nodes]) => `${status} on ${nodes.join(', ')}`);
    return `${key}: ${parts.join('; ')}`;
  });
}

/** The matrix for people. */
export function formatMatrix({ rows, healthChecks, configuration, assumptions }: Matrix): string {
  const all = nodeCount(rows);
  let text = `${configuration}\n`;
  for (const group of byFrontend(rows)) {
    text += `\n${title(group[0]!)}\n${indented(textTable([HEAD, ...group.map((line) => cells(line, all))]))}`;
  }
  for (const line of healthLines(healthChecks)) text += `\n${line}\n`;
  return text + (assumptions.length > 0 ? `\nassumed: ${assumptions.join(' ')}\n` : '');
}

/** The matrix as one Markdown table. */
export function matrixMarkdown({ rows, healthChecks, configuration }: Matrix): string {
  const all = nodeCount(rows);
  const head = ['service', 'frontend', 'type', 'eTP', 'iTP', ...HEAD];
  const lines = byFrontend(rows)
    .flat()
    .map((line) => {
      const { row, frontend } = line;
      return [
        row.service,
        frontend,
        row.type,
        row.externalTrafficPolicy,
        row.internalTrafficPolicy,
        ...cells(line, all),
      ];
    });
  const table = [head, head.map(() => '---'), ...lines].map(
    (row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`,
  );
  const checks = healthLines(healthChecks).map((line) => `- ${line}\n`);
  return `${configuration}\n\n${table.join('\n')}\n${checks.length > 0 ? `\n${checks.join('')}` : ''}`;
}

/** The matrix for programs: a row for every node. */
export const matrixJson = ({ rows, healthChecks, configuration, assumptions }: Matrix): unknown => ({
  configuration: configuration.replace(/^configuration: /, ''),
  assumptions,
  rows,
  healthChecks,
});
