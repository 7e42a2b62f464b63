import { joinFlags, Scope, ServiceFlag, affinityUnion } from '../../src/lb/layout.ts';
import {
  formatAddress,
  formatCidr,
  type IpAddress,
  LbMaps,
  parseAddress,
  parseCidr,
  parseProtocol,
  protocolName,
} from '../../src/index.ts';
import { Node } from '../../src/datapath/node.ts';
import { parseFibResult, fibResultName } from '../../src/datapath/verdict.ts';
import type { DatapathInput } from '../../src/datapath/options.ts';
import { formatMac, NodeTables, parseMac } from '../../src/node/index.ts';
import { setTuple, tupleWords } from '../../src/conntrack/tuple.ts';
import { exactKeys } from './harness.ts';

/** The recordings' records that set a node up. Fields of other kinds are rejected by name. */
export interface ConfigRecord {
  variant: string;
  mode: 'snat' | 'dsr' | 'hybrid' | 'annotation';
  acceleration: 'native' | 'disabled';
  noBackendResponse: 'reject' | 'drop';
  ipv4Fragments: boolean;
  ipv6Fragments: boolean;
  bpfMasquerade: boolean;
  sctp: boolean;
  protocolDifferentiation: boolean;
  hostRouting: boolean;
  tunnel: 'vxlan' | 'geneve' | null;
  mtu: number;
  nodePortRange: [number, number];
  snatPortRange: [number, number];
  maglevTableSize: number;
  hashSeed4: string;
  hashSeed6: string;
  dsrDispatch?: 'opt' | 'ipip' | 'geneve';
  dsrIcmpErrors?: boolean;
  rss?: { v4: string; v4PrefixBits: number; v6: string; v6PrefixBits: number };
}
export interface EndpointRecord {
  address: string;
  endpointId: number;
  ifindex: number;
  mac: string;
  nodeMac: string;
  host: boolean;
}
export interface RouteRecord {
  dst: string;
  result: string;
  ifindex: number;
  dmac: string;
  smac: string;
}
export interface NodeRecord {
  ipv4: string;
  ipv6: string;
  routerIPv4: string;
  routerIPv6: string;
  podCIDRv4: string;
  podCIDRv6: string;
  mac: string;
  ifindex: number;
  endpoints: EndpointRecord[];
  ipcache: { cidr: string; identity: number; tunnelEndpoint?: string }[];
  routes: RouteRecord[];
}
export interface ServiceRecord {
  address: string;
  port: number;
  proto: string;
  scope: 'external' | 'internal';
  type: string;
  revNatId: number;
  flags: string[];
  count: number;
  backendSlots: number[];
  affinityTimeoutSec?: number;
}
export interface BackendRecord {
  id: number;
  address: string;
  port: number;
  proto: string;
  state: string;
  local: boolean;
}
export interface SnatRecord extends SnatKeyRecord {
  toAddr: string;
  toPort: number;
  needsCt: boolean;
  createdAgo: number;
}
export interface SnatKeyRecord {
  dir: string;
  proto: string;
  daddr: string;
  saddr: string;
  dport: number;
  sport: number;
}

/** Interface index of the tunnel device in the recordings. */
export const TUNNEL_IFINDEX = 7;
/** The clock at the start of a scenario, in seconds. */
export const START = 1_000_000;

const STATES = ['active', 'terminating', 'quarantined', 'maintenance'];
const TYPES = ['nodePort', 'loadBalancer', 'externalIP', 'clusterIP', 'hostPort'];

const FLAGS: Readonly<Record<string, number>> = {
  externalIP: ServiceFlag.EXTERNAL_IP,
  nodePort: ServiceFlag.NODE_PORT,
  extLocalScope: ServiceFlag.EXT_LOCAL_SCOPE,
  hostPort: ServiceFlag.HOST_PORT,
  affinity: ServiceFlag.AFFINITY,
  loadBalancer: ServiceFlag.LOAD_BALANCER,
  routable: ServiceFlag.ROUTABLE,
  sourceRange: ServiceFlag.SOURCE_RANGE,
  localRedirect: ServiceFlag.LOCAL_REDIRECT,
  nat46x64: ServiceFlag.NAT_46X64,
  l7LoadBalancer: ServiceFlag.L7_LOAD_BALANCER,
  loopback: ServiceFlag.HOST_PORT_LOOPBACK,
  l7Delegate: ServiceFlag.L7_DELEGATE,
  intLocalScope: ServiceFlag.INT_LOCAL_SCOPE,
  twoScopes: ServiceFlag.TWO_SCOPES,
  sourceRangeDeny: ServiceFlag.SOURCE_RANGE_DENY,
  fwdModeDSR: ServiceFlag.FWD_MODE_DSR,
};

const seed = (text: string): number => {
  if (!/^0x[0-9a-f]{8}$/.test(text)) throw new Error(`seed ${text}`);
  return Number(text);
};

/** The name that the recordings give to a build with these options: it has to follow from them. */
function variantOf(config: ConfigRecord): string {
  const { mode, dsrDispatch, tunnel, rss } = config;
  const parts: string[] = [mode];
  if (dsrDispatch !== undefined) parts.push(dsrDispatch);
  if (tunnel !== null) parts.push(mode === 'snat' ? tunnel : 'tunnel');
  if (config.dsrIcmpErrors === false) parts.push('nopmtu');
  if (config.noBackendResponse === 'drop') parts.push('drop');
  if (config.bpfMasquerade) parts.push('bpfmasq');
  if (!config.ipv4Fragments && !config.ipv6Fragments) parts.push('nofrag');
  if (config.sctp) parts.push('sctp');
  if (!config.protocolDifferentiation) parts.push('anyproto');
  if (!config.hostRouting) parts.push('legacyhost');
  if (rss !== undefined && rss.v4PrefixBits < 32 && rss.v6PrefixBits < 128) parts.push('rss');
  return parts.join('-');
}

export function optionsOf(config: ConfigRecord): { options: DatapathInput; echo: ConfigRecord } {
  const { rss, dsrDispatch, dsrIcmpErrors, maglevTableSize } = config;
  if (maglevTableSize !== 251) throw new Error('Maglev tables of another size');
  if (rss !== undefined) exactKeys(rss, ['v4', 'v4PrefixBits', 'v6', 'v6PrefixBits']);
  const same = {
    mode: config.mode,
    acceleration: config.acceleration,
    noBackendResponse: config.noBackendResponse,
    ipv4Fragments: config.ipv4Fragments,
    ipv6Fragments: config.ipv6Fragments,
    bpfMasquerade: config.bpfMasquerade,
    sctp: config.sctp,
    protocolDifferentiation: config.protocolDifferentiation,
    hostRouting: config.hostRouting,
    mtu: config.mtu,
  };
  const dsr = {
    ...(dsrDispatch === undefined ? {} : { dsrDispatch }),
    ...(dsrIcmpErrors === undefined ? {} : { dsrIcmpErrors }),
  };
  const [nodeMin, nodeMax] = config.nodePortRange;
  const [snatMin, snatMax] = config.snatPortRange;
  return {
    options: {
      ...same,
      ...dsr,
      tunnel: config.tunnel ?? undefined,
      tunnelIfindex: TUNNEL_IFINDEX,
      nodePortRange: { min: nodeMin, max: nodeMax },
      snatPortRange: { min: snatMin, max: snatMax },
      algorithm: 'maglev',
      hashSeed4: seed(config.hashSeed4),
      hashSeed6: seed(config.hashSeed6),
      // In the recorded builds no interface is the direct-routing one.
      directRoutingIfindex: 0,
      conntrack: { accounting: true, reportFlags: 0x07 },
      ...(rss === undefined
        ? {}
        : { rss4: parseCidr(`${rss.v4}/${rss.v4PrefixBits}`), rss6: parseCidr(`${rss.v6}/${rss.v6PrefixBits}`) }),
    },
    echo: {
      ...same,
      ...dsr,
      variant: variantOf(config),
      tunnel: config.tunnel,
      nodePortRange: [nodeMin, nodeMax],
      snatPortRange: [snatMin, snatMax],
      maglevTableSize,
      hashSeed4: config.hashSeed4,
      hashSeed6: config.hashSeed6,
      ...(rss === undefined ? {} : { rss }),
    },
  };
}

export class RecordedNode {
  readonly node: Node;
  /** The MAC address that external frames come from. */
  gatewayMac = '';
  readonly mac: string;

  constructor(config: DatapathInput, record: NodeRecord) {
    this.mac = record.mac;
    this.node = new Node({
      options: config,
      addresses: {
        ipv4: parseAddress(record.ipv4),
        ipv6: parseAddress(record.ipv6),
        routerIPv4: parseAddress(record.routerIPv4),
        routerIPv6: parseAddress(record.routerIPv6),
        podCidrs4: [parseCidr(record.podCIDRv4)],
        podCidrs6: [parseCidr(record.podCIDRv6)],
        mac: parseMac(record.mac),
        ifindex: record.ifindex,
      },
      lb: new LbMaps(4096),
      tables: new NodeTables(),
    });
    record.endpoints.forEach((endpoint) => this.putEndpoint(endpoint));
    for (const { cidr, identity, tunnelEndpoint } of record.ipcache) {
      const parsed = parseCidr(cidr);
      const entry = tunnelEndpoint === undefined ? {} : { tunnelEndpoint: parseAddress(tunnelEndpoint) };
      this.node.tables.of(parsed.address.family).ipCache.set(parsed, { identity, ...entry });
    }
    record.routes.forEach((route) => this.setRoute(route));
  }

  /** The node's record, as far as it can be read back. */
  echo(): NodeRecord {
    const { addresses, tables } = this.node;
    const both = [tables.v4, tables.v6];
    return {
      ipv4: formatAddress(addresses.ipv4!),
      ipv6: formatAddress(addresses.ipv6!),
      routerIPv4: formatAddress(addresses.routerIPv4!),
      routerIPv6: formatAddress(addresses.routerIPv6!),
      podCIDRv4: formatCidr(addresses.podCidrs4[0]!),
      podCIDRv6: formatCidr(addresses.podCidrs6[0]!),
      mac: formatMac(addresses.mac),
      ifindex: addresses.ifindex,
      endpoints: both.flatMap(({ endpoints }) =>
        [...endpoints.entries()].map(([address, e]) => ({
          address: formatAddress(address),
          endpointId: e.id,
          ifindex: e.ifindex,
          mac: formatMac(e.mac),
          nodeMac: formatMac(e.nodeMac),
          host: e.host,
        })),
      ),
      ipcache: both.flatMap(({ ipCache }) =>
        [...ipCache.entries()].map(([cidr, { identity, tunnelEndpoint }]) => ({
          cidr: formatCidr(cidr),
          identity,
          ...(tunnelEndpoint === undefined ? {} : { tunnelEndpoint: formatAddress(tunnelEndpoint) }),
        })),
      ),
      // The default route stands in both tables.
      routes: [...tables.v4.routes.entries(), ...[...tables.v6.routes.entries()].filter(([{ bits }]) => bits > 0)].map(
        ([cidr, route]) => ({
          dst: cidr.bits === 0 ? 'default' : formatAddress(cidr.address),
          result: fibResultName(route.result),
          ifindex: route.ifindex,
          dmac: formatMac(route.dmac),
          smac: formatMac(route.smac),
        }),
      ),
    };
  }

  putEndpoint(record: EndpointRecord): void {
    const address = parseAddress(record.address);
    this.node.tables.of(address.family).endpoints.set(address, {
      id: record.endpointId,
      ifindex: record.ifindex,
      mac: parseMac(record.mac),
      nodeMac: parseMac(record.nodeMac),
      host: record.host,
    });
  }

  setRoute({ dst, result, ifindex, dmac, smac }: RouteRecord): void {
    const code = parseFibResult(result);
    if (code < 0) throw new Error(`route result ${result}`);
    const route = { result: code as never, ifindex, dmac: parseMac(dmac), smac: parseMac(smac) };
    if (dst === 'default') {
      this.gatewayMac = dmac;
      this.node.tables.v4.routes.set(parseCidr('0.0.0.0/0'), route);
      this.node.tables.v6.routes.set(parseCidr('::/0'), route);
      return;
    }
    const address = parseAddress(dst);
    this.node.tables.of(address.family).routes.set({ address, bits: address.family === 4 ? 32 : 128 }, route);
  }

  /** Writes a service with its slots and reverse NAT entry; returns the record read back. */
  putService(record: ServiceRecord): ServiceRecord {
    const address = parseAddress(record.address);
    const { services, reverseNat } = this.node.lb.of(address.family);
    const flags = record.flags.reduce((bits, name) => {
      if (FLAGS[name] === undefined) throw new Error(`flag ${name}`);
      return bits | FLAGS[name];
    }, 0);
    if (!['external', 'internal'].includes(record.scope)) throw new Error(`scope ${record.scope}`);
    if (!TYPES.includes(record.type)) throw new Error(`type ${record.type}`);
    const key = {
      address,
      port: record.port,
      protocol: parseProtocol(record.proto),
      scope: record.scope === 'external' ? Scope.EXTERNAL : Scope.INTERNAL,
    };
    const revNatIndex = record.revNatId;
    const common = { flags: joinFlags(flags, flags >>> 8), revNatIndex, qcount: 0 };
    const union = affinityUnion(record.affinityTimeoutSec ?? 0);
    services.set({ ...key, slot: 0 }, { ...common, union, count: record.count });
    record.backendSlots.forEach((id, i) => {
      services.set({ ...key, slot: i + 1 }, { union: id, count: 0, revNatIndex, flags: 0, qcount: 0 });
    });
    reverseNat.set(revNatIndex, { address, port: record.port });
    const master = services.get({ ...key, slot: 0 })!;
    return {
      address: formatAddress(reverseNat.get(revNatIndex)!.address),
      port: reverseNat.get(revNatIndex)!.port,
      proto: protocolName(key.protocol),
      scope: record.scope,
      type: record.type,
      revNatId: master.revNatIndex,
      flags: record.flags.filter((name) => (master.flags & FLAGS[name]!) !== 0),
      count: master.count,
      backendSlots: record.backendSlots.map((_, i) => services.get({ ...key, slot: i + 1 })!.union),
      ...(record.affinityTimeoutSec === undefined ? {} : { affinityTimeoutSec: master.union & 0xffffff }),
    };
  }

  /** Writes a backend; returns the record read back. */
  putBackend(record: BackendRecord): BackendRecord {
    const address = parseAddress(record.address);
    const { backends } = this.node.lb.of(address.family);
    const state = STATES.indexOf(record.state);
    if (state < 0) throw new Error(`state ${record.state}`);
    const protocol = parseProtocol(record.proto);
    backends.set(record.id, { address, port: record.port, protocol, state, clusterId: 0, zone: 0 });
    const stored = backends.get(record.id)!;
    return {
      id: record.id,
      address: formatAddress(stored.address),
      port: stored.port,
      proto: protocolName(stored.protocol),
      state: STATES[stored.state]!,
      local: this.node.tables.of(address.family).endpoints.get(address) !== undefined,
    };
  }

  setBackendState(id: number, state: string): void {
    const code = STATES.indexOf(state);
    for (const { backends } of [this.node.lb.v4, this.node.lb.v6]) {
      const backend = backends.get(id);
      if (backend !== undefined && code >= 0) backends.set(id, { ...backend, state: code });
    }
  }

  putMaglev({ revNatId, family, backendIds }: { revNatId: number; family: number; backendIds: number[] }): void {
    if (backendIds.length !== 251) throw new Error('Maglev table of another size');
    this.node.lb.of(family === 4 ? 4 : 6).maglev.set(revNatId, Uint32Array.from(backendIds));
  }

  putSnat(record: SnatRecord): void {
    const { family, tuple } = this.#tuple(record, { OUT: 0, IN: 1 });
    const to: IpAddress = parseAddress(record.toAddr);
    this.node.of(family).nat.put(tuple, to.words, 0, record.toPort, record.needsCt, START - record.createdAgo);
  }

  deleteSnat(key: SnatKeyRecord): void {
    const { family, tuple } = this.#tuple(key, { OUT: 0, IN: 1 });
    this.node.of(family).nat.table.delete(tuple);
  }

  deleteCt(key: SnatKeyRecord): void {
    const { family, tuple } = this.#tuple(key, { OUT: 0, IN: 1, SERVICE: 4 });
    this.node.of(family).conntrack.tableOf(tuple).delete(tuple);
  }

  #tuple(key: SnatKeyRecord, dirs: Record<string, number>): { family: 4 | 6; tuple: Uint32Array } {
    const flags = dirs[key.dir];
    if (flags === undefined) throw new Error(`direction ${key.dir}`);
    const saddr = parseAddress(key.saddr);
    const daddr = parseAddress(key.daddr);
    const { family } = saddr;
    const tuple = new Uint32Array(tupleWords(family));
    const w = saddr.words.length;
    setTuple(tuple, w, saddr.words, 0, daddr.words, 0, key.sport, key.dport, parseProtocol(key.proto), flags);
    return { family, tuple };
  }
}
