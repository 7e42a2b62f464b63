import type { PortRange } from './kind.ts';

/**
 * The agent's options that the twin knows, as typed values: one field per ConfigMap key, before anything is implied by anything
 * else. `options.ts` ties each field to its key, its Helm value and its defaults. Sizes are entries, durations seconds.
 */
export interface AgentOptions {
  // Replacement of kube-proxy and the kinds of frontends.
  readonly kubeProxyReplacement: boolean;
  readonly healthzBindAddress: string;
  readonly nodePort: boolean;
  readonly hostPort: boolean;
  readonly externalIPs: boolean;
  readonly nodePortRange: PortRange;
  readonly nodePortAddresses: readonly string[];
  readonly nodePortBindProtection: boolean;
  readonly autoProtectNodePortRange: boolean;
  readonly healthCheckNodePort: boolean;
  readonly healthCheckLoadBalancerIP: boolean;
  readonly externalClusterIP: boolean;
  readonly sessionAffinity: boolean;
  readonly sourceRangeCheck: boolean;
  readonly sourceRangeAllTypes: boolean;
  readonly internalTrafficPolicy: boolean;
  readonly localRedirectPolicy: boolean;
  readonly noBackendResponse: 'reject' | 'drop';
  readonly serviceTopology: boolean;
  readonly protocolDifferentiation: boolean;
  readonly tableControlPlane: boolean;
  readonly serviceProxyName: string;
  readonly endpointSlices: boolean;
  readonly apiServerURLs: readonly string[];
  readonly sctp: boolean;
  readonly disableExternalIPMitigation: boolean;
  readonly defaultServiceIPAM: 'lbipam' | 'nodeipam' | 'none';
  readonly lbIPAM: boolean;
  readonly nodeIPAM: boolean;
  readonly l2Announcements: boolean;
  readonly fixedZoneMapping: Readonly<Record<string, number>>;
  readonly envoyConfig: boolean;
  readonly l7LoadBalancer: '' | 'envoy';
  readonly l7Ports: readonly string[];
  readonly l7Algorithm: 'round_robin' | 'least_request' | 'random';
  // How a packet is forwarded.
  readonly mode: 'snat' | 'dsr' | 'hybrid';
  readonly legacyMode: '' | 'snat' | 'dsr' | 'hybrid';
  readonly algorithm: 'random' | 'maglev';
  readonly legacyAlgorithm: '' | 'random' | 'maglev';
  readonly dsrDispatch: 'opt' | 'ipip' | 'geneve';
  readonly acceleration: 'disabled' | 'native' | 'best-effort' | 'testing-only';
  readonly algorithmAnnotation: boolean;
  readonly modeAnnotation: boolean;
  /** Source prefixes of IP-in-IP, by which a network spreads it. */
  readonly rssIPv4CIDR: string;
  readonly rssIPv6CIDR: string;
  readonly pmtuDiscovery: boolean;
  readonly maglevTableSize: number;
  readonly maglevHashSeed: string;
  readonly nat46x64Gateway: boolean;
  // Sockets.
  readonly socketLB: boolean;
  readonly socketLBHostNamespaceOnly: boolean;
  readonly socketLBTerminatePodConnections: boolean;
  readonly socketLBTracing: boolean;
  // Map sizes (0: derived).
  readonly lbMapMax: number;
  readonly serviceMapMax: number;
  readonly backendMapMax: number;
  readonly revNatMapMax: number;
  readonly affinityMapMax: number;
  readonly sourceRangeMapMax: number;
  readonly maglevMapMax: number;
  readonly ctTcpMax: number;
  readonly ctAnyMax: number;
  readonly natMax: number;
  readonly neighMax: number;
  readonly sockRevNatMax: number;
  readonly policyMapMax: number;
  readonly fragmentsMapMax: number;
  readonly mapDynamicSizeRatio: number;
  readonly distributedLRU: boolean;
  readonly preallocateMaps: boolean;
  // Conntrack.
  readonly ctAccounting: boolean;
  readonly ctTimeoutTcp: number;
  readonly ctTimeoutAny: number;
  readonly ctTimeoutServiceTcp: number;
  readonly ctTimeoutServiceTcpGrace: number;
  readonly ctTimeoutServiceAny: number;
  readonly ctTimeoutTcpSyn: number;
  readonly ctTimeoutTcpFin: number;
  readonly monitorAggregation: 'none' | 'lowest' | 'low' | 'medium' | 'maximum' | 'max';
  readonly monitorInterval: number;
  readonly monitorFlags: readonly string[];
  // Families, routes, devices, tunnels.
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  readonly routingMode: 'tunnel' | 'native';
  readonly tunnelProtocol: 'vxlan' | 'geneve';
  readonly tunnelPort: number;
  readonly tunnelSourcePortRange: string;
  readonly underlayProtocol: 'ipv4' | 'ipv6';
  readonly mtu: number;
  readonly devices: readonly string[];
  readonly directRoutingDevice: string;
  readonly forceDeviceDetection: boolean;
  readonly autoDirectNodeRoutes: boolean;
  readonly endpointRoutes: boolean;
  readonly localNodeRoute: boolean;
  readonly ipv4NativeRoutingCIDR: string;
  readonly ipv6NativeRoutingCIDR: string;
  readonly ipv4Masquerade: boolean;
  readonly ipv6Masquerade: boolean;
  readonly bpfMasquerade: boolean;
  readonly ipMasqAgent: boolean;
  readonly ipam: string;
  readonly hostLegacyRouting: boolean;
  readonly noConntrackIptablesRules: boolean;
  readonly fragmentTracking: boolean;
  readonly loopbackIPv4: string;
  readonly l2NeighDiscovery: boolean;
  readonly neighRefreshPeriod: number;
  readonly datapathMode: 'veth' | 'netkit' | 'netkit-l2' | 'lb-only';
  readonly tcx: boolean;
  readonly wireguard: boolean;
  readonly ipsec: boolean;
  // Policy.
  readonly policyEnforcement: 'default' | 'always' | 'never';
  readonly policyAuditMode: boolean;
  readonly hostFirewall: boolean;
  readonly l7Proxy: boolean;
  readonly icmpRules: boolean;
  readonly nodeSelectorLabels: boolean;
  readonly k8sNetworkPolicy: boolean;
  readonly policyDefaultLocalCluster: boolean;
  readonly sourceIPVerification: boolean;
  readonly allowLocalhost: 'auto' | 'always' | 'policy';
  // Mounts, CNI, the rest of the node.
  readonly bpfRoot: string;
  readonly cgroupRoot: string;
  readonly writeCniConfWhenReady: string;
  readonly readCniConf: string;
  readonly cniExclusive: boolean;
  readonly cniLogFile: string;
  readonly cniChainingMode: string;
  readonly cniChainingTarget: string;
  readonly cniExternalRouting: boolean;
  readonly cniRouteMTU: boolean;
  readonly endpointHealthChecking: boolean;
  readonly debug: boolean;
  readonly clusterName: string;
  readonly clusterId: number;
  // The agent's own reconciler.
  readonly retryBackoffMin: number;
  readonly retryBackoffMax: number;
  readonly pressureMetricsInterval: number;
  readonly stateFile: string;
  readonly stateFileInterval: number;
}
