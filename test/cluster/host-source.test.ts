import { describe, expect, it } from 'vitest';
import { Cluster, type ClusterOptions } from '../../src/cluster/index.ts';
import type { RawObject } from '../../src/k8s/raw.ts';
import { shop, values } from './objects.ts';

const tunnel: ClusterOptions = {
  config: { values: values({ routingMode: 'tunnel', autoDirectNodeRoutes: false }) },
};
const native: ClusterOptions = { config: { values: values() } };
const withoutRouters = (): RawObject[] => shop().filter(({ kind }) => kind !== 'CiliumNode');
const seen = (
  objects: RawObject[],
  options: ClusterOptions,
  from: string,
  to: string,
  more: object = {},
): { kind: string; source: string | undefined; assumed: string } => {
  const { outcome, assumptions } = Cluster.fromKubernetes(objects, options).send({ from, to, ...more });
  return { kind: outcome.kind, source: outcome.sourceSeen, assumed: assumptions.join(' ') };
};

describe("which address a node's own packets come from", () => {
  it.each([
    ['a pod of the node', native, '10.0.1.11:8080/TCP', '10.0.1.254:40000'],
    ['a pod of the node, overlay', tunnel, '10.0.1.11:8080/TCP', '10.0.1.254:40000'],
    ['a pod of another node', native, '10.0.2.12:8080/TCP', '192.168.0.1:40000'],
    ['a pod of another node, overlay', tunnel, '10.0.2.12:8080/TCP', '10.0.1.254:40000'],
    ['the same over IPv6', tunnel, '[fd00:10:0:2::12]:8080/TCP', '[fd00:10:0:1::fe]:40000'],
    ['another node', tunnel, '192.168.0.2:22/TCP', '192.168.0.1:40000'],
  ])('%s sees the address of the route to it', (_, options, to, source) => {
    const answer = seen(shop(), options, 'node:node-1', to);
    expect(answer.source).toBe(source);
    expect(['replied', 'passedToHost']).toContain(answer.kind);
  });

  it("is the node's own for a pod of the node with endpoint routes", () => {
    const options = { config: { values: values({ endpointRoutes: { enabled: true } }) } };
    expect(seen(shop(), options, 'node:node-1', '10.0.1.11:8080/TCP').source).toBe('192.168.0.1:40000');
  });

  it('is assumed where no CiliumNode tells it, in SNAT through the overlay as well', () => {
    const told = /CiliumInternalIP.* of node-1/;
    const host = seen(withoutRouters(), tunnel, 'node:node-1', '10.0.2.12:8080/TCP');
    expect(host.source).toBe('192.168.0.1:40000');
    expect(host.assumed).toMatch(told);
    const outside = { via: 'node-1', reply: false };
    const client = (port: number): string => `external:198.51.100.7:${port}`;
    const ports = Array.from({ length: 30 }, (_, i) => 40000 + i);
    const answers = ports.map((port) => seen(withoutRouters(), tunnel, client(port), '203.0.113.10:80/TCP', outside));
    for (const { source, assumed } of answers) {
      if (source!.startsWith('192.168.0.1:')) expect(assumed).toMatch(told);
      else expect(assumed).not.toMatch(told);
    }
    expect(answers.some(({ source }) => source!.startsWith('192.168.0.1:'))).toBe(true);
    expect(seen(shop(), tunnel, 'node:node-1', '10.0.2.12:8080/TCP').assumed).not.toMatch(told);
    const cluster = Cluster.fromKubernetes(withoutRouters(), tunnel);
    for (const name of ['node-2', 'node-1']) cluster.send({ from: `node:${name}`, to: '10.0.3.13:8080/TCP' });
    expect(cluster.assumptions.filter((one) => one.includes('CiliumInternalIP'))).toEqual([
      "No CiliumNode tells the address of cilium_host (CiliumInternalIP) of node-1, node-2: the node's own stands in as the source towards pods.",
    ]);
  });
});
