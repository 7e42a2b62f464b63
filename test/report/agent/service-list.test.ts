import { describe, expect, it } from 'vitest';
import { formatServiceList, readServiceIds } from '../../../src/report/agent/service-list.ts';

const LIST = formatServiceList([
  { id: 3, frontend: '0.0.0.0:30080/TCP/i', type: 'NodePort', backends: [] },
  {
    id: 1,
    frontend: '10.96.0.1:443/TCP',
    type: 'ClusterIP',
    backends: [{ address: '172.18.0.2:6443/TCP', state: 'active' }],
  },
  {
    id: 2,
    frontend: '10.96.0.20:80/TCP',
    type: 'ClusterIP',
    backends: [
      { address: '10.244.1.1:8080/TCP', state: 'active' },
      { address: '10.244.1.2:8080/TCP', state: 'terminating' },
    ],
  },
]);

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
});
