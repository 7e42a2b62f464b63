import {
  type Endpoint,
  formatAddress,
  formatU64,
  LbMaps,
  parseAddress,
  Socket,
  SocketLb,
  type SocketLbOptions,
  type SocketResult,
  u64,
} from '../../src/index.ts';
import { NodeTables } from '../../src/node/tables.ts';
import { conformance, exactKeys } from './harness.ts';
import { affinityView, inOrder, loadMaps, type RawMaps, type ServiceView, serviceViews } from './lb-maps.ts';

interface Address {
  addr: string;
  port: number | string;
}
interface Input {
  sock: string;
  ns: string;
  netnsCookie: string;
  sockCookie: string;
  proto: number;
  sockFamily: 4 | 6;
  soMark?: number;
  dst?: Address;
  local?: Address;
  packetSource?: Address;
  nowSec: number;
  prandom?: number[];
  action?: string;
}
interface Step {
  op: string;
  in: Input;
  result: { errno?: string };
  hook?: unknown;
  out: Record<string, Address | null>;
  mapsAfter: { reverseSk: Reverse[]; affinity: Record<string, unknown>[]; health?: Health[] };
  serviceMapsAfter?: RawMaps;
  servicesAfter?: ServiceView[];
}
interface Reverse {
  family: number;
  cookie: string;
  backendAddr: string;
  backendPort: number;
  origAddr: string;
  origPort: number;
  revNatId: number;
}
interface Health {
  family: number;
  cookie: string;
  addr: string;
  port: number;
  proto: number;
}
interface Scenario {
  name: string;
  config: string[];
  consts: Record<string, string | number>;
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

interface Environment {
  readonly name: string;
  readonly maps: LbMaps;
  now: number;
  words: number[];
  recorded: Step | undefined;
}

/**
 * Whether a server had the address that a call ended at. None ran in the fuzz scenarios; elsewhere every backend had one. For
 * other addresses, and in the walks, it is the environment's affair and known from the record alone.
 */
function served({ name, maps, recorded }: Environment, to: Endpoint): boolean {
  if (name.startsWith('fuzz-')) return false;
  const wanted = `${formatAddress(to.address)} ${to.port}`;
  const isBackend = [...maps.of(to.address.family).backends.entries()].some(
    ([, { address, port }]) => `${formatAddress(address)} ${port}` === wanted,
  );
  if (isBackend && !name.startsWith('walk-')) return true;
  return recorded?.result.errno !== 'ECONNREFUSED' && recorded?.out['serverSaw'] !== null;
}

const SCENARIO_KEYS = ['name', 'config', 'consts', 'services', 'backends', 'initialMaps', 'steps'];
const CONST_KEYS = ['hostNetnsCookie', 'podNetnsCookie', 'nodePortMin', 'nodePortMax'];
const IDENTITY_CONSTS = { HOST_ID: 1, REMOTE_NODE_ID: 6, KUBE_APISERVER_NODE_ID: 7 };
const INPUT_KEYS = ['sock', 'ns', 'netnsCookie', 'sockCookie', 'proto', 'sockFamily', 'nowSec'];
const OPTIONAL_KEYS = ['soMark', 'dst', 'local', 'packetSource', 'prandom'];

/** Build switches: option, and the value when the switch is there. */
const SWITCHES: Record<string, [keyof SocketLbOptions, boolean] | null> = {
  ENABLE_IPV4: ['ipv4', true],
  ENABLE_IPV6: ['ipv6', true],
  ENABLE_NODEPORT: ['nodePort', true],
  ENABLE_SOCKET_LB_FULL: null,
  ENABLE_SOCKET_LB_HOST_ONLY: ['hostNamespaceOnly', true],
  ENABLE_SOCKET_LB_PEER: ['peer', true],
  ENABLE_SESSION_AFFINITY: ['sessionAffinity', true],
  ENABLE_LOCAL_REDIRECT_POLICY: ['localRedirect', true],
  ENABLE_L7_LB: ['l7', true],
  ENABLE_HEALTH_CHECK: ['healthCheck', true],
  ENABLE_SERVICE_PROTOCOL_DIFFERENTIATION: ['protocolDifferentiation', true],
  HAVE_SET_RETVAL: ['setReturnValue', true],
  DISABLE_EXTERNAL_IP_MITIGATION: ['externalIpMitigation', false],
  ENABLE_NAT_46X64: ['nat46x64', true],
  // The socket layer always draws a slot.
  'LB_SELECTION=MAGLEV': null,
  LB_SELECTION_PER_SERVICE: null,
};

function optionsOf(config: string[], consts: Scenario['consts']): Partial<SocketLbOptions> {
  const options: Record<string, unknown> = {
    nodePortMin: consts['nodePortMin'],
    nodePortMax: consts['nodePortMax'],
    hostNetnsCookie: u64(consts['hostNetnsCookie']!),
  };
  for (const entry of Object.values(SWITCHES)) if (entry !== null) options[entry[0]] = !entry[1];
  for (const token of config) {
    const entry = SWITCHES[token];
    if (entry === undefined) throw new Error(`unknown switch ${token}`);
    if (entry !== null) options[entry[0]] = entry[1];
  }
  return options;
}

const endpoint = ({ addr, port }: Address): Endpoint => ({ address: parseAddress(addr), port: Number(port) });
const address = ({ address, port }: Endpoint): Address => ({ addr: formatAddress(address), port });
/** What the application passes to a socket: a dual-stack socket takes IPv4 as a mapped address. */
const echoed = (given: Address): Address => address(endpoint(given));

function run(scenario: Scenario): unknown {
  const { config, consts } = scenario;
  exactKeys(scenario, 'notes' in scenario ? [...SCENARIO_KEYS, 'notes'] : SCENARIO_KEYS);
  exactKeys(consts, [...CONST_KEYS, ...Object.keys(IDENTITY_CONSTS)]);
  const maps = new LbMaps();
  const tables = new NodeTables();
  const initialMaps = loadMaps(scenario.initialMaps, maps, tables);
  const lb = new SocketLb(maps, tables, optionsOf(config, consts));
  const sockets = new Map<string, Socket>();
  const environment: Environment = { name: scenario.name, maps, now: 0, words: [], recorded: undefined };
  const host = {
    lb,
    now: () => environment.now,
    random: () => {
      const word = environment.words.shift();
      if (word === undefined) throw new Error('a random word too many');
      return word;
    },
    accepts: (to: Endpoint): boolean => served(environment, to),
  };
  const answer: Scenario = {
    ...scenario,
    consts: { ...consts, ...IDENTITY_CONSTS },
    backends: initialMaps.backends,
    initialMaps,
    services: serviceViews(scenario.services, maps) as ServiceView[],
    steps: [],
  };
  const views = (given: Step['mapsAfter']) => mapsView(given, lb, maps);
  answer.steps = scenario.steps.map((step): Step => {
    const input = step.in;
    if (step.op === 'admin') {
      exactKeys(input, ['action', 'nowSec']);
      const serviceMapsAfter = loadMaps(step.serviceMapsAfter!, maps, tables);
      // The agent's view is an input; entries were also patched behind its back.
      const servicesAfter = step.servicesAfter!;
      return {
        op: 'admin',
        in: input,
        result: {},
        out: {},
        mapsAfter: views(step.mapsAfter),
        serviceMapsAfter,
        servicesAfter,
      };
    }
    const optional = OPTIONAL_KEYS.filter((key) => key in input);
    exactKeys(input, [...INPUT_KEYS, ...optional]);
    environment.now = input.nowSec;
    environment.words = [...(input.prandom ?? [])];
    environment.recorded = step;
    const cookie = consts[`${input.ns}NetnsCookie`];
    let socket = sockets.get(input.sock);
    if (socket === undefined) {
      const { sockCookie, netnsCookie, proto: protocol, sockFamily: family, soMark: mark = 0 } = input;
      socket = new Socket(host, { cookie: sockCookie, netnsCookie, protocol, family, mark });
      sockets.set(input.sock, socket);
    }
    const echo: Partial<Input> = {
      sock: input.sock,
      ns: input.ns,
      netnsCookie: String(cookie),
      sockCookie: formatU64(socket.cookie),
      proto: socket.protocol,
      sockFamily: socket.family,
      nowSec: environment.now,
    };
    if ('soMark' in input) echo.soMark = socket.mark;
    const drawn = input.prandom?.length ?? 0;
    const done = perform(step, socket, echo, environment);
    if ('prandom' in input) echo.prandom = input.prandom!.slice(0, drawn - environment.words.length);
    return { op: step.op, in: echo as Input, ...done, mapsAfter: views(step.mapsAfter) };
  });
  return answer;
}

/** One system call, and what was recorded of it. */
function perform(
  step: Step,
  socket: Socket,
  echo: Partial<Input>,
  environment: Environment,
): Pick<Step, 'result' | 'out' | 'hook'> {
  const input = step.in;
  const target = (key: 'dst' | 'local' | 'packetSource'): Endpoint => {
    echo[key] = echoed(input[key]!);
    const wanted = endpoint(input[key]!);
    if (socket.family === 4 || wanted.address.family === 6) return wanted;
    return { address: parseAddress(`::ffff:${input[key]!.addr}`), port: wanted.port };
  };
  let result: SocketResult;
  const out: Record<string, Address | null> = {};
  const saw = (to: Endpoint): Address | null => (served(environment, to) ? address(to) : null);
  switch (step.op) {
    case 'connect':
      result = socket.connect(target('dst'));
      if (result.to !== undefined && socket.protocol === 6) out['serverSaw'] = saw(result.to);
      break;
    case 'sendto':
      result = socket.sendTo(target('dst'));
      if (result.to !== undefined) out['serverSaw'] = saw(result.to);
      break;
    case 'send':
      result = socket.send();
      if (result.to !== undefined) out['serverSaw'] = saw(result.to);
      break;
    case 'recvfrom':
      result = socket.receiveFrom(target('packetSource'));
      if (result.shown !== undefined) out['recvfrom'] = address(result.shown);
      break;
    case 'getpeername':
      result = socket.getPeerName();
      if (result.shown !== undefined) out['getpeername'] = address(result.shown);
      break;
    case 'bind': {
      result = socket.bind(target('local'));
      const { shown } = result;
      if (shown !== undefined)
        out['getsockname'] = { ...address(shown), ...(shown.port === 0 ? { port: 'ephemeral' } : {}) };
      break;
    }
    default:
      throw new Error(`unknown op ${step.op}`);
  }
  const { hook } = result;
  return {
    result: { errno: result.errno },
    out,
    ...(hook === undefined ? {} : { hook: { hook: hook.hook, ...address(hook.left), ret: hook.result } }),
  };
}

function mapsView(given: Step['mapsAfter'], lb: SocketLb, maps: LbMaps): Step['mapsAfter'] {
  const reverseSk = ([4, 6] as const).flatMap((family) =>
    [...lb.reverse(family).entries()].map(([key, value]) => ({
      family,
      cookie: formatU64(key.cookie),
      backendAddr: formatAddress(key.address),
      backendPort: key.port,
      origAddr: formatAddress(value.address),
      origPort: value.port,
      revNatId: value.revNatIndex,
    })),
  );
  const health = ([4, 6] as const).flatMap((family) =>
    [...lb.health(family).entries()].map(([cookie, { address: bound, port, protocol: proto }]) => ({
      family,
      cookie: formatU64(cookie),
      addr: formatAddress(bound),
      port,
      proto,
    })),
  );
  return {
    reverseSk: inOrder(
      given.reverseSk,
      reverseSk,
      (entry) => `${entry.cookie} ${entry.backendAddr} ${entry.backendPort}`,
    ),
    affinity: inOrder(given.affinity, affinityView(maps), (entry) => `${entry['revNatId']} ${entry['clientCookie']}`),
    ...(health.length === 0 ? {} : { health: inOrder(given.health ?? [], health, (entry) => entry.cookie) }),
  };
}

conformance<Doc, Scenario>(
  'socket',
  (doc) => {
    if (doc.format !== 'cilium-socket-vectors/1') throw new Error(`unknown format ${doc.format}`);
    const calls = doc.scenarios.flatMap(({ steps }) => steps).filter(({ op }) => op !== 'admin');
    if (doc.counts.scenarios !== doc.scenarios.length || doc.counts.steps !== calls.length)
      throw new Error('counts differ');
    return doc.scenarios;
  },
  run,
);
