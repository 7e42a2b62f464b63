import { LbtwinError } from '../errors.ts';
import type { ConntrackOptions } from '../conntrack/options.ts';
import type { PortRange } from '../config/kind.ts';
import type { IpAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import { formatCidr } from '../net/cidr.ts';
import { type TunnelProtocol, tunnelPort } from '../net/tunnel.ts';
import { type Mac, ZERO_MAC } from '../node/mac.ts';
import { type Defects, resolveDefects } from '../node/defects.ts';

/** How requests to remote backends are forwarded (`bpf-lb-mode`; `annotation`: per service, the default being SNAT). */
export type ForwardingMode = 'snat' | 'dsr' | 'hybrid' | 'annotation';

/** How DSR tells the backend's node the service (`bpf-lb-dsr-dispatch`). */
export type DsrDispatch = 'opt' | 'ipip' | 'geneve';

/** What the datapath of a node is built with. The agent's option is named beside each; the defaults are the agent's. */
export interface DatapathOptions {
  /** `enable-ipv4`, `enable-ipv6`. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly mode: ForwardingMode;
  readonly dsrDispatch: DsrDispatch;
  /** Answer too big DSR packets with an ICMP error (on with PMTU discovery, `enable-pmtu-discovery`). */
  readonly dsrIcmpErrors: boolean;
  /** Source prefixes of IPIP (`bpf-lb-rss-ipv4-src-cidr`, `-ipv6-`); without one, the node's address. */
  readonly rss4: Cidr | undefined;
  readonly rss6: Cidr | undefined;
  /** `native`: the XDP program runs (`bpf-lb-acceleration`). */
  readonly acceleration: 'disabled' | 'native';
  /** Answer requests to a service without backends by ICMP, or drop them (`service-no-backend-response`). */
  readonly noBackendResponse: 'reject' | 'drop';
  /** Fragment tracking (`enable-ipv4-fragment-tracking`, `-ipv6-`). */
  readonly ipv4Fragments: boolean;
  readonly ipv6Fragments: boolean;
  /** `enable-bpf-masquerade`, for the families of the next two. */
  readonly bpfMasquerade: boolean;
  /** `enable-ipv4-masquerade`, `-ipv6-`. */
  readonly ipv4Masquerade: boolean;
  readonly ipv6Masquerade: boolean;
  /** Destinations that are not masqueraded (`ipv4-native-routing-cidr`, `-ipv6-`); by default the node's pod CIDRs. */
  readonly nativeRouting4: Cidr | undefined;
  readonly nativeRouting6: Cidr | undefined;
  /** `enable-sctp`. */
  readonly sctp: boolean;
  /** `bpf-lb-proto-diff`. */
  readonly protocolDifferentiation: boolean;
  /** BPF host routing; off with `enable-host-legacy-routing`. */
  readonly hostRouting: boolean;
  /** Overlay routing (`routing-mode: tunnel` and its `tunnel-protocol`), or `undefined` for native routing. */
  readonly tunnel: TunnelProtocol | undefined;
  /** UDP port of the tunnel (`tunnel-port`). */
  readonly tunnelPort: number;
  /** Interface index of the tunnel device. */
  readonly tunnelIfindex: number;
  /** MTU of the devices, without their link header. */
  readonly mtu: number;
  readonly nodePortRange: PortRange;
  /** Source ports of SNAT; follows the NodePort range. */
  readonly snatPortRange: PortRange;
  /** `bpf-lb-algorithm`. */
  readonly algorithm: 'random' | 'maglev';
  /** Algorithm by service (`bpf-lb-algorithm-annotation`). */
  readonly algorithmAnnotation: boolean;
  /** Seeds of the flow hashes, u32 (words 1 and 2 of `bpf-lb-maglev-hash-seed`). */
  readonly hashSeed4: number;
  readonly hashSeed6: number;
  /** The interface of the direct-routing address. */
  readonly directRoutingIfindex: number;
  /**
   * Kube-proxy replacement: network devices serve services and translate what leaves by them, pods look services up from inside, and their
   * replies to NodePort clients are translated.
   */
  readonly nodePort: boolean;
  /** Socket LB: of all sockets, of the host's only (`bpf-lb-sock-hostns-only`), or none; pods' packets are balanced if not all are. */
  readonly socketLb: 'full' | 'hostns-only' | 'off';
  /** L7 load balancing at pods (Envoy configuration or Ingress). */
  readonly l7: boolean;
  /** `enable-local-redirect-policy`. */
  readonly localRedirect: boolean;
  /** `enable-session-affinity`. */
  readonly sessionAffinity: boolean;
  /** `enable-source-ip-verification`: pods send from their own addresses only. */
  readonly sipVerification: boolean;
  /** `enable-endpoint-routes`: packets reach pods by the kernel's routes and the pods' own programs. */
  readonly endpointRoutes: boolean;
  /** `ipv4-service-loopback-address`: source of a pod's packets to itself. */
  readonly serviceLoopback: IpAddress;
  /** Interface index of cilium_host, by which packets go back to a proxy. */
  readonly hostIfindex: number;
  /** MAC address of cilium_net, the other end of that device. */
  readonly netMac: Mac;
  readonly conntrack: Partial<ConntrackOptions>;
  /** Entries of each NAT map (`bpf-nat-global-max`). */
  readonly natMaxEntries: number;
  /** Reproduced defects; name one with `false` to switch it off. */
  readonly defects: Defects;
}

export type DatapathInput = Partial<Omit<DatapathOptions, 'defects'>> & { readonly defects?: Partial<Defects> };

export const DEFAULT_DATAPATH_OPTIONS: DatapathOptions = {
  ipv4: true,
  ipv6: true,
  mode: 'snat',
  dsrDispatch: 'opt',
  dsrIcmpErrors: true,
  rss4: undefined,
  rss6: undefined,
  acceleration: 'disabled',
  noBackendResponse: 'reject',
  ipv4Fragments: true,
  ipv6Fragments: true,
  bpfMasquerade: false,
  ipv4Masquerade: true,
  ipv6Masquerade: true,
  nativeRouting4: undefined,
  nativeRouting6: undefined,
  sctp: false,
  protocolDifferentiation: true,
  hostRouting: true,
  tunnel: undefined,
  tunnelPort: 0,
  tunnelIfindex: 0,
  mtu: 1500,
  nodePortRange: { min: 30000, max: 32767 },
  snatPortRange: { min: 32768, max: 65535 },
  algorithm: 'random',
  algorithmAnnotation: false,
  hashSeed4: 0x71dcda46,
  hashSeed6: 0x92505688,
  directRoutingIfindex: 0,
  nodePort: true,
  socketLb: 'full',
  l7: false,
  localRedirect: false,
  sessionAffinity: true,
  sipVerification: true,
  endpointRoutes: false,
  serviceLoopback: { family: 4, words: [0xa9fe2a01] },
  hostIfindex: 1,
  netMac: ZERO_MAC,
  conntrack: {},
  natMaxEntries: 524_288,
  defects: resolveDefects(),
};

const CHOICES: Readonly<Record<string, readonly unknown[]>> = {
  mode: ['snat', 'dsr', 'hybrid', 'annotation'],
  dsrDispatch: ['opt', 'ipip', 'geneve'],
  acceleration: ['disabled', 'native'],
  socketLb: ['full', 'hostns-only', 'off'],
  noBackendResponse: ['reject', 'drop'],
  tunnel: ['vxlan', 'geneve', undefined],
  algorithm: ['random', 'maglev'],
};

/** Smallest MTU of a device: IPv4's, and IPv6's. */
const MIN_MTU4 = 68;
const MIN_MTU6 = 1280;

function refuse(name: string, reason: string, allowed: string): never {
  throw new LbtwinError('invalid-option', reason, { path: [name], allowed });
}

function checkRange(name: string, range: PortRange): void {
  const ports = Number.isInteger(range.min) && Number.isInteger(range.max);
  if (ports && range.min >= 1 && range.max <= 65535 && range.min <= range.max) return;
  refuse(name, `${range.min}-${range.max} is not a port range`, 'MIN-MAX within 1..65535');
}

function checkInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  refuse(name, `${String(value)} is out of range`, `${min}..${max}`);
}

/**
 * Defaults filled in, and a combination that no agent would start with refused.
 * @throws LbtwinError `invalid-option` with the option's name as path, `unknown-defect`
 */
export function resolveDatapathOptions(input: DatapathInput = {}): DatapathOptions {
  for (const name of Object.keys(input)) {
    if (!(name in DEFAULT_DATAPATH_OPTIONS)) {
      refuse(name, 'is not an option of the datapath', Object.keys(DEFAULT_DATAPATH_OPTIONS).join(', '));
    }
  }
  const given = Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined));
  const nodePortRange = input.nodePortRange ?? DEFAULT_DATAPATH_OPTIONS.nodePortRange;
  const snatPortRange = input.snatPortRange ?? { min: nodePortRange.max + 1, max: 65535 };
  const options: DatapathOptions = {
    ...DEFAULT_DATAPATH_OPTIONS,
    ...given,
    nodePortRange,
    snatPortRange,
    defects: resolveDefects(input.defects),
    tunnelPort: input.tunnelPort ?? tunnelPort(input.dsrDispatch === 'geneve' ? 'geneve' : (input.tunnel ?? 'vxlan')),
  };
  for (const [name, choices] of Object.entries(CHOICES)) {
    const value = options[name as keyof DatapathOptions];
    if (!choices.includes(value)) refuse(name, `${JSON.stringify(value)} is none`, choices.map(String).join(', '));
  }
  checkNumbers(options);
  checkCombination(options);
  return options;
}

function checkNumbers(options: DatapathOptions): void {
  checkRange('nodePortRange', options.nodePortRange);
  checkRange('snatPortRange', options.snatPortRange);
  checkInteger('mtu', options.mtu, options.ipv6 ? MIN_MTU6 : MIN_MTU4, 65535);
  checkInteger('tunnelPort', options.tunnelPort, 1, 65535);
  checkInteger('tunnelIfindex', options.tunnelIfindex, 0, 0x7fffffff);
  checkInteger('directRoutingIfindex', options.directRoutingIfindex, 0, 0x7fffffff);
  checkInteger('hashSeed4', options.hashSeed4, 0, 0xffffffff);
  checkInteger('hashSeed6', options.hashSeed6, 0, 0xffffffff);
  if (
    options.nodePortRange.max >= options.snatPortRange.min &&
    options.nodePortRange.min <= options.snatPortRange.max
  ) {
    refuse('snatPortRange', 'overlaps the NodePort range', `ports above ${options.nodePortRange.max}`);
  }
}

function checkCombination(options: DatapathOptions): void {
  const { mode, dsrDispatch, tunnel } = options;
  if (!options.ipv4 && !options.ipv6) refuse('ipv4', 'neither IPv4 nor IPv6 is on', 'ipv4, ipv6 or both');
  checkPrefix('rss4', options.rss4, 4);
  checkPrefix('rss6', options.rss6, 6);
  checkPrefix('nativeRouting4', options.nativeRouting4, 4);
  checkPrefix('nativeRouting6', options.nativeRouting6, 6);
  if (mode === 'snat') return;
  if (dsrDispatch === 'ipip' && options.acceleration !== 'native') {
    refuse('dsrDispatch', 'DSR by IPIP needs the XDP program', 'acceleration native, or another dispatch');
  }
  if (dsrDispatch === 'ipip' && tunnel !== undefined) {
    refuse('dsrDispatch', 'DSR by IPIP needs native routing', 'geneve with an overlay');
  }
  if (dsrDispatch === 'opt' && tunnel !== undefined) {
    refuse('dsrDispatch', 'DSR by IP option needs native routing', 'geneve with an overlay');
  }
  if (dsrDispatch === 'geneve' && tunnel === 'vxlan') {
    refuse('tunnel', 'DSR by Geneve needs a Geneve tunnel, not VXLAN', 'geneve, or native routing');
  }
  const headers = { opt: 24, ipip: 40, geneve: 94 }[dsrDispatch];
  if (options.mtu - headers < MIN_MTU4) {
    refuse('mtu', `leaves no room for the ${headers} bytes of DSR`, `at least ${MIN_MTU4 + headers}`);
  }
}

function checkPrefix(name: string, cidr: Cidr | undefined, family: 4 | 6): void {
  if (cidr === undefined || cidr.address.family === family) return;
  refuse(name, `${formatCidr(cidr)} is not an IPv${family} prefix`, `an IPv${family} prefix`);
}
