import { always, asInt, ifTruthy, present } from '../emit.ts';
import { option, split } from '../define.ts';
import { goText } from '../go.ts';
import { bool, duration, int, oneOf, ratio, words } from '../kind.ts';
import { ABSENT, type Emit, type Option } from '../option.ts';

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

/** A conntrack size; charts for versions before 1.8 wrote one always. */
const sized = (before: string): Emit => ({
  when: 'non-zero; upgradeCompatibility before 1.8: always',
  text: (chart, helm) => ifTruthy(asInt).text(chart, helm) ?? (chart.since(8) ? undefined : before),
});

/** Sizes of the maps, and how long conntrack remembers. */
export const MAPS: readonly Option[] = [
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
    emit: sized('524288'),
    effect: 'Entries of the TCP conntrack table of each family; a full table evicts the least recently used flows.',
    note: 'Setting it excludes this table from dynamic sizing.',
  }),
  option('bpf-ct-global-any-max', 'ctAnyMax', {
    helm: 'bpf.ctAnyMax',
    values: null,
    agent: '262144',
    kind: table(262144, 65536),
    reader: 'datapath',
    emit: sized('262144'),
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
      when: 'always; upgradeCompatibility before 1.8: if given',
      text: (chart, helm) =>
        Number(chart.get(helm) ?? 0) !== 0 ? goText(chart.get(helm)) : chart.since(8) ? '0.0025' : undefined,
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
];
