import { BackendState, Scope } from '../lb/layout.ts';
import { formatAddress, type IpAddress, tryParseAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import { Protocol, protocolName } from '../net/protocol.ts';
import type { TrafficPolicy } from './objects/service.ts';

/** Where a row of the tables comes from. */
export type Source = 'k8s' | 'local' | 'api' | 'clustermesh';

/** Lower wins where several sources know one backend of one service. */
export const SOURCE_PRIORITY: Readonly<Record<Source, number>> = { local: 1, k8s: 4, clustermesh: 5, api: 7 };

export type FrontendType = 'ClusterIP' | 'NodePort' | 'ExternalIPs' | 'LoadBalancer' | 'HostPort' | 'LocalRedirect';

export function addressKey(address: IpAddress, port: number, protocol: number, scope: number): string {
  return keyOfText(formatAddress(address), address.family, port, protocol, scope);
}

/** The key when the canonical text of the address is at hand. */
export function keyOfText(text: string, family: number, port: number, protocol: number, scope: number): string {
  const host = family === 4 ? text : `[${text}]`;
  return `${host}:${port}/${protocolName(protocol)}${scope === Scope.INTERNAL ? '/i' : ''}`;
}

/** An L4 address with its lookup scope. */
export class ScopedAddress {
  readonly address: IpAddress;
  readonly port: number;
  /** IANA number. */
  readonly protocol: number;
  /** `Scope`. */
  readonly scope: number;

  constructor(address: IpAddress, port: number, protocol: number, scope: number) {
    this.address = address;
    this.port = port;
    this.protocol = protocol;
    this.scope = scope;
  }

  /** Its text, and its identity: `10.0.0.1:80/TCP`, `[fd00::1]:53/UDP/i`. Made when asked for. */
  get key(): string {
    return addressKey(this.address, this.port, this.protocol, this.scope);
  }
}

const KEY = /^(?:\[([^\]]+)\]|([\d.]+)):(\d{1,5})\/([A-Z]+)(\/i)?$/;
const PROTOCOLS: ReadonlyMap<string, number> = new Map(
  [Protocol.TCP, Protocol.UDP, Protocol.SCTP, Protocol.ANY].map((protocol) => [protocolName(protocol), protocol]),
);

/** The address that a `key` stands for; `undefined` for what is not exactly a key. */
export function parseKey(key: string): ScopedAddress | undefined {
  const [, v6, v4, port, name, internal] = KEY.exec(key) ?? [];
  const address = tryParseAddress(v6 ?? v4 ?? '');
  const protocol = PROTOCOLS.get(name ?? '');
  if (address === undefined || protocol === undefined) return undefined;
  const scope = internal === undefined ? Scope.EXTERNAL : Scope.INTERNAL;
  const at = new ScopedAddress(address, Number(port), protocol, scope);
  return at.key === key ? at : undefined;
}

const MAPPED = 0xffff;

/** Order of addresses as 16 bytes, an IPv4 one as `::ffff:a.b.c.d`. */
export function compareBytes(a: IpAddress, b: IpAddress): number {
  if (a.family === 4 && b.family === 4) return a.words[0]! - b.words[0]!;
  for (let i = 0; i < 4; i++) {
    const left = a.family === 6 ? a.words[i]! : i < 2 ? 0 : i === 2 ? MAPPED : a.words[0]!;
    const right = b.family === 6 ? b.words[i]! : i < 2 ? 0 : i === 2 ? MAPPED : b.words[0]!;
    if (left !== right) return left - right;
  }
  return 0;
}

/** Order of every table of addresses: address bytes, port, first letter of the protocol, scope. */
export function tableOrder(a: ScopedAddress, b: ScopedAddress): number {
  return (
    compareBytes(a.address, b.address) ||
    a.port - b.port ||
    (a.protocol === b.protocol ? 0 : letter(a.protocol) - letter(b.protocol)) ||
    a.scope - b.scope
  );
}

const letter = (protocol: number): number => protocolName(protocol).charCodeAt(0);

/** Order of the strings' UTF-16 units; the same as bytes for the ASCII names of Kubernetes. */
export const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export type ForwardingMode = 'dsr' | 'snat';
export type LbAlgorithm = 'random' | 'maglev';

export interface ProxyRedirect {
  readonly port: number;
  /** Service ports redirected; empty for all. */
  readonly ports: readonly number[];
}

/** A row of the services table. */
export interface Service {
  /** `namespace/name` */
  readonly name: string;
  readonly source: Source;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
  readonly extPolicy: TrafficPolicy;
  readonly intPolicy: TrafficPolicy;
  /** Session affinity in seconds; `undefined` without. */
  readonly affinity: number | undefined;
  readonly sourceRanges: readonly Cidr[];
  /** Port names to service ports, as the Service lists them. */
  readonly portNames: readonly (readonly [string, number])[];
  readonly healthCheckNodePort: number;
  readonly loadBalancerClass: string | undefined;
  readonly loopbackHostPort: boolean;
  readonly nat46x64: boolean;
  readonly forwardingMode: ForwardingMode | undefined;
  /** From annotations, read once. */
  readonly marks: ServiceMarks;
}

/** What a Service's annotations come to. */
export interface ServiceMarks {
  /** `service.cilium.io/lb-algorithm`; counts where `bpf-lb-algorithm-annotation` is on. */
  readonly algorithm: LbAlgorithm | undefined;
  /** `service.cilium.io/src-ranges-policy`: `deny`. */
  readonly denyRanges: boolean;
  /** `service.cilium.io/proxy-delegation`: `delegate-if-local`. */
  readonly delegate: boolean;
  /** Topology annotations or trafficDistribution ask for close endpoints, and no internal Local policy rules them out. */
  readonly preferClose: boolean;
  /** `service.cilium.io/global` */
  readonly global: boolean;
  readonly affinity: 'none' | 'local' | 'remote';
}

export const NO_MARKS: ServiceMarks = {
  algorithm: undefined,
  denyRanges: false,
  delegate: false,
  preferClose: false,
  global: false,
  affinity: 'none',
};

/** What one EndpointSlice gave to the tables. */
export interface SliceRecord {
  readonly entry: ServiceEntry;
  /** What it lists, as it was then; the addresses are what counts. */
  readonly instances: readonly Instance[];
  /** The next slice of the same service. */
  next: SliceRecord | undefined;
}

const NO_INSTANCES: readonly Instance[] = Object.freeze([]);

/** Everything known under one service name; exists as long as any of it does. */
export class ServiceEntry {
  readonly name: string;
  service: Service | undefined = undefined;
  /** In table order. */
  frontends: Frontend[] = [];
  /** In table order of the backends' addresses, then by source priority. A change makes a new list: frontends keep the one they had. */
  instances: readonly Instance[] = NO_INSTANCES;
  /** Frontends of other services that take their backends from here. */
  redirectedFrom: Set<Frontend> | undefined = undefined;
  /** The slices that list its backends, as a chain. */
  slices: SliceRecord | undefined = undefined;
  /** L7 redirect by a CiliumEnvoyConfig; survives the Service. */
  proxyRedirect: ProxyRedirect | undefined = undefined;

  constructor(name: string) {
    this.name = name;
  }
}

/** Table rows are shown `Pending` only while a failed map write waits for its retry; then they are `Error`. */
export type FrontendStatus = 'Pending' | 'Done' | 'Error';

/** A row of the frontends table. */
export class Frontend extends ScopedAddress {
  readonly type: FrontendType;
  readonly entry: ServiceEntry;
  readonly portName: string;
  readonly servicePort: number;
  redirectTo: ServiceEntry | undefined = undefined;
  backends: readonly Instance[] = NO_INSTANCES;
  status: FrontendStatus = 'Pending';
  error = '';
  /** No longer in the table; its map entries wait to be removed. */
  deleted = false;
  /** Place among the changed frontends; -1 when unchanged. */
  dirtyAt = -1;
  /** Number of the settlement that wrote it last. */
  settled = 0;

  constructor(at: ScopedAddress, type: FrontendType, entry: ServiceEntry, portName: string, servicePort: number) {
    super(at.address, at.port, at.protocol, at.scope);
    this.type = type;
    this.entry = entry;
    this.portName = portName;
    this.servicePort = servicePort;
  }
}

/** A row of the backends table. */
export class Backend extends ScopedAddress {
  /** What the services see in it, as a chain: by service name, then source priority. */
  first: Instance | undefined = undefined;
  /** Grows with every change of an instance. */
  revision = 0;
  /** Id in the maps; 0 while no frontend lists it. */
  id = 0;
  /** Map frontends that list it. A row without instances stays until there are none. */
  users = 0;
  /** The revision that the map entry shows. */
  writtenRevision = -1;

  constructor(at: ScopedAddress) {
    super(at.address, at.port, at.protocol, at.scope);
  }

  /** The chain as a list. */
  get instances(): readonly Instance[] {
    const found: Instance[] = [];
    for (let one = this.first; one !== undefined; one = one.next) found.push(one);
    return found;
  }

  instanceOf(entry: ServiceEntry, source: Source): Instance | undefined {
    let one = this.first;
    while (one !== undefined && (one.entry !== entry || one.source !== source)) one = one.next;
    return one;
  }

  add(instance: Instance): void {
    this.revision++;
    let before: Instance | undefined;
    let next = this.first;
    while (next !== undefined && rowOrder(next, instance) < 0) {
      before = next;
      next = next.next;
    }
    instance.next = next;
    if (before === undefined) this.first = instance;
    else before.next = instance;
  }

  remove(instance: Instance): void {
    this.revision++;
    if (this.first === instance) this.first = instance.next;
    else {
      let before = this.first;
      while (before !== undefined && before.next !== instance) before = before.next;
      if (before !== undefined) before.next = instance.next;
    }
  }
}

/** A backend as one service knows it from one source. */
export interface Instance {
  readonly backend: Backend;
  readonly entry: ServiceEntry;
  readonly source: Source;
  readonly portNames: readonly string[];
  readonly weight: number;
  readonly nodeName: string;
  readonly zone: string;
  readonly forZones: readonly string[];
  /** Cluster it lives in; 0 for this one. */
  readonly clusterId: number;
  /** `BackendState` */
  readonly state: number;
  readonly unhealthy: boolean;
  /** A health update has come; until then what an earlier agent left in the maps counts. */
  readonly healthKnown: boolean;
  /** The next instance of the same backend. */
  next: Instance | undefined;
}

/** The addresses of backends, as rows of their table. */
export const addressesOf = (instances: readonly Instance[]): readonly Backend[] =>
  instances.map(({ backend }) => backend);

/** Order of a backend's instances: by service, then by source. */
const rowOrder = (a: Instance, b: Instance): number =>
  compareText(a.entry.name, b.entry.name) || SOURCE_PRIORITY[a.source] - SOURCE_PRIORITY[b.source];

export const STATE_NAMES: readonly string[] = ['active', 'terminating', 'quarantined', 'maintenance'];

/** Counts as usable: neither unhealthy nor taken out. */
export const isUsable = (instance: Instance): boolean =>
  !instance.unhealthy && instance.state <= BackendState.TERMINATING;
