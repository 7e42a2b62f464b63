import type { Schema } from '../schema.ts';
import { anything, list, object, oneOf, text, texts, whole, yes } from './build.ts';

/*
 * The fields of the Kubernetes kinds that decide what lbtwin answers, with the types of the published API. Services, EndpointSlices and
 * NetworkPolicies are here whole, so that another field is an unknown one; of Nodes and Pods, which have far more than a schema here could
 * keep up with, other fields are left alone.
 */

const open: Schema = { 'x-kubernetes-preserve-unknown-fields': true };
/** Of any type, and whatever is in it. */
const unseen: Schema = { 'x-kubernetes-preserve-unknown-fields': true };
const metadata = object({
  name: text,
  generateName: text,
  namespace: text,
  labels: texts,
  annotations: texts,
  ...Object.fromEntries(
    [
      'selfLink',
      'uid',
      'resourceVersion',
      'generation',
      'creationTimestamp',
      'deletionTimestamp',
      'deletionGracePeriodSeconds',
      'ownerReferences',
      'finalizers',
      'managedFields',
    ].map((name) => [name, unseen]),
  ),
});
/** A kind of which all fields are here. */
const complete = (spec: Record<string, Schema>): Schema =>
  object({ apiVersion: text, kind: text, metadata, spec: object(spec), status: unseen });
const kind = (spec: Record<string, Schema>, more: Record<string, Schema> = {}): Schema =>
  object({ apiVersion: text, kind: text, metadata, spec: object(spec, undefined, open), ...more }, undefined, open);

const intOrString: Schema = { 'x-kubernetes-int-or-string': true };
const labelSelector = object({
  matchLabels: texts,
  matchExpressions: list(object({ key: text, operator: text, values: list(text) })),
});

export const SERVICE_TYPES: readonly string[] = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];
export const PROTOCOLS: readonly string[] = ['SCTP', 'TCP', 'UDP'];

export const SERVICE: Schema = complete({
  type: text,
  clusterIP: text,
  clusterIPs: list(text),
  ipFamilies: list(text),
  ipFamilyPolicy: oneOf('PreferDualStack', 'RequireDualStack', 'SingleStack'),
  externalIPs: list(text),
  externalName: text,
  externalTrafficPolicy: text,
  internalTrafficPolicy: oneOf('Cluster', 'Local'),
  trafficDistribution: text,
  healthCheckNodePort: whole,
  loadBalancerIP: text,
  loadBalancerClass: text,
  loadBalancerSourceRanges: list(text),
  allocateLoadBalancerNodePorts: yes,
  publishNotReadyAddresses: yes,
  sessionAffinity: text,
  sessionAffinityConfig: object({ clientIP: object({ timeoutSeconds: whole }) }),
  selector: texts,
  ports: list(
    object({ name: text, protocol: text, port: whole, targetPort: intOrString, nodePort: whole, appProtocol: text }),
  ),
});

export const ENDPOINT_SLICE: Schema = object({
  apiVersion: text,
  kind: text,
  metadata,
  addressType: text,
  endpoints: list(
    object({
      addresses: list(text),
      conditions: object({ ready: yes, serving: yes, terminating: yes }),
      hostname: text,
      nodeName: text,
      zone: text,
      targetRef: anything,
      hints: object({ forZones: list(object({ name: text })), forNodes: list(object({ name: text })) }),
      deprecatedTopology: unseen,
    }),
  ),
  ports: list(object({ name: text, protocol: text, port: whole, appProtocol: text })),
});

export const NODE: Schema = kind(
  { podCIDR: text, podCIDRs: list(text), providerID: text, unschedulable: yes },
  { status: object({ addresses: list(object({ type: text, address: text })) }, undefined, open) },
);

const container = object(
  {
    name: text,
    ports: list(object({ name: text, containerPort: whole, hostPort: whole, hostIP: text, protocol: text })),
  },
  undefined,
  open,
);

export const POD: Schema = kind(
  { nodeName: text, hostNetwork: yes, containers: list(container), initContainers: list(container) },
  {
    status: object({ phase: text, podIP: text, podIPs: list(object({ ip: text })), hostIP: text }, undefined, open),
  },
);

const peer = object({
  podSelector: labelSelector,
  namespaceSelector: labelSelector,
  ipBlock: object({ cidr: text, except: list(text) }),
});
const policyPorts = list(object({ port: intOrString, endPort: whole, protocol: text }));

export const NETWORK_POLICY: Schema = complete({
  podSelector: labelSelector,
  policyTypes: list(text),
  ingress: list(object({ from: list(peer), ports: policyPorts })),
  egress: list(object({ to: list(peer), ports: policyPorts })),
});
