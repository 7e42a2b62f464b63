import { always, comma, ifTruthy, present, spaced } from '../emit.ts';
import { option, split } from '../define.ts';
import { truthy } from '../go.ts';
import { anyText, bool, cidrs, oneOf, portRange, words, zoneMap } from '../kind.ts';
import { ABSENT, type Emit, type Option } from '../option.ts';

const unlessReplaced = (when: string): Emit => ({
  when,
  text: (chart, helm) =>
    chart.kubeProxyReplacement === 'true' || !chart.has(helm) ? undefined : String(chart.get(helm)),
});

/** Which frontends exist and what they accept. */
export const SERVICES: readonly Option[] = [
  option('kube-proxy-replacement', 'kubeProxyReplacement', {
    helm: 'kubeProxyReplacement',
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: { when: 'always', text: (chart) => chart.kubeProxyReplacement },
    effect:
      'Cilium serves NodePort, LoadBalancer, externalIPs and hostPort traffic and translates at the socket; off: kube-proxy does.',
    note: 'Only true and false are accepted; true switches on NodePort, externalIPs, hostPort, socket LB and session affinity whatever their own keys say.',
  }),
  option('kube-proxy-replacement-healthz-bind-address', 'healthzBindAddress', {
    helm: 'kubeProxyReplacementHealthzBindAddr',
    values: '',
    agent: '',
    kind: anyText('', '0.0.0.0:10256'),
    reader: 'described',
    emit: {
      when: 'kubeProxyReplacement=true',
      text: (chart, helm) => (chart.kubeProxyReplacement === 'true' ? String(chart.get(helm) ?? '') : undefined),
    },
    effect: 'Where the agent answers GET /healthz for load balancers that probed kube-proxy; empty: nowhere.',
  }),
  option('enable-node-port', 'nodePort', {
    helm: 'nodePort.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: unlessReplaced('kubeProxyReplacement=false'),
    effect: 'NodePort and LoadBalancer frontends are served by the datapath.',
    note: 'Written only while kubeProxyReplacement is false, which otherwise implies it. Deprecated in 1.18.',
  }),
  option('enable-host-port', 'hostPort', {
    helm: 'hostPort.enabled',
    values: split<unknown>(false, ABSENT),
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: unlessReplaced('1.17 chart: kubeProxyReplacement not true'),
    effect: 'hostPorts of Pods become frontends on the node.',
    note: 'Removed from the 1.18 chart; implied by kubeProxyReplacement=true.',
  }),
  option('enable-external-ips', 'externalIPs', {
    helm: 'externalIPs.enabled',
    values: split<unknown>(false, ABSENT),
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: unlessReplaced('1.17 chart: kubeProxyReplacement not true'),
    effect: 'spec.externalIPs of Services become frontends.',
    note: 'Removed from the 1.18 chart; implied by kubeProxyReplacement=true.',
  }),
  option('node-port-range', 'nodePortRange', {
    helm: 'nodePort.range',
    agent: '30000,32767',
    kind: portRange,
    reader: 'datapath',
    emit: present(),
    effect:
      'Which ports NodePort services use; hostPorts inside are ignored, and SNAT source ports start right after it.',
    note: 'Write it as one text, "min,max": a YAML list is printed as [min max] by the chart, and the agent refuses that.',
  }),
  option('nodeport-addresses', 'nodePortAddresses', {
    helm: 'nodePort.addresses',
    values: null,
    agent: '[]',
    kind: cidrs,
    reader: 'control plane',
    emit: present(comma),
    effect:
      'On which node addresses NodePort is served; empty: the first private (else public) address of each family on every device.',
  }),
  option('node-port-bind-protection', 'nodePortBindProtection', {
    helm: 'nodePort.bindProtection',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: always(),
    effect: 'bind(2) to the port of a NodePort service is refused (EPERM) in the host namespace.',
  }),
  option('enable-auto-protect-node-port-range', 'autoProtectNodePortRange', {
    helm: 'nodePort.autoProtectPortRange',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'install',
    emit: always(),
    effect:
      'The agent reserves the NodePort range in net.ipv4.ip_local_reserved_ports where it overlaps the ephemeral range; off: it refuses to start.',
  }),
  option('enable-health-check-nodeport', 'healthCheckNodePort', {
    helm: 'nodePort.enableHealthCheck',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'control plane',
    emit: present(),
    effect:
      'healthCheckNodePort of Services is answered, so that external load balancers find the nodes with local backends.',
  }),
  option('enable-health-check-loadbalancer-ip', 'healthCheckLoadBalancerIP', {
    helm: 'nodePort.enableHealthCheckLoadBalancerIP',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: {
      when: 'always; "true" with gke.enabled',
      text: (chart, helm) =>
        chart.get('gke.enabled') === true ? 'true' : chart.has(helm) ? String(chart.get(helm)) : undefined,
    },
    effect:
      'The health check port is also reachable on the load balancer address (1.17; the 1.18 control plane always does it).',
  }),
  option('bpf-lb-external-clusterip', 'externalClusterIP', {
    helm: 'bpf.lbExternalClusterIP',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: present(),
    effect: 'ClusterIPs are reachable from outside the cluster; off: such packets are dropped (IS_CLUSTER_IP).',
  }),
  option('enable-session-affinity', 'sessionAffinity', {
    helm: 'sessionAffinity',
    agent: split('false', 'true'),
    kind: bool,
    reader: 'datapath',
    emit: ifTruthy(),
    effect: 'sessionAffinity: ClientIP of Services is honoured.',
    note: 'kubeProxyReplacement=true implies it. `false` writes nothing, so the agent default stays.',
  }),
  option('enable-svc-source-range-check', 'sourceRangeCheck', {
    helm: 'svcSourceRangeCheck',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'datapath',
    emit: ifTruthy(),
    effect: 'loadBalancerSourceRanges of Services is enforced.',
    note: '`false` writes nothing, so the agent default (true) stays: only extraConfig switches it off.',
  }),
  option('bpf-lb-source-range-all-types', 'sourceRangeAllTypes', {
    helm: 'bpf.lbSourceRangeAllTypes',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: present(),
    effect:
      'loadBalancerSourceRanges also guards the NodePort (and an externally reachable ClusterIP) of the Service (1.17).',
    note: 'The table based control plane of 1.18 writes the ranges for every frontend and does not read it.',
  }),
  option('enable-internal-traffic-policy', 'internalTrafficPolicy', {
    helm: 'enableInternalTrafficPolicy',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'control plane',
    emit: present(),
    effect: 'internalTrafficPolicy: Local of Services is honoured (1.17; the 1.18 control plane always does it).',
  }),
  option('enable-local-redirect-policy', 'localRedirectPolicy', {
    helm: 'localRedirectPolicy',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: always(),
    effect: 'CiliumLocalRedirectPolicy objects redirect service traffic to pods of the same node.',
  }),
  option('service-no-backend-response', 'noBackendResponse', {
    helm: 'serviceNoBackendResponse',
    values: 'reject',
    agent: 'reject',
    kind: oneOf('reject', 'drop'),
    reader: 'datapath',
    emit: ifTruthy(),
    effect:
      'What a client of a service without backends gets: ICMP destination unreachable (reject) or silence (drop).',
  }),
  option('enable-service-topology', 'serviceTopology', {
    helm: 'loadBalancer.serviceTopology',
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: present(),
    effect:
      'Zone hints of EndpointSlices restrict the backends (1.17; the 1.18 control plane does it whenever the Service asks).',
  }),
  option('bpf-lb-proto-diff', 'protocolDifferentiation', {
    helm: 'loadBalancer.protocolDifferentiation.enabled',
    agent: 'true',
    kind: bool,
    reader: 'control plane',
    emit: {
      when: 'loadBalancer.protocolDifferentiation present',
      text: (chart, helm) =>
        chart.has('loadBalancer.protocolDifferentiation') ? String(chart.get(helm) ?? '') : undefined,
    },
    effect: 'TCP, UDP and SCTP frontends on one port are different services (1.17; always so in 1.18).',
    note: 'Deprecated in 1.18.',
  }),
  option('enable-experimental-lb', 'tableControlPlane', {
    helm: 'loadBalancer.experimental',
    values: split<unknown>(false, true),
    agent: split('false', 'true'),
    kind: bool,
    reader: 'described',
    emit: always(),
    effect:
      'The table based control plane (default of 1.18) turns Services into map entries; off: the legacy one (default of 1.17).',
    note: "lbtwin's control plane follows the profile: 1.17 the legacy one, 1.18 the table based one.",
  }),
  option('k8s-service-proxy-name', 'serviceProxyName', {
    helm: 'k8s.serviceProxyName',
    agent: '',
    kind: anyText('', 'cilium-proxy'),
    reader: 'control plane',
    emit: present(),
    effect:
      'Only Services whose label service.kubernetes.io/service-proxy-name has this value are handled; empty: those without the label.',
  }),
  option('enable-k8s-endpoint-slice', 'endpointSlices', {
    helm: 'enableK8sEndpointSlice',
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'Backends come from EndpointSlices rather than Endpoints.',
    note: 'Deprecated in 1.18. lbtwin reads EndpointSlices only.',
  }),
  option('k8s-api-server-urls', 'apiServerURLs', {
    helm: 'k8s.apiServerURLs',
    agent: '',
    kind: words([[], ['https://192.0.2.10:6443', 'https://192.0.2.11:6443']]),
    reader: 'described',
    emit: present(spaced),
    effect: 'API servers that the agent fails over between; needed early, before any service is translated.',
  }),
  option('enable-sctp', 'sctp', {
    helm: 'sctp.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: always(),
    effect: 'SCTP ports of Services are served by the datapath.',
  }),
  option('disable-external-ip-mitigation', 'disableExternalIPMitigation', {
    helm: 'bpf.disableExternalIPMitigation',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'sockets',
    emit: ifTruthy(),
    effect: 'externalIPs are translated for pods too: the protection against CVE-2020-8554 is off.',
  }),
  option('default-lb-service-ipam', 'defaultServiceIPAM', {
    helm: 'defaultLBServiceIPAM',
    values: 'lbipam',
    agent: 'lbipam',
    kind: oneOf('lbipam', 'nodeipam', 'none'),
    reader: 'described',
    emit: always(),
    effect:
      'Who gives an address to LoadBalancer Services without loadBalancerClass (the operator; lbtwin reads the address it gave).',
  }),
  option('enable-lb-ipam', 'lbIPAM', {
    helm: 'enableLBIPAM',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: always(),
    effect: 'The operator allocates load balancer addresses from CiliumLoadBalancerIPPools.',
  }),
  option('enable-node-ipam', 'nodeIPAM', {
    helm: 'nodeIPAM.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'The operator gives node addresses to LoadBalancer Services of class io.cilium/node.',
  }),
  option('enable-l2-announcements', 'l2Announcements', {
    helm: 'l2announcements.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'A node answers ARP and NDP for service addresses, which makes it the one that receives their traffic.',
  }),
  option('enable-envoy-config', 'envoyConfig', {
    helm: 'envoyConfig.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'control plane',
    emit: {
      when: 'value true, or an ingress controller, gateway API or L7 load balancing by Envoy is on',
      text: (chart, helm) =>
        [helm, 'ingressController.enabled', 'gatewayAPI.enabled'].some((path) => truthy(chart.get(path))) ||
        chart.get('loadBalancer.l7.backend') === 'envoy'
          ? 'true'
          : undefined,
    },
    effect: 'CiliumEnvoyConfig objects redirect service traffic to Envoy.',
  }),
  option('loadbalancer-l7', 'l7LoadBalancer', {
    helm: 'loadBalancer.l7.backend',
    values: 'disabled',
    agent: '',
    kind: oneOf('', 'envoy'),
    reader: 'described',
    emit: {
      when: 'loadBalancer.l7.backend = envoy',
      text: (chart, helm) => (chart.get(helm) === 'envoy' ? 'envoy' : undefined),
    },
    effect:
      'Services with the L7 annotation are balanced by Envoy (the operator writes the CiliumEnvoyConfig that lbtwin reads).',
  }),
  option('loadbalancer-l7-ports', 'l7Ports', {
    helm: 'loadBalancer.l7.ports',
    values: [],
    agent: '',
    kind: words([[], ['80', '8080']]),
    reader: 'described',
    emit: {
      when: 'loadBalancer.l7.backend = envoy',
      text: (chart, helm) => (chart.get('loadBalancer.l7.backend') === 'envoy' ? spaced(chart.get(helm)) : undefined),
    },
    effect: 'Which ports Envoy balances for every Service.',
  }),
  option('loadbalancer-l7-algorithm', 'l7Algorithm', {
    helm: 'loadBalancer.l7.algorithm',
    values: 'round_robin',
    agent: 'round_robin',
    kind: oneOf('round_robin', 'least_request', 'random'),
    reader: 'described',
    emit: {
      when: 'loadBalancer.l7.backend = envoy',
      text: (chart, helm) =>
        chart.get('loadBalancer.l7.backend') === 'envoy' ? String(chart.get(helm) ?? '') : undefined,
    },
    effect: 'How Envoy picks a backend.',
  }),
  option('fixed-zone-mapping', 'fixedZoneMapping', {
    agent: '',
    kind: zoneMap,
    reader: 'control plane',
    effect: 'The zone number that is stored in a backend entry.',
  }),
];
