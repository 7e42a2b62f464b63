import { describe, expect, it } from 'vitest';
import { IdAllocator } from '../../src/k8s/ids.ts';
import { ControlPlane } from '../../src/k8s/index.ts';
import { service } from '../support/kubernetes.ts';

describe('IdAllocator', () => {
  it('goes up, and hands a freed number out only after the wrap', () => {
    const ids = new IdAllocator(5);
    expect(['a', 'b', 'c'].map((key) => ids.acquire({ key }))).toEqual([1, 2, 3]);
    ids.release(2);
    expect(ids.acquire({ key: 'd' })).toBe(4);
    expect(ids.acquire({ key: 'e' })).toBe(2);
    expect(ids.acquire({ key: 'f' })).toBe(0);
    expect(ids.used).toBe(4);
    ids.release(3);
    expect(ids.acquire({ key: 'g' })).toBe(3);
  });

  it('never gives the limit itself', () => {
    const ids = new IdAllocator(3);
    expect(['a', 'b', 'c'].map((key) => ids.acquire({ key }))).toEqual([1, 2, 0]);
  });

  it('has none left where an earlier agent used them all', () => {
    const ids = new IdAllocator(3);
    ids.restore('a', 1);
    ids.restore('b', 2);
    expect(ids.acquire({ key: 'c' })).toBe(0);
    ids.releaseUnclaimed();
    expect(ids.acquire({ key: 'c' })).toBe(1);
  });

  it('gives a restored number to its address alone, and frees what nobody claims', () => {
    const ids = new IdAllocator(100);
    ids.restore('a', 1);
    ids.restore('b', 2);
    ids.restore('twin of b', 2);
    expect(ids.acquire({ key: 'b' })).toBe(2);
    expect(ids.acquire({ key: 'c' })).toBe(3);
    expect(ids.restored).toBe(2);
    expect(ids.releaseUnclaimed()).toEqual([1]);
    expect(ids.restored).toBe(0);
    expect(ids.acquire({ key: 'a' })).toBe(4);
  });
});

describe('a control plane without ids left', () => {
  it('says so on the frontend and goes on when one is free', () => {
    const plane = new ControlPlane({ maxServiceId: 2 });
    plane.apply([service(), service({ name: 'other', clusterIP: '10.96.0.2' })]);
    expect(plane.frontend('10.96.0.2:80/TCP')).toMatchObject({ status: 'Error', error: 'no service id left' });
    expect(plane.retry().failed).toEqual(['10.96.0.2:80/TCP']);
    plane.remove([service() as Record<string, unknown>]);
    plane.retry();
    expect(plane.frontend('10.96.0.2:80/TCP')!.status).toBe('Done');
    expect(plane.serviceId('10.96.0.2:80/TCP')).toBe(1);
  });
});
