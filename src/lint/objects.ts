import { Annotation, isExposedOn, isHeadless } from '../k8s/annotations.ts';
import { ZONE_LABEL } from '../k8s/node-view.ts';
import type { EndpointSliceObject } from '../k8s/objects/endpointslice.ts';
import { nameOf, type ObjectRef } from '../k8s/objects/fields.ts';
import type { NodeObject, PodObject } from '../k8s/objects/pod.ts';
import type { ServiceObject } from '../k8s/objects/service.ts';
import type { ControlPlaneOptions } from '../k8s/options.ts';
import { differs } from '../k8s/profile.ts';
import { isUnspecified, tryParseAddress } from '../net/address.ts';
import { listed, type Report } from './finding.ts';

/** The objects of a cluster, brought together for the rules. */
export interface Cluster {
  readonly services: readonly ServiceObject[];
  readonly slices: ReadonlyMap<string, readonly EndpointSliceObject[]>;
  readonly nodes: readonly NodeObject[];
  readonly pods: readonly PodObject[];
  readonly options: ControlPlaneOptions;
}

const refOf = (object: { readonly kind: string; readonly namespace: string; readonly name: string }): ObjectRef => ({
  kind: object.kind,
  namespace: object.namespace,
  name: object.name,
});

interface Endpoint {
  readonly nodeName: string;
  readonly forZones: readonly string[];
}

function endpointsOf(cluster: Cluster, service: ServiceObject): Endpoint[] {
  return (cluster.slices.get(nameOf(service)) ?? []).flatMap(({ endpoints }) => endpoints);
}

const exposedNodes = (cluster: Cluster, service: ServiceObject): readonly NodeObject[] =>
  cluster.nodes.filter((node) => isExposedOn(service, node.labels));

/** Rules about single Services and their endpoints. */
export function lintServices(cluster: Cluster, report: Report): void {
  for (const service of cluster.services) {
    lintPolicies(cluster, service, report);
    lintExposure(cluster, service, report);
    lintHints(cluster, service, report);
    lintPorts(cluster, service, report);
    lintMaglev(cluster, service, report);
    lintRanges(service, report);
    lintRangesOnNodePorts(cluster, service, report);
    lintDistribution(service, report);
    lintAnnotations(cluster, service, report);
  }
}

function lintPolicies(cluster: Cluster, service: ServiceObject, report: Report): void {
  const { externalTrafficPolicy, internalTrafficPolicy } = service;
  if (service.externalIps.length > 0 && externalTrafficPolicy !== internalTrafficPolicy && !isHeadless(service)) {
    report(
      'external-ip-unreachable-inside',
      'warning',
      refOf(service),
      ['spec', 'externalIPs'],
      'traffic from pods and nodes to these addresses finds no service; set both policies alike',
    );
  }
  const endpoints = endpointsOf(cluster, service);
  const local = new Set(endpoints.map(({ nodeName }) => nodeName));
  if (endpoints.length === 0 || local.has('') || isHeadless(service)) return;
  const without = exposedNodes(cluster, service)
    .map(({ name }) => name)
    .filter((name) => !local.has(name))
    .sort();
  if (without.length === 0) return;
  const outside = service.type !== 'ClusterIP' || service.externalIps.length > 0;
  const where = listed(without);
  if (externalTrafficPolicy === 'Local' && outside) {
    const checked = service.healthCheckNodePort > 0 ? `; port ${service.healthCheckNodePort} answers 503 there` : '';
    const message = `external traffic is dropped on ${where}: no backend there${checked}`;
    report('no-local-backend', 'warning', refOf(service), ['spec', 'externalTrafficPolicy'], message, without);
  }
  if (internalTrafficPolicy === 'Local') {
    const message = `traffic from within the cluster is dropped on ${where}: no backend there`;
    report('no-local-backend', 'warning', refOf(service), ['spec', 'internalTrafficPolicy'], message, without);
  }
}

function lintExposure(cluster: Cluster, service: ServiceObject, report: Report): void {
  if (cluster.nodes.length === 0 || exposedNodes(cluster, service).length > 0) return;
  const key = Annotation.NODE_SELECTOR in service.annotations ? Annotation.NODE_SELECTOR : Annotation.NODE;
  const message = `${JSON.stringify(service.annotations[key])} matches none of ${cluster.nodes.length} nodes: the Service exists nowhere`;
  report('exposed-nowhere', 'error', refOf(service), ['metadata', 'annotations', key], message);
}

function prefersClose({ annotations, trafficDistribution, internalTrafficPolicy }: ServiceObject): boolean {
  const mode = annotations[Annotation.TOPOLOGY_HINTS] ?? annotations[Annotation.TOPOLOGY_MODE] ?? '';
  const asked = mode !== '' && mode.toLowerCase() !== 'disabled';
  return internalTrafficPolicy !== 'Local' && (asked || trafficDistribution === 'PreferClose');
}

function lintHints(cluster: Cluster, service: ServiceObject, report: Report): void {
  if (!prefersClose(service) || differs(cluster.options.profile, 'topology-fallback')) return;
  const endpoints = endpointsOf(cluster, service);
  if (endpoints.length === 0) return;
  const zones = new Set<string>();
  const nodes: string[] = [];
  for (const node of exposedNodes(cluster, service)) {
    const zone = node.labels[ZONE_LABEL] ?? '';
    if (zone === '') continue;
    if (endpoints.some(({ forZones }) => forZones.length === 0 || forZones.includes(zone))) continue;
    zones.add(zone);
    nodes.push(node.name);
  }
  if (nodes.length === 0) return;
  const message = `no endpoint has a hint for ${listed([...zones].sort())}: nodes there have no backend, and nothing falls back`;
  report('hints-select-nothing', 'error', refOf(service), ['spec'], message, nodes.sort());
}

function lintPorts(cluster: Cluster, service: ServiceObject, report: Report): void {
  const slices = (cluster.slices.get(nameOf(service)) ?? []).filter(({ endpoints }) => endpoints.length > 0);
  if (slices.length === 0 || isHeadless(service)) return;
  service.ports.forEach((port, i) => {
    const matches = slices.some(({ ports }) =>
      ports.some(({ name, protocol }) => protocol === port.protocol && (port.name === '' || name === port.name)),
    );
    if (matches) return;
    const names = [...new Set(slices.flatMap(({ ports }) => ports.map(({ name }) => name || '(unnamed)')))];
    const message = `port ${JSON.stringify(port.name)} has no backends: its endpoints have ${listed(names.sort())}`;
    report('port-without-backends', 'warning', refOf(service), ['spec', 'ports', i, 'name'], message);
  });
}

const SLOTS_PER_BACKEND = 100;

function lintMaglev(cluster: Cluster, service: ServiceObject, report: Report): void {
  const { options } = cluster;
  const annotation = options.algorithmAnnotation ? service.annotations[Annotation.ALGORITHM] : undefined;
  const outside = service.type !== 'ClusterIP' || service.externalIps.length > 0 || options.externalClusterIp;
  const maglev = annotation === 'maglev' || (annotation !== 'random' && options.algorithm === 'maglev' && outside);
  const count = endpointsOf(cluster, service).length;
  if (!maglev || count * SLOTS_PER_BACKEND <= options.maglevTableSize) return;
  const share = Math.floor(options.maglevTableSize / count);
  const message = `${count} backends share ${options.maglevTableSize} slots, ${share} each: bpf-lb-maglev-table-size is small for them`;
  report('maglev-table-small', share < 10 ? 'warning' : 'info', refOf(service), ['spec'], message);
}

function lintRanges(service: ServiceObject, report: Report): void {
  if (service.sourceRanges.length === 0 || isHeadless(service)) return;
  if (service.annotations[Annotation.SOURCE_RANGES_POLICY]?.toLowerCase() === 'deny') return;
  const families = new Set([
    ...service.clusterIps.map(({ family }) => family),
    ...service.externalIps.map(({ family }) => family),
    ...service.ingress.map(({ address }) => address.family),
  ]);
  for (const family of families) {
    if (service.sourceRanges.some(({ address }) => address.family === family)) continue;
    const message = `no range is IPv${family}: every client of the IPv${family} frontends is refused`;
    report('source-ranges-of-other-family', 'error', refOf(service), ['spec', 'loadBalancerSourceRanges'], message);
  }
}

function lintRangesOnNodePorts({ options }: Cluster, service: ServiceObject, report: Report): void {
  if (service.sourceRanges.length === 0 || isHeadless(service) || differs(options.profile, 'source-ranges-by-type'))
    return;
  const where = [
    ...(service.ports.some(({ nodePort }) => nodePort !== 0) ? ['NodePorts'] : []),
    ...(service.externalIps.length > 0 ? ['external IPs'] : []),
  ];
  if (where.length === 0) return;
  const message = `clients outside are held against the ranges at the ${where.join(' and ')}, too`;
  report('source-ranges-on-node-ports', 'info', refOf(service), ['spec', 'loadBalancerSourceRanges'], message);
}

const KNOWN_DISTRIBUTION = 'PreferClose';

function lintDistribution(service: ServiceObject, report: Report): void {
  const { trafficDistribution } = service;
  if (trafficDistribution === '' || trafficDistribution === KNOWN_DISTRIBUTION) return;
  const message = `${JSON.stringify(trafficDistribution)} means nothing to this agent, which knows ${KNOWN_DISTRIBUTION}: all endpoints are used`;
  report('unknown-traffic-distribution', 'warning', refOf(service), ['spec', 'trafficDistribution'], message);
}

function lintAnnotations(cluster: Cluster, service: ServiceObject, report: Report): void {
  const { options } = cluster;
  const needs: readonly (readonly [string, boolean, string])[] = [
    [Annotation.ALGORITHM, options.algorithmAnnotation, 'bpf-lb-algorithm-annotation'],
    [Annotation.FORWARDING_MODE, options.modeAnnotation, 'bpf-lb-mode-annotation'],
  ];
  for (const [key, on, option] of needs) {
    if (on || !(key in service.annotations)) continue;
    const message = `counts only with ${option}, which is off`;
    report('annotation-without-option', 'warning', refOf(service), ['metadata', 'annotations', key], message);
  }
  for (const key of Object.keys(service.annotations)) {
    if (!/cilium\.io\/.*weight/i.test(key)) continue;
    report('weight-ignored', 'warning', refOf(service), ['metadata', 'annotations', key], 'nothing reads this weight');
  }
}

/** Rules about the hostPorts of pods. */
export function lintHostPorts({ pods, options }: Cluster, report: Report): void {
  const [first, last] = options.nodePortRange;
  for (const pod of pods) {
    if (pod.phase === 'Succeeded' || pod.phase === 'Failed') continue;
    for (const { hostPort, hostIp, containerPort } of pod.ports) {
      if (hostPort === 0) continue;
      if (hostPort >= first && hostPort <= last) {
        const message = `hostPort ${hostPort} lies in the NodePort range ${first}-${last}: container port ${containerPort} is not reachable by it`;
        report('host-port-in-node-port-range', 'error', refOf(pod), ['spec', 'containers'], message);
      }
      const address = tryParseAddress(hostIp);
      if (address !== undefined && isUnspecified(address)) {
        const message = `hostIP ${hostIp} of hostPort ${hostPort} makes no frontend; leave it out`;
        report('host-port-without-frontend', 'error', refOf(pod), ['spec', 'containers'], message);
      }
    }
  }
}
