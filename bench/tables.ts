import { readFileSync, writeFileSync } from 'node:fs';
import type { Run } from './compare.ts';
import type { Result } from './measure.ts';
import { scaled } from './text.ts';

/* The tables of README.md and docs/performance.md, made of results: figures are measured, never typed. */

type Results = ReadonlyMap<string, Result>;
type Cells = readonly (string | undefined)[];

/** Rows that were not all measured make no table. */
type Table = (results: Results) => readonly Cells[];

const median = (results: Results, name: string): string | undefined => {
  const result = results.get(name);
  return result === undefined ? undefined : scaled(result.median, result.unit);
};

/** How many times as long as `base` it takes. */
function times(results: Results, name: string, base: string): string | undefined {
  const [one, other] = [results.get(name), results.get(base)];
  if (one === undefined || other === undefined) return undefined;
  const factor = one.median / other.median;
  return `${factor < 10 ? factor.toPrecision(2) : factor.toFixed(0)}x`;
}

/** Nanoseconds that Cilium's own XDP program takes for IPv4 on a 2-core EPYC VM (BPF JIT, hot caches, net of the harness). */
const PATHS: readonly (readonly [label: string, row: string, kernel?: string])[] = [
  ['SNAT, established, forward', 'snat.forward', '660 ns'],
  ['SNAT, reply', 'snat.reply', '538 ns'],
  ['DSR by IP option', 'dsr.insert', '390 ns'],
  ['DSR by IPIP', 'dsr.ipip', '430 ns'],
  ['no service', 'miss', '142 ns'],
  ['new flow, all entries created', 'newflow', '1700 ns'],
  ['flow without bytes, established', 'tuple.forward'],
  ["pod's packet to a service, known", 'podegress.known'],
  ['connect()', 'connect'],
  ['`selectBackends`, one of a batch', 'select.batch'],
  ['`selectBackend`', 'select.single'],
];

const paths: Table = (results) => [
  ['path', 'row', 'v4', 'v6', 'in the kernel, v4'],
  ...PATHS.map(([label, row, kernel]): Cells => [
    label,
    `\`${row}\``,
    median(results, `${row}.v4`),
    median(results, `${row}.v6`),
    kernel ?? '',
  ]),
];

const maglev: Table = (results) => [
  ['table', 'row', 'time'],
  ...['1021.10', '16381.100', '131071.1000'].map((size): Cells => {
    const [slots, backends] = size.split('.');
    return [
      `${slots} slots, ${backends} backends`,
      `\`maglev.build.${size}\``,
      median(results, `maglev.build.${size}`),
    ];
  }),
  [
    'the second, when one backend gives way to another',
    '`maglev.rebuild.16381.100`',
    median(results, 'maglev.rebuild.16381.100'),
  ],
];

const GROWTH: readonly (readonly [label: string, row: string])[] = [
  ['10 services', 'svc10'],
  ['1,000 services', 'svc1k'],
  ['100,000 services', 'svc100k'],
  ['1,000 conntrack entries', 'ct1k'],
  ['100,000 conntrack entries', 'ct100k'],
  ['524,288 conntrack entries', 'ct524k'],
];

const growth: Table = (results) => [
  ['', 'row', 'time', ...['conntrack', 'NAT'].flatMap((table) => [`${table}: load`, 'probes', 'most', 'memory'])],
  ...GROWTH.map(([label, row]): Cells => {
    const name = `snat.forward.v4.${row}`;
    const table = (kind: string): Cells => {
      const longest = results.get(`${name}.${kind}.probes`);
      return [
        median(results, `${name}.${kind}.load`),
        median(results, `${name}.${kind}.probes.mean`)?.replace(' probes', ''),
        longest === undefined ? undefined : `${longest.max}`,
        median(results, `${name}.${kind}.memory`),
      ];
    };
    return [label, `\`${name}\``, median(results, name), ...table('conntrack'), ...table('nat')];
  }),
];

const garbage: Table = (results) => [
  ['10,000,000 packets', 'each', 'major collections', 'minor', 'heap growth', 'full conntrack and NAT tables'],
  ...(['v4', 'v6'] as const).map((family): Cells => {
    const name = `gc.10m.${family}`;
    const bare = (what: string): string | undefined => median(results, `${name}.${what}`)?.replace(' collections', '');
    return [
      family,
      median(results, name),
      bare('major'),
      bare('minor'),
      bare('heap'),
      median(results, `memory.full.${family}`),
    ];
  }),
];

const PEERS: readonly (readonly [label: string, row: string, base: string])[] = [
  ['client to server: `selectBackend`', 'select.lbtwin', 'select.lbtwin'],
  ['`selectBackends`, a batch', 'select.lbtwin.batch', 'select.lbtwin'],
  ['a `Map` that has every client already', 'select.map', 'select.lbtwin'],
  ['`consistent-hash`', 'select.consistent-hash', 'select.lbtwin'],
  ['`hashring`', 'select.hashring', 'select.lbtwin'],
  ['`hashring`, every client in its cache', 'select.hashring.remembered', 'select.lbtwin'],
  ['conntrack, 100,000 entries', 'conntrack.lbtwin.100k', 'conntrack.lbtwin.100k'],
  ['the same as objects in a `Map`', 'conntrack.objects.100k', 'conntrack.lbtwin.100k'],
  ['Maglev table, 16381 slots, 100 backends', 'maglev.lbtwin.16381.100', 'maglev.lbtwin.16381.100'],
  ['the same by a matrix of permutations', 'maglev.naive.16381.100', 'maglev.lbtwin.16381.100'],
];

const peers: Table = (results) => [
  ['', 'row', 'time', 'of ours'],
  ...PEERS.map(([label, row, base]): Cells => {
    const [name, ours] = [`peers.${row}`, `peers.${base}`];
    return [label, `\`${name}\``, median(results, name), name === ours ? '' : times(results, name, ours)];
  }),
];

const startup: Table = (results) => [
  ['', 'row', 'wall time'],
  ['`node -e 0`', '`startup.node`', median(results, 'startup.node')],
  ['`lbtwin select` on the example', '`startup.select`', median(results, 'startup.select')],
  ['`lbtwin trace` on the example', '`startup.trace`', median(results, 'startup.trace')],
];

const cluster: Table = (results) => {
  const row = (text: string, name: string, memory?: string): (string | undefined)[] => [
    text,
    `\`${name}\``,
    median(results, name),
    memory === undefined ? '' : median(results, memory),
  ];
  const [apply, change] = ['control plane: per service, of 50000', 'control plane: one endpoint of 150000'];
  const [json, yaml] = ['startup.trace, big JSON', 'startup.trace, big YAML'];
  return [
    ['', 'row', 'time', 'memory'],
    row('control plane of a node: each of 50,000 services with 3 endpoints', apply),
    row('the same cluster, one endpoint replaced', change),
    row('`lbtwin trace`, 10,000 services of 100 nodes from JSON, start to end', json, `${json}, memory`),
    row('the same from YAML', yaml, `${yaml}, memory`),
  ];
};

/** Not a table: a line that says where the figures come from. */
const MACHINE = 'machine';

const TABLES: Readonly<Record<string, Table>> = { paths, growth, garbage, maglev, peers, startup, cluster };

/** Every table whose rows were all measured, as Markdown, by its name; and what they were measured on. */
export function renderTables({ machine, node, results }: Run): Map<string, string> {
  const byName = new Map(results.map((result) => [result.name, result]));
  const rendered = new Map<string, string>();
  for (const [name, make] of Object.entries(TABLES)) {
    const [head, ...rows] = make(byName);
    if (rows.some((row) => row.includes(undefined))) continue;
    rendered.set(name, [head!, head!.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n'));
  }
  return rendered.set(MACHINE, `Medians, per operation; ${machine}, Node ${node}.`);
}

/** Puts tables where a text has `<!-- bench:NAME -->` … `<!-- /bench -->`. @throws Error for a name that no table has */
export function placeTables(text: string, tables: ReadonlyMap<string, string>): string {
  return text.replaceAll(
    /(<!-- bench:(\S+) -->\n)[^]*?(\n<!-- \/bench -->)/g,
    (block, open: string, name: string, close: string) => {
      if (TABLES[name] === undefined && name !== MACHINE) throw new Error(`there is no table ${name}`);
      const table = tables.get(name);
      return table === undefined ? block : `${open}${table}${close}`;
    },
  );
}

export function updateFiles(files: readonly string[], tables: ReadonlyMap<string, string>): void {
  for (const file of files) writeFileSync(file, placeTables(readFileSync(file, 'utf8'), tables));
}
