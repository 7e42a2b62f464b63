import { createConntrackTables } from '../src/conntrack/index.ts';
import type { HashTable } from '../src/index.ts';
import { createNatTable } from '../src/nat/index.ts';
import type { Family } from '../src/net/index.ts';
import { type Benchmark, counted, lazy, type Report, type Result, seeded, summary } from './measure.ts';
import { Population, type Size } from './population.ts';

/* What the established path costs as services and connections grow, and what the tables are like then. */

const OPERATIONS = 100_000;

/** Index probes of every entry, how full rows and index are, and bytes for each entry, index included. */
function figuresOf(name: string, table: HashTable): Result[] {
  const probes = new Uint32Array(table.size);
  let count = 0;
  for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) probes[count++] = table.probesOf(row);
  let sum = 0;
  for (const one of probes) sum += one;
  // What is neither rows nor index is made when an entry has to go for want of room, which none has here.
  const slots = (table.byteLength - table.rows.byteLength) / Int32Array.BYTES_PER_ELEMENT;
  return [
    counted(`${name}.load`, '%', (100 * table.size) / slots),
    summary(`${name}.probes`, 'probes', probes),
    counted(`${name}.probes.mean`, 'probes', sum / count),
    counted(`${name}.memory`, 'bytes/entry', table.byteLength / table.size),
  ];
}

function benchmark(family: Family, label: string, size: Size): Benchmark {
  const name = `snat.forward.v${family}.${label}`;
  const population = lazy(() => new Population(family, size));
  return {
    name,
    operations: OPERATIONS,
    run: () => population().run(OPERATIONS),
    figures: () => {
      const { conntrack, nat } = population().node.of(family);
      return [...figuresOf(`${name}.conntrack`, conntrack.tcp), ...figuresOf(`${name}.nat`, nat.table)];
    },
  };
}

/** Conntrack and NAT of one family at their default sizes, full. */
function fullState(family: Family): number {
  const { tcp, any } = createConntrackTables(family);
  let bytes = 0;
  for (const table of [tcp, any, createNatTable(family)]) {
    const random = seeded(family);
    const key = new Uint32Array(table.keyWords);
    while (table.size < table.maxEntries) {
      for (let word = 0; word < key.length; word++) key[word] = random();
      table.upsert(key);
    }
    bytes += table.byteLength;
  }
  return bytes;
}

/** The established path with few and many services, few and many connections. Names of connections count conntrack entries. */
export const growthBenchmarks = (): Benchmark[] => [
  ...[10, 1000, 100_000].map((services) =>
    benchmark(4, `svc${short(services)}`, { services, backends: 3, flows: 10_000 }),
  ),
  ...[1000, 100_000, 524_288].map((entries) =>
    benchmark(4, `ct${short(entries)}`, { services: 100, backends: 10, flows: entries / 2 }),
  ),
];

const short = (count: number): string => (count < 1000 ? `${count}` : `${Math.floor(count / 1000)}k`);

/** What a node holds whose conntrack and NAT tables are full. */
export const memoryReports = (): Report[] =>
  ([4, 6] as const).map((family) => {
    const name = `memory.full.v${family}`;
    return { name, figures: () => [counted(name, 'bytes', fullState(family))] };
  });
