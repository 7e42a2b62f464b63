import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type AnnotatedFlow, annotateFlows, Cluster, ObservedServices, readHubble } from '../../src/cluster/index.ts';
import { readObjects } from '../../src/k8s/read.ts';
import { parseEndpoint } from '../../src/net/endpoint.ts';
import { formatAddress } from '../../src/net/address.ts';

const { objects } = readObjects('shop', readFileSync('examples/shop.yaml', 'utf8'));
const { config } = Cluster.fromKubernetes(objects).resolved;
const services = new ObservedServices(objects, config);

interface Given {
  readonly node?: string;
  readonly protocol?: 'TCP' | 'UDP' | 'SCTP';
  readonly flags?: readonly string[];
  readonly [more: string]: unknown;
}

/** A line of Hubble's. */
function seen(
  source: string,
  destination: string,
  { node, protocol = 'TCP', flags = [], ...more }: Given = {},
): object {
  const [from, to] = [parseEndpoint(source), parseEndpoint(destination)];
  const ports = { source_port: from.port, destination_port: to.port };
  return {
    IP: { source: formatAddress(from.address), destination: formatAddress(to.address) },
    l4: { [protocol]: { ...ports, flags: Object.fromEntries(flags.map((flag) => [flag, true])) } },
    node_name: node,
    ...more,
  };
}

const annotate = (...flows: object[]): AnnotatedFlow[] =>
  annotateFlows(readHubble(flows.map((one) => JSON.stringify(one)).join('\n')).flows, services);

const CLIENT = '198.51.100.7:40000';
const VIP = '203.0.113.10:443';
const LOCAL = '203.0.113.20:443';
const SYN = { flags: ['SYN'] };

describe('annotateFlows', () => {
  it.each([
    [VIP, 'worker-a2'],
    ['198.51.100.20:8088', 'worker-b2'],
    ['[2001:db8:ff::10]:443', 'control-1'],
    ['192.168.10.11:30080', 'worker-a1'],
  ])('%s by %s: what the datapath does is as computed, another backend is not', (to, node) => {
    const cluster = Cluster.fromKubernetes(objects);
    const flows: object[] = [];
    const reached = new Set<string>();
    for (let port = 40000; port < 40040; port++) {
      const client = to.startsWith('[') ? `[2001:db8::7]:${port}` : `198.51.100.7:${port}`;
      cluster.forget();
      const { backend } = cluster.send({ from: `external:${client}`, to: `${to}/TCP`, via: node }).outcome;
      reached.add(backend!);
      flows.push(seen(client, to, { node, ...SYN }), seen(client, backend!, { node, ...SYN, is_reply: false }));
    }
    expect(reached.size).toBeGreaterThan(1);
    const told = annotate(...flows);
    expect(new Set(told.map(({ status }) => status))).toEqual(new Set(['as-computed']));
    const wrong = told
      .filter(({ hop }) => hop === 'after translation')
      .map(({ source, backend }) => {
        const other = [...reached].find((one) => one !== backend)!;
        return annotate(seen(source!, to, { node, ...SYN }), seen(source!, other, { node, ...SYN }))[1]!;
      });
    for (const { status, mismatch, computed, backend } of wrong) {
      expect([status, mismatch]).toEqual(['mismatch', 'other-backend']);
      expect(computed).not.toBe(backend);
    }
  });

  it('answers are turned round, with is_reply or by their flags', () => {
    const back = seen(VIP, CLIENT, { is_reply: true });
    const accepted = seen('10.244.1.14:8443', CLIENT, { flags: ['SYN', 'ACK'] });
    const told = annotate(seen(CLIENT, VIP, { ...SYN, node: 'worker-a2' }), accepted, back);
    expect(told.map(({ hop, status, service }) => [hop, status, service])).toEqual([
      ['before translation', 'as-computed', 'shop/web:https'],
      ['before reverse translation', 'as-computed', 'shop/web:https'],
      ['after reverse translation', 'as-computed', 'shop/web:https'],
    ]);
  });

  it('without the first packet another backend than Maglev’s may be older', () => {
    const [told] = annotate(
      seen(CLIENT, VIP, { flags: ['ACK'] }),
      seen(CLIENT, '10.244.1.12:8443', { flags: ['ACK'] }),
    );
    expect(told).toMatchObject({
      status: 'undecided',
      computed: '10.244.1.14:8443',
      reason: expect.stringContaining('older'),
    });
  });

  it('session affinity may have kept another backend', () => {
    const answer = services.answer(
      { ...parseEndpoint(CLIENT), protocol: 6 },
      { ...parseEndpoint(LOCAL), protocol: 6 },
      'worker-b1',
    );
    const { backends, count } = answer.views[0]!.service!;
    const flows = backends
      .slice(0, count)
      .map(({ address, port }) =>
        annotate(seen(CLIENT, LOCAL, { ...SYN, node: 'worker-b1' }), seen(CLIENT, `${address}:${port}`, SYN)),
      );
    expect(flows.map(([, there]) => there!.status).sort()).toEqual(['as-computed', 'undecided']);
  });

  it('a terminating backend keeps connections and takes none', () => {
    const answer = services.answer(
      { ...parseEndpoint(CLIENT), protocol: 6 },
      { ...parseEndpoint(VIP), protocol: 6 },
      undefined,
    );
    const last = answer.views[0]!.service!.backends.find(({ state }) => state === 'terminating')!;
    const at = `${last.address}:${last.port}`;
    const told = (flags: string[]): AnnotatedFlow =>
      annotate(seen(CLIENT, VIP, { flags }), seen(CLIENT, at, { flags }))[1]!;
    expect(told(['ACK'])).toMatchObject({ status: 'allowed', reason: expect.stringContaining('terminating') });
    expect(told(['SYN'])).toMatchObject({ status: 'mismatch', mismatch: 'not-usable' });
  });

  it('a pod that no object lists, reached by the client port that called the service', () => {
    const told = annotate(seen(CLIENT, LOCAL, { ...SYN, node: 'worker-b1' }), seen(CLIENT, '10.244.3.77:8443', SYN));
    expect(told.map(({ mismatch }) => mismatch)).toEqual(['not-a-backend', 'not-a-backend']);
    // Another port of it is another connection.
    const other = annotate(seen(CLIENT, LOCAL, { ...SYN, node: 'worker-b1' }), seen(CLIENT, '10.244.3.77:9999', SYN));
    expect(other.map(({ status }) => status)).toEqual(['not-seen', 'no-service']);
  });

  it('externalTrafficPolicy Local: the node that translated counts, and without it nothing is claimed', () => {
    const there = seen(CLIENT, '10.244.3.20:8443', SYN);
    expect(annotate(seen(CLIENT, LOCAL, { ...SYN, node: 'control-1' }), there)[1]).toMatchObject({
      mismatch: 'no-backend-expected',
    });
    expect(annotate(seen(CLIENT, LOCAL, SYN), there)[1]).toMatchObject({
      status: 'undecided',
      reason: expect.stringContaining('it depends on the node that translated'),
    });
  });

  it('source ranges: a client that is refused reaches nobody', () => {
    const stranger = '192.0.2.33:40000';
    const dropped = seen(stranger, LOCAL, {
      ...SYN,
      node: 'worker-b1',
      verdict: 'DROPPED',
      drop_reason_desc: 'NOT_IN_SRC_RANGE',
    });
    expect(annotate(dropped)[0]).toMatchObject({ status: 'allowed', drop: 'NOT_IN_SRC_RANGE' });
    const passed = annotate(
      seen(stranger, LOCAL, { ...SYN, node: 'worker-b1' }),
      seen(stranger, '10.244.3.20:8443', SYN),
    );
    expect(passed[1]).toMatchObject({ mismatch: 'no-backend-expected' });
    // One client's answer is no other's.
    expect(annotate(seen(CLIENT, LOCAL, { ...SYN, node: 'worker-b1' }))[0]).toMatchObject({ status: 'not-seen' });
  });

  it('sockets: the halves of a call by cookie, UDP by the cookie’s slot, TCP by chance', () => {
    const pod = '10.244.4.24:0';
    const half = (stage: string, to: string, cookie: string, protocol: 'TCP' | 'UDP'): object =>
      seen(pod, to, {
        protocol,
        node: 'worker-b2',
        sock_xlate_point: `SOCK_XLATE_POINT_${stage}_DIRECTION_FWD`,
        socket_cookie: cookie,
      });
    const dns = (cookie: string, backend: string): AnnotatedFlow[] =>
      annotate(half('PRE', '10.96.0.10:53', cookie, 'UDP'), half('POST', backend, cookie, 'UDP'));
    expect(dns('7000', '10.244.1.11:53').map(({ status }) => status)).toEqual(['as-computed', 'as-computed']);
    expect(dns('7001', '10.244.1.11:53')[1]).toMatchObject({ mismatch: 'other-backend', computed: '10.244.3.11:53' });
    expect(
      annotate(half('PRE', '10.96.0.10:53', '1', 'TCP'), half('POST', '10.244.1.11:53', '1', 'TCP'))[1],
    ).toMatchObject({ status: 'allowed' });
    const twice = [half('PRE', '10.96.0.10:53', '1', 'UDP'), half('POST', '10.244.3.11:53', '1', 'UDP')];
    expect(annotate(...twice, half('POST', '10.244.3.11:53', '1', 'UDP')).map(({ status }) => status)).toEqual([
      'as-computed',
      'as-computed',
      'undecided',
    ]);
    const [, lone] = annotate(half('PRE', '10.96.0.10:53', '1', 'UDP'), half('POST', '10.244.1.11:53', '2', 'UDP'));
    expect(lone).toMatchObject({
      status: 'undecided',
      reason: expect.stringContaining('a backend of kube-system/kube-dns'),
    });
  });

  it('sockets: an answer’s peer is turned back', () => {
    const half = (stage: string, from: string): object =>
      seen(from, '10.244.4.24:0', {
        protocol: 'UDP',
        sock_xlate_point: `SOCK_XLATE_POINT_${stage}_DIRECTION_REV`,
        socket_cookie: '7001',
      });
    expect(
      annotate(half('PRE', '10.244.3.11:53'), half('POST', '10.96.0.10:53')).map(({ hop, status }) => [hop, status]),
    ).toEqual([
      ['before reverse translation', 'as-computed'],
      ['after reverse translation', 'as-computed'],
    ]);
  });

  it('a cluster IP from outside: dropped as it should be, and a backend is a mismatch', () => {
    const [ip, pod] = ['10.96.20.10:443', '10.244.1.14:8443'];
    const dropped = annotate(seen(CLIENT, ip, { ...SYN, verdict: 'DROPPED', drop_reason_desc: 'IS_CLUSTER_IP' }));
    expect(dropped[0]).toMatchObject({
      status: 'allowed',
      reason: expect.stringContaining('not reachable from outside'),
    });
    expect(annotate(seen(CLIENT, ip, SYN), seen(CLIENT, pod, SYN))[1]).toMatchObject({
      mismatch: 'no-backend-expected',
    });
  });

  it('without kube-proxy replacement nothing is claimed of what kube-proxy serves', () => {
    const values = [{ name: '--set', values: { kubeProxyReplacement: false } }];
    const without = new ObservedServices(
      objects,
      Cluster.fromKubernetes(objects, { config: { values } }).resolved.config,
    );
    const flows = [
      seen(CLIENT, VIP, SYN),
      seen(CLIENT, '10.244.1.12:8443', SYN),
      seen('192.168.10.11:40000', '10.96.20.10:443', SYN),
      seen('198.51.100.8:40000', '10.96.20.10:443', SYN),
    ];
    const told = annotateFlows(readHubble(flows.map((one) => JSON.stringify(one)).join('\n')).flows, without);
    expect(told.map(({ status }) => status)).toEqual(Array(4).fill('undecided'));
    expect(told[0]!.reason).toContain(
      'is a load balancer address of Service shop/web, and Cilium has no frontend for it',
    );
    expect(told[2]!.reason).toContain('kube-proxy decides');
  });

  it('what flows do not tell is undecided, and says what is missing', () => {
    const reason = (...flows: object[]): string[] =>
      annotate(...flows).map(({ status, reason: why }) => `${status}: ${why}`);
    expect(reason(seen('192.168.10.12:40000', '10.244.1.14:8443', SYN))).toEqual([
      'undecided: a backend of shop/web:https; the source is worker-a2: who stands behind it no flow shows',
    ]);
    expect(reason(seen(CLIENT, '10.244.1.14:8443', SYN))).toEqual([
      'undecided: a backend of shop/web:https; no flow shows whether by the service or directly',
    ]);
    expect(reason(seen('10.244.1.14:8443', '10.244.1.12:8443'))).toEqual([
      'undecided: neither the line nor the objects tell who is the client',
    ]);
    expect(reason(seen(CLIENT, VIP, SYN))).toEqual([
      'not-seen: no flow shows the backend; Maglev gives 10.244.1.14:8443',
    ]);
    expect(reason(seen(CLIENT, VIP, { ...SYN, verdict: 'DROPPED', drop_reason_desc: 'NAT_NO_MAPPING' }))[0]).toMatch(
      /^undecided: dropped \(NAT_NO_MAPPING\), though 11 may be picked/,
    );
    expect(
      reason(seen(CLIENT, VIP, SYN), seen(CLIENT, '10.244.1.12:8443', SYN), seen(CLIENT, '10.244.1.14:8443', SYN))[0],
    ).toMatch(/^undecided: the client port reached 10\.244\.1\.12:8443 and 10\.244\.1\.14:8443/);
    const nodePort = seen(CLIENT, '192.168.10.11:30443', SYN);
    expect(
      annotate(seen(CLIENT, VIP, SYN), nodePort, seen(CLIENT, '10.244.1.14:8443', SYN)).map(({ status }) => status),
    ).toEqual(['undecided', 'undecided', 'undecided']);
    expect(reason({ ...seen(CLIENT, VIP), l4: { ICMPv4: { type: 8 } } })).toEqual([
      'no-service: neither TCP nor UDP nor SCTP',
    ]);
    expect(reason({ ...seen(CLIENT, VIP), IP: { destination: '203.0.113.10' } })).toEqual([
      'undecided: the line tells no addresses',
    ]);
    expect(reason(seen(CLIENT, '203.0.113.99:443', SYN))).toEqual([
      'no-service: neither a frontend nor a backend of a service',
    ]);
  });
});
