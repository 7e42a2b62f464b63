import { matches, type Selector } from '../../src/k8s/labels.ts';
import type { LbMaps } from '../../src/lb/maps.ts';
import { formatAddress } from '../../src/net/address.ts';
import { cidrContains, parseCidr } from '../../src/net/cidr.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { backendCells, frontendCells, type Row, serviceCells } from '../../src/report/table-rows.ts';
import type { Replay, Step } from './replay.ts';
import { backendJson, backendYaml, frontendJson, frontendYaml, serviceJson, serviceYaml } from './serialize.ts';

/** What the twin answers to an expectation of the upstream scenarios: `got` to compare with `want`. */
export interface Observation {
  readonly got: unknown;
  readonly want: unknown;
}

type Columns = Readonly<Record<string, string>>;

const bool = (value: boolean): string => String(value);

function selectorText(selector: Selector): string {
  return selector.map(({ key, values }) => `${key}=${values.join()}`).join();
}

const selected = (replay: Replay, selector: Selector): boolean => matches(selector, replay.plane.node.labels);

/** Rows of the tables that only the upstream scenarios look at. */
const TABLES: Readonly<Record<string, (replay: Replay) => Columns[]>> = {
  ciliumenvoyconfigs: (replay) =>
    replay.plane.envoyConfigs.map((config) => {
      const name = `${config.namespace}/${config.name}`;
      const listeners = config.listeners.map((one) => `${name}/${one}:${replay.plane.options.proxyPort(one)}`);
      return {
        Name: name,
        Selected: bool(selected(replay, config.nodeSelector)),
        NodeSelector: selectorText(config.nodeSelector),
        Services: config.services.map(({ service }) => service).join(', '),
        BackendServices: config.backendServices.join(', '),
        Listeners: listeners.join(', '),
      };
    }),
  localredirectpolicies: (replay) =>
    replay.plane.localRedirectPolicies.map((policy) => ({
      Name: `${policy.namespace}/${policy.name}`,
      Type: policy.service === '' ? 'address' : 'service',
      FrontendType: policy.frontendType,
      Frontends:
        policy.service === ''
          ? replay.plane
              .frontendsOf(`${policy.namespace}/${policy.name}:local-redirect`)
              .map(({ key }) => key)
              .join(', ')
          : '',
    })),
  'desired-skiplbmap': (replay) =>
    replay.plane.skipRedirects.map(({ pod, frontends, netnsCookie, status }) => ({
      Pod: pod,
      SkipRedirects: frontends.map(({ key }) => key).join(', '),
      NetnsCookie: netnsCookie === undefined ? '<unset>' : String(netnsCookie.high * 2 ** 32 + netnsCookie.low),
      Status: status,
    })),
  'node-addresses': (replay) =>
    replay.plane.node.addresses.map(({ address, nodePort, device }) => ({
      Address: formatAddress(address),
      NodePort: bool(nodePort),
      Primary: bool(replay.isPrimary(formatAddress(address))),
      DeviceName: device,
    })),
  health: (replay) => {
    const ports = replay.plane.healthCheckPorts;
    const row = (Component: string, Message: string): Columns => ({
      Module: 'loadbalancer-healthserver',
      Component,
      Level: 'OK',
      Message,
      Error: '',
    });
    return [
      row('job-control-loop', `${ports.length} health servers running`),
      ...ports.map(({ port }) => row(`job-listener-${port}`, 'Running')),
    ];
  },
};

/** Rows that a table query selects, in the order of its index. */
function queried(replay: Replay, table: string, query: Record<string, string>): Row[] {
  const { plane } = replay;
  const exact = query['mode'] === 'exact';
  const key = query['key']!;
  const keeps = (text: string): boolean => (exact ? text === key : text.startsWith(key));
  switch (`${table} ${query['index']}`) {
    case 'services name':
      return plane.services
        .filter(({ name }) => keeps(name))
        .map((one) => serviceCells(one, plane.proxyRedirect(one.name)));
    case 'frontends service':
      return byService(plane.frontends.filter(({ entry }) => keeps(entry.name))).map(frontendCells);
    case 'frontends address':
      return plane.frontends.filter((one) => one.key === key).map(frontendCells);
    case 'backends service':
      return [...plane.backends]
        .filter(({ instances }) => instances.some(({ entry }) => keeps(entry.name)))
        .sort((a, b) => compare(a.instances[0]!.entry.name, b.instances[0]!.entry.name))
        .map(backendCells);
    case 'backends address':
      return plane.backends
        .filter((one) => (exact ? one.key === key : cidrContains(parseCidr(key), one.address)))
        .map(backendCells);
    default:
      throw new Error(`unknown query of ${table} by ${query['index']}`);
  }
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

const byService = <T extends { readonly entry: { readonly name: string } }>(rows: readonly T[]): T[] =>
  [...rows].sort((a, b) => compare(a.entry.name, b.entry.name));

function rowsInOrder(replay: Replay, step: Step): Observation {
  const table = step['table'] as string;
  const columns = step['columns'] as string[];
  const query = step['query'] as Record<string, string> | undefined;
  const rows = query !== undefined ? queried(replay, table, query) : (TABLES[table]?.(replay) ?? replay.rows(table));
  const cells = rows.map((row) => columns.map((column) => row[column] ?? `unknown column ${column}`));
  return { got: cells, want: step['rawRows'] };
}

function lineMatches(replay: Replay, step: Step): Observation {
  const table = step['table'] as string;
  const columns = step['columns'] as string[] | undefined;
  const lines =
    table === 'lbmaps'
      ? dumpMaps(replay.plane.maps)
      : replay.rows(table).map((row) => (columns ?? Object.keys(row)).map((column) => row[column]).join('   '));
  const regex = new RegExp(step['regex'] as string);
  return { got: lines.some((line) => regex.test(line)), want: step['match'] === 'some-line-matches' };
}

function serialized(replay: Replay, step: Step): Observation {
  const { plane } = replay;
  const json = step['format'] === 'json';
  const rows = {
    services: () => plane.services.map(json ? serviceJson : serviceYaml),
    frontends: () => plane.frontends.map((one) => (json ? frontendJson : frontendYaml)(one, plane.serviceId(one.key))),
    backends: () => plane.backends.map(json ? backendJson : backendYaml),
  }[step['table'] as 'services' | 'frontends' | 'backends'];
  return { got: rows(), want: step['rows'] };
}

const REASONS: Readonly<Record<number, string>> = { 200: 'OK', 503: 'Service Unavailable' };

function http(replay: Replay, step: Step): Observation {
  const answer = replay.plane.healthCheck(step['port'] as number);
  if (step['match'] === 'unreachable') return { got: answer, want: undefined };
  const { status, reason, headers, body } = step;
  return {
    got: answer && {
      status: answer.status,
      reason: REASONS[answer.status],
      headers: { ...answer.headers, 'Content-Length': String(answer.body.length), Date: '<omitted>' },
      body: answer.body,
    },
    want: { status, reason, headers, body },
  };
}

const PRESSURE: Readonly<Record<string, (maps: LbMaps) => { readonly size: number }>> = {
  lb4_backends_v3: (maps) => maps.v4.backends,
  lb4_reverse_nat: (maps) => maps.v4.reverseNat,
  lb4_services_v2: (maps) => maps.v4.services,
  lb6_backends_v3: (maps) => maps.v6.backends,
  lb6_reverse_nat: (maps) => maps.v6.reverseNat,
  lb6_services_v2: (maps) => maps.v6.services,
};

/** How full the maps are, for maps of `max` entries. */
function metrics(replay: Replay, step: Step, max: number): Observation {
  const raw = step['raw'] as string[];
  const got = raw.map((line) => {
    const name = /map_name=(\w+)/.exec(line)?.[1];
    if (name === undefined) return line;
    const map = PRESSURE[name];
    if (map === undefined) throw new Error(`unknown map ${name}`);
    return line.replace(/\S+$/, (map(replay.plane.maps).size / max).toFixed(6));
  });
  return { got, want: raw };
}

const STATE: Readonly<Record<string, 'serviceIds' | 'backendIds' | 'quarantines'>> = {
  restoredServiceIDs: 'serviceIds',
  restoredBackendIDs: 'backendIds',
  restoredQuarantines: 'quarantines',
};

/** Evaluates an expectation; unknown tables and matches throw. */
export function observe(replay: Replay, step: Step, mapMax: number): Observation {
  const what = `${step['table']} ${step['match']}`;
  switch (what) {
    case 'lbmaps all-lines':
      return { got: dumpMaps(replay.plane.maps), want: step['raw'] };
    case 'skiplbmap all-lines':
      return { got: skipLines(replay.plane.maps), want: step['raw'] };
    case 'services serialized':
    case 'frontends serialized':
    case 'backends serialized':
      return serialized(replay, step);
    case 'http response':
    case 'http unreachable':
      return http(replay, step);
    case 'metrics all-lines':
      return metrics(replay, step, mapMax);
    case 'reconciler-state contains': {
      const rows = step['rows'] as { key: string; value: number }[];
      return { got: rows.map(({ key }) => ({ key, value: replay.plane.restored[STATE[key]!] })), want: rows };
    }
    case 'lbmaps some-line-matches':
    case 'lbmaps no-line-matches':
    case 'frontends some-line-matches':
      return lineMatches(replay, step);
    default:
      if (step['match'] !== 'rows-in-order') throw new Error(`unknown expectation: ${what}`);
      return rowsInOrder(replay, step);
  }
}

function skipLines(maps: LbMaps): string[] {
  return [...maps.v4.skipLb.entries(), ...maps.v6.skipLb.entries()]
    .map(([{ netnsCookie, address, port }]) => `COOKIE=${netnsCookie.low} IP=${formatAddress(address)} PORT=${port}`)
    .sort();
}
