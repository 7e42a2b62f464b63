import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterOptions, type SendSpec } from '../../src/cluster/index.ts';
import type { RawObject } from '../../src/k8s/raw.ts';
import { pod, shop, values, WEB } from './objects.ts';

const lb = (more: Record<string, unknown>, rest: Record<string, unknown> = {}): ClusterOptions => ({
  config: { values: values({ loadBalancer: { algorithm: 'maglev', ...more }, ...rest }) },
});
const client: SendSpec = { from: 'external:198.51.100.7:40000', to: '203.0.113.10:80/TCP', via: 'node-1' };
const client6: SendSpec = { from: 'external:[2001:db8::7]:40000', to: '[2001:db8:ff::10]:80/TCP', via: 'node-1' };
const send = (spec: SendSpec, options: ClusterOptions, objects = shop()) =>
  Cluster.fromKubernetes(objects, options).send(spec);

/** A client port for which the backend is on another node than the one that gets the packet. */
function remotePort(spec: SendSpec, options: ClusterOptions, family: 4 | 6): number {
  for (let port = 40000; port < 40100; port++) {
    const from = family === 4 ? `external:198.51.100.7:${port}` : `external:[2001:db8::7]:${port}`;
    if (send({ ...spec, from }, options).outcome.node !== 'node-1') return port;
  }
  throw new Error('no such port');
}

it.each(['pod:shop/client', 'node:node-2'])(
  '%s calls a port that a cluster IP does not have: nobody answers',
  (from) => {
    const { outcome } = send({ from, to: '10.96.0.10:81/TCP', reply: true }, lb({}));
    expect(outcome.kind).toBe('undecided');
    expect(outcome.reason).toMatch(
      /^node-[12] has no frontend 10\.96\.0\.10:81\/TCP, .* cluster IP of Service shop\/web/,
    );
  },
);

describe.each([
  [4, client],
  [6, client6],
] as const)('a client outside, IPv%d', (family, base) => {
  const address = family === 4 ? '198.51.100.7' : '[2001:db8::7]';
  const vip = family === 4 ? '203.0.113.10:80' : '[2001:db8:ff::10]:80';
  const node1 = family === 4 ? '192.168.0.1' : '[fd00:192::1]';
  const at = (port: number): SendSpec => ({ ...base, from: `external:${address}:${port}` });

  it('SNAT: a remote backend sees the node, a local one the client; both answers come home', () => {
    const options = lb({ mode: 'snat' });
    const port = remotePort(base, options, family);
    const far = send(at(port), options);
    expect(far.outcome).toMatchObject({ kind: 'replied', sourceSeen: `${node1}:${port}`, replySource: vip });
    const seen = new Set(
      Array.from({ length: 60 }, (_, i) => send(at(40000 + i), options).outcome)
        .filter((o) => o.node === 'node-1')
        .map((o) => o.sourceSeen!.replace(/:\d+$/, '')),
    );
    expect(seen).toEqual(new Set([address]));
  });

  it.each([
    ['dsr by option', lb({ mode: 'dsr' })],
    [
      'dsr by Geneve',
      lb(
        { mode: 'dsr', dsrDispatch: 'geneve' },
        { routingMode: 'tunnel', tunnelProtocol: 'geneve', autoDirectNodeRoutes: false },
      ),
    ],
    ['hybrid', lb({ mode: 'hybrid' })],
  ])('%s: the backend sees the client', (_, options) => {
    const port = remotePort(base, options, family);
    const { outcome } = send(at(port), options);
    expect(outcome).toMatchObject({ kind: 'replied', sourceSeen: `${address}:${port}`, replySource: vip });
    expect(outcome.node).not.toBe('node-1');
  });

  it('dsr by IPIP: the backend gets the very packet of the client', () => {
    const options = lb({ mode: 'dsr', dsrDispatch: 'ipip', acceleration: 'native' });
    const { outcome, hops } = send(base, options);
    expect(outcome).toMatchObject({ kind: 'delivered', sourceSeen: `${address}:40000` });
    expect(hops[0]!.after?.outer?.[0]?.by).toBe(family === 4 ? 'IPIP' : 'IP6IP6');
  });

  it('by tunnel: the backend sees the router of the node', () => {
    const options = lb(
      { mode: 'snat' },
      { routingMode: 'tunnel', tunnelProtocol: 'vxlan', autoDirectNodeRoutes: false },
    );
    const port = remotePort(base, options, family);
    const { outcome, hops } = send(at(port), options);
    const router = family === 4 ? '10.0.1.254' : '[fd00:10:0:1::fe]';
    expect(outcome).toMatchObject({ kind: 'replied', sourceSeen: `${router}:${port}`, replySource: vip });
    expect(hops.some(({ after }) => after?.outer?.[0]?.by === 'VXLAN')).toBe(true);
  });

  it('XDP answers like tc', () => {
    const port = remotePort(base, lb({ mode: 'snat' }), family);
    const tc = send(at(port), lb({ mode: 'snat' }));
    const xdp = send(at(port), lb({ mode: 'snat', acceleration: 'native' }));
    expect(xdp.outcome).toEqual(tc.outcome);
    expect(xdp.hops[0]!.hook).toBe('xdp');
  });

  it('externalTrafficPolicy Local: only local backends, and a black hole without one', () => {
    const local = shop({ externalTrafficPolicy: 'Local' }, [WEB[1]!]);
    expect(send(base, lb({}), local).outcome.kind).toBe('rejected');
    expect(
      send(
        base,
        lb({}, { loadBalancer: { algorithm: 'maglev', serviceTopology: false }, serviceNoBackendResponse: 'drop' }),
        local,
      ).outcome,
    ).toMatchObject({
      kind: 'dropped',
      dropReason: { code: 158, name: 'NO_SERVICE', node: 'node-1' },
    });
    expect(send({ ...base, via: 'node-2' }, lb({}), local).outcome).toMatchObject({
      kind: 'replied',
      node: 'node-2',
      sourceSeen: `${address}:40000`,
    });
  });

  it('ClusterIP from outside is refused', () => {
    const to = family === 4 ? '10.96.0.10:80/TCP' : '[fd00:96::10]:80/TCP';
    expect(send({ ...base, to }, lb({})).outcome).toMatchObject({
      kind: 'dropped',
      dropReason: { code: 174, name: 'IS_CLUSTER_IP' },
    });
  });
});

describe('from inside', () => {
  it('a pod is translated at its socket and sees the service answer', () => {
    const { outcome } = send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP', random: [1] }, lb({}));
    expect(outcome).toMatchObject({
      kind: 'replied',
      translatedAt: 'socket',
      backend: '10.0.2.12:8080',
      sourceSeen: '10.0.1.50:40000',
      replySource: '10.96.0.10:80',
    });
  });

  it('without a word, the candidates', () => {
    const { outcome, alternatives } = send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP' }, lb({}));
    expect(outcome.candidates).toEqual(['10.0.1.11:8080', '10.0.2.12:8080', '10.0.3.13:8080']);
    expect(outcome).toMatchObject({ kind: 'replied', sourceSeen: '10.0.1.50:40000' });
    expect(alternatives).toHaveLength(3);
  });

  it('by packet where sockets are left alone', () => {
    const options = lb({}, { socketLB: { hostNamespaceOnly: true } });
    const { outcome } = send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP', random: [2] }, options);
    expect(outcome).toMatchObject({
      kind: 'replied',
      translatedAt: 'packet',
      replySource: '10.96.0.10:80',
      backend: '10.0.3.13:8080',
    });
  });

  it('a pod that reaches itself: IPv4 by the loopback address, IPv6 not at all', () => {
    const options = lb({}, { socketLB: { hostNamespaceOnly: true } });
    const hairpin = send({ from: 'pod:shop/web-1', to: '10.96.0.10:80/TCP', random: [0] }, options);
    expect(hairpin.outcome).toMatchObject({ kind: 'replied', sourceSeen: '169.254.42.1:40000', pod: 'shop/web-1' });
    const six = send({ from: 'pod:shop/web-1', to: '[fd00:96::10]:80/TCP', random: [0] }, options);
    expect(six.outcome.sourceSeen).toBe('[fd00:10:0:1::11]:40000');
  });

  it('an L7 service ends at the proxy of the node where it is met first', () => {
    const redirect = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumEnvoyConfig',
      metadata: { name: 'to-proxy', namespace: 'shop' },
      spec: {
        services: [{ name: 'web', namespace: 'shop', ports: [80] }],
        resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'listener' }],
      },
    };
    const options = lb({}, { envoyConfig: { enabled: true } });
    for (const from of ['pod:shop/client', client.from]) {
      const { outcome, hops } = send({ ...client, from }, options, [...shop(), redirect]);
      expect(outcome).toMatchObject({ kind: 'undecided', reason: expect.stringContaining('L7 proxy of node-1') });
      expect(hops.every(({ node }) => node === 'node-1')).toBe(true);
    }
  });

  it('no backend: the call fails', () => {
    const { outcome } = send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP' }, lb({}), shop({}, []));
    expect(outcome).toMatchObject({ kind: 'socketError', errno: 'EHOSTUNREACH' });
  });

  it('out of the cluster: masqueraded', () => {
    const { outcome } = send({ from: 'pod:shop/client', to: '198.51.100.99:443/TCP' }, lb({}));
    expect(outcome).toMatchObject({
      kind: 'replied',
      sourceSeen: '192.168.0.1:40000',
      replySource: '198.51.100.99:443',
    });
  });
});

describe('policy on the way', () => {
  const deny = {
    apiVersion: 'networking.k8s.io/v1',
    kind: 'NetworkPolicy',
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      podSelector: { matchLabels: { app: 'web' } },
      policyTypes: ['Ingress'],
      ingress: [{ from: [{ podSelector: { matchLabels: { app: 'front' } } }] }],
    },
  };
  it('a denied flow is dropped at the receiver, with the policy named', () => {
    const journey = send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP', random: [0] }, lb({}), [...shop(), deny]);
    expect(journey.outcome).toMatchObject({
      kind: 'dropped',
      dropReason: { code: 133, name: 'POLICY', hook: 'ingress policy' },
    });
  });

  it('the host firewall guards the node itself, where it is on', () => {
    const guard = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumClusterwideNetworkPolicy',
      metadata: { name: 'hosts' },
      spec: { nodeSelector: {}, ingress: [{ fromEntities: ['cluster'] }], egress: [{ toEntities: ['cluster'] }] },
    };
    const ask = (from: string, to: string, enabled: boolean) =>
      send({ from, to }, lb({}, { hostFirewall: { enabled } }), [...shop(), guard]).outcome;
    const outside = 'external:198.51.100.7:40000';
    const denied = (hook: string) => ({
      kind: 'dropped',
      dropReason: { code: 133, name: 'POLICY', node: 'node-1', hook },
    });
    expect(ask(outside, '192.168.0.1:22/TCP', true)).toMatchObject(denied('ingress policy'));
    expect(ask(outside, '192.168.0.1:22/TCP', false).kind).not.toBe('dropped');
    expect(ask('pod:shop/client', '192.168.0.1:22/TCP', true).kind).not.toBe('dropped');
    expect(ask('node:node-1', '198.51.100.9:443/TCP', true)).toMatchObject(denied('egress policy'));
  });
});

describe('who attracts an address', () => {
  const lease = (holder: string) => ({
    apiVersion: 'coordination.k8s.io/v1',
    kind: 'Lease',
    metadata: { name: 'cilium-l2announce-shop-web', namespace: 'kube-system' },
    spec: { holderIdentity: holder },
  });
  const open = { from: client.from, to: client.to };

  it('the holder of its lease; whoever is said to; else all nodes, as an assumption', () => {
    const held = send(open, lb({}), [...shop(), lease('node-3')]);
    expect(held.hops[0]!.node).toBe('node-3');
    expect(held.assumptions).toEqual([]);
    const told = send(open, { ...lb({}), announce: { '203.0.113.10': ['node-2'] } });
    expect(told.hops[0]!.node).toBe('node-2');
    expect(send(open, lb({})).assumptions.join()).toContain('routers spread flows over all 3 nodes');
  });

  it('when nobody is left, the packet does not arrive', () => {
    const cluster = Cluster.fromKubernetes(shop(), { ...lb({}), announce: { '203.0.113.10': ['node-2'] } });
    cluster.fabric.fail('node-2');
    expect(cluster.send(open).outcome.kind).toBe('undecided');
  });
});

describe('over time', () => {
  const options = { ...lb({ mode: 'snat' }), seed: 1 };
  it('a flow stays with a terminating backend and ends with its pod', () => {
    const cluster = Cluster.fromKubernetes(shop(), options);
    const flow = cluster.open(client);
    const place = WEB.find(([, host, number]) => flow.backend === `10.0.${host}.${number}:8080`)!;
    const others = WEB.filter((one) => one !== place);
    const draining = shop({}, [
      ...others,
      [place[0], place[1], place[2], { ready: false, serving: true, terminating: true }],
    ]);
    cluster.apply(draining.filter(({ kind }) => kind === 'EndpointSlice'));
    expect(flow.check().status).toBe('kept');
    expect(cluster.send({ ...client, from: 'external:198.51.100.7:41000' }).outcome.backend).not.toBe(flow.backend);
    cluster.apply(shop({}, others).filter(({ kind }) => kind === 'EndpointSlice'));
    cluster.remove([{ kind: 'Pod', namespace: 'shop', name: place[0] }]);
    expect(flow.check().status).not.toBe('kept');
  });

  it('DSR re-routed to another node in the middle: the answer has the pod as its source', () => {
    const dsr = { ...lb({ mode: 'dsr' }, {}), seed: 1 };
    const cluster = Cluster.fromKubernetes(shop(), dsr);
    const port = remotePort(client, lb({ mode: 'dsr' }), 4);
    const flow = cluster.open({ ...client, from: `external:198.51.100.7:${port}` });
    expect(flow.check().status).toBe('kept');
  });
});

describe('bad input', () => {
  it.each([
    [{ ...client, from: 'pod:shop/clent' }, 'unknown-pod', 'did you mean shop/client?'],
    [{ ...client, via: 'nod-1' }, 'unknown-node', 'did you mean node-1'],
    [{ ...client, from: 'somebody' }, 'invalid-party', 'external:IP'],
    [{ ...client, from: 'external:198.51.100.7' }, 'port-required', 'spread()'],
    [{ ...client, from: 'external:[2001:db8::1]:5' }, 'family-mismatch', 'IPv4'],
    [{ ...client, to: '203.0.113.10:65536/TCP' }, 'invalid-port', '65535'],
    [{ ...client, to: '203.0.113.10:80/XTP' }, 'unknown-protocol', 'TCP'],
  ])('%j', (spec, code, text) => {
    const cluster = Cluster.fromKubernetes(shop(), lb({}));
    expect(() => cluster.send(spec)).toThrow(expect.objectContaining({ code }));
    expect(() => cluster.send(spec)).toThrow(text);
  });

  it('contradictions name both objects', () => {
    expect(() => Cluster.fromKubernetes([...shop(), pod('twin', 1, 11)], lb({}))).toThrow(
      /Pods shop\/twin and shop\/web-1 both have 10\.0\.1\.11/,
    );
    expect(() => Cluster.fromKubernetes([...shop(), pod('lost', 9, 1)], lb({}))).toThrow(/node node-9/);
  });

  it('a configuration that the agent refuses', () => {
    expect(() => Cluster.fromKubernetes(shop(), lb({ mode: 'dsr', dsrDispatch: 'ipip' }))).toThrow(
      expect.objectContaining({ code: 'refused-config' }),
    );
  });
});

it('a node without an IPv4 address cannot have the tunnels of the default configuration', () => {
  const only6 = shop().map((object) =>
    object.kind === 'Node' || object.kind === 'CiliumNode'
      ? (JSON.parse(
          JSON.stringify(object).replaceAll(/\{"type":"InternalIP","(?:address|ip)":"192[^}]*\},/g, ''),
        ) as typeof object)
      : object,
  );
  const options: ClusterOptions = { config: { values: [{ name: 'v', values: { kubeProxyReplacement: true } }] } };
  expect(() => send(client, options, only6)).toThrow(/node node-1 has no IPv4 address, .*routingMode=native/);
});

describe.each(['127.0.0.1:30010/TCP', '[::1]:8080/UDP'])('loopback, %s', (to) => {
  it('a pod reaches itself alone, even where the port is a NodePort', () => {
    const { outcome, hops } = send({ from: 'pod:shop/client', to, random: [0] }, lb({}));
    expect(outcome).toMatchObject({ kind: 'passedToHost', pod: 'shop/client', node: 'node-1' });
    expect(hops.map(({ hook }) => hook).filter((hook) => !/^(connect|sendmsg)/.test(hook))).toEqual([]);
  });
});

describe('endpoints that no Pod is behind', () => {
  const bare = (nodeName: string | undefined): RawObject[] =>
    shop().flatMap((object): RawObject[] => {
      if (object.kind === 'Pod' && object.metadata.name !== 'client') return [];
      if (object.kind !== 'EndpointSlice') return [object];
      const endpoint = { addresses: ['10.0.2.99'], conditions: { ready: true } };
      return [
        { ...object, addressType: 'IPv4', endpoints: [nodeName === undefined ? endpoint : { ...endpoint, nodeName }] },
      ];
    });

  it('with a node: something on it answers, and that is told as an assumption', () => {
    const { outcome, assumptions } = Cluster.fromKubernetes(bare('node-2'), lb({ mode: 'snat' })).send(client);
    expect(outcome).toMatchObject({ kind: 'replied', backend: '10.0.2.99:8080', node: 'node-2' });
    expect(assumptions.join(' ')).toContain('No Pod objects for 1 endpoints');
  });

  it('without one: it is outside the cluster, reached and answered through the node', () => {
    const objects = bare(undefined).map((object) =>
      object.kind === 'EndpointSlice'
        ? { ...object, endpoints: [{ addresses: ['198.51.100.200'], conditions: { ready: true } }] }
        : object,
    );
    const { outcome } = Cluster.fromKubernetes(objects, lb({ mode: 'snat' })).send(client);
    expect(outcome).toMatchObject({
      kind: 'replied',
      backend: '198.51.100.200:8080',
      sourceSeen: '192.168.0.1:40000',
      replySource: '203.0.113.10:80',
    });
  });
});

it('what several candidates cannot be decided for is told for each', () => {
  const elsewhere = shop().map((object) =>
    object.kind === 'Service' ? { ...object, metadata: { ...object.metadata, annotations: {} } } : object,
  );
  const none = Cluster.fromKubernetes(elsewhere, { announce: { '203.0.113.10': [] } }).send({
    ...client,
    via: undefined,
  } as never);
  expect(none.outcome.reason).toContain('no node attracts 203.0.113.10');
});

it.each([[[null]], [[{ foo: 1 }]], [[{ apiVersion: 'v1', kind: 'Service' }]], ['text'], [undefined]])(
  'what is no list of objects is refused: %j',
  (objects) => {
    const told = expect.objectContaining({ code: 'invalid-object' });
    expect(() => Cluster.fromKubernetes(objects as never)).toThrow(told);
    expect(() => Cluster.fromKubernetes(shop()).apply(objects as never)).toThrow(told);
  },
);
