import { type ConfigCheck, DISPATCH, MODE, when } from './check.ts';

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
    code: 'protocols-not-told-apart',
    severity: 'warning',
    options: ['loadBalancer.protocolDifferentiation.enabled'],
    rule: 'Without protocol differentiation the programs look services up without their protocol; 1.18 writes them with it all the same.',
    message: ({ config: { profile, protocolDifferentiation } }) =>
      protocolDifferentiation
        ? undefined
        : profile === '1.18'
          ? 'the table based control plane writes every service under its protocol, and the programs look for it under none: they find no service'
          : 'not modelled for 1.17: its control plane writes services without their protocol then, lbtwin writes it and so finds none of them',
    hint: 'loadBalancer.protocolDifferentiation.enabled=true, which is the default',
  },
  {
    code: 'masquerading-exceptions',
    severity: 'warning',
    options: ['ipMasqAgent.enabled'],
    rule: 'lbtwin does not read the list of the ip-masq-agent: it masquerades what that list exempts.',
    message: ({ config }) =>
      when(
        config.ipMasqAgent && config.bpfMasquerade && (config.ipv4Masquerade || config.ipv6Masquerade),
        'not modelled: lbtwin masquerades what pods send to the destinations that the ip-masq-agent exempts (without a list of its own: the private IPv4 ranges, among others)',
      ),
  },
  {
    code: 'ipv6-underlay',
    severity: 'warning',
    options: ['underlayProtocol'],
    rule: 'lbtwin builds tunnels between IPv4 addresses of nodes.',
    message: ({ config }) =>
      when(
        config.tunnel !== undefined && config.underlayProtocol === 'ipv6',
        'not modelled: lbtwin shows the tunnel between the IPv4 addresses of the nodes',
      ),
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
    hint: '--profile 1.17 has the legacy one, --profile 1.18 the table based one',
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
