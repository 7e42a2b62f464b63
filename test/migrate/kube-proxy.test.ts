import { describe, expect, it } from 'vitest';
import { decodeObjects } from '../../src/k8s/index.ts';
import type { ServiceObject } from '../../src/k8s/objects/service.ts';
import { BackendState } from '../../src/lb/layout.ts';
import { askKubeProxy, type ProxyEndpoint, type ProxyQuestion } from '../../src/migrate/index.ts';
import { parseAddress } from '../../src/net/index.ts';

const endpoint = (text: string, node: string, state: number = BackendState.ACTIVE): ProxyEndpoint => ({
  text: `${text}:8080`,
  address: parseAddress(text),
  node,
  state,
  forZones: [],
});
const A = endpoint('10.0.1.1', 'a');
const B = endpoint('10.0.2.1', 'b');

function service(spec: Record<string, unknown>): ServiceObject {
  const object = {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 's' },
    spec: { ports: [{ port: 80 }], ...spec },
  };
  return decodeObjects([object]).objects[0] as ServiceObject;
}

function ask(
  kind: ProxyQuestion['frontend']['kind'],
  client: 'pod' | 'host' | 'external',
  node: string,
  spec: Record<string, unknown> = {},
  more: Partial<ProxyQuestion> = {},
): string {
  const addresses = { pod: '10.0.9.9', host: '192.0.2.1', external: '198.51.100.7' } as const;
  const answer = askKubeProxy({
    mode: 'iptables',
    service: service(spec),
    endpoints: [A, B],
    frontend: { kind, address: parseAddress('203.0.113.1') },
    client: { kind: client, address: parseAddress(addresses[client]), node: client === 'external' ? undefined : node },
    node,
    zone: '',
    ...more,
  });
  return answer.outcome === 'reaches' ? `${answer.candidates.length} from ${answer.source}` : answer.outcome;
}

const LOCAL = { type: 'LoadBalancer', externalTrafficPolicy: 'Local' };

describe('the reference model of kube-proxy', () => {
  it('ClusterIP', () => {
    expect(ask('ClusterIP', 'pod', 'a')).toBe('2 from client');
    expect(ask('ClusterIP', 'host', 'a')).toBe('2 from node');
    expect(ask('ClusterIP', 'external', 'a')).toBe('2 from node');
    expect(ask('ClusterIP', 'pod', 'a', { internalTrafficPolicy: 'Local' })).toBe('1 from client');
    expect(ask('ClusterIP', 'pod', 'c', { internalTrafficPolicy: 'Local' })).toBe('dropped');
    expect(ask('ClusterIP', 'pod', 'c', { internalTrafficPolicy: 'Local' }, { mode: 'ipvs' })).toBe('rejected');
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: [] })).toBe('rejected');
  });

  it('NodePort and load balancer addresses by policy', () => {
    for (const kind of ['NodePort', 'LoadBalancer', 'ExternalIP'] as const) {
      expect(ask(kind, 'external', 'a', { type: 'LoadBalancer' })).toBe('2 from node');
      expect(ask(kind, 'pod', 'a', { type: 'LoadBalancer' })).toBe('2 from node');
      expect(ask(kind, 'external', 'a', LOCAL)).toBe('1 from client');
      expect(ask(kind, 'external', 'c', LOCAL)).toBe('dropped');
      expect(ask(kind, 'pod', 'c', LOCAL)).toBe('2 from client');
      expect(ask(kind, 'host', 'c', LOCAL)).toBe('2 from node');
    }
  });

  it('source ranges are for everybody', () => {
    const ranges = { type: 'LoadBalancer', loadBalancerSourceRanges: ['198.51.100.0/24'] };
    expect(ask('LoadBalancer', 'external', 'a', ranges)).toBe('2 from node');
    expect(ask('LoadBalancer', 'pod', 'a', ranges)).toBe('dropped');
    expect(ask('NodePort', 'pod', 'a', ranges)).toBe('2 from node');
  });

  it('loopback', () => {
    const loopback = { frontend: { kind: 'NodePort on loopback', address: parseAddress('127.0.0.1') } } as const;
    expect(ask('NodePort on loopback', 'host', 'a', {}, loopback)).toBe('2 from node');
    expect(ask('NodePort on loopback', 'host', 'a', {}, { ...loopback, mode: 'ipvs' })).toBe('untranslated');
    const six = { frontend: { kind: 'NodePort on loopback', address: parseAddress('::1') } } as const;
    expect(ask('NodePort on loopback', 'host', 'a', {}, six)).toBe('untranslated');
  });

  it('terminating endpoints serve only where none is ready; hints count if all have them', () => {
    const gone = endpoint('10.0.3.1', 'a', BackendState.TERMINATING);
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: [gone, B] })).toBe('1 from client');
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: [gone] })).toBe('1 from client');
    const zones = [
      { ...A, forZones: ['z1'] },
      { ...B, forZones: ['z2'] },
    ];
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: zones, zone: 'z1' })).toBe('1 from client');
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: zones, zone: 'z3' })).toBe('2 from client');
    expect(ask('ClusterIP', 'pod', 'a', {}, { endpoints: [zones[0]!, B], zone: 'z1' })).toBe('2 from client');
  });

  it('ipMode Proxy leaves traffic to the load balancer', () => {
    const object = {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 's' },
      spec: { type: 'LoadBalancer', ports: [{ port: 80 }] },
      status: { loadBalancer: { ingress: [{ ip: '203.0.113.1', ipMode: 'Proxy' }] } },
    };
    const proxied = decodeObjects([object]).objects[0] as ServiceObject;
    expect(ask('LoadBalancer', 'pod', 'a', {}, { service: proxied })).toBe('untranslated');
  });
});
