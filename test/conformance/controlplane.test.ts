import { isDeepStrictEqual } from 'node:util';
import { describe, expect, it } from 'vitest';
import { type Defect, DEFECTS } from '../../src/k8s/defects.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { mapBytes, sortRows } from '../support/map-bytes.ts';
import { optionsOf, Replay, type Scenario, type Step } from '../support/replay.ts';
import { conformance, loadFamily } from './harness.ts';

interface Doc {
  readonly about: { readonly defects?: string };
  readonly scenarios: readonly Scenario[];
}

/** Fields of each kind of expectation; anything else is refused. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  lbmaps: ['op', 'table', 'match', 'raw', 'stale'],
  maglev: ['op', 'table', 'match', 'rows'],
  mapbytes: ['op', 'table', 'match', 'rows'],
  frontends: ['op', 'table', 'match', 'columns', 'rawRows', 'allBackends'],
  backends: ['op', 'table', 'match', 'columns', 'rawRows'],
  services: ['op', 'table', 'match', 'columns', 'rawRows'],
};

const MATCHES: Readonly<Record<string, string>> = {
  lbmaps: 'all-lines',
  maglev: 'all-lines',
  mapbytes: 'all-rows',
  frontends: 'rows-in-order',
  backends: 'rows-in-order',
  services: 'rows-in-order',
};

const COLUMNS: Readonly<Record<string, readonly string[]>> = {
  frontends: ['Address', 'Type', 'ServiceName', 'PortName', 'Status', 'Error', 'Backends'],
  backends: ['Address', 'Instances', 'NodeName'],
  services: ['Name', 'Source', 'PortNames', 'TrafficPolicy', 'Flags'],
};

/** Lines that are there for a defect alone (docs/fidelity.md), at the last dump of the maps. */
let stale: ReadonlySet<string> = new Set();

/** Whether bytes belong to an id that stale lines name. */
function isStaleRow([map, key = '', value = '']: readonly string[]): boolean {
  if (stale.size === 0) return false;
  const swapped = (hex: string): number => Number.parseInt(hex.slice(2, 4) + hex.slice(0, 2), 16);
  const ids: Readonly<Record<string, () => string>> = {
    service: () => `ID=${Number.parseInt(value.slice(12, 16), 16)}`,
    backend: () => `ID=${swapped(key)}`,
    revnat: () => `ID=${Number.parseInt(key, 16)}`,
    affinityMatch: () => `ID=${Number.parseInt(key.slice(8, 12), 16)} BEID=${swapped(key)}`,
    sourceRange: () => `ID=${Number.parseInt(key.slice(8, 12), 16)}`,
  };
  const tags: Readonly<Record<string, string>> = {
    service: 'SVC:',
    backend: 'BE:',
    revnat: 'REV:',
    affinityMatch: 'AFF:',
    sourceRange: 'SRCRANGE:',
  };
  const prefix = `${tags[map!]!} ${ids[map!]!()}`;
  return [...stale].some((line) => line === prefix || line.startsWith(`${prefix} `));
}

/** The expectation as the twin would have written it. */
function observe(replay: Replay, step: Step, repaired: boolean): Step {
  const table = step['table'] as string;
  const known = FIELDS[table];
  if (known === undefined || MATCHES[table] !== step['match']) throw new Error(`unknown expectation ${table}`);
  for (const field of Object.keys(step)) if (!known.includes(field)) throw new Error(`unknown field ${field}`);
  switch (table) {
    case 'lbmaps': {
      const left = repaired ? ((step['stale'] as string[] | undefined) ?? []) : [];
      stale = new Set(left);
      return { ...step, raw: [...dumpMaps(replay.plane.maps), ...left].sort() };
    }
    case 'maglev': {
      // Tables of stale lines are listed too; the twin has none of them.
      const ids = new Set([...stale].filter((line) => line.startsWith('MAGLEV:')).map((line) => line.split(' ')[1]));
      const left = (step['rows'] as { id: number }[]).filter(({ id }) => ids.has(`ID=${id}`));
      const rows = [...(replay.maglevRows() as { id: number }[]), ...left];
      return { ...step, rows: rows.sort((a, b) => a.id - b.id) };
    }
    case 'mapbytes': {
      const left = (step['rows'] as string[][]).filter(isStaleRow);
      return { ...step, rows: sortRows([...mapBytes(replay.plane.maps), ...left]) };
    }
    default: {
      const columns = COLUMNS[table]!;
      const rows = replay.rows(table);
      const answer: Record<string, unknown> = {
        ...step,
        columns,
        rawRows: rows.map((row) => columns.map((column) => row[column] ?? `unknown column ${column}`)),
      };
      if ('allBackends' in step) {
        answer['allBackends'] = Object.fromEntries(
          replay.plane.frontends
            .filter(({ backends }) => backends.length > 5)
            .map(({ key, backends }) => [key, backends.map(({ backend }) => backend.key)]),
        );
      } else if (table === 'frontends' && replay.plane.frontends.some(({ backends }) => backends.length > 5)) {
        answer['allBackends'] = 'missing';
      }
      return answer as Step;
    }
  }
}

const without = (defect: Defect): ReadonlySet<Defect> => new Set(DEFECTS.filter((one) => one !== defect));

/** Hand-made cases that show a defect, and which. */
const SHOWN: Readonly<Record<string, readonly Defect[]>> = {
  'edge-01-same-address-two-slices': ['address-in-two-slices'],
  'edge-02-same-address-two-slices-update': ['address-in-two-slices'],
  'edge-03-slice-name-in-two-namespaces': ['slice-names'],
  'edge-04-service-name-prefix': ['service-name-prefix'],
  'edge-07-nodeport-shared-by-protocols-delete': ['node-port-memory'],
  'edge-09-nodeport-two-scopes-flip': ['node-port-memory'],
  'edge-10-no-ipfamilies-ipv6-clusterip': ['cluster-ip-families'],
  'edge-11-no-ipfamilies-dual-clusterips': ['cluster-ip-families'],
  'edge-21-hostport-pod-recreated': ['pod-recreated'],
  'edge-30-cidr-duplicates': ['equal-source-ranges'],
  'edge-75-maglev-annotation-removed': ['maglev-table-left'],
};

/** What the twin would have recorded, with all defects of the recorded system or with none. */
function record(scenario: Scenario, defects: ReadonlySet<Defect>): Scenario {
  const replay = new Replay({ ...optionsOf(scenario), defects });
  const repaired = defects.size === 0;
  stale = new Set();
  const steps = scenario.steps.map((step) => {
    if (step.op === 'expect') return observe(replay, step, repaired);
    return replay.run(step);
  });
  return { ...scenario, steps };
}

const ALL_DEFECTS: ReadonlySet<Defect> = new Set(DEFECTS);

conformance<Doc, Scenario>(
  'controlplane',
  (doc) => doc.scenarios,
  (scenario) => record(scenario, ALL_DEFECTS),
  'with the defects of the recorded system',
);

/**
 * Without the defects. Files that mark left-overs are compared without the marked lines. A file that marks nothing tells in its `about`
 * which cases show defects; every other case must come out as recorded.
 */
conformance<Doc, Scenario>(
  'controlplane',
  (doc) => doc.scenarios,
  (scenario, doc) => (isDefective(doc, scenario.name) ? scenario : record(scenario, new Set())),
  'repaired',
);

/** `edge-01 to -05, -21 show defects`: whether the file names this case. */
function isDefective({ about }: Doc, name: string): boolean {
  const number = Number(/^edge-(\d+)/.exec(name)?.[1] ?? NaN);
  const cases = about.defects?.split(' show ')[0] ?? '';
  return [...cases.matchAll(/(\d+)(?: to -(\d+))?/g)].some(
    ([, first, last]) => number >= Number(first) && number <= Number(last ?? first),
  );
}

describe('defects of the recorded control plane', () => {
  const scenarios = loadFamily<Doc>('controlplane').flatMap(({ doc }) => doc.scenarios);
  const known = scenarios.filter(({ name }) => name in SHOWN);

  it.each(known.map((scenario) => [scenario.name, scenario] as const))(
    '%s is explained by them alone',
    (_, scenario) => {
      const needed = DEFECTS.filter((defect) => !isDeepStrictEqual(record(scenario, without(defect)), scenario));
      expect(needed).toEqual(SHOWN[scenario.name]);
    },
  );
});
