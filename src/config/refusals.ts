import { ACCELERATION, type ConfigCheck, DISPATCH, MODE, when } from './check.ts';

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
