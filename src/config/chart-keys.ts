/** Top-level values of the chart beyond those in the option table: real, but nothing that lbtwin looks at. */
export const OTHER_CHART_VALUES: ReadonlySet<string> = new Set(
  `affinity agent agentNotReadyTaintKey aksbyocni alibabacloud annotateK8sNode annotations apiRateLimit authentication azure
  bandwidthManager bgpControlPlane bpfClockProbe certgen ciliumEndpointSlice cleanBpfState cleanState
  commonLabels conntrackGCInterval conntrackGCMaxInterval crdWaitTimeout customCalls daemon dashboards
  directRoutingSkipUnreachable disableEndpointCRD dnsPolicy dnsProxy egressGateway enableCiliumEndpointSlice
  enableCriticalPriorityClass enableIPv4BIGTCP enableIPv6BIGTCP enableMasqueradeRouteSource enableNonDefaultDenyPolicies
  enableXTSocketFallback endpointLockdownOnMapOverflow enableIdentityMark enableNoServiceEndpointsRoutable
  egressMasqueradeInterfaces envoy etcd externalWorkloads extraArgs extraContainers
  extraEnv extraHostPathMounts extraInitContainers extraVolumeMounts extraVolumes gatewayAPI global healthChecking
  healthCheckICMPFailureThreshold healthPort highScaleIPcache hubble identityAllocationMode identityChangeGracePeriod
  identityManagementMode image imagePullSecrets ingressController initResources iptablesRandomFully
  iptablesLockTimeout k8s k8sClientRateLimit k8sClientExponentialBackoff keepDeprecatedLabels keepDeprecatedProbes kubeConfigPath
  l2podAnnouncements labels livenessProbe logSystemLoad monitor name namespaceOverride nat nodeLabels nodeSelector nodeinit operator
  podAnnotations podLabels podSecurityContext policyCIDRMatchMode pprof preflight priorityClassName prometheus
  proxy rbac readinessProbe resourceQuotas resources rollOutCiliumPods scheduling securityContext secretsNamespaceAnnotations
  secretsNamespaceLabels serviceAccounts sleepAfterInit startupProbe synchronizeK8sNodes sysctlfix terminationGracePeriodSeconds
  tls tolerations updateStrategy vtep waitForKubeProxy wellKnownIdentities`.split(/\s+/),
);

/** Values below groups of the table that lbtwin does not look at. */
export const OTHER_GROUP_VALUES: Readonly<Record<string, ReadonlySet<string>>> = {
  bpf: new Set(
    `authMapMax ctAccounting enableTCX events lbBPFMapMax monitorTraceIPOption nodeMapMax policyMapPressureMetricsThreshold
    policyStatsMapMax tproxy vlanBypass`.split(/\s+/),
  ),
  cni: new Set(['resources']),
  cgroup: new Set([]),
  nodePort: new Set([]),
  loadBalancer: new Set([]),
  maglev: new Set([]),
  socketLB: new Set([]),
  hostPort: new Set([]),
  externalIPs: new Set([]),
  ipv4: new Set([]),
  ipv6: new Set([]),
  l2NeighDiscovery: new Set([]),
  sctp: new Set([]),
  nodeIPAM: new Set([]),
};

/** Values that are gone: what they became. */
export const REMOVED_VALUES: Readonly<Record<string, string>> = {
  tunnel: 'routingMode and tunnelProtocol (since 1.14)',
  'loadBalancer.dsrL4Translate': 'nothing: the agent has no such choice any more',
  containerRuntime: 'nothing: the container runtime needs no setting',
  enableK8sTerminatingEndpoint: 'nothing: terminating endpoints are always honoured',
  enableK8sEventHandover: 'nothing',
  remoteNodeIdentity: 'nothing: remote nodes always have an identity of their own',
  'nodePort.mode': 'loadBalancer.mode',
  'nodePort.acceleration': 'loadBalancer.acceleration',
  'nodePort.algorithm': 'loadBalancer.algorithm',
  'nodePort.device': 'devices',
  hostReachableServices: 'socketLB',
  'bpf.lbBypassFIBLookup': 'nothing: the FIB is always looked up',
  'bpf.hostRouting': 'bpf.hostLegacyRouting (with the opposite meaning)',
  'config.bpfMasquerade': 'bpf.masquerade',
  'k8s.serviceHost': 'k8sServiceHost',
  'k8s.servicePort': 'k8sServicePort',
};
