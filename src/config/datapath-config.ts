import type { AgentOptions } from './agent-options.ts';
import type { PortRange } from './kind.ts';
import type { Profile } from './profile.ts';

/** Entries of every map, after defaults that depend on other sizes. */
export interface MapSizes {
  readonly service: number;
  readonly backend: number;
  readonly revNat: number;
  readonly affinity: number;
  readonly sourceRange: number;
  readonly maglev: number;
  readonly ctTcp: number;
  readonly ctAny: number;
  readonly nat: number;
  readonly neigh: number;
  readonly sockRevNat: number;
  readonly policy: number;
  readonly fragments: number;
}

/**
 * What the datapath and the control plane are built with: the agent's options with everything implied worked in (kube-proxy
 * replacement switches on NodePort and friends, old names are folded into the new ones), and what follows from them.
 */
export interface DatapathConfig extends AgentOptions {
  readonly profile: Profile;
  /** How each service forwards to other nodes: the mode, or chosen for each Service by its annotation. */
  readonly usesDsr: boolean;
  /** The encapsulation between nodes, if there is one. */
  readonly tunnel: 'vxlan' | 'geneve' | undefined;
  /** UDP port of the tunnel in use. */
  readonly effectiveTunnelPort: number;
  /** Source ports that SNAT may take: from right after the NodePort range. */
  readonly snatPorts: PortRange;
  /** Traffic from outside is handled in XDP. */
  readonly xdp: boolean;
  /** Whether pods are translated at the socket too, or only the host namespace. */
  readonly socketLBCoverage: 'none' | 'host' | 'full';
  readonly maps: MapSizes;
  /** TCP flags that are reported at once: the mask of monitor-aggregation-flags. */
  readonly reportFlags: number;
  /** Why packets pass through the host stack, if the agent decided that by itself. */
  readonly legacyRoutingReason: string | undefined;
}

const FLAG_BITS: Readonly<Record<string, number>> = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ece: 64,
  cwr: 128,
};

function reportMask(flags: readonly string[]): number {
  let mask = 0;
  for (const flag of flags) mask |= flag === 'all' ? 0xff : (FLAG_BITS[flag] ?? 0);
  return mask;
}

function mapSizes(options: AgentOptions, given: ReadonlySet<string>): MapSizes {
  const lb = (own: number): number => (own === 0 ? options.lbMapMax : own);
  const ctGiven = given.has('bpf-ct-global-tcp-max') || given.has('bpf-ct-global-any-max');
  const nat =
    given.has('bpf-nat-global-max') || !ctGiven
      ? options.natMax
      : Math.floor(((options.ctTcpMax + options.ctAnyMax) * 2) / 3);
  return {
    service: lb(options.serviceMapMax),
    backend: lb(options.backendMapMax),
    revNat: lb(options.revNatMapMax),
    affinity: lb(options.affinityMapMax),
    sourceRange: lb(options.sourceRangeMapMax),
    maglev: lb(options.maglevMapMax),
    ctTcp: options.ctTcpMax,
    ctAny: options.ctAnyMax,
    nat,
    neigh: given.has('bpf-neigh-global-max') ? options.neighMax : nat,
    sockRevNat: options.sockRevNatMax === 0 ? 262_144 : options.sockRevNatMax,
    policy: options.policyMapMax,
    fragments: options.fragmentsMapMax,
  };
}

function legacyRouting(options: AgentOptions): string | undefined {
  if (options.hostLegacyRouting) return undefined;
  if (options.ipsec) return 'BPF host routing is incompatible with enable-ipsec.';
  const masquerades = (options.ipv4 && options.ipv4Masquerade) || (options.ipv6 && options.ipv6Masquerade);
  if (masquerades && !options.bpfMasquerade) return 'BPF host routing requires enable-bpf-masquerade.';
  if (!options.kubeProxyReplacement) return 'BPF host routing requires kube-proxy-replacement=true.';
  return undefined;
}

/** Works the implications into the options that were read. `given`: ConfigMap keys that were set. Checks are in `checks.ts`. */
export function deriveDatapathConfig(
  options: AgentOptions,
  given: ReadonlySet<string>,
  profile: Profile,
): DatapathConfig {
  const kpr = options.kubeProxyReplacement;
  const mode = options.legacyMode !== '' && !given.has('bpf-lb-mode') ? options.legacyMode : options.mode;
  const algorithm = options.legacyAlgorithm === '' ? options.algorithm : options.legacyAlgorithm;
  const socketLB = kpr || options.socketLB;
  const hostOnly = socketLB && options.socketLBHostNamespaceOnly;
  const tunnel = options.routingMode === 'tunnel' ? options.tunnelProtocol : undefined;
  const protocol = tunnel ?? options.tunnelProtocol;
  const legacyRoutingReason = legacyRouting(options);
  return {
    ...options,
    profile,
    nodePort: kpr || options.nodePort,
    hostPort: kpr || options.hostPort,
    externalIPs: kpr || options.externalIPs,
    sessionAffinity: kpr || options.sessionAffinity,
    ipv4Masquerade: options.ipv4 && options.ipv4Masquerade,
    ipv6Masquerade: options.ipv6 && options.ipv6Masquerade,
    mode,
    algorithm,
    socketLB,
    socketLBHostNamespaceOnly: hostOnly,
    socketLBTracing: socketLB && options.socketLBTracing && !hostOnly,
    hostLegacyRouting: options.hostLegacyRouting || legacyRoutingReason !== undefined,
    legacyRoutingReason,
    usesDsr: mode !== 'snat' || options.modeAnnotation,
    tunnel,
    effectiveTunnelPort: options.tunnelPort === 0 ? (protocol === 'geneve' ? 6081 : 8472) : options.tunnelPort,
    snatPorts: { min: options.nodePortRange.max + 1, max: 65535 },
    xdp: (kpr || options.nodePort) && options.acceleration !== 'disabled',
    socketLBCoverage: socketLB ? (hostOnly ? 'host' : 'full') : 'none',
    maps: mapSizes(options, given),
    reportFlags: reportMask(options.monitorFlags),
  };
}
