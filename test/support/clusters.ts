import fc from 'fast-check';
import { balancer, pod, slice } from './kubernetes.ts';

/**
 * Arbitrary clusters without conflicts: every service has addresses and node ports of its own, so that the order of objects does not
 * matter. Backends are shared between services.
 */
const policy = fc.constantFrom('Cluster', 'Local');
const maybe = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(arbitrary, { nil: undefined });

export const serviceAt = (i: number): fc.Arbitrary<object> =>
  fc
    .record({
      type: fc.constantFrom('ClusterIP', 'NodePort', 'LoadBalancer'),
      ports: fc.constantFrom(['http'], ['http', 'dns']),
      externalTrafficPolicy: policy,
      internalTrafficPolicy: policy,
      affinity: maybe(fc.integer({ min: 1, max: 86_400 })),
      ranges: fc.subarray(['10.0.0.0/8', '10.1.2.3/8', '192.168.1.0/24', 'fd00::/8']),
      external: fc.boolean(),
      dual: fc.boolean(),
      maglev: maybe(fc.constantFrom('maglev', 'random')),
      deny: fc.boolean(),
      close: fc.boolean(),
    })
    .map((one) =>
      balancer({
        name: `svc-${i}`,
        type: one.type,
        clusterIP: `10.96.0.${i}`,
        clusterIPs: one.dual ? [`10.96.0.${i}`, `fd10::${i}`] : [`10.96.0.${i}`],
        ipFamilies: one.dual ? ['IPv4', 'IPv6'] : ['IPv4'],
        externalTrafficPolicy: one.externalTrafficPolicy,
        internalTrafficPolicy: one.internalTrafficPolicy,
        ports: one.ports.map((name, p) => ({
          name,
          port: p === 0 ? 80 : 53,
          protocol: p === 0 ? 'TCP' : 'UDP',
          nodePort: 30_000 + 10 * i + p,
        })),
        ingress: [`203.0.113.${i}`],
        ...(one.external ? { externalIPs: [`198.51.100.${i}`] } : {}),
        ...(one.affinity === undefined
          ? {}
          : { sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds: one.affinity } } }),
        loadBalancerSourceRanges: one.ranges,
        ...(one.close ? { trafficDistribution: 'PreferClose' } : {}),
        annotations: {
          ...(one.maglev === undefined ? {} : { 'service.cilium.io/lb-algorithm': one.maglev }),
          ...(one.deny ? { 'service.cilium.io/src-ranges-policy': 'deny' } : {}),
        },
      }),
    );

const HOSTS = 8;

/** What the conditions of each host are, so that all services see a shared backend in one state. */
const conditions = fc.array(fc.record({ ready: fc.boolean(), serving: fc.boolean(), terminating: fc.boolean() }), {
  minLength: HOSTS,
  maxLength: HOSTS,
});

const endpoint = fc
  .record({
    host: fc.integer({ min: 1, max: HOSTS }),
    node: fc.constantFrom('worker-a', 'worker-b'),
    zone: maybe(fc.constantFrom('a', 'b')),
  })
  .map(({ host, node, zone }) => ({
    host,
    addresses: [`10.0.0.${host}`],
    nodeName: node,
    ...(zone === undefined ? {} : { hints: { forZones: [{ name: zone }] } }),
  }));

type States = readonly object[];

/** One slice of service `i`; within it an address may come twice. */
export const sliceOf = (i: number): fc.Arbitrary<(states: States) => object> =>
  fc.array(endpoint, { maxLength: 5 }).map(
    (endpoints) => (states) =>
      slice(
        endpoints.map(({ host, ...one }) => ({ ...one, conditions: states[host - 1] })),
        {
          name: `svc-${i}-a`,
          service: `svc-${i}`,
          ports: [
            { name: 'http', port: 8080, protocol: 'TCP' },
            { name: 'dns', port: 5353, protocol: 'UDP' },
          ],
        },
      ),
  );

export const podAt = (i: number): fc.Arbitrary<object> =>
  fc
    .record({
      host: fc.constantFrom(undefined, '127.0.0.1', '192.0.2.77'),
      phase: fc.constantFrom('Running', 'Failed'),
    })
    .map(({ host, phase }) =>
      pod([{ containerPort: 8080, hostPort: 9000 + i, protocol: 'TCP', hostIP: host }], {
        name: `pod-${i}`,
        ips: [`10.20.0.${i}`],
        phase,
      }),
    );

/** Up to four services, their slices, and two pods. */
export const clusterObjects: fc.Arbitrary<object[]> = fc
  .record({
    states: conditions,
    services: fc
      .integer({ min: 1, max: 4 })
      .chain((count) =>
        fc.tuple(...Array.from({ length: count }, (_, k) => fc.tuple(serviceAt(k + 1), sliceOf(k + 1)))),
      ),
    pods: fc.tuple(podAt(1), podAt(2)),
  })
  .map(({ states, services, pods }) => [
    ...services.flatMap(([service, slices]) => [service, slices(states)]),
    ...pods,
  ]);
