import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterOptions } from '../../src/cluster/index.ts';
import { pod, shop } from './objects.ts';

const withoutReplacement = (more: Record<string, unknown> = {}): ClusterOptions => ({
  config: { values: [{ name: 'test', values: { kubeProxyReplacement: false, ...more } }] },
});
const cluster = (options = withoutReplacement(), more: Parameters<typeof Cluster.fromKubernetes>[0] = []): Cluster =>
  Cluster.fromKubernetes([...shop(), ...more], options);
const client = 'external:198.51.100.7:40000';

describe('without kube-proxy replacement', () => {
  it.each([
    ['a cluster IP', client, '10.96.0.10:80/TCP', 'node-1'],
    ['a load balancer address', client, '203.0.113.10:80/TCP', 'node-1'],
    ['a NodePort', client, '192.168.0.1:30010/TCP', undefined],
    ['a cluster IP, from a node', 'node:node-2', '10.96.0.10:80/TCP', undefined],
    ['a NodePort on loopback, from a node', 'node:node-2', '127.0.0.1:30010/TCP', undefined],
    ['a load balancer address, from a pod', 'pod:shop/client', '203.0.113.10:80/TCP', undefined],
    ["another node's NodePort, from a pod", 'pod:shop/client', '192.168.0.3:30010/TCP', undefined],
  ])('%s is left to the rules of kube-proxy, which are not modelled', (_, from, to, via) => {
    const { outcome } = cluster().send({ from, to, ...(via === undefined ? {} : { via }) });
    expect(outcome.kind).toBe('undecided');
    expect(outcome.reason).toMatch(/shop\/web.*without kube-proxy replacement.*kube-proxy/);
  });

  it.each(['10.96.0.10:81/TCP', '10.96.0.10:80/UDP', '192.168.0.1:30011/TCP'])(
    '%s is no frontend: nothing of it is said about kube-proxy',
    (to) => {
      const { outcome } = cluster().send({ from: client, to, via: 'node-1' });
      expect(outcome.reason ?? '').not.toContain('kube-proxy');
    },
  );

  it("translates a pod's packet to a cluster IP all the same", () => {
    const { outcome } = cluster().send({ from: 'pod:shop/client', to: '10.96.0.10:80/TCP', random: [0] });
    expect(outcome).toMatchObject({ kind: 'replied', backend: '10.0.1.11:8080', translatedAt: 'packet' });
  });

  it('leaves hostPorts to the portmap plugin, those of pods in the host network to their processes', () => {
    const hostPort = (name: string, hostNetwork: boolean, port: number): Record<string, unknown> => {
      const base = pod(name, 1, 40) as unknown as { spec: object };
      const ports = [{ containerPort: port, hostPort: port }];
      return { ...base, spec: { ...base.spec, hostNetwork, containers: [{ name: 'main', ports }] } };
    };
    const own = [hostPort('edge', false, 8443), hostPort('agent', true, 9100)] as never[];
    const all = cluster(withoutReplacement(), own);
    expect(all.send({ from: client, to: '192.168.0.1:8443/TCP' }).outcome.reason).toMatch(/hostPort.*shop\/edge/);
    expect(all.send({ from: client, to: '192.168.0.1:9100/TCP' }).outcome.kind).toBe('passedToHost');
  });

  it('sockets are translated where socket LB is on by itself', () => {
    const all = cluster(withoutReplacement({ socketLB: { enabled: true } }));
    expect(all.send({ from: 'node:node-2', to: '10.96.0.10:80/TCP', random: [0] }).outcome).toMatchObject({
      kind: 'replied',
      translatedAt: 'socket',
    });
  });
});
