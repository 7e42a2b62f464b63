import { chartOnly, option } from '../define.ts';
import { anyText, bool } from '../kind.ts';
import type { Emit, Option } from '../option.ts';

const socket = (name: string): Emit => ({
  when: name === 'enabled' ? 'always' : 'key present',
  text: (chart) => {
    const group = ['socketLB', 'hostServices'].find((base) => {
      const value = chart.get(base);
      return typeof value === 'object' && value !== null && Object.keys(value).length > 0;
    });
    return group !== undefined && chart.has(`${group}.${name}`) ? String(chart.get(`${group}.${name}`)) : undefined;
  },
});

/** Translation at connect() and sendmsg(). */
export const SOCKETS: readonly Option[] = [
  option('bpf-lb-sock', 'socketLB', {
    helm: 'socketLB.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'sockets',
    emit: socket('enabled'),
    effect: 'Services are translated once, at connect() or sendmsg(), instead of packet by packet.',
    note: 'Forced to true by kubeProxyReplacement=true.',
  }),
  option('bpf-lb-sock-hostns-only', 'socketLBHostNamespaceOnly', {
    helm: 'socketLB.hostNamespaceOnly',
    agent: 'false',
    kind: bool,
    reader: 'sockets',
    emit: socket('hostNamespaceOnly'),
    effect:
      'Pods skip the socket layer and are balanced per packet at their interface, so that sidecars see the service address.',
  }),
  option('bpf-lb-sock-terminate-pod-connections', 'socketLBTerminatePodConnections', {
    helm: 'socketLB.terminatePodConnections',
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: socket('terminatePodConnections'),
    effect: 'UDP sockets in pods that are connected to a removed backend are closed.',
  }),
  option('trace-sock', 'socketLBTracing', {
    helm: 'socketLB.tracing',
    agent: 'true',
    kind: bool,
    reader: 'sockets',
    emit: socket('tracing'),
    effect: 'The monitor shows translations at the socket.',
    note: 'Switched off by socketLB.hostNamespaceOnly.',
  }),
  chartOnly('hostServices', {
    kind: anyText(),
    reader: 'chart',
    effect: 'Older name of socketLB, read only while socketLB is empty.',
  }),
];
