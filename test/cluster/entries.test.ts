import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Cluster, entryNodes, sendToEntries } from '../../src/cluster/index.ts';
import { readObjects } from '../../src/k8s/read.ts';

const { objects } = readObjects('shop', readFileSync('examples/shop.yaml', 'utf8'));
const FRONTENDS = [
  '203.0.113.10:80/TCP',
  '203.0.113.20:443/TCP',
  '203.0.113.30:5004/UDP',
  '198.51.100.20:8088/TCP',
  '[2001:db8:ff::10]:443/TCP',
];

describe('sendToEntries', () => {
  it.each(FRONTENDS)('%s: every node is in one outcome, and what that says is what the node does', (to) => {
    const cluster = Cluster.fromKubernetes(objects);
    const from = to.startsWith('[') ? 'external:[2001:db8::7]:40000' : 'external:198.51.100.7:40000';
    const { nodes, outcomes } = sendToEntries(cluster, { from, to });
    expect(outcomes.flatMap((one) => one.nodes).sort()).toEqual(nodes);
    for (const { nodes: where, backends, ways } of outcomes) {
      for (const via of where) {
        const { outcome, alternatives = [outcome] } = Cluster.fromKubernetes(objects).send({ from, to, via });
        expect([...new Set(alternatives.flatMap(({ backend }) => backend ?? []))].sort()).toEqual(backends);
        const kinds = (of: readonly { kind: string }[]): string[] => [...new Set(of.map(({ kind }) => kind))].sort();
        expect(kinds(alternatives)).toEqual(kinds(ways));
        expect(alternatives.map(({ dropReason }) => dropReason?.name)).toContain(ways[0]!.drop?.name);
      }
    }
  });

  it('asks nodes that are up, and only where there is a choice', () => {
    const cluster = Cluster.fromKubernetes(objects);
    const spec = { from: 'external:198.51.100.7:40000', to: '203.0.113.10:80/TCP' };
    expect(entryNodes(cluster, spec)).toEqual(['control-1', 'worker-a1', 'worker-a2', 'worker-b1', 'worker-b2']);
    cluster.fabric.fail('worker-a1');
    expect(entryNodes(cluster, spec)).not.toContain('worker-a1');
    expect(entryNodes(cluster, { ...spec, via: 'worker-b1' })).toEqual([]);
    expect(entryNodes(cluster, { ...spec, from: 'pod:shop/debug' })).toEqual([]);
    expect(entryNodes(cluster, { ...spec, to: '192.168.10.11:30080/TCP' })).toEqual([]);
    expect(entryNodes(cluster, { ...spec, to: '10.96.20.10:80/TCP' })).toEqual([]);
    expect(() => sendToEntries(cluster, { ...spec, to: '10.96.20.10:80/TCP' })).toThrow(/no choice of nodes/);
  });
});
