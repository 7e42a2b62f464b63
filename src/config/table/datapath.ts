import { TABLE_SIZES } from '../../maglev/sizes.ts';
import { ifTruthy, notNull, present } from '../emit.ts';
import { chartOnly, option } from '../define.ts';
import { goText, truthy } from '../go.ts';
import { anyText, bool, cidr, duration, hashSeed, intOneOf, oneOf } from '../kind.ts';
import type { Option } from '../option.ts';

/** Forwarding mode, selection, the programs and their reconciler. */
export const DATAPATH: readonly Option[] = [
  option('bpf-lb-mode', 'mode', {
    helm: 'loadBalancer.mode',
    agent: 'snat',
    kind: oneOf('snat', 'dsr', 'hybrid'),
    reader: 'datapath',
    emit: present(),
    effect:
      'How a request reaches a backend on another node: with the node as source and the reply through it (snat), with the client as source and the reply straight to it (dsr), or dsr for TCP and snat for UDP (hybrid).',
  }),
  option('node-port-mode', 'legacyMode', {
    agent: '',
    kind: oneOf('', 'snat', 'dsr', 'hybrid'),
    reader: 'datapath',
    effect: 'Old name of bpf-lb-mode; an error if both are changed.',
  }),
  option('bpf-lb-algorithm', 'algorithm', {
    helm: 'loadBalancer.algorithm',
    agent: 'random',
    kind: oneOf('random', 'maglev'),
    reader: 'datapath',
    emit: present(),
    effect:
      'How a backend is picked for traffic from outside: by a random word, or by the flow hash through a Maglev table that is the same on every node.',
  }),
  option('node-port-algorithm', 'legacyAlgorithm', {
    agent: '',
    kind: oneOf('', 'random', 'maglev'),
    reader: 'datapath',
    effect: 'Old name of bpf-lb-algorithm; wins when it is not empty.',
  }),
  option('bpf-lb-dsr-dispatch', 'dsrDispatch', {
    helm: 'loadBalancer.dsrDispatch',
    agent: 'opt',
    kind: oneOf('opt', 'ipip', 'geneve'),
    reader: 'datapath',
    emit: present(),
    effect:
      'How the service address travels to the backend under DSR: in an IP option, in IP-in-IP, or in a Geneve option.',
    note: 'opt adds 8 (IPv4) or 24 (IPv6) bytes to the first packets and is dropped by networks that filter IP options.',
  }),
  option('bpf-lb-rss-ipv4-src-cidr', 'rssIPv4CIDR', {
    agent: '',
    kind: cidr(4),
    reader: 'datapath',
    effect: 'From which source addresses IP-in-IP packets come, so that a receiving network card spreads them.',
  }),
  option('bpf-lb-rss-ipv6-src-cidr', 'rssIPv6CIDR', {
    agent: '',
    kind: cidr(6),
    reader: 'datapath',
    effect: 'The same for IPv6.',
  }),
  option('enable-pmtu-discovery', 'pmtuDiscovery', {
    helm: 'pmtuDiscovery.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: ifTruthy(),
    effect: 'Packets that DSR makes too big are answered with an ICMP error that tells the size.',
  }),
  option('bpf-lb-acceleration', 'acceleration', {
    helm: 'loadBalancer.acceleration',
    values: 'disabled',
    agent: 'disabled',
    kind: oneOf('disabled', 'native', 'best-effort', 'testing-only'),
    reader: 'datapath',
    emit: present(),
    effect: 'Traffic from outside is handled in XDP, before the kernel allocates a buffer.',
  }),
  option('bpf-lb-algorithm-annotation', 'algorithmAnnotation', {
    helm: 'bpf.lbAlgorithmAnnotation',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: present(),
    effect: 'service.cilium.io/lb-algorithm of a Service picks its algorithm.',
  }),
  option('bpf-lb-mode-annotation', 'modeAnnotation', {
    helm: 'bpf.lbModeAnnotation',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: present(),
    effect: 'service.cilium.io/forwarding-mode of a Service picks dsr or snat.',
  }),
  option('bpf-lb-maglev-table-size', 'maglevTableSize', {
    helm: 'maglev.tableSize',
    agent: '16381',
    kind: intOneOf(TABLE_SIZES),
    reader: 'datapath',
    emit: present(),
    effect:
      'Slots of each Maglev table: more slots, better balance. A change reassigns most flows and needs every agent restarted.',
  }),
  option('bpf-lb-maglev-hash-seed', 'maglevHashSeed', {
    helm: 'maglev.hashSeed',
    agent: 'JLfvgnHc2kaSUFaI',
    kind: hashSeed,
    reader: 'datapath',
    emit: present(),
    effect: 'Seeds the tables and the flow hash; must be the same on all nodes. A change reassigns most flows.',
  }),
  option('enable-nat46x64-gateway', 'nat46x64Gateway', {
    helm: 'nat46x64Gateway.enabled',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'Nodes translate between IPv4 and IPv6.',
  }),
  option('enable-ipv4-fragment-tracking', 'fragmentTracking', {
    helm: 'fragmentTracking',
    agent: 'true',
    kind: bool,
    reader: 'datapath',
    emit: present(),
    effect: 'Later fragments of IPv4 datagrams find the ports of the first one; off: they cannot be balanced.',
  }),
  option('ipv4-service-loopback-address', 'loopbackIPv4', {
    agent: '169.254.42.1',
    kind: anyText('169.254.42.1', '169.254.43.1'),
    reader: 'datapath',
    effect: 'The source that a pod sees when it reaches itself through a service.',
  }),
  option('datapath-mode', 'datapathMode', {
    helm: 'bpf.datapathMode',
    values: 'veth',
    agent: 'veth',
    kind: oneOf('veth', 'netkit', 'netkit-l2', 'lb-only'),
    reader: 'described',
    emit: present(),
    effect: 'The kind of device between a pod and its node.',
    note: 'lb-only exists in 1.17 only.',
  }),
  option('enable-tcx', 'tcx', {
    helm: 'bpf.enableTCX',
    values: true,
    agent: 'true',
    kind: bool,
    reader: 'described',
    emit: present(),
    effect: 'Programs are attached with tcx where the kernel has it (6.6).',
  }),
  option('enable-host-legacy-routing', 'hostLegacyRouting', {
    helm: 'bpf.hostLegacyRouting',
    values: null,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: {
      when: 'value not null, or "true" with a CNI chaining mode',
      text: (chart, helm) =>
        chart.get(helm) === null || chart.get(helm) === undefined
          ? chart.chainingMode === 'none'
            ? undefined
            : 'true'
          : goText(chart.get(helm)),
    },
    effect: 'Packets pass through the host network stack instead of being redirected between devices.',
    note: 'The agent falls back to it by itself without BPF masquerading, with IPsec, or without kube-proxy replacement.',
  }),
  option('enable-bpf-masquerade', 'bpfMasquerade', {
    helm: 'bpf.masquerade',
    values: null,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: {
      when: 'value not null, or upgradeCompatibility 1.8 or 1.9',
      text: (chart, helm) => notNull().text(chart, helm) ?? (chart.since(8) && !chart.since(10) ? 'true' : undefined),
    },
    effect: 'Pod traffic that leaves the cluster is masqueraded by the eBPF programs instead of iptables.',
  }),
  option('install-no-conntrack-iptables-rules', 'noConntrackIptablesRules', {
    helm: 'installNoConntrackIptablesRules',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: {
      when: 'always; "false" with a CNI chaining mode, ENI, GKE or Azure',
      text: (chart, helm) =>
        chart.chainingMode !== 'none' || ['azure', 'eni', 'gke'].some((cloud) => truthy(chart.get(`${cloud}.enabled`)))
          ? 'false'
          : goText(chart.get(helm)),
    },
    effect: 'Pod traffic skips netfilter connection tracking.',
  }),
  chartOnly('loadBalancer.standalone', {
    key: 'bpf-lb-only',
    kind: bool,
    reader: 'described',
    emit: ifTruthy(),
    effect: 'Nothing: the chart writes the key, no agent flag reads it.',
  }),
  option('lb-retry-backoff-min', 'retryBackoffMin', {
    agent: '50ms',
    kind: duration,
    reader: 'described',
    effect: 'First pause before a failed map write is tried again.',
  }),
  option('lb-retry-backoff-max', 'retryBackoffMax', {
    agent: '1m',
    kind: duration,
    reader: 'described',
    effect: 'Longest pause before a failed map write is tried again.',
  }),
  option('lb-pressure-metrics-interval', 'pressureMetricsInterval', {
    agent: '5m',
    kind: duration,
    reader: 'described',
    effect: 'How often the fill level of the service maps is measured; 0: never.',
  }),
  option('lb-state-file', 'stateFile', {
    agent: '',
    kind: anyText('', '/etc/cilium/lb.yaml'),
    reader: 'described',
    effect: 'A file with services and endpoints that is read beside the API server.',
    note: 'The library reads such content with ControlPlane.setStateFile.',
  }),
  option('lb-state-file-interval', 'stateFileInterval', {
    agent: '1s',
    kind: duration,
    reader: 'described',
    effect: 'How long the state file must be unchanged before it is read.',
  }),
];
