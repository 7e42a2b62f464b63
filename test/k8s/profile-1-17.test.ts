import { describe, expect, it } from 'vitest';
import { ControlPlane, type ControlPlaneInit, type Difference, DIFFERENCES_1_17 } from '../../src/k8s/index.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { balancer, node, pod, service, slice } from '../support/kubernetes.ts';

type Objects = readonly object[];

/** What a profile makes of the objects. */
function view(
  profile: '1.17' | '1.18',
  objects: Objects,
  init: ControlPlaneInit,
  after?: (plane: ControlPlane) => void,
) {
  const plane = new ControlPlane({ nodeName: 'worker-a', maglevTableSize: 251, profile, ...init });
  plane.apply(objects);
  after?.(plane);
  const lines = dumpMaps(plane.maps);
  return { plane, lines, masters: lines.filter((line) => line.includes('SLOT=0')) };
}

type View = ReturnType<typeof view>;

interface Example {
  readonly objects: Objects;
  readonly init?: ControlPlaneInit;
  readonly after?: (plane: ControlPlane) => void;
  readonly look: (view: View) => unknown;
  readonly of17: unknown;
  readonly of18: unknown;
}

const types = ({ plane }: View): string[] => plane.frontends.map(({ type }) => type);
const backends = ({ plane }: View): string[] => plane.frontends[0]!.backends.map(({ backend }) => backend.key);
const hinted = (address: string, zone?: string): object => ({
  addresses: [address],
  nodeName: 'worker-a',
  ...(zone === undefined ? {} : { hints: { forZones: [{ name: zone }] } }),
});
const inZone = node('worker-a', ['192.0.2.1'], { 'topology.kubernetes.io/zone': 'a' });
const announce = (plane: ControlPlane): void => {
  plane.setClusterService({
    cluster: 'east',
    clusterID: 2,
    namespace: 'shop',
    name: 'web',
    shared: true,
    backends: { '10.9.0.1': { http: { Protocol: 'TCP', Port: 8080 } } },
  });
};
const redirect = {
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumEnvoyConfig',
  metadata: { name: 'to-proxy', namespace: 'shop' },
  spec: {
    services: [{ name: 'web', namespace: 'shop' }],
    resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'listener' }],
  },
};
const ranges = { loadBalancerSourceRanges: ['10.0.0.0/8'] };
const checked = ({ plane, masters }: View): (string | undefined)[] =>
  masters
    .filter((line) => line.includes('check source-range'))
    .map((line) => plane.frontend(/ADDR=(\S+)/.exec(line)![1]!)?.type)
    .sort();

const local = { externalTrafficPolicy: 'Local', healthCheckNodePort: 30999 };
const checkedNode = node('worker-a', ['192.0.2.1']);
const checkedService = balancer({ ...local, ingress: [{ ip: '203.0.113.1' }, { ip: '203.0.113.2' }] });
const healthServices = ({ plane }: View): string[] =>
  plane.frontends.filter(({ entry }) => /health/.test(entry.name)).map((one) => `${one.entry.name} ${one.key}`);

const lrpBackend = {
  localEndpointSelector: { matchLabels: { app: 'dns' } },
  toPorts: [{ port: '9000', protocol: 'TCP' }],
};
const lrp = (spec: object = {}): Record<string, unknown> => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLocalRedirectPolicy',
  metadata: { name: 'to-local', namespace: 'shop' },
  spec: {
    redirectFrontend: { serviceMatcher: { serviceName: 'web', namespace: 'shop' } },
    redirectBackend: lrpBackend,
    ...spec,
  },
});
const dnsPod = (name: string, ip: string, ready = false): object => {
  const made = pod([{ name: 'http', containerPort: 5353, protocol: 'TCP' }], {
    name,
    ips: [ip],
    labels: { app: 'dns' },
  });
  const conditions = [{ type: 'Ready', status: ready ? 'True' : 'False' }];
  return { ...made, status: { ...(made['status'] as object), conditions } };
};
const effective = ({ plane }: View): string[] =>
  plane.frontends.map(({ type, redirectTo }) => (redirectTo === undefined ? type : 'LocalRedirect'));

const EXAMPLES: Readonly<Record<Difference, readonly Example[]>> = {
  'ip-mode': [
    {
      objects: [balancer({ ingress: [{ ip: '203.0.113.1', ipMode: 'Proxy' }] })],
      look: types,
      of17: ['NodePort', 'ClusterIP'],
      of18: ['NodePort', 'ClusterIP', 'LoadBalancer'],
    },
  ],
  'source-ranges-by-type': [
    {
      objects: [balancer(ranges)],
      look: checked,
      of17: ['LoadBalancer'],
      of18: ['ClusterIP', 'LoadBalancer', 'NodePort'],
    },
    {
      objects: [balancer(ranges)],
      init: { sourceRangeAllTypes: true, externalClusterIp: true },
      look: checked,
      of17: ['ClusterIP', 'LoadBalancer', 'NodePort'],
      of18: ['ClusterIP', 'LoadBalancer', 'NodePort'],
    },
    {
      objects: [balancer(ranges)],
      init: { sourceRangeCheck: false },
      look: checked,
      of17: [],
      of18: ['ClusterIP', 'LoadBalancer', 'NodePort'],
    },
  ],
  'internal-policy-switch': [
    {
      objects: [
        service({ internalTrafficPolicy: 'Local' }),
        slice([{ addresses: ['10.0.0.1'], nodeName: 'worker-b' }]),
      ],
      init: { internalTrafficPolicy: false },
      look: backends,
      of17: ['10.0.0.1:8080/TCP'],
      of18: [],
    },
  ],
  'topology-fallback': [
    {
      objects: [inZone, service({ trafficDistribution: 'PreferClose' }), slice([hinted('10.0.0.1', 'b')] as never)],
      init: { serviceTopology: true },
      look: backends,
      of17: ['10.0.0.1:8080/TCP'],
      of18: [],
    },
    {
      objects: [
        inZone,
        service({ trafficDistribution: 'PreferClose' }),
        slice([hinted('10.0.0.1', 'b'), hinted('10.0.0.2')] as never),
      ],
      init: { serviceTopology: true },
      look: backends,
      of17: ['10.0.0.1:8080/TCP', '10.0.0.2:8080/TCP'],
      of18: ['10.0.0.2:8080/TCP'],
    },
    {
      objects: [
        inZone,
        service({ trafficDistribution: 'PreferClose' }),
        slice([hinted('10.0.0.1', 'a'), hinted('10.0.0.2', 'b')] as never),
      ],
      look: backends,
      of17: ['10.0.0.1:8080/TCP', '10.0.0.2:8080/TCP'],
      of18: ['10.0.0.1:8080/TCP'],
    },
  ],
  'affinity-clamp': [
    {
      objects: [
        service({
          sessionAffinity: 'ClientIP',
          sessionAffinityConfig: { clientIP: { timeoutSeconds: 20_000_000 } },
        }),
      ],
      look: ({ masters }) => masters.map((line) => /AFFTimeout=\d+/.exec(line)![0]),
      of17: ['AFFTimeout=16777215'],
      of18: [],
    },
  ],
  'affinity-with-proxy': [
    {
      objects: [service({ sessionAffinity: 'ClientIP' }), redirect],
      init: { envoyConfig: true, proxyPort: () => 1000 },
      look: ({ plane }) => plane.frontends[0]!.status,
      of17: 'Done',
      of18: 'Error',
    },
  ],
  'redirects-by-frontend': [
    {
      objects: [
        balancer({
          ports: [
            { name: 'http', port: 80, protocol: 'TCP', nodePort: 30080 },
            { name: 'quic', port: 80, protocol: 'UDP', nodePort: 30080 },
          ],
        }),
        { ...redirect, spec: { ...redirect.spec, services: [{ name: 'web', namespace: 'shop', ports: [80] }] } },
      ],
      init: { envoyConfig: true, proxyPort: () => 1000 },
      look: ({ masters }) =>
        masters.filter((line) => line.includes('l7-load-balancer')).map((line) => /ADDR=(\S+)/.exec(line)![1]),
      of17: ['10.96.0.1:80/TCP', '203.0.113.1:80/TCP'],
      of18: [
        '0.0.0.0:30080/TCP',
        '0.0.0.0:30080/UDP',
        '10.96.0.1:80/TCP',
        '10.96.0.1:80/UDP',
        '203.0.113.1:80/TCP',
        '203.0.113.1:80/UDP',
      ],
    },
  ],
  'policies-by-type': [
    {
      objects: [balancer({ externalTrafficPolicy: 'Local' })],
      look: ({ masters }) =>
        masters.filter((line) => /\+Local\b/.test(line)).map((line) => /ADDR=(\S+)/.exec(line)![1]),
      of17: ['0.0.0.0:30080/TCP', '0.0.0.0:30080/TCP/i', '203.0.113.1:80/TCP', '203.0.113.1:80/TCP/i'],
      of18: [
        '0.0.0.0:30080/TCP',
        '0.0.0.0:30080/TCP/i',
        '10.96.0.1:80/TCP',
        '203.0.113.1:80/TCP',
        '203.0.113.1:80/TCP/i',
      ],
    },
  ],
  'local-redirects': [
    {
      // The number is the policy's own; a pod that is not ready does not count.
      objects: [
        service(),
        slice(['10.0.0.1']),
        lrp(),
        dnsPod('pod-a', '10.20.9.1', true),
        dnsPod('pod-b', '10.20.9.2'),
      ],
      init: { localRedirectPolicy: true },
      look: (seen) => [types(seen), effective(seen), backends(seen)],
      of17: [['ClusterIP'], ['LocalRedirect'], ['10.20.9.1:9000/TCP']],
      of18: [['ClusterIP'], ['LocalRedirect'], ['10.20.9.1:5353/TCP', '10.20.9.2:5353/TCP']],
    },
    {
      objects: [service(), slice(['10.0.0.1']), lrp(), dnsPod('pod-b', '10.20.9.2')],
      init: { localRedirectPolicy: true },
      look: (seen) => [effective(seen), backends(seen)],
      of17: [['ClusterIP'], ['10.0.0.1:8080/TCP']],
      of18: [['LocalRedirect'], ['10.20.9.2:5353/TCP']],
    },
    {
      objects: [service(), slice(['10.0.0.1']), lrp(), dnsPod('pod-a', '10.20.9.1', true)],
      init: { localRedirectPolicy: true },
      after: (plane) => {
        plane.apply([dnsPod('pod-a', '10.20.9.1')]);
      },
      look: (seen) => [effective(seen), backends(seen), seen.plane.backends.length],
      of17: [['ClusterIP'], ['10.0.0.1:8080/TCP'], 1],
      of18: [['LocalRedirect'], ['10.20.9.1:5353/TCP'], 2],
    },
    {
      // What the Service asks for is not asked of the redirect.
      objects: [
        service({ sessionAffinity: 'ClientIP', internalTrafficPolicy: 'Local' }),
        lrp(),
        dnsPod('pod-a', '10.20.9.1', true),
      ],
      init: { localRedirectPolicy: true },
      look: ({ masters }) => masters.map((line) => /FLAGS=(.*)/.exec(line)![1]),
      of17: ['LocalRedirect'],
      of18: ['LocalRedirect+InternalLocal+two-scopes+sessionAffinity'],
    },
    {
      // An address matcher takes over a ClusterIP.
      objects: [
        service(),
        lrp({ redirectFrontend: { addressMatcher: { ip: '10.96.0.1', toPorts: [{ port: '80', protocol: 'TCP' }] } } }),
        dnsPod('pod-a', '10.20.9.1', true),
      ],
      init: { localRedirectPolicy: true },
      look: (seen) => [effective(seen), backends(seen)],
      of17: [['LocalRedirect'], ['10.20.9.1:9000/TCP']],
      of18: [['ClusterIP'], []],
    },
    {
      // Updates are not taken.
      objects: [service(), lrp(), dnsPod('pod-a', '10.20.9.1', true)],
      init: { localRedirectPolicy: true },
      after: (plane) => {
        plane.apply([
          lrp({ redirectBackend: { ...lrpBackend, localEndpointSelector: { matchLabels: { app: 'no' } } } }),
        ]);
      },
      look: backends,
      of17: ['10.20.9.1:9000/TCP'],
      of18: [],
    },
    {
      objects: [service(), slice(['10.0.0.1']), lrp(), dnsPod('pod-a', '10.20.9.1', true)],
      init: { localRedirectPolicy: true },
      after: (plane) => {
        plane.remove([lrp()]);
      },
      look: (seen) => [effective(seen), backends(seen)],
      of17: [['ClusterIP'], ['10.0.0.1:8080/TCP']],
      of18: [['ClusterIP'], ['10.0.0.1:8080/TCP']],
    },
  ],
  'preferred-backends': [
    {
      objects: [
        service({
          annotations: { 'service.cilium.io/global': 'true', 'service.cilium.io/affinity': 'remote' },
        }),
        slice(['10.0.0.1']),
      ],
      after: announce,
      look: (seen) => [
        backends(seen).length,
        /COUNT=\d+/.exec(seen.masters[0]!)![0],
        seen.lines.find((l) => l.includes('SLOT=1'))?.includes('BEID=2'),
      ],
      of17: [2, 'COUNT=1', true],
      of18: [1, 'COUNT=1', true],
    },
  ],
  'slots-by-id': [
    {
      objects: [service(), slice(['10.0.0.2'])],
      after: (plane) => {
        plane.apply([slice(['10.0.0.1', '10.0.0.2', '10.0.0.3'])]);
        plane.setHealth('shop/web', '10.0.0.3:8080/TCP', false);
      },
      look: ({ lines }) =>
        lines
          .filter((line) => /SLOT=[123] /.test(line))
          .map((line) => `${/BEID=\d+/.exec(line)![0]} ${/FLAGS=(.*)/.exec(line)![1]}`),
      of17: [
        'BEID=1 ClusterIP+non-routable',
        'BEID=2 ClusterIP+non-routable',
        'BEID=3 ClusterIP+non-routable+quarantined',
      ],
      of18: ['BEID=2 ClusterIP+non-routable', 'BEID=1 ClusterIP+non-routable', 'BEID=3 ClusterIP+non-routable'],
    },
  ],
  'algorithm-always': [
    {
      objects: [service()],
      look: ({ masters }) => /LBALG=\w+/.exec(masters[0]!)![0],
      of17: 'LBALG=random',
      of18: 'LBALG=undef',
    },
    {
      objects: [service({ annotations: { 'service.cilium.io/lb-algorithm': 'random' } })],
      init: { algorithm: 'maglev', algorithmAnnotation: true },
      look: ({ masters }) => /LBALG=\w+/.exec(masters[0]!)![0],
      of17: 'LBALG=random',
      of18: 'LBALG=random',
    },
  ],
  'delegation-node-addresses': [
    {
      objects: [
        inZone,
        service({
          internalTrafficPolicy: 'Local',
          annotations: { 'service.cilium.io/proxy-delegation': 'delegate-if-local' },
        }),
        slice(['10.0.0.1', '192.0.2.1']),
      ],
      look: backends,
      of17: ['192.0.2.1:8080/TCP'],
      of18: ['10.0.0.1:8080/TCP', '192.0.2.1:8080/TCP'],
    },
  ],
  'node-port-services': [
    {
      objects: [inZone, balancer()],
      look: ({ plane }) => plane.listed.map(({ address }) => address),
      of17: ['0.0.0.0:30080/TCP', '192.0.2.1:30080/TCP', '10.96.0.1:80/TCP', '203.0.113.1:80/TCP'],
      of18: ['0.0.0.0:30080/TCP', '10.96.0.1:80/TCP', '203.0.113.1:80/TCP'],
    },
  ],
  'health-check-addresses': [
    {
      objects: [checkedNode, checkedService],
      look: healthServices,
      of17: [],
      of18: ['shop/web:healthserver 203.0.113.2:30999/TCP'],
    },
    {
      objects: [checkedNode, checkedService],
      init: { healthCheckLoadBalancerIp: true },
      look: healthServices,
      of17: ['shop/web-healthCheck 203.0.113.1:30999/TCP', 'shop/web-healthCheck 203.0.113.2:30999/TCP'],
      of18: ['shop/web:healthserver 203.0.113.2:30999/TCP'],
    },
    {
      objects: [checkedNode, checkedService],
      init: { healthCheckLoadBalancerIp: true },
      after: (plane) => {
        plane.apply([balancer({ ...local, ingress: [{ ip: '203.0.113.1' }] })]);
      },
      look: healthServices,
      of17: ['shop/web-healthCheck 203.0.113.1:30999/TCP'],
      of18: ['shop/web:healthserver 203.0.113.1:30999/TCP'],
    },
    {
      objects: [checkedNode, checkedService],
      init: { healthCheckLoadBalancerIp: true },
      after: (plane) => {
        plane.apply([balancer()]);
      },
      look: (seen) => [healthServices(seen), seen.plane.backends.length],
      of17: [[], 0],
      of18: [[], 0],
    },
  ],
  'host-network-pods': [
    {
      objects: [pod([{ containerPort: 9080, hostPort: 9080, protocol: 'TCP' }], { hostNetwork: true })],
      look: types,
      of17: [],
      of18: ['HostPort'],
    },
  ],
  'separate-switches': [
    {
      objects: [
        service({ externalIPs: ['198.51.100.1'] }),
        pod([{ containerPort: 8080, hostPort: 9080, protocol: 'TCP' }]),
      ],
      init: { kubeProxyReplacement: false, hostPort: true, externalIps: false },
      look: types,
      of17: ['HostPort', 'ClusterIP'],
      of18: ['ClusterIP'],
    },
  ],
};

describe('profile 1.17', () => {
  it.each(DIFFERENCES_1_17)('%s', (difference) => {
    for (const { objects, init = {}, after, look, of17, of18 } of EXAMPLES[difference]) {
      expect(look(view('1.17', objects, init, after))).toEqual(of17);
      expect(look(view('1.18', objects, init, after))).toEqual(of18);
    }
  });
});
