import { type Labels, matches, parseSelector } from './labels.ts';
import { type ForwardingMode, NO_MARKS, type ServiceMarks } from './model.ts';
import { EMPTY_MAP, type Warning } from './objects/fields.ts';
import type { ServiceObject } from './objects/service.ts';
import type { ControlPlaneOptions } from './options.ts';

/** Annotations of a Service that change its load balancing; the second name of a pair is the older alias. */
export const Annotation = {
  TYPE: 'service.cilium.io/type',
  NODE: 'service.cilium.io/node',
  NODE_SELECTOR: 'service.cilium.io/node-selector',
  GLOBAL: 'service.cilium.io/global',
  GLOBAL_ALIAS: 'io.cilium/global-service',
  SHARED: 'service.cilium.io/shared',
  SHARED_ALIAS: 'io.cilium/shared-service',
  AFFINITY: 'service.cilium.io/affinity',
  AFFINITY_ALIAS: 'io.cilium/service-affinity',
  ALGORITHM: 'service.cilium.io/lb-algorithm',
  FORWARDING_MODE: 'service.cilium.io/forwarding-mode',
  SOURCE_RANGES_POLICY: 'service.cilium.io/src-ranges-policy',
  PROXY_DELEGATION: 'service.cilium.io/proxy-delegation',
  TOPOLOGY_HINTS: 'service.kubernetes.io/topology-aware-hints',
  TOPOLOGY_MODE: 'service.kubernetes.io/topology-mode',
} as const;

export const HEADLESS_LABEL = 'service.kubernetes.io/headless';
export const PROXY_NAME_LABEL = 'service.kubernetes.io/service-proxy-name';

/** Whether the watches see an object with these labels (`k8s-service-proxy-name`): without a name those that have no such label at all. */
export const isForProxy = (labels: Labels, proxyName: string): boolean =>
  labels[PROXY_NAME_LABEL] === (proxyName === '' ? undefined : proxyName);

/** Kinds of frontends that the type annotation can single out. */
export type ExposedType = 'ClusterIP' | 'NodePort' | 'LoadBalancer';

const EXPOSED: readonly string[] = ['ClusterIP', 'NodePort', 'LoadBalancer'];

/** Values of each annotation that mean something, and whether letter case matters. Everything else counts as absent. */
const KNOWN_VALUES: readonly (readonly [string, readonly string[], boolean])[] = [
  [Annotation.TYPE, EXPOSED, true],
  [Annotation.ALGORITHM, ['random', 'maglev'], true],
  [Annotation.FORWARDING_MODE, ['dsr', 'snat'], false],
  [Annotation.SOURCE_RANGES_POLICY, ['allow', 'deny'], false],
  [Annotation.PROXY_DELEGATION, ['none', 'delegate-if-local'], false],
  [Annotation.AFFINITY, ['none', 'local', 'remote', ''], false],
  [Annotation.AFFINITY_ALIAS, ['none', 'local', 'remote', ''], false],
  [Annotation.GLOBAL, ['true', 'false', ''], false],
  [Annotation.SHARED, ['true', 'false', ''], false],
];

/** Tells of annotation values that the agent does not know. */
export function warnOfAnnotations(service: ServiceObject, warnings: Warning[]): void {
  const { lbAnnotations: annotations, namespace, name } = service;
  if (annotations === EMPTY_MAP) return;
  const object = { kind: 'Service', namespace, name };
  for (const [key, known, exact] of KNOWN_VALUES) {
    const value = annotations[key];
    if (value === undefined || known.includes(exact ? value : value.toLowerCase())) continue;
    warnings.push({
      code: 'unknown-annotation-value',
      object,
      path: ['metadata', 'annotations', key],
      message: `${JSON.stringify(value)} is not known and counts as absent (known: ${known.filter(Boolean).join(', ')})`,
    });
  }
  const selector = annotations[Annotation.NODE_SELECTOR];
  if (selector !== undefined && parseSelector(selector) === undefined) {
    warnings.push({
      code: 'unparsable-node-selector',
      object,
      path: ['metadata', 'annotations', Annotation.NODE_SELECTOR],
      message: `${JSON.stringify(selector)} is not a label selector; the Service is exposed on every node`,
    });
  }
}

/** The only kind that `service.cilium.io/type` leaves, if any. */
export function exposedType(service: ServiceObject): ExposedType | undefined {
  const value = service.lbAnnotations[Annotation.TYPE];
  return value !== undefined && EXPOSED.includes(value) ? (value as ExposedType) : undefined;
}

/** Whether a Service is there for nodes with these labels. */
export function isExposedOn(service: ServiceObject, nodeLabels: Labels): boolean {
  const { lbAnnotations: annotations } = service;
  const selector = annotations[Annotation.NODE_SELECTOR];
  if (selector !== undefined) {
    const parsed = parseSelector(selector);
    return parsed === undefined || matches(parsed, nodeLabels);
  }
  const node = annotations[Annotation.NODE];
  return node === undefined || nodeLabels[Annotation.NODE] === node;
}

/** A Service without frontends: the headless label, or `None` for a cluster IP. */
export const isHeadless = (service: ServiceObject): boolean =>
  service.clusterIpNone || HEADLESS_LABEL in service.labels;

/** `bpf-lb-mode-annotation`: the mode the annotation asks for. */
export function forwardingModeOf(service: ServiceObject, options: ControlPlaneOptions): ForwardingMode | undefined {
  if (!options.modeAnnotation) return undefined;
  const value = service.lbAnnotations[Annotation.FORWARDING_MODE]?.toLowerCase();
  return value === 'dsr' || value === 'snat' ? value : undefined;
}

const isOn = (value: string | undefined): boolean => value !== undefined && value.toLowerCase() === 'true';

/** Topology hints count: an annotation that is not off, or else `spec.trafficDistribution`. */
function prefersClose(service: ServiceObject): boolean {
  const { lbAnnotations: annotations, trafficDistribution, internalTrafficPolicy } = service;
  if (internalTrafficPolicy === 'Local') return false;
  const mode = annotations[Annotation.TOPOLOGY_HINTS] ?? annotations[Annotation.TOPOLOGY_MODE];
  if (mode !== undefined && mode !== '' && mode !== 'disabled' && mode !== 'Disabled') return true;
  return trafficDistribution === 'PreferClose';
}

export function marksOf(service: ServiceObject): ServiceMarks {
  const { lbAnnotations: annotations } = service;
  if (service.trafficDistribution === '' && annotations === EMPTY_MAP) return NO_MARKS;
  const algorithm = annotations[Annotation.ALGORITHM];
  const affinity = (annotations[Annotation.AFFINITY] ?? annotations[Annotation.AFFINITY_ALIAS])?.toLowerCase();
  return {
    algorithm: algorithm === 'random' || algorithm === 'maglev' ? algorithm : undefined,
    denyRanges: annotations[Annotation.SOURCE_RANGES_POLICY]?.toLowerCase() === 'deny',
    delegate: annotations[Annotation.PROXY_DELEGATION]?.toLowerCase() === 'delegate-if-local',
    preferClose: prefersClose(service),
    global: isOn(annotations[Annotation.GLOBAL] ?? annotations[Annotation.GLOBAL_ALIAS]),
    affinity: affinity === 'local' || affinity === 'remote' ? affinity : 'none',
  };
}
