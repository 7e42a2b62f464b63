import { extractTuple } from '../../src/datapath/extract.ts';
import {
  dropReasonName,
  formatAddress,
  formatCidr,
  formatWords,
  Headers,
  LbMaps,
  lookupService,
  PacketBuffer,
  parseAddress,
  parseCidr,
  readHeaders,
  ServiceHit,
  sourceRangeAllows,
  type Trace,
  type TraceEvent,
} from '../../src/index.ts';
import * as layout from '../../src/lb/layout.ts';
import type { ServiceKey, ServiceMap, ServiceValue } from '../../src/lb/service-map.ts';
import { lookupWildcard, skipsTranslation } from '../../src/socket/wildcard.ts';
import { NodeTables } from '../../src/node/tables.ts';
import { conformance, exactKeys } from './harness.ts';

interface RawKey {
  address: string;
  dport: number;
  backend_slot: number;
  proto: number;
  scope: number;
}
interface RawService {
  value32: number;
  count: number;
  rev_nat_index: number;
  flags: number;
  flags2: number;
  qcount: number;
}
type Case = Record<string, never> & { fn: string; family: 4 | 6 };

const KEY_FIELDS = ['address', 'backend_slot', 'dport', 'proto', 'scope'];
const VALUE_FIELDS = ['count', 'flags', 'flags2', 'qcount', 'rev_nat_index', 'value32'];
const RULES = { nodePortMin: 30000, nodePortMax: 32767, nat46x64: false, externalIpMitigation: true };

const readKey = (raw: RawKey): ServiceKey => ({
  address: parseAddress(raw.address),
  port: raw.dport,
  slot: raw.backend_slot,
  protocol: raw.proto,
  scope: raw.scope,
});
const writeKey = (key: ServiceKey): RawKey => ({
  address: formatAddress(key.address),
  dport: key.port,
  backend_slot: key.slot,
  proto: key.protocol,
  scope: key.scope,
});
const readValue = (raw: RawService): ServiceValue => ({
  union: raw.value32,
  count: raw.count,
  revNatIndex: raw.rev_nat_index,
  flags: layout.joinFlags(raw.flags, raw.flags2),
  qcount: raw.qcount,
});
const writeValue = (value: ServiceValue): RawService => ({
  value32: value.union,
  count: value.count,
  rev_nat_index: value.revNatIndex,
  flags: value.flags & 0xff,
  flags2: value.flags >>> 8,
  qcount: value.qcount,
});

/** Fills a service map and returns, with it, the list as the map gives it back, in the order given. */
function loadServices(family: 4 | 6, list: (RawKey & RawService)[]): { services: ServiceMap; echo: unknown[] } {
  const { services } = new LbMaps().of(family);
  for (const raw of list) {
    exactKeys(raw, [...KEY_FIELDS, ...VALUE_FIELDS]);
    services.set(readKey(raw), readValue(raw));
  }
  // A key that is listed twice has the value given last; the list is echoed from what was read.
  const echo = list.map((raw) => ({ ...writeKey(readKey(raw)), ...writeValue(readValue(raw)) }));
  return { services, echo };
}

class Recorder implements Trace {
  readonly events: TraceEvent[] = [];

  event(event: TraceEvent): void {
    this.events.push(event);
  }

  /** Service and ipcache lookups in the recorded form. */
  lookups(withMap: boolean): unknown[] {
    return this.events.map((event) => {
      if (event.kind !== 'lookup') throw new Error(`unexpected ${event.kind}`);
      const hit = event.value !== undefined;
      if (event.map === 'ipcache') return { map: 'ipcache', key: event.key, hit };
      const { address, port, slot, protocol, scope } = event.key as Record<string, unknown>;
      const key = { address, dport: port, backend_slot: slot, proto: protocol, scope };
      return withMap ? { map: event.map, key, hit } : { ...key, hit };
    });
  }
}

function lookup(testCase: Case): unknown {
  const {
    family,
    mode,
    key_in,
    scope_switch,
    services: list,
  } = testCase as unknown as {
    family: 4 | 6;
    mode: string;
    key_in: RawKey;
    scope_switch: boolean;
    services: (RawKey & RawService)[];
  };
  exactKeys(key_in, KEY_FIELDS);
  if (mode !== 'proto_diff' && mode !== 'no_proto_diff') throw new Error(`unknown mode ${mode}`);
  const { services, echo } = loadServices(family, list);
  const key = readKey(key_in);
  const protocol = mode === 'proto_diff' ? key.protocol : 0;
  const hit = new ServiceHit();
  const recorder = new Recorder();
  const { words } = key.address;
  const found = lookupService(services, words, 0, key.port, protocol, scope_switch, hit, recorder);
  // Without a listener the answer is the same.
  const silent = new ServiceHit();
  lookupService(services, words, 0, key.port, protocol, scope_switch, silent);
  if (silent.row !== hit.row) throw new Error('tracing changed the answer');
  return {
    fn: 'lb_lookup_service',
    family: key.address.family,
    mode,
    services: echo,
    key_in: writeKey(key),
    scope_switch,
    keys_tried: recorder.lookups(false),
    found,
    service: found ? writeValue(services.valueAt(hit.row)) : null,
    key_out: writeKey({ ...key, slot: 0, protocol: hit.protocol, scope: hit.scope }),
  };
}

function sourceRange(testCase: Case): unknown {
  const { family, service, ranges, saddr } = testCase as unknown as {
    family: 4 | 6;
    service: RawService;
    ranges: { cidr: string; rev_nat_index: number }[];
    saddr: string;
  };
  exactKeys(service, VALUE_FIELDS);
  const maps = new LbMaps().of(family);
  const echo = ranges.map((range) => {
    exactKeys(range, ['cidr', 'rev_nat_index']);
    const cidr = parseCidr(range.cidr);
    maps.sourceRanges.add({ revNatIndex: range.rev_nat_index, cidr });
    return { cidr: formatCidr(cidr), rev_nat_index: range.rev_nat_index };
  });
  const value = readValue(service);
  const client = parseAddress(saddr);
  const ok = sourceRangeAllows(maps, value.flags, value.revNatIndex, client.words, 0);
  return {
    fn: 'lb_src_range_ok',
    family: client.family,
    service: writeValue(value),
    ranges: echo,
    // An input: its text need not be the canonical one.
    saddr,
    ok,
    drop: ok ? null : 'DROP_NOT_IN_SRC_RANGE (-177)',
  };
}

function wildcard(testCase: Case): unknown {
  const {
    family,
    services: list,
    ipcache,
    key_in,
    in_hostns,
  } = testCase as unknown as {
    family: 4 | 6;
    services: (RawKey & RawService)[];
    ipcache: { address: string; identity: number }[];
    key_in: { address: string; dport: number; proto: number };
    in_hostns: boolean;
  };
  exactKeys(key_in, ['address', 'dport', 'proto']);
  const { services, echo } = loadServices(family, list);
  const { ipCache } = new NodeTables().of(family);
  const bits = family === 4 ? 32 : 128;
  for (const entry of ipcache) {
    exactKeys(entry, ['address', 'identity']);
    ipCache.set({ address: parseAddress(entry.address), bits }, { identity: entry.identity });
  }
  const address = parseAddress(key_in.address);
  const { words } = address;
  const { dport: port, proto: protocol } = key_in;
  const hit = new ServiceHit();
  hit.protocol = protocol;
  const recorder = new Recorder();
  const found = lookupWildcard(services, words, 0, port, protocol, in_hostns, ipCache, RULES, hit, recorder);
  const lookups = recorder.lookups(true);
  // The datapath's key has the unspecified address while it is looked up; after the NodePort pass it is put back on a miss.
  const asked = hit.row >= 0 || lookups.some((lookup) => (lookup as { map: string }).map === 'services');
  const inRange = port >= RULES.nodePortMin && port <= RULES.nodePortMax;
  const zero = asked && (found || !inRange);
  return {
    fn: 'sock_wildcard_lookup_full',
    family: address.family,
    services: echo,
    ipcache: ipcache.map((entry) => {
      const host = parseAddress(entry.address);
      return { address: formatAddress(host), identity: ipCache.get({ address: host, bits })!.identity };
    }),
    key_in: { address: formatAddress(address), dport: port, proto: protocol },
    in_hostns,
    lookups,
    found,
    service: found ? writeValue(services.valueAt(hit.row)) : null,
    sock_skip_xlate: found ? skipsTranslation(services, services.flags(hit.row), words, 0, ipCache, RULES) : null,
    key_out: {
      address: zero ? formatAddress({ family, words: words.map(() => 0) }) : formatAddress(address),
      dport: port,
      backend_slot: 0,
      proto: hit.protocol,
      scope: hit.scope,
    },
  };
}

const PREDICATES: Record<string, (flags: number, union: number) => boolean> = {
  loadbalancer: layout.isLoadBalancer,
  nodeport: layout.isNodePort,
  external_ip: layout.isExternalIp,
  hostport: layout.isHostPort,
  loopback: layout.isLoopback,
  src_range_check: layout.hasSourceRange,
  two_scopes: layout.isTwoScopes,
  affinity: layout.hasAffinity,
  routable: layout.isRoutable,
  localredirect: layout.isLocalRedirect,
  l7_loadbalancer: layout.isL7LoadBalancer,
  l7_punt_proxy: layout.isL7Delegate,
};

function predicates(testCase: Case): unknown {
  const { service } = testCase as unknown as { service: RawService };
  exactKeys(service, VALUE_FIELDS);
  const { flags, union, ...rest } = readValue(service);
  const names = Object.keys(PREDICATES).filter((name) => PREDICATES[name]!(flags, union));
  return { fn: 'svc_predicates', service: writeValue({ flags, union, ...rest }), true: names };
}

function extract(testCase: Case): unknown {
  const { packet_hex, sctp_enabled } = testCase as unknown as { packet_hex: string; sctp_enabled: boolean };
  const frame = Uint8Array.from(Buffer.from(packet_hex, 'hex'));
  const packet = new PacketBuffer();
  packet.load(frame);
  const headers = new Headers();
  if (readHeaders(packet, headers) !== 0) throw new Error('no IP packet');
  const { family, l4, protocol } = headers;
  const w = family === 4 ? 1 : 4;
  const tuple = new Uint32Array(2 * w + 2);
  const ret = extractTuple(packet, headers, tuple, sctp_enabled);
  const raw = testCase['packet'] as unknown as Record<string, unknown>;
  const port = (offset: number, given: unknown): unknown => {
    if (![6, 17, 132].includes(protocol)) return null;
    return packet.has(l4 + offset, 2) ? packet.u16(l4 + offset) : given;
  };
  const [ports, last] = [tuple[2 * w]!, tuple[2 * w + 1]!];
  const daddr = formatWords(family, tuple, 0);
  const saddr = formatWords(family, tuple, w);
  return {
    fn: 'lb_extract_tuple',
    family,
    sctp_enabled,
    packet: {
      src: saddr,
      dst: daddr,
      proto: protocol,
      sport: port(0, raw['sport']),
      dport: port(2, raw['dport']),
      frag_off_field: family === 4 ? packet.u16(headers.l3 + 6) : 0,
    },
    packet_hex: Buffer.from(packet.copy()).toString('hex'),
    ret,
    ret_name: ret === 0 ? 'CTX_ACT_OK' : `DROP_${dropReasonName(-ret)}`,
    // The datapath's field names: its `dport` is the packet's source port.
    tuple:
      ret === 0
        ? { daddr, saddr, dport: ports >>> 16, sport: ports & 0xffff, nexthdr: last >>> 8, flags: last & 0xff }
        : null,
  };
}

const FUNCTIONS: Record<string, (testCase: Case) => unknown> = {
  lb_lookup_service: lookup,
  lb_src_range_ok: sourceRange,
  sock_wildcard_lookup_full: wildcard,
  svc_predicates: predicates,
  lb_extract_tuple: extract,
};

conformance<{ meta: { count: number }; cases: Case[] }, Case>(
  'lookup',
  (doc) => {
    if (doc.meta.count !== doc.cases.length) throw new Error('meta.count does not match');
    return doc.cases;
  },
  (testCase) => {
    const run = FUNCTIONS[testCase.fn];
    if (run === undefined) throw new Error(`unknown function ${testCase.fn}`);
    return run(testCase);
  },
);
