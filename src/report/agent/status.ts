import { alignColumns } from './tabwriter.ts';

/** A network device of the node. No Kubernetes object tells them. */
export interface StatusDevice {
  readonly name: string;
  readonly addresses: readonly string[];
}

/** What the agent's `status` says about its replacement of kube-proxy. */
export interface KubeProxyReplacementStatus {
  readonly kubeProxyReplacement: boolean;
  readonly socketLB: boolean;
  readonly socketLBTracing: boolean;
  readonly socketLBHostNamespaceOnly: boolean;
  /** The first one is that of direct routing; `undefined` if they are not known. */
  readonly devices: readonly StatusDevice[] | undefined;
  readonly nodePort: boolean;
  readonly mode: 'snat' | 'dsr' | 'hybrid';
  readonly dsrDispatch: 'opt' | 'ipip' | 'geneve';
  readonly algorithm: 'random' | 'maglev';
  readonly maglevTableSize: number;
  readonly acceleration: 'disabled' | 'native' | 'best-effort' | 'testing-only';
  readonly sessionAffinity: boolean;
  readonly nat46x64Gateway: boolean;
  readonly nodePortRange: { readonly min: number; readonly max: number };
  readonly externalIPs: boolean;
  readonly hostPort: boolean;
  readonly algorithmAnnotation: boolean;
  readonly modeAnnotation: boolean;
}

const MODES = { snat: 'SNAT', dsr: 'DSR', hybrid: 'Hybrid' } as const;
const DISPATCHES = { opt: 'IP Option/Extension', ipip: 'IPIP', geneve: 'Geneve' } as const;
const ACCELERATIONS = {
  disabled: 'Disabled',
  native: 'Native',
  'best-effort': 'Best-Effort',
  'testing-only': 'Generic',
} as const;

const enabled = (on: boolean): string => (on ? 'Enabled' : 'Disabled');
const truth = (on: boolean): string => (on ? 'True' : 'False');

const UNKNOWN_DEVICES = '(not known: no Kubernetes object tells them; give --device NAME=IP[,IP])';

function devicesText(devices: readonly StatusDevice[] | undefined): string {
  if (devices === undefined) return UNKNOWN_DEVICES;
  return devices
    .map(({ name, addresses }, i) => {
      // The agent prints one blank more than there are addresses.
      const gap = ' '.repeat(addresses.length + 1);
      return `${name}${gap}${addresses.join(' ')}${i === 0 ? ' (Direct Routing)' : ''}`;
    })
    .join(', ');
}

/** The line of plain `status`. */
export function statusLine(status: KubeProxyReplacementStatus): string {
  const devices = status.kubeProxyReplacement ? `\t[${devicesText(status.devices)}]` : '';
  return alignColumns([`KubeProxyReplacement:\t${truth(status.kubeProxyReplacement)}${devices}`], 0);
}

/** Annotations that the agent heeds, sorted. */
export function heededAnnotations(status: KubeProxyReplacementStatus): string[] {
  const names = ['node', 'node-selector', 'proxy-delegation', 'src-ranges-policy', 'type'];
  if (status.algorithmAnnotation) names.push('lb-algorithm');
  if (status.modeAnnotation) names.push('forwarding-mode');
  return names.sort().map((name) => `service.cilium.io/${name}`);
}

/** The part of `status --verbose` about kube-proxy replacement. */
export function statusDetails(status: KubeProxyReplacementStatus): string {
  const { nodePort } = status;
  const selection = status.algorithm === 'maglev' ? `Maglev (Table Size: ${status.maglevTableSize})` : 'Random';
  const { min, max } = status.nodePortRange;
  const lines = [
    'KubeProxyReplacement Details:',
    `  Status:\t${truth(status.kubeProxyReplacement)}`,
    `  Socket LB:\t${enabled(status.socketLB)}`,
    `  Socket LB Tracing:\t${enabled(status.socketLBTracing)}`,
    `  Socket LB Coverage:\t${status.socketLBHostNamespaceOnly ? 'Hostns-only' : 'Full'}`,
    ...(nodePort
      ? [
          `  Devices:\t${devicesText(status.devices)}`,
          `  Mode:\t${MODES[status.mode]}`,
          ...(status.mode === 'snat' ? [] : [`    DSR Dispatch Mode:\t${DISPATCHES[status.dsrDispatch]}`]),
          `  Backend Selection:\t${selection}`,
        ]
      : []),
    `  Session Affinity:\t${enabled(status.sessionAffinity)}`,
    `  NAT46/64 Support:\t${enabled(status.nat46x64Gateway)}`,
    ...(nodePort ? [`  XDP Acceleration:\t${ACCELERATIONS[status.acceleration]}`] : []),
    '  Services:',
    '  - ClusterIP:\tEnabled',
    `  - NodePort:\t${nodePort ? `Enabled (Range: ${min}-${max})` : 'Disabled'} `,
    `  - LoadBalancer:\t${enabled(nodePort)} `,
    `  - externalIPs:\t${enabled(status.externalIPs)} `,
    `  - HostPort:\t${enabled(status.hostPort)}`,
    '  Annotations:',
    ...heededAnnotations(status).map((name) => `  - ${name}`),
  ];
  return alignColumns(lines, 0);
}

/** `status -o json`: the part about kube-proxy replacement, in the shape of the agent's API. */
export function statusJson(status: KubeProxyReplacementStatus): unknown {
  const { nodePort, devices } = status;
  const maglev = status.algorithm === 'maglev';
  return {
    'kube-proxy-replacement': {
      ...(devices === undefined
        ? {}
        : {
            deviceList: devices.map(({ name, addresses }) => ({ name, ip: addresses })),
            directRoutingDevice: devices[0]?.name,
          }),
      features: {
        annotations: heededAnnotations(status),
        bpfSocketLBHostnsOnly: status.socketLBHostNamespaceOnly,
        externalIPs: { enabled: status.externalIPs },
        hostPort: { enabled: status.hostPort },
        nat46X64: { enabled: status.nat46x64Gateway },
        nodePort: {
          enabled: nodePort,
          ...(nodePort
            ? {
                acceleration: ACCELERATIONS[status.acceleration],
                algorithm: maglev ? 'Maglev' : 'Random',
                ...(status.mode === 'snat' ? {} : { dsrMode: DISPATCHES[status.dsrDispatch] }),
                ...(maglev ? { lutSize: status.maglevTableSize } : {}),
                mode: MODES[status.mode],
                portMax: status.nodePortRange.max,
                portMin: status.nodePortRange.min,
              }
            : {}),
        },
        sessionAffinity: { enabled: status.sessionAffinity },
        socketLB: { enabled: status.socketLB },
        socketLBTracing: { enabled: status.socketLBTracing },
      },
      mode: truth(status.kubeProxyReplacement),
    },
  };
}
