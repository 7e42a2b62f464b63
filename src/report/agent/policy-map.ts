import { protocolName } from '../../net/index.ts';
import {
  authTypeName,
  directionName,
  type EndpointPolicy,
  type PolicyEntry,
  type PolicyKey,
} from '../../policy/index.ts';
import { alignColumns } from './tabwriter.ts';

const TITLES = 'POLICY\tDIRECTION\tLABELS (source:key[=value])\tPORT/PROTO\tPROXY PORT\tAUTH TYPE\tPREFIX\t';

/** `80/TCP`, `64-127/TCP`, `TCP`, `ANY`. */
function portText({ proto, port, portPrefix }: PolicyKey): string {
  if (proto === 0) return 'ANY';
  if (portPrefix === 0) return protocolName(proto);
  const last = port + 2 ** (16 - portPrefix) - 1;
  return `${last === port ? port : `${port}-${last}`}/${protocolName(proto)}`;
}

export interface PolicyRow {
  readonly policy: 'Allow' | 'Deny';
  readonly direction: 'Ingress' | 'Egress';
  readonly identity: number;
  readonly labels: readonly string[];
  readonly port: string;
  readonly proxyPort: number;
  readonly authType: string;
  readonly prefix: number;
}

function rowOf(
  { key, entry }: { key: PolicyKey; entry: PolicyEntry },
  labelsOf: (identity: number) => string[],
): PolicyRow {
  return {
    policy: entry.deny ? 'Deny' : 'Allow',
    direction: directionName(key.direction) === 'egress' ? 'Egress' : 'Ingress',
    identity: key.identity,
    labels: key.identity === 0 ? ['ANY'] : labelsOf(key.identity),
    port: portText(key),
    proxyPort: entry.proxyPort,
    authType: authTypeName(entry.auth),
    prefix: key.proto === 0 ? 0 : 8 + key.portPrefix,
  };
}

/** The rows of an endpoint's policy map, as a listing of the agent shows them: denies first, then in order of keys. */
export const policyRows = (policy: EndpointPolicy, labelsOf: (identity: number) => string[]): PolicyRow[] =>
  policy
    .entries()
    .sort((a, b) => Number(b.entry.deny) - Number(a.entry.deny))
    .map((entry) => rowOf(entry, labelsOf));

/** An endpoint's policy map in the style of the agent's `bpf policy get`; with `numeric`, identities instead of labels. */
export function formatPolicyMap(rows: readonly PolicyRow[], numeric: boolean): string {
  const lines = [numeric ? TITLES.replace('LABELS (source:key[=value])', 'IDENTITY') : TITLES];
  for (const row of rows) {
    const [first = String(row.identity), ...more] = numeric ? [String(row.identity)] : row.labels;
    const proxy = row.proxyPort === 0 ? 'NONE' : String(row.proxyPort);
    lines.push(
      `${[row.policy, row.direction, first, row.port, proxy, row.authType, String(row.prefix)].join('\t')}\t`,
      ...more.map((label) => `\t\t${label}\t\t\t\t\t`),
    );
  }
  return alignColumns(lines);
}
