import { describe, expect, it } from 'vitest';
import {
  formatServiceList,
  type ListedBackend,
  type ListedService,
  readServiceIds,
  serviceListJson,
} from '../../../src/report/agent/service-list.ts';

const backend = (address: string, state = 'active'): ListedBackend => ({
  address,
  state,
  nodeName: 'worker',
  zone: '',
  weight: 100,
  remote: false,
});

const service = (id: number, frontend: string, type: string, ...backends: ListedBackend[]): ListedService => ({
  id,
  frontend,
  type,
  name: 'shop/web',
  externalTrafficPolicy: 'Local',
  internalTrafficPolicy: 'Cluster',
  backends,
});

const SERVICES = [
  service(3, '0.0.0.0:30080/TCP/i', 'NodePort'),
  service(1, '10.96.0.1:443/TCP', 'ClusterIP', backend('172.18.0.2:6443/TCP')),
  service(
    2,
    '10.96.0.20:80/TCP',
    'ClusterIP',
    backend('10.244.1.1:8080/TCP'),
    backend('10.244.1.2:8080/TCP', 'terminating'),
  ),
];
const LIST = formatServiceList(SERVICES);

describe('service list', () => {
  it('prints as the agent does', () => {
    expect(LIST.replace(/ $/gm, ' ~')).toBe(
      `ID   Frontend              Service Type   Backend                                  ~
1    10.96.0.1:443/TCP     ClusterIP      1 => 172.18.0.2:6443/TCP (active)        ~
2    10.96.0.20:80/TCP     ClusterIP      1 => 10.244.1.1:8080/TCP (active)        ~
                                          2 => 10.244.1.2:8080/TCP (terminating)   ~
3    0.0.0.0:30080/TCP/i   NodePort                                                ~
`,
    );
  });

  it('is read back, and so is bpf lb list', () => {
    expect([...readServiceIds(LIST)]).toEqual([
      ['10.96.0.1:443/TCP', 1],
      ['10.96.0.20:80/TCP', 2],
      ['0.0.0.0:30080/TCP/i', 3],
    ]);
    const pasted = `SERVICE ADDRESS         BACKEND ADDRESS (REVNAT_ID) (SLOT)
10.0.0.7:80/TCP/i (0)   0.0.0.0:0 (5) (0) [LoadBalancer, Local]
10.0.0.7:80/TCP/i (1)   10.244.1.1:8080/TCP (5) (1)
[fd00::1]:53/UDP (0)    [::]:0 (7) (0) [ClusterIP, non-routable]
`;
    expect([...readServiceIds(pasted)]).toEqual([
      ['10.0.0.7:80/TCP/i', 5],
      ['[fd00::1]:53/UDP', 7],
    ]);
  });

  it('marks services with backends of another cluster', () => {
    const remote = { ...backend('10.245.0.1:80/TCP'), remote: true };
    expect(formatServiceList([service(1, '10.96.0.9:80/TCP', 'ClusterIP', remote)])).toContain(' ClusterIP (Remote) ');
  });

  it('as JSON has the shape of the API', () => {
    expect(serviceListJson(SERVICES)).toMatchObject([
      {
        spec: {
          id: 1,
          'frontend-address': { ip: '10.96.0.1', port: 443, protocol: 'TCP', scope: 'external' },
          'backend-addresses': [{ ip: '172.18.0.2', port: 6443, state: 'active', nodeName: 'worker' }],
          flags: { type: 'ClusterIP', name: 'web', namespace: 'shop', extTrafficPolicy: 'Local' },
        },
      },
      { spec: { id: 2 } },
      { spec: { id: 3, 'frontend-address': { scope: 'internal' } } },
    ]);
  });
});
