import { describe, expect, it } from 'vitest';
import { ControlPlane, type ControlPlaneInit } from '../../src/k8s/index.ts';
import { dumpMaps } from '../../src/report/map-dump.ts';
import { balancer, node, pod, service, slice } from '../support/kubernetes.ts';

/** The rules that the recorded scenarios do not reach, and those that only reading told. */
const plane = (objects: readonly object[], init: ControlPlaneInit = {}): ControlPlane => {
  const made = new ControlPlane({ nodeName: 'worker-a', maglevTableSize: 251, ...init });
  made.apply(objects);
  return made;
};

const backendsOf = (made: ControlPlane, address = '10.96.0.1:80/TCP'): string[] =>
  made.frontend(address)!.backends.map(({ backend }) => backend.key);

const lines = (made: ControlPlane, prefix: string): string[] =>
  dumpMaps(made.maps).filter((line) => line.startsWith(prefix));

const master = (made: ControlPlane, address = '10.96.0.1:80/TCP'): string =>
  lines(made, 'SVC:').find((line) => line.includes(`ADDR=${address} SLOT=0`)) ?? 'none';

const endpoint = (address: string, more: object = {}): Record<string, unknown> => ({
  addresses: [address],
  nodeName: 'worker-a',
  ...more,
});

describe('endpoint conditions', () => {
  it.each([
    ['ready wins over terminating', { ready: true, terminating: true }, 'active'],
    ['absent ready is ready', { terminating: true }, 'active'],
    ['not ready but serving and terminating', { ready: false, serving: true, terminating: true }, 'terminating'],
    ['not ready but serving', { ready: false, serving: true }, 'active'],
  ])('%s', (_, conditions, state) => {
    const made = plane([service(), slice([endpoint('10.0.0.1', { conditions })])]);
    expect(lines(made, 'BE:')).toEqual([`BE: ID=1 ADDR=10.0.0.1:8080/TCP STATE=${state}`]);
  });

  it.each([[{ ready: false }], [{ ready: false, serving: false, terminating: true }]])(
    '%j is no backend',
    (conditions) => {
      const made = plane([service(), slice([endpoint('10.0.0.1', { conditions })])]);
      expect(made.backends).toEqual([]);
    },
  );

  it('makes terminating ones selectable when nothing else is, unhealthy ones not', () => {
    const conditions = { ready: false, serving: true, terminating: true };
    const made = plane([
      service(),
      slice([endpoint('10.0.0.1', { conditions }), endpoint('10.0.0.2', { conditions })]),
    ]);
    expect(master(made)).toContain('COUNT=2 QCOUNT=0');
    made.setHealth('shop/web', '10.0.0.1:8080/TCP', false);
    expect(master(made)).toContain('COUNT=1 QCOUNT=1');
    made.setHealth('shop/web', '10.0.0.2:8080/TCP', false);
    expect(master(made)).toContain('COUNT=0 QCOUNT=2');
  });
});

describe('annotations without their options', () => {
  it('lb-algorithm needs bpf-lb-algorithm-annotation', () => {
    const objects = [balancer({ annotations: { 'service.cilium.io/lb-algorithm': 'maglev' } }), slice(['10.0.0.1'])];
    expect(lines(plane(objects), 'MAGLEV:')).toEqual([]);
    expect(master(plane(objects))).toContain('LBALG=undef');
    const allowed = plane(objects, { algorithmAnnotation: true });
    expect(lines(allowed, 'MAGLEV:').length).toBe(2);
    expect(master(allowed)).toContain('LBALG=maglev');
  });

  it('forwarding-mode needs bpf-lb-mode-annotation', () => {
    const objects = [service({ annotations: { 'service.cilium.io/forwarding-mode': 'DSR' } })];
    expect(master(plane(objects))).not.toContain('dsr');
    expect(master(plane(objects, { modeAnnotation: true }))).toContain('dsr');
  });

  it('forwarding-mode snat takes a service out of DSR', () => {
    const objects = [service({ annotations: { 'service.cilium.io/forwarding-mode': 'snat' } })];
    expect(master(plane(objects, { mode: 'dsr', modeAnnotation: true }))).not.toContain('dsr');
    expect(master(plane(objects, { mode: 'dsr' }))).toContain('dsr');
    expect(master(plane(objects, { mode: 'hybrid' }))).not.toContain('dsr');
  });
});

describe('session affinity', () => {
  it.each([[undefined], [{ clientIP: {} }], [{ clientIP: { timeoutSeconds: 0 } }]])('%j is three hours', (config) => {
    const made = plane([service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: config })]);
    expect(master(made)).toContain('AFFTimeout=10800');
  });

  it('refuses a timeout beyond 24 bits for the master entry alone, and recovers with the same id', () => {
    const at = (timeoutSeconds: number): object =>
      service({ sessionAffinity: 'ClientIP', sessionAffinityConfig: { clientIP: { timeoutSeconds } } });
    const made = plane([at(16_777_216), slice(['10.0.0.1'])]);
    expect(made.frontend('10.96.0.1:80/TCP')).toMatchObject({
      status: 'Error',
      error:
        'upsert service master: session affinity timeout 16777216 does not fit into 24 bits (is larger than 16777215)',
    });
    expect(master(made)).toBe('none');
    expect(lines(made, 'AFF:')).toEqual(['AFF: ID=1 BEID=1']);
    expect(lines(made, 'REV:')).toEqual(['REV: ID=1 ADDR=10.96.0.1:80']);
    expect(made.apply([at(5)]).failed).toEqual([]);
    expect(master(made)).toContain('ID=1 ADDR=10.96.0.1:80/TCP SLOT=0 LBALG=undef AFFTimeout=5');
  });

  it('cannot go together with a proxy redirect', () => {
    const made = plane([service({ sessionAffinity: 'ClientIP' }), redirectTo('web')], {
      envoyConfig: true,
      proxyPort: () => 1000,
    });
    expect(made.frontend('10.96.0.1:80/TCP')!.status).toBe('Error');
  });
});

const redirectTo = (name: string, kind = 'CiliumEnvoyConfig'): object => ({
  apiVersion: 'cilium.io/v2',
  kind,
  metadata: { name: 'to-proxy', namespace: 'shop' },
  spec: {
    services: [{ name, namespace: 'shop', ports: [80] }],
    resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'listener' }],
  },
});

describe('zone hints', () => {
  const close = { trafficDistribution: 'PreferClose' };
  const hinted = (address: string, zone: string): object =>
    endpoint(address, { hints: { forZones: [{ name: zone }] } });
  const endpoints = slice([hinted('10.0.0.1', 'a'), hinted('10.0.0.2', 'b')] as never);
  const inZone = (zone: string | undefined): object =>
    node('worker-a', [], zone === undefined ? {} : { 'topology.kubernetes.io/zone': zone });

  it.each([
    ['keep the zone of the node', 'a', close, ['10.0.0.1:8080/TCP']],
    ['may leave nothing', 'c', close, []],
    ['do not count on a node without a zone', undefined, close, ['10.0.0.1:8080/TCP', '10.0.0.2:8080/TCP']],
    ['do not count on a node with an empty zone', '', close, ['10.0.0.1:8080/TCP', '10.0.0.2:8080/TCP']],
    [
      'do not count with internalTrafficPolicy Local',
      'a',
      { ...close, internalTrafficPolicy: 'Local' },
      ['10.0.0.1:8080/TCP', '10.0.0.2:8080/TCP'],
    ],
    [
      'count with externalTrafficPolicy Local',
      'a',
      { ...close, externalTrafficPolicy: 'Local' },
      ['10.0.0.1:8080/TCP'],
    ],
  ])('%s', (_, zone, spec, expected) => {
    expect(backendsOf(plane([inZone(zone), service(spec), endpoints]))).toEqual(expected);
  });

  it('act as soon as the zone of the node changes', () => {
    const made = plane([inZone('a'), service(close), endpoints]);
    made.setNode({ labels: { 'topology.kubernetes.io/zone': 'b' } });
    expect(backendsOf(made)).toEqual(['10.0.0.2:8080/TCP']);
  });
});

describe('frontends', () => {
  it('has none with cluster IP None, whatever the type', () => {
    for (const type of ['NodePort', 'LoadBalancer']) {
      const made = plane([balancer({ type, clusterIP: 'None', clusterIPs: ['None'], externalIPs: ['198.51.100.1'] })]);
      expect(made.frontends).toEqual([]);
      expect(made.services.length).toBe(1);
    }
  });

  it('has externalIPs in the external scope alone, with the two-scopes bit where the policies differ', () => {
    const made = plane([service({ externalIPs: ['198.51.100.1'], externalTrafficPolicy: 'Local' })]);
    const keys = made.frontends.map(({ key }) => key);
    expect(keys).toEqual(['10.96.0.1:80/TCP', '198.51.100.1:80/TCP']);
    expect(master(made, '198.51.100.1:80/TCP')).toContain('FLAGS=ExternalIPs+Local+two-scopes');
  });

  it('repeats node ports at every address of the node, in order of bytes', () => {
    const made = plane([balancer()]);
    made.setNode({
      addresses: [{ address: '10.0.1.9' }, { address: '10.0.1.10' }, { address: '9.9.9.9', nodePort: false }],
    });
    expect(made.mapFrontends.filter(({ frontend }) => frontend.type === 'NodePort')).toMatchObject([
      { address: '0.0.0.0:30080/TCP', id: 1 },
      { address: '10.0.1.9:30080/TCP', id: 4 },
      { address: '10.0.1.10:30080/TCP', id: 5 },
    ]);
    expect(made.listed.map(({ address }) => address)).not.toContain('10.0.1.9:30080/TCP');
  });

  it('passes over other service proxies', () => {
    const labels = { 'service.kubernetes.io/service-proxy-name': 'other' };
    expect(plane([service({ labels })]).services).toEqual([]);
    expect(plane([service({ labels })], { serviceProxyName: 'other' }).services.length).toBe(1);
    expect(plane([service()], { serviceProxyName: 'other' }).services).toEqual([]);
    // Without a name it is the label that counts, not its value.
    expect(plane([service({ labels: { 'service.kubernetes.io/service-proxy-name': '' } })]).services).toEqual([]);
    const slices = [slice(['10.20.0.1'], { labels })];
    expect(plane(slices).backends).toEqual([]);
    expect(plane(slices, { serviceProxyName: 'other' }).backends.length).toBe(1);
    const made = plane([service(), slice(['10.20.0.1'])]);
    made.apply(slices);
    expect(made.backends).toEqual([]);
  });

  it('is only ClusterIP without kube-proxy replacement', () => {
    const made = plane([balancer({ externalIPs: ['198.51.100.1'] })], { kubeProxyReplacement: false });
    expect(made.frontends.map(({ type }) => type)).toEqual(['ClusterIP']);
  });

  it('is exposed where the node selector says, at the next change of the Service', () => {
    const made = plane([service({ annotations: { 'service.cilium.io/node-selector': 'tier in (edge)' } })]);
    expect(made.services).toEqual([]);
    made.setNode({ labels: { tier: 'edge' } });
    expect(made.services).toEqual([]);
    made.apply([service({ annotations: { 'service.cilium.io/node-selector': 'tier in (edge)' } })]);
    expect(made.services.length).toBe(1);
  });
});

describe('source ranges', () => {
  const both = ['10.0.0.0/8', 'fd00::/8'];

  it('go to the frontends of their family', () => {
    const made = plane([balancer({ loadBalancerSourceRanges: both })]);
    expect(lines(made, 'SRCRANGE:').every((line) => line.endsWith('CIDR=10.0.0.0/8'))).toBe(true);
  });

  it('deny without ranges reads as quarantined', () => {
    const annotations = { 'service.cilium.io/src-ranges-policy': 'deny' };
    expect(master(plane([service({ annotations })]))).toContain('FLAGS=ClusterIP+non-routable+quarantined');
    const made = plane([service({ annotations, loadBalancerSourceRanges: both })]);
    expect(master(made)).toContain('check source-range+deny');
  });
});

describe('hostPort', () => {
  const port = { containerPort: 8080, hostPort: 9080, protocol: 'TCP' };

  it('is not made inside the node port range', () => {
    expect(plane([pod([{ ...port, hostPort: 30080 }])]).frontends).toEqual([]);
    expect(plane([pod([{ ...port, hostPort: 30080 }])], { nodePortRange: [20000, 20001] }).frontends.length).toBe(1);
  });

  it('on loopback is a wildcard frontend with the loopback flag', () => {
    const made = plane([pod([{ ...port, hostIP: '127.0.0.1' }])]);
    expect(master(made, '0.0.0.0:9080/TCP')).toContain('FLAGS=HostPort+non-routable+loopback');
    const unsupported = plane([pod([{ ...port, hostIP: '127.0.0.1' }])], { netnsCookie: false });
    expect([unsupported.frontends, unsupported.services, unsupported.backends]).toEqual([[], [], []]);
  });

  it('with a hostIP of a switched-off family is a row without backends, and nothing in the maps', () => {
    const made = plane([pod([{ ...port, hostIP: 'fd00::7' }], { ips: ['10.20.9.9', 'fd20::9'] })], {
      enableIpv6: false,
    });
    expect(made.frontend('[fd00::7]:9080/TCP')).toMatchObject({ status: 'Done', backends: [] });
    expect(dumpMaps(made.maps)).toEqual([]);
    expect(plane([pod([port], { ips: ['fd20::9'] })], { enableIpv6: false }).frontends).toEqual([]);
  });

  it('is of pods of this node that run', () => {
    expect(plane([pod([port], { node: 'worker-b' })]).frontends).toEqual([]);
    expect(plane([pod([port], { phase: 'Pending' })]).frontends).toEqual([]);
    const made = plane([pod([port])]);
    expect(made.frontends.length).toBe(1);
    made.apply([pod([port], { phase: 'Succeeded' })]);
    expect(dumpMaps(made.maps)).toEqual([]);
  });

  it.each([
    { phase: 'Running', deletionTimestamp: '2025-06-01T10:00:00Z' },
    { phase: 'Unknown' },
    { phase: 'Pending' },
  ])('stays as it is while the pod is %j', (parts) => {
    const made = plane([pod([port])]);
    const before = dumpMaps(made.maps);
    made.apply([pod([{ ...port, hostPort: 9081 }], parts)]);
    expect(dumpMaps(made.maps)).toEqual(before);
    expect(plane([pod([port], parts)]).frontends).toEqual([]);
    made.remove([{ kind: 'Pod', namespace: 'shop', name: 'pod-a' }]);
    expect(dumpMaps(made.maps)).toEqual([]);
  });

  it('of one number for TCP and UDP serves both; with the defect the one listed last alone', () => {
    const objects = [pod([port, { ...port, protocol: 'UDP' }])];
    const keys = (made: ControlPlane): string[] => made.frontends.map(({ key }) => key);
    expect(keys(plane(objects))).toEqual(['0.0.0.0:9080/TCP', '0.0.0.0:9080/UDP']);
    const defective = plane(objects, { defects: new Set(['host-port-service']) });
    expect(keys(defective)).toEqual(['0.0.0.0:9080/UDP']);
    expect(defective.backends.map(({ key }) => key)).toEqual(['10.20.9.9:8080/UDP']);
  });

  it('is refused while another pod has it, and taken at the next event', () => {
    const made = plane([pod([port])]);
    const other = pod([port], { name: 'pod-b', ips: ['10.20.9.10'] });
    expect(made.apply([other]).conflicts).toEqual([
      {
        object: { kind: 'Pod', namespace: 'shop', name: 'pod-b' },
        address: '0.0.0.0:9080/TCP',
        owner: 'shop/pod-a:host-port:9080:uid-pod-a',
      },
    ]);
    expect(made.backends.map(({ key }) => key)).toEqual(['10.20.9.9:8080/TCP']);
    made.remove([{ kind: 'Pod', namespace: 'shop', name: 'pod-a' }]);
    expect(made.frontends).toEqual([]);
    made.apply([other]);
    expect(backendsOf(made, '0.0.0.0:9080/TCP')).toEqual(['10.20.9.10:8080/TCP']);
  });
});

describe('slot order', () => {
  it('puts IPv4 before IPv6 where both are among the backends', () => {
    const made = plane([
      service({ clusterIP: 'fd00::1', clusterIPs: ['fd00::1'], ipFamilies: ['IPv6'] }),
      slice(['fd00::9', 'fd00::10'], { addressType: 'IPv6' }),
      slice(['10.0.0.9'], { name: 'web-2' }),
    ]);
    expect(backendsOf(made, '[fd00::1]:80/TCP')).toEqual(['[fd00::9]:8080/TCP', '[fd00::10]:8080/TCP']);
    expect(made.backends.map(({ key }) => key)).toEqual([
      '10.0.0.9:8080/TCP',
      '[fd00::9]:8080/TCP',
      '[fd00::10]:8080/TCP',
    ]);
  });
});

describe('an address that two services want', () => {
  it('refuses the whole service, new or changed', () => {
    const made = plane([service()]);
    const other = service({ name: 'other', clusterIP: '10.96.0.2', externalIPs: ['10.96.0.1'] });
    const report = made.apply([other]);
    expect(report.conflicts).toMatchObject([{ address: '10.96.0.1:80/TCP', owner: 'shop/web' }]);
    expect(made.services.map(({ name }) => name)).toEqual(['shop/web']);
    made.apply([service({ name: 'other', clusterIP: '10.96.0.2' })]);
    made.apply([other]);
    expect(made.frontendsOf('shop/other').map(({ key }) => key)).toEqual(['10.96.0.2:80/TCP']);
  });

  it('makes the last kind stand within one service', () => {
    const made = plane([balancer({ externalIPs: ['203.0.113.1', '10.96.0.1'] })]);
    expect(made.frontend('203.0.113.1:80/TCP')!.type).toBe('ExternalIPs');
    expect(made.frontend('10.96.0.1:80/TCP')!.type).toBe('ExternalIPs');
  });
});

describe('cluster mesh', () => {
  const remote = (parts: object = {}): Record<string, unknown> => ({
    cluster: 'east',
    clusterID: 2,
    namespace: 'shop',
    name: 'web',
    shared: true,
    backends: { '10.9.0.1': { http: { Protocol: 'TCP', Port: 8080 } } },
    ...parts,
  });
  const global = (affinity?: string): object =>
    service({
      annotations: {
        'service.cilium.io/global': 'true',
        ...(affinity === undefined ? {} : { 'service.cilium.io/affinity': affinity }),
      },
    });

  it('needs the global annotation here and sharing there', () => {
    const made = plane([service(), slice(['10.0.0.1'])]);
    made.setClusterService(remote());
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP']);
    made.apply([global()]);
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP', '10.9.0.1:8080/TCP']);
    made.setClusterService(remote({ shared: false }));
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP']);
  });

  it('passes over what this cluster announces itself', () => {
    const made = plane([global()], { clusterName: 'east' });
    made.setClusterService(remote());
    expect(made.backends).toEqual([]);
  });

  it('falls back to the other side when the preferred one has nothing usable', () => {
    const made = plane([global('local'), slice(['10.0.0.1'])]);
    made.setClusterService(remote());
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP']);
    made.setHealth('shop/web', '10.0.0.1:8080/TCP', false);
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP', '10.9.0.1:8080/TCP']);
    made.setHealth('shop/web', '10.9.0.1:8080/TCP', false);
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP']);
    made.apply([global('remote')]);
    expect(backendsOf(made)).toEqual(['10.9.0.1:8080/TCP']);
    made.setHealth('shop/web', '10.0.0.1:8080/TCP', true);
    expect(backendsOf(made)).toEqual(['10.0.0.1:8080/TCP', '10.9.0.1:8080/TCP']);
  });
});

describe('redirects to the proxy', () => {
  it('write the proxy port in network order to the service ports named', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
    ];
    const made = plane([service({ ports }), redirectTo('web')], { envoyConfig: true, proxyPort: () => 1000 });
    expect(master(made)).toContain('L7Proxy=1000');
    expect(master(made, '10.96.0.1:443/TCP')).toContain('LBALG=undef');
    expect(made.healthCheck(1)).toBeUndefined();
    made.remove([{ kind: 'CiliumEnvoyConfig', namespace: 'shop', name: 'to-proxy' }]);
    expect(master(made)).toContain('LBALG=undef');
  });

  it('refuse a service with affinity, on every port and before anything is written', () => {
    const ports = [
      { name: 'http', port: 80 },
      { name: 'https', port: 443 },
    ];
    const objects = [service({ ports }), slice(['10.20.0.1']), redirectTo('web')];
    const made = plane(objects, { envoyConfig: true, proxyPort: () => 1000 });
    const before = dumpMaps(made.maps);
    made.apply([service({ ports, sessionAffinity: 'ClientIP' }), slice(['10.20.0.2'])]);
    expect(dumpMaps(made.maps)).toEqual(before);
    const error = 'invalid feature combination: SessionAffinity with proxy redirection is not supported';
    expect(made.frontends.map((one) => one.error)).toEqual([error, error]);
    made.apply([service({ ports })]);
    expect(made.frontends.map((one) => one.error)).toEqual(['', '']);
    expect(lines(made, 'BE:')).toEqual(['BE: ID=2 ADDR=10.20.0.2:8080/TCP STATE=active']);
  });

  it('are not looked at unless enable-envoy-config', () => {
    expect(master(plane([service(), redirectTo('web')]))).toContain('LBALG=undef');
  });
});

describe('options that leave entries out', () => {
  it('without enable-session-affinity only the flag tells of an affinity', () => {
    const objects = [service({ sessionAffinity: 'ClientIP' }), slice(['10.20.0.1'])];
    const made = plane(objects, { sessionAffinity: false });
    expect(master(made)).toContain('AFFTimeout=0 COUNT=1 QCOUNT=0 FLAGS=ClusterIP+sessionAffinity+non-routable');
    expect(lines(made, 'AFF:')).toEqual([]);
  });

  it('without enable-svc-source-range-check only the flag tells of source ranges', () => {
    const made = plane([service({ loadBalancerSourceRanges: ['10.0.0.0/8'] })], { sourceRangeCheck: false });
    expect(master(made)).toContain('check source-range');
    expect(lines(made, 'SRCRANGE:')).toEqual([]);
  });
});

it('backend entries have the numbers of their zones', () => {
  const objects = [service(), slice([endpoint('10.20.0.1', { zone: 'a' }), endpoint('10.20.0.2', { zone: 'b' })])];
  const zonesOf = (init: ControlPlaneInit): number[] =>
    [...plane(objects, init).maps.v4.backends.entries()].map(([, { zone }]) => zone);
  expect(zonesOf({})).toEqual([0, 0]);
  expect(zonesOf({ fixedZoneMapping: { a: 7 } })).toEqual([7, 0]);
});

describe('a restart', () => {
  /** A new agent on maps in which the last of some backends stands behind COUNT. */
  const successor = (addresses: readonly string[]): ControlPlane => {
    const made = plane([service(), slice(addresses)]);
    made.setHealth('shop/web', `${addresses.at(-1)}:8080/TCP`, false);
    return new ControlPlane({ nodeName: 'worker-a', maps: made.maps });
  };

  it('keeps source ranges that are no longer wanted until the first prune', () => {
    const made = plane([service({ loadBalancerSourceRanges: ['10.0.0.0/8', '192.0.2.0/24'] })]);
    const all = lines(made, 'SRCRANGE:');
    const fresh = new ControlPlane({ nodeName: 'worker-a', maps: made.maps });
    fresh.restart();
    fresh.apply([service({ loadBalancerSourceRanges: ['192.0.2.0/24'] })]);
    expect(lines(fresh, 'SRCRANGE:')).toEqual(all);
    fresh.prune();
    expect(lines(fresh, 'SRCRANGE:')).toEqual(['SRCRANGE: ID=1 CIDR=192.0.2.0/24']);
  });

  it('forgets the quarantine of a backend that has left the maps since', () => {
    const made = successor(['10.20.0.1', '10.20.0.2']);
    made.restart();
    made.apply([service(), slice(['10.20.0.1', '10.20.0.2'])]);
    expect(master(made)).toContain('COUNT=1 QCOUNT=1');
    made.apply([slice(['10.20.0.1'])]);
    made.apply([slice(['10.20.0.1', '10.20.0.2'])]);
    expect(master(made)).toContain('COUNT=2 QCOUNT=0');
    expect(made.restored.quarantines).toBe(0);
  });

  it('forgets the quarantine of a backend whose old slot is pruned', () => {
    const made = successor(['10.20.0.1', '10.20.0.2', '10.20.0.3']);
    made.restart();
    made.apply([service(), slice(['10.20.0.2', '10.20.0.3'])]);
    expect(master(made)).toContain('COUNT=1 QCOUNT=1');
    made.prune();
    made.apply([service()]);
    expect(master(made)).toContain('COUNT=2 QCOUNT=0');
  });

  it('takes no quarantine over where there are more slots than the master entry says', () => {
    const made = successor(['10.20.0.1', '10.20.0.2']);
    const { services } = made.maps.v4;
    const [key, value] = [...services.entries()].find(([{ slot }]) => slot === 2)!;
    services.set({ ...key, slot: 3 }, { ...value, union: 999 });
    made.restart();
    expect(made.restored.quarantines).toBe(0);
  });
});

const redirectPolicy = (
  redirectFrontend: object,
  toPorts: readonly object[] = [{ port: '8080', protocol: 'TCP' }],
): object => ({
  apiVersion: 'cilium.io/v2',
  kind: 'CiliumLocalRedirectPolicy',
  metadata: { name: 'local', namespace: 'shop' },
  spec: { redirectFrontend, redirectBackend: { localEndpointSelector: { matchLabels: { app: 'cache' } }, toPorts } },
});

describe('local redirect policies', () => {
  const dns = [
    { name: 'dns', port: '53', protocol: 'UDP' },
    { name: 'dns-tcp', port: '53', protocol: 'TCP' },
  ];
  const at = (ip: string): object => ({ addressMatcher: { ip, toPorts: dns } });
  const cache = pod(
    [
      { name: 'dns', containerPort: 1053, protocol: 'UDP' },
      { name: 'dns-tcp', containerPort: 1053, protocol: 'TCP' },
    ],
    { labels: { app: 'cache' } },
  );

  it.each<[string, object, object[]]>([
    ['several frontend ports and an unnamed backend port', at('169.254.1.1'), [{ port: '1053', protocol: 'UDP' }]],
    ['names that no port can have', at('169.254.1.1'), [{ name: 'a_b', port: '1053', protocol: 'UDP' }]],
    [
      'a frontend port and a first backend port of another protocol',
      { addressMatcher: { ip: '169.254.1.1', toPorts: [dns[0]] } },
      dns.toReversed(),
    ],
  ])('are refused with %s', (_, frontend, toPorts) => {
    const made = new ControlPlane({ nodeName: 'worker-a', localRedirectPolicy: true });
    expect(made.apply([redirectPolicy(frontend, toPorts)]).refused.length).toBe(1);
  });

  it('take the addresses that are free, and tell of the other ones once', () => {
    const made = plane([service({ ports: [{ name: 'x', port: 53, protocol: 'TCP' }] }), cache], {
      localRedirectPolicy: true,
    });
    const report = made.apply([redirectPolicy(at('10.96.0.1'), dns)]);
    expect(report.conflicts).toEqual([
      {
        object: { kind: 'CiliumLocalRedirectPolicy', namespace: 'shop', name: 'local' },
        address: '10.96.0.1:53/TCP',
        owner: 'shop/web',
      },
    ]);
    expect(backendsOf(made, '10.96.0.1:53/UDP')).toEqual(['10.20.9.9:1053/UDP']);
    expect(made.retry().conflicts).toEqual([]);
    made.remove([{ kind: 'Service', namespace: 'shop', name: 'web' }]);
    expect(backendsOf(made, '10.96.0.1:53/TCP')).toEqual(['10.20.9.9:1053/TCP']);
  });

  it('for one service: the last by name decides', () => {
    const named = (name: string, toPorts: object[] = []): object => {
      const serviceMatcher = { serviceName: 'web', namespace: 'shop', toPorts };
      return { ...redirectPolicy({ serviceMatcher }), metadata: { name, namespace: 'shop' } };
    };
    const ports = [
      { name: '', port: 80, protocol: 'TCP' },
      { name: '', port: 443, protocol: 'TCP' },
    ];
    const targets = (): (string | undefined)[] => made.frontends.map(({ redirectTo }) => redirectTo?.name);
    const made = plane([service({ ports }), named('b', [{ port: '443', protocol: 'TCP' }]), named('a'), cache], {
      localRedirectPolicy: true,
    });
    expect(targets()).toEqual([undefined, 'shop/b:local-redirect']);
    made.remove([{ kind: 'CiliumLocalRedirectPolicy', namespace: 'shop', name: 'b' }]);
    expect(targets()).toEqual(['shop/a:local-redirect', 'shop/a:local-redirect']);
  });

  it('know a port that a pod names twice by the last name', () => {
    const twice = pod(
      [
        { name: 'a', containerPort: 1053, protocol: 'UDP' },
        { name: 'b', containerPort: 1053, protocol: 'UDP' },
      ],
      { labels: { app: 'cache' } },
    );
    const policy = redirectPolicy({ addressMatcher: { ip: '169.254.1.1', toPorts: [dns[0]] } }, [dns[0]!]);
    const made = plane([twice, policy], { localRedirectPolicy: true });
    expect(made.backends.map(({ first }) => first!.portNames)).toEqual([['b']]);
    made.apply([pod([{ name: 'c', containerPort: 1053, protocol: 'UDP' }], { labels: { app: 'cache' } })]);
    expect(made.backends.map(({ first }) => first!.portNames)).toEqual([['c']]);
  });
});

describe('a redirected frontend', () => {
  it('stays redirected when its port gets another name', () => {
    const ports = (name: string): { ports: object[] } => ({ ports: [{ name, port: 80, protocol: 'TCP' }] });
    const policy = redirectPolicy({ serviceMatcher: { serviceName: 'web', namespace: 'shop' } });
    const cache = pod([{ name: 'b', containerPort: 8080, protocol: 'TCP' }], { labels: { app: 'cache' } });
    const made = plane([service(ports('b')), slice([], {}), policy, cache], { localRedirectPolicy: true });
    made.apply([slice(['10.20.0.7'], { ports: [{ name: 'b', port: 8080, protocol: 'TCP' }] })]);
    const used = made.usedIds.backends;
    made.apply([service(ports('')), slice(['10.20.0.7'], { ports: [{ name: '', port: 8080, protocol: 'TCP' }] })]);
    expect(backendsOf(made)).toEqual(['10.20.9.9:8080/TCP']);
    expect(made.usedIds.backends).toBe(used);
    expect(lines(made, 'BE:')).toEqual(['BE: ID=1 ADDR=10.20.9.9:8080/TCP STATE=active']);
    expect(
      made.apply([pod([{ name: 'b', containerPort: 8081, protocol: 'TCP' }], { labels: { app: 'cache' } })]).failed,
    ).toEqual([]);
    expect(lines(made, 'BE:')).toEqual(['BE: ID=2 ADDR=10.20.9.9:8081/TCP STATE=active']);
  });
});
