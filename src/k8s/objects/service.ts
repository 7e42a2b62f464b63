import { type IpAddress, tryParseAddress } from '../../net/address.ts';
import { type Cidr, tryParseCidr } from '../../net/cidr.ts';
import { Protocol } from '../../net/protocol.ts';
import {
  each,
  EMPTY_LIST,
  EMPTY_MAP,
  integer,
  invalid,
  metadataOf,
  oneOf,
  type Raw,
  stringMap,
  text,
  texts,
  type Warning,
  within,
} from './fields.ts';

export type TrafficPolicy = 'Cluster' | 'Local';
export type ServiceType = 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';

export interface ServicePort {
  readonly name: string;
  /** IANA number. */
  readonly protocol: number;
  readonly port: number;
  /** 0 when none was allocated. */
  readonly nodePort: number;
}

export interface IngressAddress {
  readonly address: IpAddress;
  readonly ipMode: string;
}

/** A Kubernetes Service, as far as load balancing looks at it. */
export interface ServiceObject {
  readonly kind: 'Service';
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  /** The same if any of them may be about load balancing, else none: so that they are looked at once. */
  readonly lbAnnotations: Readonly<Record<string, string>>;
  readonly selector: Readonly<Record<string, string>>;
  readonly type: ServiceType;
  /** `spec.clusterIP` is `None` in any letter case. */
  readonly clusterIpNone: boolean;
  /** Parsed, in the order of their texts. */
  readonly clusterIps: readonly IpAddress[];
  readonly ipFamilies: readonly string[];
  readonly ports: readonly ServicePort[];
  readonly externalIps: readonly IpAddress[];
  readonly ingress: readonly IngressAddress[];
  readonly externalTrafficPolicy: TrafficPolicy;
  readonly internalTrafficPolicy: TrafficPolicy;
  /** Seconds; 0 when there is no session affinity. */
  readonly affinityTimeout: number;
  readonly sourceRanges: readonly Cidr[];
  readonly loadBalancerClass: string | undefined;
  /** 0 for none. */
  readonly healthCheckNodePort: number;
  readonly trafficDistribution: string;
}

const TYPES: readonly ServiceType[] = ['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName'];
const POLICIES: readonly TrafficPolicy[] = ['Cluster', 'Local'];
const AFFINITIES = ['None', 'ClientIP'] as const;
/** Kubernetes' own default, three hours; also for a configured 0. */
export const DEFAULT_AFFINITY_TIMEOUT = 10800;

export function readProtocol(parent: Raw): number {
  const value = parent['protocol'];
  switch (value) {
    case 'TCP':
    case undefined:
    case null:
    case '':
      return Protocol.TCP;
    case 'UDP':
      return Protocol.UDP;
    case 'SCTP':
      return Protocol.SCTP;
    default:
      throw invalid(value, 'TCP, UDP or SCTP', 'protocol');
  }
}

function readPorts(spec: Raw): readonly ServicePort[] {
  const ports: ServicePort[] = [];
  each(spec, 'ports', (port) => {
    ports.push({
      name: text(port, 'name'),
      protocol: readProtocol(port),
      port: integer(port, 'port', 1, 65535, 0) || missingPort(),
      nodePort: integer(port, 'nodePort', 0, 65535, 0),
    });
  });
  return ports;
}

const missingPort = (): never => {
  throw invalid(undefined, 'a port, 1..65535', 'port');
};

type Note = (code: string, path: readonly (string | number)[], message: string) => void;

function addresses(values: readonly string[], path: readonly string[], note: Note): readonly IpAddress[] {
  if (values.length === 0) return EMPTY_LIST;
  const found: IpAddress[] = [];
  values.forEach((value, i) => {
    const address = tryParseAddress(value);
    if (address === undefined) {
      note('unparsable-address', [...path, i], `${JSON.stringify(value)} is not an IP address; the agent skips it`);
    } else found.push(address);
  });
  return found;
}

/** `spec.clusterIPs` sorted as text, else `spec.clusterIP`. `None` and `''` are no addresses and no mistakes. */
function clusterIps(spec: Raw, note: Note): readonly IpAddress[] {
  const several = texts(spec, 'clusterIPs');
  const single = text(spec, 'clusterIP');
  const values = several.length > 0 ? (several.length > 1 ? several.toSorted() : several) : [single];
  if (values.length === 1 && (values[0] === '' || values[0]!.toLowerCase() === 'none')) return EMPTY_LIST;
  return addresses(values, ['spec', 'clusterIPs'], note);
}

function sourceRanges(spec: Raw, note: Note): readonly Cidr[] {
  const values = texts(spec, 'loadBalancerSourceRanges');
  if (values.length === 0) return EMPTY_LIST;
  const found: Cidr[] = [];
  values.forEach((value, i) => {
    const cidr = tryParseCidr(value);
    if (cidr === undefined) {
      const path = ['spec', 'loadBalancerSourceRanges', i];
      note('unparsable-source-range', path, `${JSON.stringify(value)} is not in CIDR notation; the agent drops it`);
    } else found.push(cidr);
  });
  return found;
}

function affinityTimeout(spec: Raw): number {
  if (oneOf(spec, 'sessionAffinity', AFFINITIES, 'None') === 'None') return 0;
  const seconds = within(spec, 'sessionAffinityConfig', (config) =>
    within(config, 'clientIP', (client) => integer(client, 'timeoutSeconds', 0, 0x7fffffff, 0)),
  );
  return seconds === 0 ? DEFAULT_AFFINITY_TIMEOUT : seconds;
}

function readIngress(raw: Raw, note: Note): readonly IngressAddress[] {
  if (raw['status'] === undefined) return EMPTY_LIST;
  const found: IngressAddress[] = [];
  within(raw, 'status', (status) =>
    within(status, 'loadBalancer', (balancer) =>
      each(balancer, 'ingress', (entry, i) => {
        const ip = text(entry, 'ip');
        const ipMode = text(entry, 'ipMode');
        if (ip === '') return;
        const address = tryParseAddress(ip);
        if (address === undefined) {
          const path = ['status', 'loadBalancer', 'ingress', i, 'ip'];
          note('unparsable-address', path, `${JSON.stringify(ip)} is not an IP address; the agent skips it`);
        } else found.push({ address, ipMode });
      }),
    ),
  );
  return found.length === 0 ? EMPTY_LIST : found;
}

function areOurs(annotations: Readonly<Record<string, string>>): boolean {
  for (const key in annotations) if (key.startsWith('service.') || key.startsWith('io.cilium/')) return true;
  return false;
}

/** Reads a Service. @throws LbtwinError `invalid-object` with the path into it */
export function readService(raw: Raw, warnings: Warning[]): ServiceObject {
  const { name, namespace, metadata } = metadataOf(raw);
  const object = { kind: 'Service', namespace, name };
  const note: Note = (code, path, message) => warnings.push({ code, object, path, message });
  const labels = within(raw, 'metadata', () => stringMap(metadata, 'labels'));
  const annotations = within(raw, 'metadata', () => stringMap(metadata, 'annotations'));
  const ingress = readIngress(raw, note);
  return within(raw, 'spec', (spec) => ({
    kind: 'Service',
    namespace,
    name,
    labels,
    annotations,
    lbAnnotations: areOurs(annotations) ? annotations : EMPTY_MAP,
    selector: stringMap(spec, 'selector'),
    type: oneOf(spec, 'type', TYPES, 'ClusterIP'),
    clusterIpNone: text(spec, 'clusterIP').toLowerCase() === 'none',
    clusterIps: clusterIps(spec, note),
    ipFamilies: texts(spec, 'ipFamilies'),
    ports: readPorts(spec),
    externalIps: addresses(texts(spec, 'externalIPs'), ['spec', 'externalIPs'], note),
    ingress,
    externalTrafficPolicy: oneOf(spec, 'externalTrafficPolicy', POLICIES, 'Cluster'),
    internalTrafficPolicy: oneOf(spec, 'internalTrafficPolicy', POLICIES, 'Cluster'),
    affinityTimeout: affinityTimeout(spec),
    sourceRanges: sourceRanges(spec, note),
    loadBalancerClass: spec['loadBalancerClass'] === undefined ? undefined : text(spec, 'loadBalancerClass'),
    healthCheckNodePort: integer(spec, 'healthCheckNodePort', 0, 65535, 0),
    trafficDistribution: text(spec, 'trafficDistribution'),
  }));
}
