import { describe, expect, it } from 'vitest';
import { diffObjects } from '../../src/lint/index.ts';
import { balancer, node, service, slice } from '../support/kubernetes.ts';

const nodes = [node('worker-a', ['192.0.2.1']), node('worker-b', ['192.0.2.2'])];

describe('diffObjects', () => {
  it('is empty for equal dumps, in whatever order they come', () => {
    const objects = [...nodes, balancer(), slice(['10.0.0.1', '10.0.0.2'])];
    expect(diffObjects(objects, objects.toReversed())).toMatchObject([
      { node: 'worker-a', frontends: [], count: [4, 4] },
      { node: 'worker-b', frontends: [], count: [4, 4] },
    ]);
  });

  it('tells backends that come and go, and which share of the flows moves at random selection', () => {
    const before = [service(), slice(['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4'])];
    const after = [service(), slice(['10.0.0.2', '10.0.0.3', '10.0.0.4', '10.0.0.5'])];
    expect(diffObjects(before, after)[0]!.frontends).toEqual([
      {
        address: '10.96.0.1:80/TCP',
        change: 'changed',
        service: 'shop/web',
        fields: [],
        backendsAdded: ['10.0.0.5:8080/TCP'],
        backendsRemoved: ['10.0.0.1:8080/TCP'],
        selectableAdded: [],
        selectableRemoved: [],
        moved: 0.25,
        selection: 'random',
      },
    ]);
  });

  it('counts the slots of Maglev tables by backend address', () => {
    const init = { algorithm: 'maglev' as const, maglevTableSize: 1021 };
    const before = [balancer(), slice(['10.0.0.1', '10.0.0.2'])];
    const [removed] = diffObjects(before, [balancer(), slice(['10.0.0.2'])], init)[0]!.frontends.filter(
      ({ address }) => address === '203.0.113.1:80/TCP',
    );
    expect(removed).toMatchObject({ selection: 'maglev', backendsRemoved: ['10.0.0.1:8080/TCP'] });
    // Of two equal backends each has half the slots.
    expect(Math.round(removed!.moved * 1021)).toBe(511);
    expect(diffObjects(before, before, init)[0]!.frontends).toEqual([]);
  });

  it('tells backends that stay but are no longer selectable', () => {
    const terminating = {
      addresses: ['10.0.0.1'],
      nodeName: 'worker-a',
      conditions: { ready: false, serving: true, terminating: true },
    };
    const [diff] = diffObjects(
      [service(), slice(['10.0.0.1', '10.0.0.2'])],
      [service(), slice([terminating, '10.0.0.2'])],
    )[0]!.frontends;
    expect(diff).toMatchObject({ selectableRemoved: ['10.0.0.1:8080/TCP'], backendsRemoved: [], moved: 0.5 });
  });

  it('tells frontends that come, go and change their kind, per node', () => {
    const local = balancer({ externalTrafficPolicy: 'Local', internalTrafficPolicy: 'Local' });
    const diffs = diffObjects([...nodes, balancer(), slice(['10.0.0.1'])], [...nodes, local, slice(['10.0.0.1'])]);
    const of = (name: string): string[] =>
      diffs.find(({ node: one }) => one === name)!.frontends.map(({ address, moved }) => `${address} ${moved}`);
    expect(of('worker-a')).toContain('203.0.113.1:80/TCP 0');
    expect(of('worker-b')).toContain('203.0.113.1:80/TCP 1');
    expect(diffObjects([service()], [])[0]!.frontends).toMatchObject([{ change: 'removed', service: 'shop/web' }]);
    expect(diffObjects([], [service()])[0]!.frontends).toMatchObject([{ change: 'added', service: 'shop/web' }]);
    expect(diffObjects([service()], [service({ sessionAffinity: 'ClientIP' })])[0]!.frontends[0]!.fields).toEqual([
      ['flags', '0x0', '0x10'],
      ['affinity', '', '10800s'],
    ]);
  });

  it('compares two configurations on the same objects', () => {
    const objects = [balancer(), slice(['10.0.0.1'])];
    const [diff] = diffObjects(objects, objects, {}, { mode: 'dsr' })[0]!.frontends;
    expect(diff!.fields).toEqual([['flags', '0x2', '0x8002']]);
  });
});
