import { isDeepStrictEqual } from 'node:util';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { mapBytes, sortRows } from '../support/map-bytes.ts';
import { optionsOf, Replay, type Scenario, type Step } from '../support/replay.ts';
import { conformance } from './harness.ts';

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

/** Cases that show defects of the recorded system, each told in docs/fidelity.md under the key; the twin must differ there. */
const DEFECTS: Readonly<Record<string, readonly string[]>> = {
  'address in two slices': ['edge-01-same-address-two-slices', 'edge-02-same-address-two-slices-update'],
  'slice names without namespace': ['edge-03-slice-name-in-two-namespaces'],
  'service name prefixes': ['edge-04-service-name-prefix'],
  'node port memory': ['edge-07-nodeport-shared-by-protocols-delete', 'edge-09-nodeport-two-scopes-flip'],
  'families of cluster IPs': ['edge-10-no-ipfamilies-ipv6-clusterip', 'edge-11-no-ipfamilies-dual-clusterips'],
  'pod recreated': ['edge-21-hostport-pod-recreated'],
  'equal source ranges': ['edge-30-cidr-duplicates'],
  'Maglev table left': ['edge-75-maglev-annotation-removed'],
};
const DEFECTIVE = new Set(Object.values(DEFECTS).flat());

/** Lines left over by C10 and C11 (docs/fidelity.md) at the last dump of the maps. */
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
function observe(replay: Replay, step: Step): Step {
  const table = step['table'] as string;
  const known = FIELDS[table];
  if (known === undefined || MATCHES[table] !== step['match']) throw new Error(`unknown expectation ${table}`);
  for (const field of Object.keys(step)) if (!known.includes(field)) throw new Error(`unknown field ${field}`);
  switch (table) {
    case 'lbmaps': {
      const left = (step['stale'] as string[] | undefined) ?? [];
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
      const columns = step['columns'] as string[];
      const rows = replay.rows(table);
      const answer: Record<string, unknown> = {
        ...step,
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

conformance<Doc, Scenario>(
  'controlplane',
  (doc) => doc.scenarios,
  (scenario) => {
    const replay = new Replay(optionsOf(scenario));
    stale = new Set();
    const steps = scenario.steps.map((step) => {
      if (step.op === 'expect') return observe(replay, step);
      replay.run(step);
      return step;
    });
    if (!DEFECTIVE.has(scenario.name)) return { ...scenario, steps };
    if (isDeepStrictEqual(steps, scenario.steps)) throw new Error('shows no defect any more');
    return scenario;
  },
);
