import type { DatapathConfig } from '../config/index.ts';
import { LbMaps } from '../lb/maps.ts';
import { parseCidr } from '../net/cidr.ts';
import type { ControlPlaneInit } from './control-plane.ts';

/** What a configuration means to the control plane; the node is still to be named. */
export function controlPlaneInit(config: DatapathConfig): ControlPlaneInit {
  return {
    profile: config.profile,
    enableIpv4: config.ipv4,
    enableIpv6: config.ipv6,
    kubeProxyReplacement: config.kubeProxyReplacement || config.nodePort,
    hostPort: config.hostPort,
    externalIps: config.externalIPs,
    algorithm: config.algorithm,
    algorithmAnnotation: config.algorithmAnnotation,
    mode: config.mode,
    modeAnnotation: config.modeAnnotation,
    externalClusterIp: config.externalClusterIP,
    maglevTableSize: config.maglevTableSize,
    maglevHashSeed: config.maglevHashSeed,
    nodePortRange: [config.nodePortRange.min, config.nodePortRange.max],
    nodePortAddresses: config.nodePortAddresses.map(parseCidr),
    healthCheckNodePort: config.healthCheckNodePort,
    healthCheckLoadBalancerIp: config.healthCheckLoadBalancerIP,
    localRedirectPolicy: config.localRedirectPolicy,
    envoyConfig: config.envoyConfig,
    serviceProxyName: config.serviceProxyName,
    clusterName: config.clusterName,
    sourceRangeAllTypes: config.sourceRangeAllTypes,
    fixedZoneMapping: config.fixedZoneMapping,
    sessionAffinity: config.sessionAffinity,
    sourceRangeCheck: config.sourceRangeCheck,
    internalTrafficPolicy: config.internalTrafficPolicy,
    serviceTopology: config.serviceTopology,
  };
}

/** Empty load-balancing maps of the configured sizes. */
export function lbMapsOf({ maps, lbMapMax, sourceRangeCheck }: DatapathConfig): LbMaps {
  const sizes = {
    services: maps.service,
    backends: maps.backend,
    reverseNat: maps.revNat,
    affinity: maps.affinity,
    sourceRanges: maps.sourceRange,
    maglev: maps.maglev,
  };
  return new LbMaps(lbMapMax, sizes, sourceRangeCheck);
}
