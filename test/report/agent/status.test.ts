import { describe, expect, it } from 'vitest';
import { type KubeProxyReplacementStatus, statusDetails, statusLine } from '../../../src/report/agent/status.ts';

const STATUS: KubeProxyReplacementStatus = {
  kubeProxyReplacement: true,
  socketLB: true,
  socketLBTracing: true,
  socketLBHostNamespaceOnly: false,
  devices: [{ name: 'eth0', addresses: ['10.0.0.5', 'fe80::1'] }],
  nodePort: true,
  mode: 'dsr',
  dsrDispatch: 'opt',
  algorithm: 'maglev',
  maglevTableSize: 16381,
  acceleration: 'disabled',
  sessionAffinity: true,
  nat46x64Gateway: false,
  nodePortRange: { min: 30000, max: 32767 },
  externalIPs: true,
  hostPort: true,
  algorithmAnnotation: false,
  modeAnnotation: false,
};

describe('status', () => {
  it('prints the details as the agent does', () => {
    expect(statusDetails(STATUS).replace(/ $/gm, '~')).toBe(`KubeProxyReplacement Details:
  Status:                True
  Socket LB:             Enabled
  Socket LB Tracing:     Enabled
  Socket LB Coverage:    Full
  Devices:               eth0   10.0.0.5 fe80::1 (Direct Routing)
  Mode:                  DSR
    DSR Dispatch Mode:   IP Option/Extension
  Backend Selection:     Maglev (Table Size: 16381)
  Session Affinity:      Enabled
  NAT46/64 Support:      Disabled
  XDP Acceleration:      Disabled
  Services:
  - ClusterIP:      Enabled
  - NodePort:       Enabled (Range: 30000-32767)~
  - LoadBalancer:   Enabled~
  - externalIPs:    Enabled~
  - HostPort:       Enabled
  Annotations:
  - service.cilium.io/node
  - service.cilium.io/node-selector
  - service.cilium.io/proxy-delegation
  - service.cilium.io/src-ranges-policy
  - service.cilium.io/type
`);
  });

  it('the summary line', () => {
    expect(statusLine(STATUS)).toBe('KubeProxyReplacement:   True   [eth0   10.0.0.5 fe80::1 (Direct Routing)]\n');
    expect(statusLine({ ...STATUS, kubeProxyReplacement: false })).toBe('KubeProxyReplacement:   False\n');
    expect(statusLine({ ...STATUS, devices: undefined })).toContain('[(not known: ');
  });

  it('leaves out what does not apply', () => {
    const text = statusDetails({ ...STATUS, nodePort: false, mode: 'snat', externalIPs: false, modeAnnotation: true });
    expect(text).not.toMatch(/Mode|Backend Selection|XDP|Devices/);
    expect(text).toContain('  - NodePort:       Disabled \n  - LoadBalancer:   Disabled \n');
    expect(text).toContain('  - service.cilium.io/forwarding-mode\n');
    const snat = statusDetails({ ...STATUS, mode: 'snat', algorithm: 'random', socketLBHostNamespaceOnly: true });
    expect(snat).toContain('  Socket LB Coverage:   Hostns-only\n');
    expect(snat).toContain('  Backend Selection:    Random\n');
    const two = [...STATUS.devices!, { name: 'eth1', addresses: ['192.0.2.1'] }];
    expect(statusLine({ ...STATUS, devices: two })).toContain('(Direct Routing), eth1  192.0.2.1]');
  });
});
