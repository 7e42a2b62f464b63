import { ServiceFlag } from './layout.ts';

const TYPES: readonly (readonly [bit: number, name: string])[] = [
  [ServiceFlag.EXTERNAL_IP, 'ExternalIPs'],
  [ServiceFlag.NODE_PORT, 'NodePort'],
  [ServiceFlag.LOAD_BALANCER, 'LoadBalancer'],
  [ServiceFlag.HOST_PORT, 'HostPort'],
  [ServiceFlag.LOCAL_REDIRECT, 'LocalRedirect'],
];

/** The agent's names for a service entry's flags word, in its order: the type first, then what else is set (or, of routable, not). */
export function serviceFlagNames(flags: number): string[] {
  const has = (bit: number): boolean => (flags & bit) !== 0;
  const names = [TYPES.find(([bit]) => has(bit))?.[1] ?? 'ClusterIP'];
  const add = (condition: boolean, name: string): void => {
    if (condition) names.push(name);
  };
  const ranges = has(ServiceFlag.SOURCE_RANGE);
  add(has(ServiceFlag.EXT_LOCAL_SCOPE), 'Local');
  add(has(ServiceFlag.INT_LOCAL_SCOPE), 'InternalLocal');
  add(has(ServiceFlag.TWO_SCOPES), 'two-scopes');
  add(has(ServiceFlag.AFFINITY), 'sessionAffinity');
  add(!has(ServiceFlag.ROUTABLE), 'non-routable');
  add(ranges, 'check source-range');
  // One bit means both: with source ranges they refuse, without them the entry is quarantined.
  add(ranges && has(ServiceFlag.SOURCE_RANGE_DENY), 'deny');
  add(has(ServiceFlag.NAT_46X64), '46x64');
  add(has(ServiceFlag.L7_LOAD_BALANCER), 'l7-load-balancer');
  add(has(ServiceFlag.L7_DELEGATE), has(ServiceFlag.HOST_PORT) ? 'loopback' : 'delegate-if-local');
  add(!ranges && has(ServiceFlag.QUARANTINED), 'quarantined');
  add(has(ServiceFlag.FWD_MODE_DSR), 'dsr');
  return names;
}
