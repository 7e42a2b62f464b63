import { describe, expect, it } from 'vitest';
import { LbtwinError } from '../../src/errors.ts';
import { ControlPlane, formatRef } from '../../src/k8s/index.ts';
import { node, service, slice } from '../support/kubernetes.ts';

const refusal = (object: unknown): string => {
  const [first] = new ControlPlane().apply([object]).refused;
  return first === undefined ? 'accepted' : `${formatRef(first.object)}: ${first.error.message}`;
};

describe('objects that cannot be used', () => {
  it.each([
    [service({ ports: 'none' }), /^Service shop\/web: spec\.ports: "none" is not accepted here \(allowed: a list\)$/],
    [service({ ports: [{ port: 70000 }] }), /^Service shop\/web: spec\.ports\[0\]\.port: 70000 .*1\.\.65535/],
    [service({ ports: [{ name: 'http' }] }), /spec\.ports\[0\]\.port: .*a port, 1\.\.65535/],
    [service({ ports: [{ port: 80, protocol: 'tcp' }] }), /spec\.ports\[0\]\.protocol: "tcp" .*TCP, UDP or SCTP/],
    [service({ type: 'Balancer' }), /spec\.type: "Balancer" .*ClusterIP, NodePort/],
    [service({ externalTrafficPolicy: 'local' }), /spec\.externalTrafficPolicy: "local" .*Cluster, Local/],
    [
      service({ annotations: { 'service.cilium.io/global': true } as never }),
      /metadata\.annotations\["service\.cilium\.io\/global"\]: true/,
    ],
    [
      slice([{ addresses: '10.0.0.1' }] as never),
      /^EndpointSlice shop\/web-1: endpoints\[0\]\.addresses: "10\.0\.0\.1"/,
    ],
    [slice([{ addresses: ['10.0.0.1'], conditions: { ready: 'yes' } }]), /endpoints\[0\]\.conditions\.ready: "yes"/],
    [{ apiVersion: 'v1', kind: 'Service', metadata: {} }, /metadata\.name: .*the name of the object/],
    [{ apiVersion: 'v1' }, /kind: an object without a kind/],
    ['text', /not an object/],
  ])('%#: are told with kind, name, path and what is allowed', (object, expected) => {
    expect(refusal(object)).toMatch(expected);
  });

  it('do not keep the others out, unless everything is to be strict', () => {
    const broken = service({ name: 'broken', ports: 'none' });
    const plane = new ControlPlane();
    const report = plane.apply([broken, service()]);
    expect(report.refused.length).toBe(1);
    expect(plane.services.map(({ name }) => name)).toEqual(['shop/web']);
    const strict = new ControlPlane();
    expect(() => strict.apply([service(), broken], { strict: true })).toThrow(LbtwinError);
    expect(strict.services).toEqual([]);
  });

  it('come in lists too; kinds that are not looked at are counted', () => {
    const plane = new ControlPlane();
    const { ignored } = plane.apply([
      {
        apiVersion: 'v1',
        kind: 'List',
        items: [service(), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } }],
      },
      { apiVersion: 'serving.knative.dev/v1', kind: 'Service', metadata: { name: 'web' } },
    ]);
    expect(plane.services.length).toBe(1);
    expect([...ignored]).toEqual([
      ['Secret', 1],
      ['Service', 1],
    ]);
  });
});

describe('what the agent passes over', () => {
  it('is told as warnings', () => {
    const { warnings } = new ControlPlane().apply([
      service({
        annotations: {
          'service.cilium.io/type': 'clusterip',
          'service.cilium.io/src-ranges-policy': ' deny',
          'service.cilium.io/node-selector': 'a b',
        },
        externalIPs: ['10.1'],
        loadBalancerSourceRanges: ['10.9.8.7'],
      }),
    ]);
    expect(warnings.map(({ code }) => code).sort()).toEqual([
      'unknown-annotation-value',
      'unknown-annotation-value',
      'unparsable-address',
      'unparsable-node-selector',
      'unparsable-source-range',
    ]);
  });
});

describe('the node', () => {
  it('that no object tells of is an error with those there are', () => {
    const plane = new ControlPlane({ nodeName: 'worker-x' });
    expect(() => plane.requireNode()).not.toThrow();
    plane.apply([node('worker-b', []), node('worker-a', [])]);
    expect(() => plane.requireNode()).toThrow(/there is no node "worker-x" \(allowed: worker-a, worker-b\)/);
  });

  it('gets NodePort entries for its first internal address of each family', () => {
    const plane = new ControlPlane({ nodeName: 'worker-a' });
    plane.apply([node('worker-a', ['192.0.2.1', '192.0.2.2', 'fd00::1']), node('worker-b', ['192.0.2.9'])]);
    expect(plane.nodePortAddresses.map(({ words }) => words)).toEqual([[0xc0000201], [0xfd000000, 0, 0, 1]]);
  });
});

describe('health of a backend that is not there', () => {
  it('is an error', () => {
    expect(() => new ControlPlane().setHealth('shop/web', '10.0.0.1:80/TCP', false)).toThrow(/no backend 10\.0\.0\.1/);
  });
});
