import { dump } from 'js-yaml';
import { lazy } from './measure.ts';

type Raw = Record<string, unknown>;

const NODES = 100;
const SERVICES = 10_000;
const ENDPOINTS = 3;

const uid = (i: number): string => `3b241101-e2bb-4255-8caf-${String(i).padStart(12, '0')}`;
const byte = (i: number, which: 0 | 1): number => (which === 1 ? (i >> 8) & 255 : i & 255);

function node(i: number): Raw {
  return {
    apiVersion: 'v1',
    kind: 'Node',
    metadata: { name: `worker-${i}`, uid: uid(i), labels: { 'topology.kubernetes.io/zone': `zone-${i % 3}` } },
    spec: { podCIDR: `10.${i}.0.0/16`, podCIDRs: [`10.${i}.0.0/16`] },
    status: { addresses: [{ type: 'InternalIP', address: `192.168.0.${i + 1}` }] },
  };
}

/** Every tenth is a LoadBalancer (number 10 i has 203.0.113.0 + i), every tenth a NodePort. */
function service(i: number): Raw {
  const type = i % 10 === 0 ? 'LoadBalancer' : i % 10 === 1 ? 'NodePort' : 'ClusterIP';
  const nodePort = type === 'ClusterIP' ? {} : { nodePort: 30000 + 2 * Math.floor(i / 10) + (i % 10) };
  const clusterIP = `172.20.${byte(i, 1)}.${byte(i, 0)}`;
  const number = Math.floor(i / 10);
  const ingress = [{ ip: `203.0.${113 + byte(number, 1)}.${byte(number, 0)}`, ipMode: 'VIP' }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${i}`, namespace: `team-${i % 50}`, labels: { app: `app-${i}` } },
    spec: {
      type,
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      ...(type === 'ClusterIP' ? {} : { externalTrafficPolicy: i % 20 === 0 ? 'Local' : 'Cluster' }),
      sessionAffinity: 'None',
      selector: { app: `app-${i}` },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080, ...nodePort }],
    },
    status: { loadBalancer: type === 'LoadBalancer' ? { ingress } : {} },
  };
}

function slice(i: number): Raw {
  const endpoints = Array.from({ length: ENDPOINTS }, (_, k) => {
    const number = i * ENDPOINTS + k;
    const host = number % NODES;
    const pod = Math.floor(number / NODES);
    return {
      addresses: [`10.${host}.${byte(pod, 1)}.${byte(pod, 0)}`],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: `worker-${host}`,
      targetRef: { kind: 'Pod', name: `service-${i}-${k}`, namespace: `team-${i % 50}`, uid: uid(number) },
      zone: `zone-${host % 3}`,
    };
  });
  const name = `service-${i}`;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `${name}-abcde`,
      namespace: `team-${i % 50}`,
      labels: {
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
        'kubernetes.io/service-name': name,
      },
      ownerReferences: [{ apiVersion: 'v1', controller: true, kind: 'Service', name, uid: uid(i) }],
    },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

/** What a live dump has beside the fields that count: ids, times, the manifest as it was applied. */
function dressed(object: Raw, i: number): Raw {
  const { metadata, ...rest } = object;
  const applied = `${JSON.stringify({ ...rest, metadata, status: undefined })}\n`;
  return {
    ...rest,
    metadata: {
      ...(metadata as Raw),
      creationTimestamp: '2025-03-01T12:00:00Z',
      resourceVersion: String(100_000 + i),
      uid: uid(100_000 + i),
      annotations: {
        ...(object['kind'] === 'Service' ? { 'kubectl.kubernetes.io/last-applied-configuration': applied } : {}),
        'meta.helm.sh/release-name': `release-${i}`,
      },
    },
  };
}

/**
 * `kubectl get nodes,svc,endpointslices -A` of 100 nodes, 10,000 services and 30,000 endpoints: 26 MB of YAML, and the same as
 * JSON.
 */
export const bigDump: () => { readonly yaml: string; readonly json: string } = lazy(() => {
  const items = Array.from({ length: NODES }, (_, i) => node(i));
  for (let i = 0; i < SERVICES; i++) items.push(dressed(service(i), i), dressed(slice(i), i));
  const list = { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
  return {
    yaml: dump(list, { noRefs: true, seqNoIndent: true, lineWidth: -1 }),
    json: JSON.stringify(list, undefined, 4),
  };
});
