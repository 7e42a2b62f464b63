import {
  type DatapathInput,
  dropReasonName,
  formatAddress,
  formatMac,
  formatU64,
  Node,
  parseAddress,
  parseMac,
  type PodInterface,
  u64,
  type Verdict,
} from '../../src/index.ts';
import { conformance, exactKeys } from './harness.ts';
import { affinityView, inOrder, loadMaps, type RawMaps, type ServiceView, serviceViews } from './lb-maps.ts';
import { fromHex, toHex } from './packets.ts';
import { ctRecords, decodeFrame } from './podegress-records.ts';

interface Pod {
  name: string;
  ip: string;
  ip6?: string;
  lxcId: number;
  identity: number;
  ifindex: number;
  mac: string;
  nodeMac: string;
  netnsCookie: string;
}
interface Step {
  op: string;
  in: {
    pod: string;
    packet: string;
    tuple: unknown;
    nowSec: number;
    prandom?: number[];
    mark?: number;
    action?: string;
  };
  result: Record<string, unknown>;
  out: Record<string, unknown>;
  mapsAfter: { ct: Record<string, unknown>[]; affinity: Record<string, unknown>[] };
  serviceMapsAfter?: RawMaps;
  servicesAfter?: ServiceView[];
  note?: string;
}
interface Scenario {
  name: string;
  config: string[];
  consts: {
    serviceLoopbackIPv4: string;
    pods: Pod[];
    maglevLutSize: number;
    hashInit4Seed: number;
    hashInit6Seed: number;
  };
  services: ServiceView[];
  backends: RawMaps['backends'];
  initialMaps: RawMaps;
  steps: Step[];
  notes?: string[];
}
interface Doc {
  format: string;
  counts: { scenarios: number; steps: number };
  scenarios: Scenario[];
}
type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const SCENARIO_KEYS = ['name', 'config', 'consts', 'services', 'backends', 'initialMaps', 'steps'];
/** The device of the test run, and that of cilium_host. */
const IFINDEX = 1;

/** What the recordings were built with, and what is off unless a switch is there. */
const BUILD: DatapathInput = {
  ipv4: false,
  ipv6: false,
  ipv4Fragments: false,
  ipv6Fragments: false,
  nodePort: false,
  socketLb: 'off',
  sessionAffinity: false,
  protocolDifferentiation: false,
  sipVerification: false,
  endpointRoutes: true,
  noBackendResponse: 'drop',
  hostIfindex: IFINDEX,
  netMac: parseMac('ce:72:a7:03:88:56'),
  conntrack: {
    tcpTimeout: 21600,
    serviceTcpTimeout: 21600,
    serviceTcpGrace: 30,
    reportFlags: 0xff,
    accounting: true,
  },
};

const SWITCHES: Record<string, DatapathInput> = {
  ENABLE_IPV4: { ipv4: true },
  ENABLE_IPV6: { ipv6: true },
  ENABLE_NODEPORT: { nodePort: true },
  ENABLE_SESSION_AFFINITY: { sessionAffinity: true },
  ENABLE_SERVICE_PROTOCOL_DIFFERENTIATION: { protocolDifferentiation: true },
  ENABLE_SOCKET_LB_HOST_ONLY: { socketLb: 'hostns-only' },
  ENABLE_SOCKET_LB_FULL: { socketLb: 'full' },
  ENABLE_SIP_VERIFICATION: { sipVerification: true },
  ENABLE_IPV4_FRAGMENTS: { ipv4Fragments: true },
  ENABLE_IPV6_FRAGMENTS: { ipv6Fragments: true },
  ENABLE_ROUTING: { endpointRoutes: false },
  USE_BPF_PROG_FOR_INGRESS_POLICY: { endpointRoutes: true },
  ENABLE_SCTP: { sctp: true },
  ENABLE_L7_LB: { l7: true },
  ENABLE_LOCAL_REDIRECT_POLICY: { localRedirect: true },
  SERVICE_NO_BACKEND_RESPONSE: { noBackendResponse: 'reject' },
  LB_SELECTION_PER_SERVICE: { algorithmAnnotation: true },
  'LB_SELECTION=MAGLEV': { algorithm: 'maglev' },
};

function optionsOf({ config, consts }: Scenario): DatapathInput {
  let options: Mutable<DatapathInput> = {
    ...BUILD,
    serviceLoopback: parseAddress(consts.serviceLoopbackIPv4),
    hashSeed4: consts.hashInit4Seed,
    hashSeed6: consts.hashInit6Seed,
  };
  for (const token of config) {
    const found = SWITCHES[token];
    if (found === undefined) throw new Error(`unknown switch ${token}`);
    options = { ...options, ...found };
  }
  return options;
}

/** Puts the pods on the node; returns them with the records read back. */
function addPods(node: Node, pods: Pod[]): { interfaces: Map<string, PodInterface>; echo: Pod[] } {
  const interfaces = new Map<string, PodInterface>();
  const echo = pods.map((pod): Pod => {
    const keys = ['name', 'ip', 'lxcId', 'identity', 'ifindex', 'mac', 'nodeMac', 'netnsCookie'];
    exactKeys(pod, 'ip6' in pod ? [...keys, 'ip6'] : keys);
    const { name, lxcId: id, ifindex, identity } = pod;
    const endpoint = { id, ifindex, identity, mac: parseMac(pod.mac), nodeMac: parseMac(pod.nodeMac), host: false };
    const ipv4 = parseAddress(pod.ip);
    const ipv6 = pod.ip6 === undefined ? undefined : parseAddress(pod.ip6);
    const netnsCookie = u64(pod.netnsCookie);
    node.tables.v4.endpoints.set(ipv4, endpoint);
    if (ipv6 !== undefined) node.tables.v6.endpoints.set(ipv6, endpoint);
    interfaces.set(name, { endpoint, ipv4, netnsCookie, ...(ipv6 === undefined ? {} : { ipv6 }) });
    return {
      name,
      ip: formatAddress(ipv4),
      ...(ipv6 === undefined ? {} : { ip6: formatAddress(ipv6) }),
      lxcId: id,
      identity,
      ifindex,
      mac: formatMac(endpoint.mac),
      nodeMac: formatMac(endpoint.nodeMac),
      netnsCookie: formatU64(netnsCookie),
    };
  });
  return { interfaces, echo };
}

function resultOf(verdict: Verdict): Record<string, unknown> {
  if (verdict.action === 'TC_ACT_SHOT') {
    const { code } = verdict.drop!;
    return { verdict: 'DROP', code: 2, dropReason: `DROP_${dropReasonName(code)}`, dropCode: code };
  }
  if (verdict.action === 'TC_ACT_REDIRECT') {
    return { verdict: 'REDIRECT', code: 7, redirect: { ...verdict.redirect!, flags: 0 } };
  }
  return { verdict: 'OK', code: 0, mark: verdict.mark };
}

function run(scenario: Scenario): unknown {
  exactKeys(scenario, 'notes' in scenario ? [...SCENARIO_KEYS, 'notes'] : SCENARIO_KEYS);
  const { consts } = scenario;
  exactKeys(consts, ['serviceLoopbackIPv4', 'pods', 'maglevLutSize', 'hashInit4Seed', 'hashInit6Seed']);
  const node = new Node({ options: optionsOf(scenario) });
  const { lb: maps, tables } = node;
  const initialMaps = loadMaps(scenario.initialMaps, maps, tables);
  for (const { lut } of scenario.initialMaps.maglev ?? []) {
    if (lut.length !== consts.maglevLutSize) throw new Error('Maglev table of another size');
  }
  const { interfaces, echo: pods } = addPods(node, consts.pods);
  const view = (given: Step['mapsAfter']): Step['mapsAfter'] => ({
    ct: inOrder(given.ct, ctRecords(node), ({ map, key }) => `${String(map)} ${JSON.stringify(key)}`),
    affinity: inOrder(given.affinity, affinityView(maps), (entry) => `${entry['revNatId']} ${entry['clientIp']}`),
  });
  const { hashSeed4: hashInit4Seed, hashSeed6: hashInit6Seed, serviceLoopback } = node.options;
  return {
    ...scenario,
    consts: {
      serviceLoopbackIPv4: formatAddress(serviceLoopback),
      pods,
      maglevLutSize: consts.maglevLutSize,
      hashInit4Seed,
      hashInit6Seed,
    },
    services: serviceViews(scenario.services, maps),
    backends: initialMaps.backends,
    initialMaps,
    steps: scenario.steps.map((step): unknown => {
      const noted = 'note' in step ? { note: step.note } : {};
      if (step.op === 'admin') {
        exactKeys(step.in, ['action', 'nowSec']);
        const serviceMapsAfter = loadMaps(step.serviceMapsAfter!, maps, tables);
        // The agent's view is an input; entries were also patched behind its back.
        const { servicesAfter } = step;
        return {
          op: 'admin',
          in: step.in,
          result: {},
          out: {},
          mapsAfter: view(step.mapsAfter),
          serviceMapsAfter,
          servicesAfter,
          ...noted,
        };
      }
      const { packet, nowSec: now, mark } = step.in;
      const optional = ['prandom', 'mark'].filter((key) => key in step.in);
      exactKeys(step.in, ['pod', 'packet', 'tuple', 'nowSec', ...optional]);
      const words = [...(step.in.prandom ?? [])];
      const drawn: number[] = [];
      const random = (): number => {
        const word = words.shift();
        if (word === undefined) throw new Error('a random word too many');
        drawn.push(word);
        return word;
      };
      const hook = { cil_from_container: 'fromContainer', cil_to_container: 'toContainer' } as const;
      if (!(step.op in hook)) throw new Error(`unknown op ${step.op}`);
      const pod = interfaces.get(step.in.pod)!;
      const verdict = node.receive(hook[step.op as keyof typeof hook], fromHex(packet), {
        now,
        random,
        pod,
        ifindex: IFINDEX,
        ...(mark === undefined ? {} : { mark }),
      });
      const hex = verdict.frame === undefined ? undefined : toHex(verdict.frame);
      return {
        op: step.op,
        in: {
          pod: step.in.pod,
          packet,
          tuple: decodeFrame(packet),
          nowSec: now,
          ...('prandom' in step.in ? { prandom: drawn } : {}),
          ...('mark' in step.in ? { mark } : {}),
        },
        result: resultOf(verdict),
        out: hex === undefined ? {} : { packet: hex, tuple: decodeFrame(hex), changed: hex !== packet },
        mapsAfter: view(step.mapsAfter),
        ...noted,
      };
    }),
  };
}

conformance<Doc, Scenario>(
  'podegress',
  (doc) => {
    if (doc.format !== 'cilium-podegress-vectors/1') throw new Error(`unknown format ${doc.format}`);
    const packets = doc.scenarios.flatMap(({ steps }) => steps).filter(({ op }) => op !== 'admin');
    if (doc.counts.scenarios !== doc.scenarios.length || doc.counts.steps !== packets.length) {
      throw new Error('counts differ');
    }
    return doc.scenarios;
  },
  run,
);
