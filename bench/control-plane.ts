import { ControlPlane } from '../src/k8s/control-plane.ts';
import { LbMaps } from '../src/lb/maps.ts';
import type { Benchmark } from './measure.ts';

const SERVICES = 50_000;
const ENDPOINTS = 3;

const ip = (base: number, i: number): string => `${base}.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`;

function service(i: number): Record<string, unknown> {
  const clusterIP = ip(11, i);
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: `service-${i}`, namespace: 'bench', uid: `s${i}`, labels: {}, annotations: {} },
    spec: {
      type: 'ClusterIP',
      clusterIP,
      clusterIPs: [clusterIP],
      ipFamilies: ['IPv4'],
      ipFamilyPolicy: 'SingleStack',
      internalTrafficPolicy: 'Cluster',
      sessionAffinity: 'None',
      selector: { app: `app-${i}` },
      ports: [{ name: 'http', port: 80, protocol: 'TCP', targetPort: 8080 }],
    },
    status: { loadBalancer: {} },
  };
}

/** `last` replaces the last address, to make a change. */
export function slice(i: number, last?: string): Record<string, unknown> {
  const addresses = Array.from({ length: ENDPOINTS }, (_, k) => ip(10, i * ENDPOINTS + k));
  if (last !== undefined) addresses[ENDPOINTS - 1] = last;
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: `service-${i}-abcde`,
      namespace: 'bench',
      labels: { 'kubernetes.io/service-name': `service-${i}` },
    },
    addressType: 'IPv4',
    endpoints: addresses.map((address) => ({
      addresses: [address],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'worker-1',
    })),
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  };
}

/** A cluster of `count` services with three endpoints each, as parsed objects. */
export function cluster(count: number): Record<string, unknown>[] {
  const objects: Record<string, unknown>[] = [];
  for (let i = 0; i < count; i++) objects.push(service(i), slice(i));
  return objects;
}

export const newPlane = (): ControlPlane => new ControlPlane({ nodeName: 'worker-1', maps: new LbMaps(1 << 20) });

export function controlPlaneBenchmarks(): Benchmark[] {
  const objects = cluster(SERVICES);
  const plane = newPlane();
  plane.apply(objects);
  let change = 0;
  return [
    {
      name: 'control plane: per service, of 50000',
      operations: SERVICES,
      run: () => newPlane().apply(objects).mapWrites,
    },
    {
      name: 'control plane: one endpoint of 150000',
      operations: 1,
      run: () => {
        change++;
        return plane.apply([slice(change % SERVICES, ip(12, change))]).mapWrites;
      },
    },
  ];
}
