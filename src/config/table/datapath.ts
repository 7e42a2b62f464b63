import { TABLE_SIZES } from '../../maglev/index.ts';
import { always, asInt, ifTruthy, notNull, present } from '../emit.ts';
import { chartOnly, option, split } from '../define.ts';
import { goText, truthy } from '../go.ts';
import { anyText, bool, cidr, duration, hashSeed, int, intOneOf, oneOf, ratio, words } from '../kind.ts';
import { ABSENT, type Option } from '../option.ts';

/** Largest and smallest conntrack, NAT and neighbour table that the agent accepts. */
export const TABLE_LIMITS = { min: 1024, max: 16_777_216 } as const;
const table = (...samples: number[]): ReturnType<typeof int> => int(TABLE_LIMITS.min, TABLE_LIMITS.max, ...samples);
/** 0 means: use bpf-lb-map-max. */
const perMap = int(0, 0x7fffffff, 0, 4096);

const hiddenMap = <
  F extends
    'serviceMapMax' | 'backendMapMax' | 'revNatMapMax' | 'affinityMapMax' | 'sourceRangeMapMax' | 'maglevMapMax',
>(
  key: string,
  field: F,
  what: string,
): Option =>
  option(key, field, {
    agent: '0',
    kind: perMap,
    reader: 'control plane',
    effect: `Entries of the ${what} map; 0: as bpf-lb-map-max.`,
  });

/** Forwarding mode, selection, map sizes, conntrack. */
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
  option('bpf-lb-map-max', 'lbMapMax', {
    helm: 'bpf.lbMapMax',
    values: 65536,
    agent: '65536',
    kind: int(1, 0x7fffffff, 65536, 131072),
    reader: 'control plane',
    emit: present(asInt),
    effect:
      'Entries of each service map (services with their slots, backends, reverse NAT, affinity, source ranges, Maglev).',
  }),
  hiddenMap('bpf-lb-service-map-max', 'serviceMapMax', 'services'),
  hiddenMap('bpf-lb-service-backend-map-max', 'backendMapMax', 'backends'),
  hiddenMap('bpf-lb-rev-nat-map-max', 'revNatMapMax', 'reverse NAT'),
  hiddenMap('bpf-lb-affinity-map-max', 'affinityMapMax', 'affinity'),
  hiddenMap('bpf-lb-source-range-map-max', 'sourceRangeMapMax', 'source range'),
  hiddenMap('bpf-lb-maglev-map-max', 'maglevMapMax', 'Maglev'),
  option('bpf-ct-global-tcp-max', 'ctTcpMax', {
    helm: 'bpf.ctTcpMax',
    values: null,
    agent: '524288',
    kind: table(524288, 65536),
    reader: 'datapath',
    emit: ifTruthy(asInt),
    effect: 'Entries of the TCP conntrack table of each family; a full table evicts the least recently used flows.',
    note: 'Setting it excludes this table from dynamic sizing.',
  }),
  option('bpf-ct-global-any-max', 'ctAnyMax', {
    helm: 'bpf.ctAnyMax',
    values: null,
    agent: '262144',
    kind: table(262144, 65536),
    reader: 'datapath',
    emit: ifTruthy(asInt),
    effect: 'Entries of the conntrack table for everything but TCP.',
  }),
  option('bpf-nat-global-max', 'natMax', {
    helm: 'bpf.natMax',
    values: null,
    agent: '524288',
    kind: table(524288, 65536),
    reader: 'datapath',
    emit: ifTruthy(asInt),
    effect:
      'Entries of the SNAT table (two for each mapping); by default two thirds of both conntrack tables together.',
  }),
  option('bpf-neigh-global-max', 'neighMax', {
    helm: 'bpf.neighMax',
    values: null,
    agent: '524288',
    kind: table(524288, 65536),
    reader: 'datapath',
    emit: ifTruthy(asInt),
    effect: 'Entries of the table of MAC addresses for XDP replies; by default as the SNAT table.',
  }),
  option('bpf-sock-rev-map-max', 'sockRevNatMax', {
    agent: split('262144', '0'),
    kind: int(0, TABLE_LIMITS.max, 262144, 65536),
    reader: 'sockets',
    effect:
      'Entries of the table that turns backend addresses back for UDP and getpeername; 0: sized by memory (1.18).',
  }),
  option('bpf-policy-map-max', 'policyMapMax', {
    helm: 'bpf.policyMapMax',
    values: 16384,
    agent: '16384',
    kind: int(256, 65536, 16384, 32768),
    reader: 'policy',
    emit: present(asInt),
    effect: 'Entries of each endpoint policy map; more entries than that cannot be enforced.',
  }),
  option('bpf-fragments-map-max', 'fragmentsMapMax', {
    agent: '8192',
    kind: int(1, 65535, 8192, 4096),
    reader: 'datapath',
    effect: 'Fragmented datagrams whose ports are remembered at the same time.',
  }),
  option('bpf-map-dynamic-size-ratio', 'mapDynamicSizeRatio', {
    helm: 'bpf.mapDynamicSizeRatio',
    values: null,
    agent: '0.0025',
    kind: ratio,
    reader: 'described',
    emit: {
      when: 'always',
      text: (chart, helm) => (Number(chart.get(helm) ?? 0) === 0 ? '0.0025' : goText(chart.get(helm))),
    },
    effect:
      'Share of the memory that conntrack, NAT, neighbour, socket and policy maps may take where their size is not set.',
    note: 'lbtwin does not know the memory of a node: without explicit sizes it uses the static defaults.',
  }),
  option('bpf-distributed-lru', 'distributedLRU', {
    helm: 'bpf.distributedLRU.enabled',
    values: split<unknown>(ABSENT, false),
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: present(),
    effect: 'LRU tables keep a list per CPU: eviction is local to a CPU.',
  }),
  option('preallocate-bpf-maps', 'preallocateMaps', {
    helm: 'bpf.preallocateMaps',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'described',
    emit: always(),
    effect: 'Map entries are allocated at start: less latency, more memory.',
  }),
  option('bpf-conntrack-accounting', 'ctAccounting', {
    helm: 'bpf.ctAccounting',
    values: false,
    agent: 'false',
    kind: bool,
    reader: 'datapath',
    emit: ifTruthy(asInt),
    effect: 'Conntrack entries count packets and bytes.',
    note: 'The chart prints true as 1.',
  }),
  option('bpf-ct-timeout-regular-tcp', 'ctTimeoutTcp', {
    agent: '2h13m20s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of an established TCP entry.',
  }),
  option('bpf-ct-timeout-regular-any', 'ctTimeoutAny', {
    agent: '1m0s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of an entry for UDP and the rest.',
  }),
  option('bpf-ct-timeout-service-tcp', 'ctTimeoutServiceTcp', {
    agent: '2h13m20s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of the service entry of a TCP flow.',
  }),
  option('bpf-ct-timeout-service-tcp-grace', 'ctTimeoutServiceTcpGrace', {
    agent: '1m0s',
    kind: duration,
    reader: 'datapath',
    effect: 'How long a service entry outlives its closing TCP flow.',
  }),
  option('bpf-ct-timeout-service-any', 'ctTimeoutServiceAny', {
    agent: '1m0s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of the service entry of a UDP flow.',
  }),
  option('bpf-ct-timeout-regular-tcp-syn', 'ctTimeoutTcpSyn', {
    agent: '1m0s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of a TCP entry before the handshake is complete.',
  }),
  option('bpf-ct-timeout-regular-tcp-fin', 'ctTimeoutTcpFin', {
    agent: '10s',
    kind: duration,
    reader: 'datapath',
    effect: 'Lifetime of a TCP entry after FIN or RST.',
  }),
  option('monitor-aggregation', 'monitorAggregation', {
    helm: 'bpf.monitorAggregation',
    values: 'medium',
    agent: 'none',
    kind: oneOf('none', 'lowest', 'low', 'medium', 'maximum', 'max'),
    reader: 'described',
    emit: always(),
    effect: 'How often the datapath reports a flow, and with it how conntrack entries remember reported TCP flags.',
    note: 'lbtwin always reports as medium and above do; the flags and the interval count.',
  }),
  option('monitor-aggregation-interval', 'monitorInterval', {
    helm: 'bpf.monitorInterval',
    values: '5s',
    agent: '5s',
    kind: duration,
    reader: 'datapath',
    emit: always(),
    effect: 'Time between two reports of a flow; conntrack entries note the last one.',
  }),
  option('monitor-aggregation-flags', 'monitorFlags', {
    helm: 'bpf.monitorFlags',
    values: 'all',
    agent: 'syn,fin,rst',
    kind: words([['all'], ['syn', 'fin', 'rst']], true),
    reader: 'datapath',
    emit: always(),
    effect:
      'Which TCP flags are reported at once (the report mask of conntrack: 0xff with all, 0x07 by the agent default).',
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
    emit: notNull(),
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
