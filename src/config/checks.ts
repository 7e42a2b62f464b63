import type { DatapathConfig } from './datapath-config.ts';
import type { ConfigFinding } from './finding.ts';
import type { ReadConfig } from './read.ts';

/** What a check looks at: the derived configuration and what was given for it. */
export interface CheckContext {
  readonly config: DatapathConfig;
  readonly read: ReadConfig;
  /** The host's net.ipv4.ip_local_port_range; Linux's default unless told. */
  readonly ephemeral: { readonly min: number; readonly max: number };
}

export const DEFAULT_EPHEMERAL = { min: 32768, max: 60999 } as const;

/** A combination that the agent refuses, or a known trap. */
export interface ConfigCheck {
  readonly code: string;
  readonly severity: ConfigFinding['severity'];
  readonly options: readonly string[];
  /** What it is about, for `config explain`. */
  readonly rule: string;
  /** The message if it applies. For errors: what the agent logs. */
  message(context: CheckContext): string | undefined;
  readonly hint?: string;
}

const when = (condition: boolean, message: string): string | undefined => (condition ? message : undefined);
const MODE = 'loadBalancer.mode';
const DISPATCH = 'loadBalancer.dsrDispatch';
const ACCELERATION = 'loadBalancer.acceleration';

/** Combinations that the agent refuses, in its order. */
export const REFUSALS: readonly ConfigCheck[] = [
  {
    code: 'mode-given-twice',
    severity: 'error',
    options: [MODE, 'node-port-mode'],
    rule: 'node-port-mode is the old name of bpf-lb-mode; only one of them may be changed.',
    message: ({ read: { options } }) =>
      when(
        options.legacyMode !== '' && options.legacyMode !== 'snat' && options.mode !== 'snat',
        'Both --bpf-lb-mode and --node-port-mode were set. Only use --bpf-lb-mode instead.',
      ),
  },
  {
    code: 'ipsec-with-node-port',
    severity: 'error',
    options: ['encryption.enabled', 'kubeProxyReplacement'],
    rule: '1.17 cannot combine IPsec with NodePort in eBPF.',
    message: ({ config }) =>
      when(config.profile === '1.17' && config.nodePort && config.ipsec, 'IPSec cannot be used with BPF NodePort'),
  },
  {
    code: 'mode-annotation-with-hybrid',
    severity: 'error',
    options: ['bpf.lbModeAnnotation', MODE],
    rule: 'With the mode annotation the default mode must be snat or dsr.',
    message: ({ config }) =>
      when(
        config.modeAnnotation && config.mode === 'hybrid',
        'The value --bpf-lb-mode=hybrid is not supported as default under annotation mode',
      ),
  },
  {
    code: 'hybrid-with-ipip',
    severity: 'error',
    options: [MODE, DISPATCH],
    rule: 'Hybrid mode cannot dispatch by IP-in-IP.',
    message: ({ config }) =>
      when(
        config.nodePort && config.mode === 'hybrid' && config.dsrDispatch === 'ipip',
        'Invalid value for --bpf-lb-dsr-dispatch: ipip',
      ),
  },
  {
    code: 'dsr-with-vxlan',
    severity: 'error',
    options: [MODE, 'tunnelProtocol', 'routingMode'],
    rule: 'DSR does not work over a VXLAN tunnel.',
    message: ({ config }) =>
      when(
        config.nodePort && config.tunnel === 'vxlan' && config.usesDsr,
        `Node Port "${config.mode}" mode cannot be used with vxlan tunneling.`,
      ),
    hint: 'routingMode=native, or tunnelProtocol=geneve with loadBalancer.dsrDispatch=geneve',
  },
  {
    code: 'tunnel-needs-geneve-dispatch',
    severity: 'error',
    options: [MODE, DISPATCH, 'routingMode'],
    rule: 'Under tunnel routing DSR must be dispatched by Geneve.',
    message: ({ config }) =>
      when(
        config.nodePort && config.tunnel === 'geneve' && config.usesDsr && config.dsrDispatch !== 'geneve',
        `Tunnel routing with Node Port "${config.mode}" mode requires geneve dispatch.`,
      ),
    hint: 'loadBalancer.dsrDispatch=geneve',
  },
  {
    code: 'geneve-dispatch-needs-geneve',
    severity: 'error',
    options: [DISPATCH, 'tunnelProtocol'],
    rule: 'Geneve dispatch needs the Geneve tunnel protocol, also with native routing.',
    message: ({ config }) =>
      when(
        config.nodePort && config.usesDsr && config.dsrDispatch === 'geneve' && config.tunnelProtocol !== 'geneve',
        `Node Port "${config.mode}" mode with geneve dispatch requires geneve tunnel protocol.`,
      ),
    hint: 'tunnelProtocol=geneve',
  },
  {
    code: 'ipip-needs-lb-only',
    severity: 'error',
    options: [DISPATCH, 'bpf.datapathMode'],
    rule: '1.17 allows IP-in-IP dispatch in a standalone load balancer only (datapath-mode lb-only).',
    message: ({ config }) =>
      when(
        config.profile === '1.17' &&
          config.nodePort &&
          config.mode === 'dsr' &&
          config.dsrDispatch === 'ipip' &&
          config.datapathMode !== 'lb-only',
        'DSR dispatch mode ipip only supported for --datapath-mode=lb-only',
      ),
  },
  {
    code: 'ipip-needs-xdp',
    severity: 'error',
    options: [DISPATCH, ACCELERATION],
    rule: 'IP-in-IP dispatch exists in XDP only.',
    message: ({ config }) =>
      when(
        config.nodePort && config.mode === 'dsr' && config.dsrDispatch === 'ipip' && config.acceleration === 'disabled',
        'DSR dispatch mode ipip currently only available under XDP acceleration',
      ),
    hint: 'loadBalancer.acceleration=native',
  },
  {
    code: 'rss-needs-ipip',
    severity: 'error',
    options: ['bpf-lb-rss-ipv4-src-cidr', 'bpf-lb-rss-ipv6-src-cidr', DISPATCH],
    rule: 'Source prefixes are for IP-in-IP dispatch only.',
    message: ({ config }) =>
      when(
        config.nodePort &&
          (config.rssIPv4CIDR !== '' || config.rssIPv6CIDR !== '') &&
          (config.mode !== 'dsr' || config.dsrDispatch !== 'ipip'),
        'Invalid value for --bpf-lb-rss-ipv4-src-cidr/--bpf-lb-rss-ipv6-src-cidr: currently only supported under IPIP dispatch for DSR',
      ),
  },
  {
    code: 'datapath-mode-of-profile',
    severity: 'error',
    options: ['bpf.datapathMode'],
    rule: 'datapath-mode lb-only is gone in 1.18.',
    message: ({ config }) =>
      when(config.profile === '1.18' && config.datapathMode === 'lb-only', 'Invalid datapath mode: lb-only'),
  },
  {
    code: 'nat46-needs-snat',
    severity: 'error',
    options: ['nat46x64Gateway.enabled', MODE],
    rule: 'The NAT46/64 gateway works in snat mode only, with both address families on.',
    message: ({ config }) =>
      when(
        config.nat46x64Gateway && (config.usesDsr || !config.ipv4 || !config.ipv6),
        config.usesDsr
          ? 'NAT46/64 is available with bpf-lb-mode snat only'
          : 'NAT46/64 needs both IPv4 and IPv6 enabled',
      ),
  },
  {
    code: 'xdp-with-ipv6-underlay',
    severity: 'error',
    options: [ACCELERATION, 'underlayProtocol'],
    rule: 'XDP acceleration does not know an IPv6 underlay.',
    message: ({ config }) =>
      when(
        config.xdp && config.underlayProtocol === 'ipv6',
        'bpf-lb-acceleration cannot be combined with an IPv6 underlay',
      ),
  },
  {
    code: 'node-port-range-after-ephemeral',
    severity: 'error',
    options: ['nodePort.range'],
    rule: 'The NodePort range must not lie above the ephemeral port range of the host.',
    message: ({ config: { nodePort, nodePortRange }, ephemeral }) =>
      when(
        nodePort && nodePortRange.min > ephemeral.max,
        `NodePort port range (${nodePortRange.min}-${nodePortRange.max}) is not allowed to be after ephemeral port range (${ephemeral.min}\t${ephemeral.max})`,
      ),
  },
  {
    code: 'node-port-range-clash',
    severity: 'error',
    options: ['nodePort.range', 'nodePort.autoProtectPortRange'],
    rule: 'Where the NodePort range overlaps the ephemeral range, the agent must be allowed to reserve it.',
    message: ({ config: { nodePort, nodePortRange: range, autoProtectNodePortRange }, ephemeral }) =>
      when(
        nodePort && !autoProtectNodePortRange && range.max >= ephemeral.min && range.min <= ephemeral.max,
        `NodePort port range (${range.min}-${range.max}) must not clash with ephemeral port range (${ephemeral.min}\t${ephemeral.max}).`,
      ),
    hint: 'nodePort.autoProtectPortRange=true, or reserve the range in net.ipv4.ip_local_reserved_ports',
  },
  {
    code: 'no-conntrack-rules-need-replacement',
    severity: 'error',
    options: ['installNoConntrackIptablesRules', 'kubeProxyReplacement', 'bpf.masquerade'],
    rule: 'Skipping netfilter conntrack needs kube-proxy replacement and eBPF masquerading.',
    message: ({ config }) => {
      if (!config.noConntrackIptablesRules) return undefined;
      if (!config.kubeProxyReplacement) {
        return 'install-no-conntrack-iptables-rules requires the agent to run with kube-proxy-replacement=true.';
      }
      return when(
        (config.ipv4Masquerade || config.ipv6Masquerade) && !config.bpfMasquerade,
        'install-no-conntrack-iptables-rules requires the agent to run with enable-bpf-masquerade.',
      );
    },
  },
  {
    code: 'no-address-family',
    severity: 'error',
    options: ['ipv4.enabled', 'ipv6.enabled'],
    rule: 'At least one address family must be on.',
    message: ({ config }) => when(!config.ipv4 && !config.ipv6, 'Either IPv4 or IPv6 addressing must be enabled'),
  },
  {
    code: 'native-routing-needs-cidr',
    severity: 'error',
    options: ['routingMode', 'ipv4NativeRoutingCIDR'],
    rule: 'Native routing with masquerading must know which destinations are reached without it.',
    message: ({ config }) => {
      if (config.tunnel !== undefined || config.ipMasqAgent) return undefined;
      const cloud = config.ipam === 'eni' || config.ipam === 'alibabacloud';
      for (const family of ['ipv4', 'ipv6'] as const) {
        const masquerade = family === 'ipv4' ? config.ipv4Masquerade : config.ipv6Masquerade;
        const cidr = family === 'ipv4' ? config.ipv4NativeRoutingCIDR : config.ipv6NativeRoutingCIDR;
        if (!config[family] || !masquerade || cidr !== '' || (family === 'ipv4' && cloud)) continue;
        return `native routing cidr must be configured with option --${family}-native-routing-cidr in combination with --enable-${family}=true --enable-${family}-masquerade=true --enable-ip-masq-agent=false --routing-mode=native --ipam=${config.ipam}`;
      }
      return undefined;
    },
    hint: 'ipv4NativeRoutingCIDR (or ipv6NativeRoutingCIDR): the network whose addresses are routed as they are',
  },
  {
    code: 'direct-routes-with-tunnel',
    severity: 'error',
    options: ['autoDirectNodeRoutes', 'routingMode'],
    rule: 'Direct routes between nodes exclude a tunnel.',
    message: ({ config }) =>
      when(
        config.autoDirectNodeRoutes && config.tunnel !== undefined,
        'auto-direct-node-routes cannot be used with tunneling. Packets must be routed through the tunnel device.',
      ),
    hint: 'routingMode=native',
  },
  {
    code: 'socket-map-size',
    severity: 'error',
    options: ['bpf-sock-rev-map-max'],
    rule: 'The socket reverse NAT table has at least 1024 entries.',
    message: ({ config: { sockRevNatMax } }) =>
      when(
        sockRevNatMax !== 0 && sockRevNatMax < 1024,
        `specified Socket Reverse NAT table size ${sockRevNatMax} must be greater or equal to 1024`,
      ),
  },
];

/** Settings that the agent takes and that do not do what people expect. */
export const TRAPS: readonly ConfigCheck[] = [
  {
    code: 'ipip-on-clouds',
    severity: 'warning',
    options: [DISPATCH],
    rule: 'Many clouds and fabrics drop IP-in-IP, and security groups must allow IP protocol 4 (and 41 for IPv6).',
    message: ({ config }) =>
      when(
        config.nodePort && config.usesDsr && config.dsrDispatch === 'ipip',
        'IP-in-IP needs a network that forwards IP protocols 4 and 41; most public clouds do not',
      ),
  },
  {
    code: 'dsr-option-mtu',
    severity: 'warning',
    options: [MODE, DISPATCH],
    rule: 'The DSR option makes the first packets longer and is dropped by networks that filter IP options.',
    message: ({ config }) =>
      when(
        config.nodePort && config.usesDsr && config.dsrDispatch === 'opt',
        'DSR puts 8 (IPv4) or 24 (IPv6) bytes of options into SYN and UDP packets: they must fit the MTU, and public clouds often drop IP options',
      ),
    hint: 'test with "lbtwin mtu", or use tunnelProtocol=geneve with loadBalancer.dsrDispatch=geneve',
  },
  {
    code: 'dsr-multiple-devices',
    severity: 'warning',
    options: [MODE, 'devices'],
    rule: 'DSR over several devices needs rp_filter 0 or 2 on the direct routing device.',
    message: ({ config }) =>
      when(
        config.ipv4 && config.tunnel === undefined && config.usesDsr && config.devices.length > 1,
        'DSR might not work for requests sent to other than the direct routing device: its net.ipv4.conf.*.rp_filter must not be 1',
      ),
  },
  {
    code: 'maglev-is-for-outside',
    severity: 'note',
    options: ['loadBalancer.algorithm'],
    rule: 'Maglev is used for traffic from outside; sockets and pods pick at random.',
    message: ({ config }) =>
      when(
        config.nodePort && config.algorithm === 'maglev' && config.socketLBCoverage !== 'none',
        'Maglev decides for traffic from outside only: connections from pods and hosts are translated at the socket with a random backend',
      ),
  },
  {
    code: 'maglev-options-unused',
    severity: 'warning',
    options: ['maglev.tableSize', 'maglev.hashSeed'],
    rule: 'maglev.* has no effect on the table unless something uses Maglev.',
    message: ({ config, read }) =>
      when(
        read.given.has('bpf-lb-maglev-table-size') && config.algorithm !== 'maglev' && !config.algorithmAnnotation,
        'maglev.tableSize is set but nothing uses Maglev (loadBalancer.algorithm is random)',
      ),
  },
  {
    code: 'maglev-memory',
    severity: 'warning',
    options: ['maglev.tableSize'],
    rule: 'Each external frontend has a table of its own: 4 bytes for each slot and frontend.',
    message: ({ config }) =>
      when(
        config.algorithm === 'maglev' && config.maglevTableSize >= 65521,
        `each external frontend gets a table of ${config.maglevTableSize} slots, ${Math.round((config.maglevTableSize * 4) / 1024)} KiB of kernel memory on every node`,
      ),
  },
  {
    code: 'socket-lb-and-sidecars',
    severity: 'note',
    options: ['socketLB.hostNamespaceOnly'],
    rule: 'With socket LB in pods a sidecar never sees the service address.',
    message: ({ config }) =>
      when(
        config.socketLBCoverage === 'full',
        'service meshes with sidecars (Istio), gVisor and KubeVirt see backend addresses in place of service addresses',
      ),
    hint: 'socketLB.hostNamespaceOnly=true where that matters',
  },
  {
    code: 'hostns-only-without-socket-lb',
    severity: 'warning',
    options: ['socketLB.hostNamespaceOnly', 'socketLB.enabled'],
    rule: 'socketLB.hostNamespaceOnly restricts socket LB; without it there is nothing to restrict.',
    message: ({ config, read }) =>
      when(
        read.options.socketLBHostNamespaceOnly && !config.socketLB,
        'bpf-lb-sock-hostns-only only takes effect when bpf-lb-sock is true',
      ),
  },
  {
    code: 'node-port-without-replacement',
    severity: 'warning',
    options: [MODE, 'loadBalancer.algorithm', 'kubeProxyReplacement'],
    rule: 'loadBalancer.* concerns NodePort traffic, which kube-proxy serves unless it is replaced.',
    message: ({ config, read }) =>
      when(
        !config.nodePort &&
          ['bpf-lb-mode', 'bpf-lb-algorithm', 'bpf-lb-dsr-dispatch'].some((key) => read.given.has(key)),
        'loadBalancer settings have no effect: kubeProxyReplacement is not true, so NodePort traffic is not handled in eBPF',
      ),
    hint: 'kubeProxyReplacement=true',
  },
  {
    code: 'no-bind-protection',
    severity: 'warning',
    options: ['nodePort.bindProtection'],
    rule: 'Without bind protection a process on the host can take the port of a service.',
    message: ({ config }) =>
      when(
        config.nodePort && !config.nodePortBindProtection,
        'NodePort BPF configured without bind(2) protection against service ports',
      ),
  },
  {
    code: 'dispatch-without-dsr',
    severity: 'warning',
    options: [DISPATCH],
    rule: 'dsrDispatch matters under DSR only.',
    message: ({ config, read }) =>
      when(
        config.nodePort && !config.usesDsr && read.given.has('bpf-lb-dsr-dispatch'),
        'loadBalancer.dsrDispatch has no effect: the mode is snat',
      ),
  },
  {
    code: 'chaining-target-with-none',
    severity: 'error',
    options: ['cni.chainingMode', 'cni.chainingTarget'],
    rule: 'The plugin refuses the chaining mode "none" in its file; a target needs a mode, or no mode at all.',
    message: ({ config, read }) =>
      when(
        read.given.has('cni-chaining-target') && config.cniChainingTarget !== '' && config.cniChainingMode === 'none',
        'the agent writes chaining-mode "none" into the CNI configuration, and the plugin then fails every pod: invalid chaining mode',
      ),
    hint: 'leave cni.chainingMode unset (generic-veth follows), or name it',
  },
  {
    code: 'chaining-mode-unknown',
    severity: 'error',
    options: ['cni.chainingMode'],
    rule: 'Without a target the chaining mode must be one that has a template.',
    message: ({ config }) =>
      when(
        config.cniChainingTarget === '' &&
          config.readCniConf === '' &&
          config.writeCniConfWhenReady !== '' &&
          !['', 'none', 'portmap', 'flannel', 'aws-cni'].includes(config.cniChainingMode.toLowerCase()),
        `invalid CNI chaining mode: ${config.cniChainingMode}; nothing is written, pods do not start`,
      ),
    hint: 'none, portmap, flannel or aws-cni; generic-veth needs cni.chainingTarget',
  },
  {
    code: 'control-plane-of-profile',
    severity: 'warning',
    options: ['loadBalancer.experimental'],
    rule: 'lbtwin models the legacy control plane under 1.17 and the table based one under 1.18.',
    message: ({ config: { profile, tableControlPlane } }) =>
      when(
        tableControlPlane !== (profile === '1.18'),
        `this asks for the ${tableControlPlane ? 'table based' : 'legacy'} control plane, which lbtwin does not model for ${profile}: answers are those of the other one`,
      ),
    hint: 'the profile whose control plane it is',
  },
  {
    code: 'legacy-host-routing',
    severity: 'note',
    options: ['bpf.hostLegacyRouting', 'bpf.masquerade', 'kubeProxyReplacement'],
    rule: 'The agent falls back to legacy host routing where eBPF host routing is impossible.',
    message: ({ config: { legacyRoutingReason } }) =>
      legacyRoutingReason === undefined
        ? undefined
        : `${legacyRoutingReason} Falling back to legacy host routing (enable-host-legacy-routing=true).`,
  },
];

/** Every check in order. */
export const CHECKS: readonly ConfigCheck[] = [...REFUSALS, ...TRAPS];

/** Runs the checks. */
export function checkConfig(context: CheckContext): ConfigFinding[] {
  return CHECKS.flatMap((check): ConfigFinding[] => {
    const message = check.message(context);
    if (message === undefined) return [];
    const { severity, code, options, hint } = check;
    return [
      {
        severity,
        code,
        message,
        options,
        ...(severity === 'error' ? { by: 'agent' as const } : {}),
        ...(hint === undefined ? {} : { hint }),
      },
    ];
  });
}
