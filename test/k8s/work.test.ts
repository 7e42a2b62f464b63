import { describe, expect, it } from 'vitest';
import { ControlPlane } from '../../src/k8s/index.ts';
import { balancer, service, slice } from '../support/kubernetes.ts';

/** The work of a change is in proportion to the change, whatever the size of the cluster. */
const COUNT = 500;
const name = (i: number): string => `svc-${i}`;
const sliceOf = (i: number, addresses: readonly string[]): object =>
  slice(addresses, { name: `${name(i)}-a`, service: name(i) });

describe('a change in a large cluster', () => {
  const plane = new ControlPlane({ nodeName: 'worker-a' });
  const objects: object[] = [];
  for (let i = 0; i < COUNT; i++) {
    const host = `${i >> 8}.${i & 255}`;
    objects.push(service({ name: name(i), clusterIP: `10.96.${host}` }), sliceOf(i, [`10.0.${host}`, `10.1.${host}`]));
  }
  plane.apply(objects);

  it('writes what one endpoint concerns', () => {
    const report = plane.apply([sliceOf(7, ['10.0.0.7', '10.2.0.7'])]);
    // The backend that goes, the two that the slice lists, two slots, reverse NAT and the master entry.
    expect(report.mapWrites).toBe(7);
    expect(report.updated).toEqual(['10.96.0.7:80/TCP']);
  });

  it('writes nothing when a node label changes that nothing looks at', () => {
    expect(plane.setNode({ labels: { tier: 'edge' } }).mapWrites).toBe(0);
  });
});

describe('the report of a change', () => {
  const plane = new ControlPlane({ nodeName: 'worker-a' });
  plane.apply([service(), service({ name: 'other', clusterIP: '10.96.0.2' })]);

  it('tells an address that another service takes over as written, not as removed', () => {
    const { updated, removed } = plane.apply([
      service({ clusterIP: '10.96.0.3' }),
      service({ name: 'other', clusterIP: '10.96.0.1' }),
    ]);
    expect([...updated].sort()).toEqual(['10.96.0.1:80/TCP', '10.96.0.3:80/TCP']);
    expect(removed).toEqual(['10.96.0.2:80/TCP']);
  });

  it('tells every address once, and nothing of the change before', () => {
    const again = service({ name: 'other', clusterIP: '10.96.0.1' });
    expect(plane.apply([again, again])).toMatchObject({ updated: ['10.96.0.1:80/TCP'], removed: [] });
    const gone = plane.remove([again as Record<string, unknown>]);
    expect(gone).toMatchObject({ updated: [], removed: ['10.96.0.1:80/TCP'] });
    expect(plane.retry()).toMatchObject({ updated: [], removed: [], mapWrites: 0 });
  });
});

describe('Maglev tables', () => {
  const plane = new ControlPlane({ nodeName: 'worker-a', algorithm: 'maglev', maglevTableSize: 251 });
  plane.setNode({ addresses: [{ address: '192.0.2.1' }, { address: '192.0.2.2' }] });

  it('are built once for all frontends with the same backends', () => {
    plane.apply([balancer(), slice(['10.0.0.1', '10.0.0.2'])]);
    expect(plane.maps.v4.maglev.size).toBe(3);
    expect(plane.tablesBuilt).toBe(1);
    expect(new Set([...plane.maps.v4.maglev.entries()].map(([, table]) => table)).size).toBe(1);
  });

  it('are built again only when the selectable backends change', () => {
    plane.apply([balancer({ sessionAffinity: 'ClientIP' })]);
    expect(plane.tablesBuilt).toBe(1);
    plane.apply([slice(['10.0.0.1', '10.0.0.2', '10.0.0.3'])]);
    expect(plane.tablesBuilt).toBe(2);
    plane.setHealth('shop/web', '10.0.0.3:8080/TCP', false);
    expect(plane.tablesBuilt).toBe(3);
    plane.setHealth('shop/web', '10.0.0.3:8080/TCP', false);
    expect(plane.tablesBuilt).toBe(3);
  });
});
