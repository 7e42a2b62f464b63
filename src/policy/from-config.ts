import type { DatapathConfig } from '../config/index.ts';
import type { PolicyConfig } from './engine.ts';
import type { PolicyDatapathConfig } from './verdict.ts';

/** What of a node's configuration decides how policies are read and resolved. */
export function policyConfigOf(config: DatapathConfig): PolicyConfig {
  return {
    enforcement: config.policyEnforcement,
    allowLocalhost: config.allowLocalhost,
    hostFirewall: config.hostFirewall,
    policyMapMax: config.maps.policy,
    networkPolicy: config.k8sNetworkPolicy,
    dualStack: config.ipv4 && config.ipv6,
    nodeSelectorLabels: config.nodeSelectorLabels,
    icmpRules: config.icmpRules,
    l7Proxy: config.l7Proxy,
    clusterName: config.clusterName,
    defaultLocalCluster: config.policyDefaultLocalCluster,
  };
}

/** What of a node's configuration decides about single packets. */
export const policyDatapathOf = (config: DatapathConfig): PolicyDatapathConfig => ({
  icmpRules: config.icmpRules,
  auditMode: config.policyAuditMode,
  tunnelPort: config.tunnel === undefined ? 0 : config.effectiveTunnelPort,
});
