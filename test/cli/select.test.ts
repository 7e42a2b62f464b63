import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { path: pathOf, write: file } = testFiles();

const ask = (from: string, to: string, ...more: string[]): ReturnType<typeof runCli> =>
  runCli(['select', '-f', 'examples/shop.yaml', '--from', from, '--to', to, ...more]);

interface Answer {
  configuration: string;
  found: boolean;
  frontend: { service: string; type: string };
  views: {
    nodes: string[];
    outcome: string;
    backend: { address: string; pod: string; node: string } | null;
    algorithm: string;
    tableSize: number;
    candidates: { address: string }[];
    spread: { ports: number }[];
    why: string[];
  }[];
}

const askJson = async (from: string, to: string, ...more: string[]): Promise<Answer & { code: number }> => {
  const { code, out } = await ask(from, to, '-o', 'json', ...more);
  return { code, ...(JSON.parse(out) as Answer) };
};

describe('lbtwin select', () => {
  it('names the backend, says why, and starts with the configuration', async () => {
    const { code, out, err } = await ask('198.51.100.7:40000', '203.0.113.10:80/TCP');
    expect(code).toBe(0);
    expect(err).toBe('lbtwin: not used: 1 Deployment.apps\n');
    expect(out).toBe(`configuration: ConfigMap kube-system/cilium-config; profile 1.18

198.51.100.7:40000 → 203.0.113.10:80/TCP
  client     a client outside the cluster
  service    shop/web, port http (LoadBalancer, externalTrafficPolicy Cluster)
  backend    10.244.4.12:8080  shop/web-6c9f7d5b8c-xzpm2  worker-b2 (eu-west-1b)
  why        11 of 14 backends may be picked, the active ones; not 3 terminating
             Maglev, table of 16381 slots (chosen by bpf-lb-algorithm)
             hash of 198.51.100.7, client port 40000, port 80, TCP is 0x01116bb3
             modulo 16381 that is slot 14466, which is this backend's
`);
  });

  it('says in the first line and in place of a frontend that kube-proxy is not replaced', async () => {
    const { code, out } = await ask('198.51.100.7:40000', '203.0.113.10:80', '--set', 'kubeProxyReplacement=false');
    expect(code).toBe(1);
    expect(out).toContain('profile 1.18, without kube-proxy replacement\n');
    expect(out).toContain('only cluster IPs are frontends in this configuration (kubeProxyReplacement is not true)');
  });

  it('tells a health check node port, and an address of a node that serves no NodePorts', async () => {
    expect((await ask('198.51.100.7:40000', '192.168.10.12:32100')).out).toMatch(
      /32100 is the health check node port of shop\/checkout: the agent of worker-a2 answers 503, 0 local endpoints\n/,
    );
    const narrow = ['--set', 'nodePort.addresses={10.0.0.0/8}'];
    expect((await ask('198.51.100.7:40000', '192.168.10.12:31080', ...narrow)).out).toContain(
      '192.168.10.12 is an address of worker-a2, which serves NodePorts at none of its addresses (nodePort.addresses)\n',
    );
  });

  it('decides nothing where the agent refuses to write the frontend', async () => {
    const envoy = file(
      'envoy.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumEnvoyConfig
metadata: {name: l7, namespace: shop}
spec:
  services: [{name: checkout, namespace: shop, listener: l}]
  resources: [{'@type': type.googleapis.com/envoy.config.listener.v3.Listener, name: l}]
`,
    );
    const argv = ['--from', '198.51.100.7:40000', '--to', '203.0.113.20:443', '--set', 'envoyConfig.enabled=true'];
    const { code, out } = await runCli(['select', '-f', 'examples/shop.yaml', envoy, ...argv]);
    expect(out).toContain('SessionAffinity with proxy redirection is not supported');
    expect(out).not.toContain("the node's L7 proxy takes the connection");
    expect(code).toBe(1);
  });

  it('answers node by node where a local redirect policy counts', async () => {
    const objects = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n2}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
- {apiVersion: v1, kind: Service, metadata: {name: dns, namespace: kube}, spec: {clusterIP: 10.96.0.10, ports: [{port: 53, protocol: UDP}]}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: dns-1, namespace: kube, labels: {kubernetes.io/service-name: dns}}
  addressType: IPv4
  ports: [{name: '', port: 53, protocol: UDP}]
  endpoints: [{addresses: [10.0.2.53], conditions: {ready: true}, nodeName: n2}]
- apiVersion: cilium.io/v2
  kind: CiliumLocalRedirectPolicy
  metadata: {name: local, namespace: kube}
  spec:
    redirectFrontend: {serviceMatcher: {serviceName: dns, namespace: kube}}
    redirectBackend: {localEndpointSelector: {matchLabels: {app: cache}}, toPorts: [{port: '5353', protocol: UDP}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: cache, namespace: kube, labels: {app: cache}}
  spec: {nodeName: n1, containers: [{name: c, ports: [{containerPort: 5353, protocol: UDP}]}]}
  status: {phase: Running, podIP: 10.0.1.53, podIPs: [{ip: 10.0.1.53}]}
`;
    const argv = [
      'select',
      '-f',
      file('redirect.yaml', objects),
      '--from',
      '10.9.9.9:4000',
      '--to',
      '10.96.0.10:53/UDP',
    ];
    const { out } = await runCli([...argv, '--set', 'localRedirectPolicy=true,kubeProxyReplacement=true']);
    expect(out).toMatch(/ {2}on n1\n[^]*10\.0\.1\.53:5353[^]* {2}on n2\n {2}backend +none\n/);
    expect(out).toContain(
      'a local redirect policy takes the backends from its pods on the same node, and none runs here',
    );
    expect((await runCli(argv)).out).toContain('10.0.2.53:53');
  });

  it('answers node by node where an annotation names nodes; an annotation without its option decides nothing', async () => {
    const objects = `apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Node, metadata: {name: n1, labels: {pool: edge}}, status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}}
- {apiVersion: v1, kind: Node, metadata: {name: n2, labels: {pool: core}}, status: {addresses: [{type: InternalIP, address: 192.0.2.2}]}}
- apiVersion: v1
  kind: Service
  metadata: {name: a, namespace: x, annotations: {service.cilium.io/node-selector: pool=edge, service.cilium.io/lb-algorithm: maglev}}
  spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]}
  status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}
- apiVersion: discovery.k8s.io/v1
  kind: EndpointSlice
  metadata: {name: a-1, namespace: x, labels: {kubernetes.io/service-name: a}}
  addressType: IPv4
  ports: [{name: '', port: 8080}]
  endpoints: [{addresses: [10.0.1.1], nodeName: n1}]
`;
    const argv = ['select', '-f', file('nodes.yaml', objects), '--from', '198.51.100.7:4000', '--to', '203.0.113.1:80'];
    const { out } = await runCli(argv);
    expect(out).toMatch(
      / {2}on n1\n[^]*10\.0\.1\.1:8080[^]* {2}on n2\n {2}backend +none: the service does not exist on this node/,
    );
    expect(out).toContain('random (chosen by bpf-lb-algorithm)\n');
  });

  it('knows the address of cilium_host as the node’s, at sockets as a destination too', async () => {
    const shop = readFileSync('examples/shop.yaml', 'utf8');
    const router = /ip: (10\.244\.\d+\.\d+)\n\s+type: CiliumInternalIP/.exec(shop)![1]!;
    expect((await askJson(router, '10.96.20.20:7070')).code).toBe(0);
    const { out } = await ask('pod:shop/debug', `${router}:30080`);
    expect(out).toMatch(/service {4}shop\/web, port http \(NodePort/);
    expect((await ask('198.51.100.7:40000', `${router}:30080`)).out).toContain(`there is no frontend ${router}:30080`);
  });

  it('translates foreign external IPs inside where the mitigation is off', async () => {
    const to = ['198.51.100.20:8088', '--set', 'bpf.disableExternalIPMitigation=true'] as const;
    expect((await askJson('pod:shop/debug', '198.51.100.20:8088')).views[0]!.outcome).toBe('untranslated');
    const inside = await askJson('pod:shop/debug', ...to);
    expect(inside.views[0]!.candidates.length).toBeGreaterThan(0);
    const { out } = await runCli([
      'connect',
      '-f',
      'examples/shop.yaml',
      '--pod',
      'shop/debug',
      '--to',
      ...to,
      '-o',
      'json',
    ]);
    const { candidates } = JSON.parse(out) as { candidates: { address: string }[] };
    expect(candidates.map(({ address }) => address).sort()).toEqual(
      inside.views[0]!.candidates.map(({ address }) => address).sort(),
    );
  });

  it('tells that a kind is missing from the input rather than that there are no endpoints', async () => {
    const text = `apiVersion: v1
kind: Service
metadata: {name: a, namespace: x}
spec: {type: LoadBalancer, clusterIP: 10.96.0.1, ports: [{port: 80}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}
`;
    const path = file('only-services.yaml', text);
    const { out } = await runCli(['select', '-f', path, '--from', '198.51.100.7:4000', '--to', '203.0.113.1:80']);
    expect(out).toContain('EndpointSlices are missing from the input\n');
    expect(out).not.toContain('no usable endpoint');
    const way = ['trace', '-f', path, '--from', 'external:198.51.100.7:4000', '--to', '203.0.113.1:80/TCP'];
    expect((await runCli(way)).out).toContain(
      'the objects tell of no node (no Nodes, and no Pods or EndpointSlices that name theirs)',
    );
  });

  it('names the zone that no endpoint is hinted for', async () => {
    const objects = `apiVersion: v1
kind: Node
metadata: {name: n1, labels: {topology.kubernetes.io/zone: b}}
status: {addresses: [{type: InternalIP, address: 192.0.2.1}]}
---
apiVersion: v1
kind: Service
metadata: {name: near, namespace: shop}
spec: {clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1], trafficDistribution: PreferClose, ports: [{port: 80}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: near-1, namespace: shop, labels: {kubernetes.io/service-name: near}}
addressType: IPv4
ports: [{name: '', port: 8080}]
endpoints: [{addresses: [10.0.0.1], conditions: {ready: true}, hints: {forZones: [{name: a}]}}]
`;
    const argv = ['-f', file('near.yaml', objects), '--from', 'node:n1', '--to', '10.96.0.1:80'];
    expect((await runCli(['select', ...argv])).out).toContain(
      'the service prefers close endpoints: none of the 1 with this port is hinted for zone b, and nothing falls back\n',
    );
  });

  it.each([
    ['a LoadBalancer address', '203.0.113.10:443', 'shop/web', 'LoadBalancer'],
    ['a NodePort on a node address', '192.168.10.21:30443', 'shop/web', 'NodePort'],
    ['an external IP', '198.51.100.20:8088', 'shop/legacy-gateway', 'ExternalIPs'],
    ['a cluster IP', '10.96.20.20:7070', 'shop/cart', 'ClusterIP'],
    ['UDP, found without being told', '203.0.113.30:5004', 'media/stream', 'LoadBalancer'],
    ['a hostPort on its node', '192.168.10.11:8125/UDP', 'monitoring/statsd', 'HostPort'],
  ])('finds %s', async (_, to, service, type) => {
    const answer = await askJson('198.51.100.7:40000', to);
    expect(answer.code).toBe(0);
    expect(answer.frontend.service).toContain(service);
    expect(answer.frontend.type).toBe(type);
    expect(answer.views[0]!.candidates.length).toBeGreaterThan(0);
  });

  it('takes IPv6, with and without a client port', async () => {
    const one = await askJson('[2001:db8::5]:4000', '[2001:db8:ff::10]:443/TCP');
    expect(one.views[0]!.backend!.address).toMatch(/^fd00:10:244:/);
    const spread = await askJson('2001:db8::5', '[2001:db8:ff::10]:443');
    expect(spread.views[0]!.outcome).toBe('spread');
    expect(spread.views[0]!.spread.reduce((sum, { ports }) => sum + ports, 0)).toBe(64512);
  });

  it('spreads client ports as a table with bars', async () => {
    const { code, out } = await ask('198.51.100.7', '203.0.113.10:80');
    expect(code).toBe(0);
    expect(out).toContain('how client ports 1024..65535 of 198.51.100.7 spread:\n');
    expect(out).toMatch(/10\.244\.1\.12:8080 +shop\/web-\S+ +worker-a1 \(eu-west-1a\) +\d+ +\d\.\d % {2}█+/);
  });

  it('answers for every node where a Local policy makes them differ, or for one', async () => {
    const all = await askJson('198.51.100.7:4000', '203.0.113.20:443');
    expect(all.views.map(({ nodes, outcome }) => [nodes.join(' '), outcome])).toEqual([
      ['control-1 worker-a2 worker-b2', 'no-backend'],
      ['worker-a1', 'backend'],
      ['worker-b1', 'backend'],
    ]);
    expect(all.code).toBe(0);
    const hole = await askJson('198.51.100.7:4000', '203.0.113.20:443', '--node', 'worker-b2');
    expect(hole.code).toBe(1);
    expect(hole.views[0]!.why.join(' ')).toContain('externalTrafficPolicy: Local');
  });

  it('gives a client one backend under session affinity, whatever its port', async () => {
    const node = ['--node', 'worker-a1'];
    const ports = [1024, 5000, 65535];
    const answers = await Promise.all(
      ports.map((port) => askJson(`198.51.100.7:${port}`, '203.0.113.20:443', ...node)),
    );
    expect(new Set(answers.map(({ views }) => views[0]!.backend!.address)).size).toBe(1);
  });

  it('lists candidates for algorithm random, or draws the word that is given', async () => {
    const random = ['--algorithm', 'random'];
    const all = await askJson('198.51.100.7:4000', '203.0.113.10:80', ...random);
    expect(all).toMatchObject({ code: 0, views: [{ outcome: 'candidates', algorithm: 'random', backend: null }] });
    const one = await askJson('198.51.100.7:4000', '203.0.113.10:80', ...random, '--random', '13');
    expect(one.views[0]!.backend!.address).toBe(all.views[0]!.candidates[13 % 11]!.address);
  });

  it('knows clients inside the cluster: their choice is random, and by zone', async () => {
    const answer = await askJson('10.244.4.19', '10.96.20.50:80');
    expect(answer.views[0]).toMatchObject({ nodes: ['worker-b2'], outcome: 'candidates', algorithm: 'random' });
    expect(answer.views[0]!.candidates).toHaveLength(5);
    expect((await ask('10.244.4.19', '10.96.20.70:25')).out).toContain('EHOSTUNREACH');
  });

  it('leaves sockets inside alone where the datapath does', async () => {
    const foreign = await askJson('10.244.4.19', '198.51.100.20:8088');
    expect(foreign).toMatchObject({ code: 1, views: [{ outcome: 'untranslated' }] });
    expect(await askJson('10.244.1.12', '192.168.10.11:8125/UDP')).toMatchObject({
      code: 0,
      views: [{ outcome: 'candidates' }],
    });
    expect((await ask('10.244.4.19', '198.51.100.20:8088')).out).toContain(
      "only if the address is the client's own host's",
    );
  });

  it('refuses clients outside the source ranges', async () => {
    const { code, out } = await ask('192.0.2.1:4000', '203.0.113.20:443');
    expect(code).toBe(1);
    expect(out).toContain('192.0.2.1 is not in them');
  });

  it('takes table size, seed and configuration from the command line', async () => {
    const small = await askJson('198.51.100.7:1', '203.0.113.10:80', '--table-size', '251');
    expect(small.views[0]!.tableSize).toBe(251);
    const plain = await askJson('198.51.100.7:1', '203.0.113.10:80', '--set', 'loadBalancer.algorithm=random');
    expect(plain.configuration).toContain('--set loadBalancer.algorithm=random');
    expect(plain.views[0]!.algorithm).toBe('random');
  });

  it.each([
    ['203.0.113.10:8080', 'frontends of 203.0.113.10:\n    203.0.113.10:80/TCP'],
    ['192.168.10.22:80', "the address is node worker-b2's; its NodePorts and hostPorts:\n    0.0.0.0:30080/TCP"],
    ['203.0.113.99:30080', "30080 is a NodePort of shop/web, reached at the nodes' addresses: 192.168.10.10"],
    ['10.244.1.12:8080', '10.244.1.12 is pod shop/web-6c9f7d5b8c-pjjdx, a backend of shop/web: it is reached directly'],
    ['203.0.113.99:7070', 'frontends with port 7070:\n    10.96.20.20:7070/TCP'],
    ['203.0.113.10:80/UDP', 'there is no frontend 203.0.113.10:80/UDP\n'],
    ['203.0.113.99:1', 'frontends there are:\n'],
  ])('says what %s is instead of a frontend', async (to, text) => {
    const { code, out } = await ask('198.51.100.7:4000', to);
    expect(code).toBe(1);
    expect(out).toContain(text);
  });
});

describe('lbtwin select, no frontend', () => {
  it('says that the family is off, or that there is nothing at all', async () => {
    const off = await ask('2001:db8::7', '[2001:db8::1]:9', '--set', 'ipv6.enabled=false');
    expect(off.out).toContain('IPv6 is off in this configuration (ipv6.enabled)');
    const headless = 'apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\nspec: {clusterIP: None}\n';
    const none = await runCli([
      'select',
      '-f',
      file('headless.yaml', headless),
      '--from',
      '1.2.3.4:5',
      '--to',
      '1.1.1.1:9',
    ]);
    expect(none).toMatchObject({ code: 1, out: expect.stringContaining('there are no frontends at all') as string });
  });
});

describe('lbtwin select, clients by name', () => {
  it.each([
    ['pod:shop/debug:40000', '10.244.4.24:40000'],
    ['node:worker-a1', '192.168.10.11'],
    ['external:198.51.100.7:40000', '198.51.100.7:40000'],
  ])('%s answers like %s', async (name, address) => {
    const named = await ask(name, '10.96.20.50:80');
    expect(named.code).toBe(0);
    expect(named.out).toBe((await ask(address, '10.96.20.50:80')).out);
  });
});

describe('lbtwin select, bad command lines', () => {
  it.each([
    ['198.51.100.7:65536', '203.0.113.10:80', /^lbtwin: --from: 65536 is not a port number \(allowed: 0\.\.65535\)\n$/],
    ['198.51.100.7:http', '203.0.113.10:80', /--from: "http" is not a port number/],
    ['198.51.100.7', '203.0.113.10:65536', /--to: 65536 is not a port number/],
    ['198.51.100.7', '203.0.113.10', /--to: "203\.0\.113\.10" is not an address with a port/],
    ['198.51.100.7', 'shop/web:80', /--to: "shop\/web:80" is a name, not an address \(allowed: IPV4:PORT or/],
    ['198.51.100.7', 'web.shop.svc:80/TCP', /--to: "web\.shop\.svc:80" is a name, not an address/],
    ['pod:shop/debgu', '203.0.113.10:80', /there is no pod "shop\/debgu"; did you mean shop\/debug/],
    ['pod:shop/db-0', '[2001:db8::10]:80', /--from: pod:shop\/db-0 has no IPv6 address/],
    [
      '2001:db8::1',
      '203.0.113.10:80',
      /2001:db8::1 and 203\.0\.113\.10 cannot talk \(allowed: two addresses of one family\)/,
    ],
    [
      '198.51.100.7',
      '203.0.113.10:80/QUIC',
      /--to: "QUIC" is not a service protocol \(allowed: TCP, UDP, SCTP or ANY\)/,
    ],
    ['010.0.0.1', '203.0.113.10:80', /--from: "010\.0\.0\.1" is not an IP address/],
    ['10.1', '203.0.113.10:80', /--from: "10\.1" is not an IP address/],
    ['198.51.100.7', '203.0.113.10:80 --node nowhere', /there is no node "nowhere" \(allowed: control-1, worker-a1/],
    ['198.51.100.7', '192.168.10.11:30080 --node worker-b1', /192\.168\.10\.11 is an address of worker-a1/],
    ['198.51.100.7', '203.0.113.10:80 --table-size 1000', /1000.*allowed: 251, 509/],
    ['198.51.100.7', '203.0.113.10:80 --hash-seed short', /seed/],
    ['198.51.100.7', '203.0.113.10:80 --random 4294967296', /--random: "4294967296" is not a number in range/],
    [
      '198.51.100.7',
      '203.0.113.10:80 --algorithm leastconn',
      /--algorithm: "leastconn" is not known \(allowed: maglev, random\)/,
    ],
    ['198.51.100.7', '203.0.113.10:80 --profile 1.12', /there is no profile "1\.12" \(allowed: 1\.17, 1\.18\)/],
  ])('%s to %s', async (from, to, message) => {
    const [address, ...more] = to.split(' ');
    const { code, out, err } = await ask(from, address!, ...more);
    expect([code, out]).toEqual([2, '']);
    expect(err.replace('lbtwin: not used: 1 Deployment.apps\n', '')).toMatch(message);
  });

  it('misses options', async () => {
    expect(await runCli(['select', '--from', '1.2.3.4', '--to', '1.2.3.4:1'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('-f is missing') as string,
    });
    expect(await runCli(['select', '-f', '-'])).toMatchObject({
      code: 2,
      err: 'lbtwin: --from is missing (allowed: --from IP[:PORT])\n',
    });
  });
});

describe('lbtwin select, bad files', () => {
  const service = (ports: string): string =>
    `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec:\n  clusterIP: 10.0.0.1\n  ports:\n  - ${ports}\n`;
  const select = (...files: string[]): ReturnType<typeof runCli> =>
    runCli(['select', '-f', ...files, '--from', '1.2.3.4:5', '--to', '10.0.0.1:80']);

  it.each([
    ['an empty file', '', /^lbtwin: \S+: the file is empty \(0 bytes\)\n$/],
    ['YAML that does not parse', 'a: [1\nb: 2\n', /^lbtwin: \S+\.yaml:2:1: not readable as YAML: .*\n$/],
    [
      'a truncated list',
      'apiVersion: v1\nitems:\n- apiVersion: v1\n  kind: Serv',
      /:4:13: a list of items without its kind .* truncated\n$/,
    ],
    ['JSON that is cut', '{"kind": "List", "items": [', /:1:28: the JSON text ends too early \(truncated\?\)\n$/],
    ['bytes that are no text', Uint8Array.of(0x61, 0xff, 0x62), /the bytes are no text \(allowed: UTF-8/],
  ])('refuses %s in one line', async (_, content, message) => {
    const { code, out, err } = await select(file(`${_.replaceAll(' ', '-')}.yaml`, content));
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('names a missing file, and those that are near', async () => {
    file('shop-1.yaml', 'x');
    const { code, err } = await select(pathOf('shop-2.yaml'));
    expect(code).toBe(2);
    expect(err).toMatch(/shop-2\.yaml: no such file; did you mean shop-1\.yaml/);
  });

  it.each([
    ['port 65536', service('port: 65536'), /bad\.yaml:7:11: Service shop\/web: spec\.ports\[0\]\.port: 65536/],
    [
      'a port that is a text',
      service('port: http'),
      /bad\.yaml:7:11: Service shop\/web: spec\.ports\[0\]\.port: "http"/,
    ],
    [
      'an unknown protocol',
      service('{port: 80, protocol: QUIC}'),
      /spec\.ports\[0\]\.protocol: "QUIC".*allowed: TCP, UDP or SCTP/,
    ],
  ])('reports %s with its place, reads the rest, and with --strict refuses everything', async (_, text, message) => {
    const bad = file('bad.yaml', text);
    const { code, out, err } = await select(bad, 'examples/shop.yaml');
    expect(err).toMatch(message);
    expect(err).toContain('refused: ');
    expect(code).toBe(1);
    expect(out).toContain('there is no frontend 10.0.0.1:80/TCP');
    const strict = await select(bad, 'examples/shop.yaml', '--strict');
    expect([strict.code, strict.out]).toEqual([2, '']);
    expect(strict.err.trim().split('\n').at(-1)).toMatch(message);
  });

  it('tells a slice without its service label', async () => {
    const slice =
      'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: web-1, namespace: shop}\naddressType: IPv4\nendpoints: []\nports: []\n';
    const { err } = await select(file('slice.yaml', slice), 'examples/shop.yaml');
    expect(err).toMatch(
      /note: \S+slice\.yaml:3:1: EndpointSlice shop\/web-1: metadata\.labels: no label kubernetes\.io\/service-name: the slice belongs to no Service/,
    );
  });

  it('counts objects of other kinds; without any useful one there is nothing to answer', async () => {
    const other = file(
      'other.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n---\napiVersion: v1\nkind: Secret\n',
    );
    const { code, err } = await select(other);
    expect(code).toBe(2);
    expect(err).toMatch(
      /^lbtwin: not used: 2 Secret\nlbtwin: \S+: no object that lbtwin uses \(allowed: kubectl get .*\)\n$/,
    );
  });

  it('reads folders, standard input and UTF-16', async () => {
    const text = service('port: 80');
    expect(
      (await runCli(['select', '-f', '-', '--from', '1.2.3.4:5', '--to', '10.0.0.1:80'], { stdin: text })).out,
    ).toContain('shop/web');
    const utf16 = new Uint8Array(2 + 2 * text.length);
    utf16.set([0xff, 0xfe]);
    for (let i = 0; i < text.length; i++) utf16[2 + 2 * i] = text.charCodeAt(i);
    expect((await select(file('utf16.yaml', utf16))).out).toContain('shop/web');
    file('folder/shop.yaml', readFileSync('examples/shop.yaml', 'utf8'));
    const folder = pathOf('folder');
    expect((await runCli(['select', '-f', folder, '--from', '198.51.100.7:1', '--to', '203.0.113.10:80'])).code).toBe(
      0,
    );
    expect((await select('test')).err).toContain('no .yaml, .yml or .json file in this folder');
  });
});
