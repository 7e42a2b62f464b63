import type { DatapathConfig } from '../config/datapath-config.ts';
import type { ConntrackOptions } from '../conntrack/options.ts';
import type { DatapathInput } from '../datapath/options.ts';
import { parseHashSeed } from '../hash/seed.ts';
import { parseAddress } from '../net/address.ts';
import { type Cidr, parseCidr } from '../net/cidr.ts';
import type { Defects } from '../node/defects.ts';
import type { SocketLbOptions } from '../socket/options.ts';

/** Interface numbers of a node's own devices. */
export const Device = { NETDEV: 2, TUNNEL: 7 } as const;

export const DEFAULT_MTU = 1500;

/** Conntrack settings of a configuration. */
export function conntrackOptions(config: DatapathConfig): Partial<ConntrackOptions> {
  return {
    tcpTimeout: config.ctTimeoutTcp,
    anyTimeout: config.ctTimeoutAny,
    serviceTcpTimeout: config.ctTimeoutServiceTcp,
    serviceAnyTimeout: config.ctTimeoutServiceAny,
    serviceTcpGrace: config.ctTimeoutServiceTcpGrace,
    synTimeout: config.ctTimeoutTcpSyn,
    finTimeout: config.ctTimeoutTcpFin,
    reportInterval: config.monitorInterval,
    reportFlags: config.reportFlags,
    accounting: config.ctAccounting,
    tcpMaxEntries: config.maps.ctTcp,
    anyMaxEntries: config.maps.ctAny,
  };
}

const cidrOrNone = (text: string): Cidr | undefined => (text === '' ? undefined : parseCidr(text));

const SOCKET_LB = { none: 'off', host: 'hostns-only', full: 'full' } as const;

/** What the programs of a node are built with under a configuration. */
export function datapathOptions(config: DatapathConfig, mtu: number, defects: Partial<Defects>): DatapathInput {
  const seeds = parseHashSeed(config.maglevHashSeed);
  return {
    ipv4: config.ipv4,
    ipv6: config.ipv6,
    mode: config.modeAnnotation ? 'annotation' : config.mode,
    dsrDispatch: config.dsrDispatch,
    dsrIcmpErrors: config.pmtuDiscovery,
    rss4: cidrOrNone(config.rssIPv4CIDR),
    rss6: cidrOrNone(config.rssIPv6CIDR),
    acceleration: config.xdp ? 'native' : 'disabled',
    noBackendResponse: config.noBackendResponse,
    ipv4Fragments: config.fragmentTracking,
    ipv6Fragments: config.fragmentTracking,
    bpfMasquerade: config.bpfMasquerade && (config.ipv4Masquerade || config.ipv6Masquerade),
    ipv4Masquerade: config.ipv4Masquerade,
    ipv6Masquerade: config.ipv6Masquerade,
    nativeRouting4: cidrOrNone(config.ipv4NativeRoutingCIDR),
    nativeRouting6: cidrOrNone(config.ipv6NativeRoutingCIDR),
    sctp: config.sctp,
    protocolDifferentiation: config.protocolDifferentiation,
    hostRouting: !config.hostLegacyRouting,
    tunnel: config.tunnel,
    tunnelPort: config.effectiveTunnelPort,
    tunnelIfindex: Device.TUNNEL,
    mtu,
    nodePortRange: config.nodePortRange,
    snatPortRange: config.snatPorts,
    algorithm: config.algorithm,
    algorithmAnnotation: config.algorithmAnnotation,
    hashSeed4: seeds.jhash4,
    hashSeed6: seeds.jhash6,
    directRoutingIfindex: Device.NETDEV,
    nodePort: config.nodePort,
    socketLb: SOCKET_LB[config.socketLBCoverage],
    l7: config.envoyConfig,
    localRedirect: config.localRedirectPolicy,
    sessionAffinity: config.sessionAffinity,
    endpointRoutes: config.endpointRoutes,
    sipVerification: config.sourceIPVerification,
    serviceLoopback: parseAddress(config.loopbackIPv4),
    conntrack: conntrackOptions(config),
    natMaxEntries: config.maps.nat,
    defects,
  };
}

/** What the socket programs are built with under a configuration; `undefined` where there are none. */
export function socketOptions(config: DatapathConfig): Partial<SocketLbOptions> | undefined {
  if (!config.socketLB) return undefined;
  return {
    ipv4: config.ipv4,
    ipv6: config.ipv6,
    nodePort: config.nodePort,
    hostNamespaceOnly: config.socketLBHostNamespaceOnly,
    sessionAffinity: config.sessionAffinity,
    localRedirect: config.localRedirectPolicy,
    l7: config.envoyConfig,
    protocolDifferentiation: config.protocolDifferentiation,
    externalIpMitigation: !config.disableExternalIPMitigation,
    nodePortMin: config.nodePortRange.min,
    nodePortMax: config.nodePortRange.max,
    reverseMapMax: config.maps.sockRevNat,
  };
}
