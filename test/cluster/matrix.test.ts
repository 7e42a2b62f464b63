import { describe, expect, it } from 'vitest';
import { type MatrixRow, serviceMatrix } from '../../src/cluster/matrix.ts';
import { readObjects } from '../../src/k8s/read.ts';
import { matrixMarkdown } from '../../src/report/matrix.ts';

type Policy = 'Cluster' | 'Local';
const POLICIES: readonly Policy[] = ['Cluster', 'Local'];

const NODES = ['a', 'b', 'c'];

/** Three nodes; backends on a and b, a client pod on each. */
const cluster = (eTP: Policy, iTP: Policy, more = ''): string =>
  NODES.map(
    (name, i) => `apiVersion: v1
kind: Node
metadata: {name: node-${name}}
spec: {podCIDRs: [10.0.${i}.0/24]}
status: {addresses: [{type: InternalIP, address: 192.168.0.${i + 1}}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-${name}, namespace: x}
spec: {nodeName: node-${name}}
status: {phase: Running, podIP: 10.0.${i}.9}
---
`,
  ).join('') +
  `apiVersion: v1
kind: Service
metadata: {name: s, namespace: x}
spec:
  type: LoadBalancer
  clusterIP: 10.96.0.1
  externalTrafficPolicy: ${eTP}
  internalTrafficPolicy: ${iTP}
  externalIPs: [198.51.100.50]
  ports: [{port: 80, nodePort: 30080}]
${more}status: {loadBalancer: {ingress: [{ip: 203.0.113.1}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: s-1, namespace: x, labels: {kubernetes.io/service-name: s}}
addressType: IPv4
endpoints:
- {addresses: [10.0.0.1], nodeName: node-a, targetRef: {kind: Pod, name: s-pod-1, namespace: x}}
- {addresses: [10.0.0.2], nodeName: node-a, targetRef: {kind: Pod, name: s-pod-2, namespace: x}}
- {addresses: [10.0.1.1], nodeName: node-b, targetRef: {kind: Pod, name: s-pod-3, namespace: x}}
ports: [{port: 8080}]
`;

const rowsOf = (text: string): readonly MatrixRow[] =>
  serviceMatrix(readObjects('t', text).objects, { service: 'x/s' }).rows;

/** What the policies leave on each node: nodes a and b have backends, c has none. */
const local = (count: string): string[] => [`${count}`, `${count}`, 'none'];

function told(rows: readonly MatrixRow[], type: string, client: string, target = 'service'): string[] {
  return rows
    .filter((row) => row.type === type && row.client === client && row.target === target)
    .map(({ candidates }) => candidates);
}

describe('serviceMatrix', () => {
  for (const eTP of POLICIES) {
    for (const iTP of POLICIES) {
      it(`who is chosen under externalTrafficPolicy ${eTP}, internalTrafficPolicy ${iTP}`, () => {
        const rows = rowsOf(cluster(eTP, iTP));
        const inside = iTP === 'Local' ? local('local') : ['all', 'all', 'all'];
        const outside = eTP === 'Local' ? local('local') : ['all', 'all', 'all'];
        for (const client of ['pod', 'host']) {
          expect(told(rows, 'ClusterIP', client)).toEqual(inside);
          // One scope follows its own policy; with two, the internal one counts for clients inside, which here is the same.
          expect(told(rows, 'NodePort', client, 'own node')).toEqual(inside);
          expect(told(rows, 'NodePort', client, 'other node')).toEqual(inside);
          expect(told(rows, 'LoadBalancer', client)).toEqual(inside);
          // An external IP that is no address of the node: not translated at the socket; whoever attracts it may answer.
          const foreign = rows.filter((row) => row.type === 'ExternalIPs' && row.client === client);
          expect(foreign).toHaveLength(3);
          for (const { translatedAt } of foreign) expect(translatedAt).not.toBe('socket');
        }
        expect(told(rows, 'ClusterIP', 'external')).toEqual(['none', 'none', 'none']);
        expect(told(rows, 'NodePort', 'external', 'own node')).toEqual(outside);
        expect(told(rows, 'LoadBalancer', 'external')).toEqual(outside);
        expect(told(rows, 'ExternalIPs', 'external')).toEqual(outside);
      });
    }
  }

  it('says what comes of an empty set, which source is seen, and where the translation is', () => {
    const rows = rowsOf(cluster('Local', 'Local'));
    const find = (client: string, node: string, type: string): MatrixRow =>
      rows.find((row) => row.client === client && row.node === node && row.type === type)!;
    expect(find('pod', 'node-c', 'ClusterIP')).toMatchObject({
      result: 'EHOSTUNREACH',
      count: 0,
      of: 3,
      hasLocal: false,
    });
    expect(find('external', 'node-c', 'LoadBalancer').result).toMatch(/port unreachable/);
    expect(find('external', 'node-a', 'ClusterIP').result).toBe('dropped: IS_CLUSTER_IP');
    expect(find('external', 'node-a', 'LoadBalancer')).toMatchObject({
      result: 'replied',
      count: 2,
      sourceSeen: { local: 'client', remote: undefined },
      translatedAt: 'packet',
    });
    const open = rowsOf(cluster('Cluster', 'Cluster'));
    expect(
      open.find(({ client, node, type }) => client === 'external' && node === 'node-a' && type === 'LoadBalancer'),
    ).toMatchObject({
      sourceSeen: { local: 'client', remote: 'node node-a' },
    });
    expect(open.find(({ client, type }) => client === 'pod' && type === 'ClusterIP')).toMatchObject({
      sourceSeen: { local: 'client', remote: 'client' },
      translatedAt: 'socket',
    });
  });

  it('sends its client from within the source ranges', () => {
    const rows = rowsOf(cluster('Cluster', 'Cluster', '  loadBalancerSourceRanges: [172.16.0.0/12]\n'));
    expect(told(rows, 'LoadBalancer', 'external')).toEqual(['all', 'all', 'all']);
  });

  it('as Markdown is one table', () => {
    const text = matrixMarkdown(serviceMatrix(readObjects('t', cluster('Local', 'Cluster')).objects));
    const table = text.split('\n').filter((line) => line.startsWith('|'));
    expect(new Set(table.map((line) => line.split('|').length)).size).toBe(1);
    expect(text).toContain(
      '| x/s | 203.0.113.1:80/TCP | LoadBalancer | Local | Cluster | external | no | node-c | none |',
    );
  });

  it('refuses a service that does not exist, with those that are near', () => {
    expect(() => serviceMatrix(readObjects('t', cluster('Local', 'Local')).objects, { service: 'x/t' })).toThrow(
      'there is no service "x/t"; did you mean x/s?',
    );
  });

  it('asks at one node alone, also for a hostPort that another one has', () => {
    const pod = `apiVersion: v1
kind: Pod
metadata: {name: hp, namespace: x, uid: u}
spec: {nodeName: node-a, containers: [{name: c, ports: [{containerPort: 80, hostPort: 8080}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.5}]}
`;
    const { objects } = readObjects('t', `${cluster('Local', 'Cluster')}---\n${pod}`);
    const { rows } = serviceMatrix(objects, { node: 'node-c' });
    expect(new Set(rows.map(({ node }) => node))).toEqual(new Set(['node-c']));
    const hostPort = rows.filter(({ type }) => type === 'HostPort');
    expect(hostPort.map(({ client, target, translatedOn }) => [client, target, translatedOn])).toEqual([
      ['pod', 'other node', 'node-a'],
      ['host', 'other node', 'node-a'],
    ]);
    expect(() => serviceMatrix(objects, { node: 'node-x' })).toThrow('there is no node "node-x"; did you mean node-a');
  });

  it('refuses objects without a node, and services that nobody can call', () => {
    const service = 'apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\nspec: {clusterIP: None}\n';
    const node = 'apiVersion: v1\nkind: Node\nmetadata: {name: one}\n';
    expect(() => serviceMatrix(readObjects('t', service).objects)).toThrow('there is no node to ask from');
    const both = readObjects('t', `${service}---\n${node}`).objects;
    expect(() => serviceMatrix(both)).toThrow('no service has an address to call');
    expect(() => serviceMatrix(both, { service: 'x/s' })).toThrow('x/s has no address to call');
  });
});
