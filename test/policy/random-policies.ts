import fc from 'fast-check';
import type { Item, LabelSelector, Packet, Pod, Policy, Remote } from './naive.ts';

/** A small cluster in which random policies meet. */
export const PODS: readonly Pod[] = [
  { namespace: 'x', name: 'a', labels: { app: 'a', tier: 'web' } },
  { namespace: 'x', name: 'b', labels: { app: 'b' } },
  { namespace: 'x', name: 'c', labels: { app: 'c', tier: 'db' } },
  { namespace: 'z', name: 'a', labels: { app: 'a' } },
  { namespace: 'z', name: 'b', labels: { app: 'b', tier: 'db' } },
];

const CIDRS = ['0.0.0.0/0', '203.0.0.0/8', '203.0.113.0/24', '203.0.113.128/25', '198.51.100.0/24'];
const ADDRESSES = ['203.0.113.10', '203.0.113.200', '203.9.9.9', '198.51.100.7', '192.0.2.1'];
const PORTS = [80, 81, 443, 1000, 2000];

const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.constant({}),
  fc.record({ matchLabels: fc.record({ app: fc.constantFrom('a', 'b', 'c') }) }),
  fc.record({
    matchExpressions: fc.array(
      fc.oneof(
        fc.record({ key: fc.constant('tier'), operator: fc.constantFrom('Exists', 'DoesNotExist') }),
        fc.record({
          key: fc.constantFrom('app', 'tier'),
          operator: fc.constantFrom('In', 'NotIn'),
          values: fc.uniqueArray(fc.constantFrom('a', 'b', 'db', 'web'), { minLength: 1, maxLength: 2 }),
        }),
      ),
      { minLength: 1, maxLength: 2 },
    ),
  }),
  fc.record({
    matchLabels: fc.record({ 'k8s:io.kubernetes.pod.namespace': fc.constantFrom('x', 'z') }),
  }),
);

const cidrSet = fc.constantFrom(
  { cidr: CIDRS[0]! },
  { cidr: CIDRS[0]!, except: [CIDRS[4]!] },
  { cidr: CIDRS[1]!, except: [CIDRS[2]!] },
  { cidr: CIDRS[2]!, except: [CIDRS[3]!] },
  { cidr: CIDRS[3]! },
  { cidr: CIDRS[4]! },
);

const port = fc.oneof(
  fc.record({ port: fc.constantFrom(...PORTS, 0).map(String), protocol: fc.constantFrom('TCP', 'TCP', 'UDP', 'ANY') }),
  fc
    .record({ start: fc.integer({ min: 1, max: 1100 }), length: fc.integer({ min: 0, max: 1500 }) })
    .map(({ start, length }) => ({ port: String(start), endPort: start + length, protocol: 'TCP' })),
);

const http = fc.record({
  ports: fc.constantFrom(
    [{ port: '80', protocol: 'TCP' }],
    [
      { port: '443', protocol: 'TCP' },
      { port: '1000', protocol: 'TCP' },
    ],
    [{ port: '64', endPort: 1100, protocol: 'TCP' }],
  ),
  rules: fc.constant({ http: [{ method: 'GET' }] }),
});

const portPart = (deny: boolean): fc.Arbitrary<Pick<Item, 'toPorts' | 'icmps'>> =>
  fc.oneof(
    fc.constant({}),
    fc.record({
      toPorts: fc.array(fc.record({ ports: fc.array(port, { minLength: 1, maxLength: 2 }) }), {
        minLength: 1,
        maxLength: 2,
      }),
    }),
    ...(deny ? [] : [fc.record({ toPorts: fc.array(http, { minLength: 1, maxLength: 1 }) })]),
    fc.record({
      icmps: fc.constantFrom(8, 0).map((type) => [{ fields: [{ type, family: 'IPv4' }] }]),
    }),
  );

const peerPart = (prefix: 'from' | 'to'): fc.Arbitrary<Item> =>
  fc.oneof(
    fc.constant({}),
    fc.record({ [`${prefix}Endpoints`]: fc.array(selector, { minLength: 1, maxLength: 2 }) }),
    fc.record({
      [`${prefix}Entities`]: fc.constantFrom(['all'], ['world'], ['cluster'], ['host'], ['remote-node', 'health']),
    }),
    fc.record({ [`${prefix}CIDRSet`]: fc.array(cidrSet, { minLength: 1, maxLength: 2 }) }),
  ) as fc.Arbitrary<Item>;

export const item = (direction: 'ingress' | 'egress', deny: boolean): fc.Arbitrary<Item> =>
  fc
    .tuple(peerPart(direction === 'ingress' ? 'from' : 'to'), portPart(deny))
    .map(([peers, ports]) => ({ ...peers, ...ports }));

const items = (direction: 'ingress' | 'egress', deny: boolean): fc.Arbitrary<Item[]> =>
  fc.array(item(direction, deny), { minLength: 1, maxLength: 3 });

const spec = fc
  .record(
    {
      endpointSelector: fc.constantFrom<LabelSelector>(
        {},
        {},
        { matchLabels: { app: 'a' } },
        { matchLabels: { tier: 'db' } },
      ),
      enableDefaultDeny: fc.record({ ingress: fc.boolean(), egress: fc.boolean() }, { requiredKeys: [] }),
      ingress: items('ingress', false),
      ingressDeny: items('ingress', true),
      egress: items('egress', false),
      egressDeny: items('egress', true),
    },
    { requiredKeys: ['endpointSelector'] },
  )
  .filter((found) => Object.keys(found).some((key) => /gress/.test(key)));

/** Policies with distinct names; no authentication, whose result may depend on order. */
export const policies: fc.Arbitrary<Policy[]> = fc
  .array(fc.tuple(spec, fc.constantFrom('x', 'z', undefined)), { minLength: 1, maxLength: 4 })
  .map((all) =>
    all.map(([body, namespace], index) => ({
      apiVersion: 'cilium.io/v2',
      kind: namespace === undefined ? 'CiliumClusterwideNetworkPolicy' : 'CiliumNetworkPolicy',
      metadata: { name: `p${index}`, ...(namespace === undefined ? {} : { namespace }) },
      spec: body as Policy['spec'],
    })),
  );

const remote: fc.Arbitrary<Remote> = fc.oneof(
  fc.constantFrom(...PODS).map((pod) => ({ pod })),
  fc.constantFrom(...ADDRESSES).map((address) => ({ address })),
  fc.constantFrom('host', 'remote-node', 'health').map((entity) => ({ entity }) as Remote),
);

export const packet: fc.Arbitrary<Packet> = fc
  .record({
    direction: fc.constantFrom('ingress', 'egress'),
    remote,
    proto: fc.constantFrom(6, 6, 6, 6, 17, 132, 1),
    port: fc.oneof(
      { weight: 4, arbitrary: fc.constantFrom(...PORTS) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 3000 }) },
    ),
    type: fc.constantFrom(0, 8, 3, 11),
  })
  .map(({ direction, remote: other, proto, port: number, type }) => ({
    direction,
    remote: other,
    proto,
    port: proto === 1 ? type : number,
  })) as fc.Arbitrary<Packet>;
