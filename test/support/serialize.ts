import type { BackendInstance, BackendRow, FrontendRow, ServiceRow } from '../../src/k8s/index.ts';
import { SOURCE_PRIORITY } from '../../src/k8s/model.ts';
import { formatAddress } from '../../src/net/address.ts';
import { formatCidr } from '../../src/net/cidr.ts';
import { protocolName } from '../../src/net/protocol.ts';

/** Rows of the tables as the agent serialises them; `redacted` stands where the scenarios leave a value out. */
const ZERO_TIME = '0001-01-01T00:00:00Z';
const redacted = '<redacted>';

const nameJson = (name: string): object => {
  const [Namespace, Name] = name.split('/');
  return { Namespace, Name, Cluster: '' };
};

const addressJson = (row: FrontendRow | BackendRow, hidden = false): object => ({
  AddrCluster: hidden ? {} : formatAddress(row.address),
  Protocol: protocolName(row.protocol),
  Port: row.port,
  Scope: row.scope,
});

const orNull = <T>(list: readonly T[]): readonly T[] | null => (list.length === 0 ? null : list);

function instanceJson(one: BackendInstance, hidden: boolean): object {
  return {
    Address: addressJson(one.backend, hidden),
    PortNames: orNull(one.portNames),
    Weight: one.weight,
    NodeName: one.nodeName,
    Zone: one.zone,
    ForZones: orNull(one.forZones),
    ClusterID: one.clusterId,
    Source: one.source,
    State: one.state,
    Unhealthy: one.unhealthy,
    UnhealthyUpdatedAt: ZERO_TIME,
  };
}

export const serviceJson = (service: ServiceRow): object => ({
  Name: nameJson(service.name),
  Source: service.source,
  Labels: service.labels,
  Annotations: Object.keys(service.annotations).length === 0 ? null : service.annotations,
  Selector: service.selector,
  NatPolicy: service.nat46x64 ? 'Nat46' : '',
  ExtTrafficPolicy: service.extPolicy,
  IntTrafficPolicy: service.intPolicy,
  ForwardingMode: service.forwardingMode ?? '',
  SessionAffinity: service.affinity !== undefined,
  SessionAffinityTimeout: service.affinity ?? 0,
  LoadBalancerClass: service.loadBalancerClass ?? null,
  ProxyRedirect: null,
  HealthCheckNodePort: service.healthCheckNodePort,
  LoopbackHostPort: service.loopbackHostPort,
  SourceRanges: orNull(service.sourceRanges.map(formatCidr)),
  PortNames: Object.fromEntries(service.portNames),
  TrafficDistribution: service.marks.preferClose ? 'PreferClose' : '',
});

export const frontendJson = (frontend: FrontendRow, id: number): object => ({
  Address: addressJson(frontend),
  Type: frontend.type,
  ServiceName: nameJson(frontend.entry.name),
  PortName: frontend.portName,
  ServicePort: frontend.servicePort,
  Status: { kind: frontend.status, 'updated-at': redacted, id: redacted },
  Backends: frontend.backends.map((one) => instanceJson(one, false)),
  ID: id,
  RedirectTo: frontend.redirectTo === undefined ? null : nameJson(frontend.redirectTo.name),
});

export const backendJson = (backend: BackendRow): object => ({
  Address: addressJson(backend),
  Instances: backend.instances.map((one) => ({
    k: { ServiceName: nameJson(one.entry.name), SourcePriority: SOURCE_PRIORITY[one.source] },
    v: instanceJson(one, true),
  })),
});

function instanceYaml(one: BackendInstance): object {
  return {
    address: one.backend.key,
    portnames: one.portNames,
    weight: one.weight,
    nodename: one.nodeName,
    zone: one.zone,
    forzones: one.forZones,
    clusterid: one.clusterId,
    source: one.source,
    state: one.state,
    unhealthy: one.unhealthy,
    unhealthyupdatedat: ZERO_TIME,
  };
}

export const serviceYaml = (service: ServiceRow): object => ({
  name: service.name,
  source: service.source,
  labels: service.labels,
  annotations: service.annotations,
  selector: service.selector,
  natpolicy: service.nat46x64 ? 'Nat46' : '',
  exttrafficpolicy: service.extPolicy,
  inttrafficpolicy: service.intPolicy,
  forwardingmode: service.forwardingMode ?? '',
  sessionaffinity: service.affinity !== undefined,
  sessionaffinitytimeout: `${service.affinity ?? 0}s`,
  loadbalancerclass: service.loadBalancerClass ?? null,
  proxyredirect: null,
  healthchecknodeport: service.healthCheckNodePort,
  loopbackhostport: service.loopbackHostPort,
  sourceranges: service.sourceRanges.map(formatCidr),
  portnames: Object.fromEntries(service.portNames),
  trafficdistribution: service.marks.preferClose ? 'PreferClose' : '',
});

export const frontendYaml = (frontend: FrontendRow, id: number): object => ({
  frontendparams: {
    address: frontend.key,
    type: frontend.type,
    servicename: frontend.entry.name,
    portname: frontend.portName,
    serviceport: frontend.servicePort,
  },
  status: { kind: frontend.status, 'updated-at': redacted, id: redacted },
  backends: frontend.backends.map(instanceYaml),
  id,
  redirectto: frontend.redirectTo?.name ?? null,
});

export const backendYaml = (backend: BackendRow): object => ({
  address: backend.key,
  instances: backend.instances.map((one) => ({
    k: { servicename: one.entry.name, sourcepriority: SOURCE_PRIORITY[one.source] },
    v: instanceYaml(one),
  })),
});
