import { describe, expect, it } from 'vitest';
import {
  type ConfigInput,
  CHECKS,
  datapathConfig,
  parseProfile,
  resolveConfig,
  type Values,
  valuesSource,
} from '../../src/config/index.ts';

const of = (values: Values, more: ConfigInput = {}) => resolveConfig({ ...more, values: [valuesSource(values)] });
const codes = (values: Values, more: ConfigInput = {}): string[] =>
  of(values, more)
    .findings.filter(({ severity }) => severity !== 'note')
    .map(({ code }) => code);

describe('no configuration given', () => {
  it('means the Helm defaults plus kubeProxyReplacement=true', () => {
    const { config, origin, findings } = resolveConfig();
    expect(config).toMatchObject({
      profile: '1.18',
      kubeProxyReplacement: true,
      nodePort: true,
      hostPort: true,
      externalIPs: true,
      socketLB: true,
      sessionAffinity: true,
      ipv4: true,
      ipv6: false,
      mode: 'snat',
      algorithm: 'random',
      maglevTableSize: 16381,
      nodePortRange: { min: 30000, max: 32767 },
      snatPorts: { min: 32768, max: 65535 },
      tunnel: 'vxlan',
      effectiveTunnelPort: 8472,
      tableControlPlane: true,
      reportFlags: 0xff,
      ctTimeoutTcp: 8000,
      socketLBCoverage: 'full',
    });
    expect(origin).toBe('configuration: Helm defaults plus kubeProxyReplacement=true (none was given); profile 1.18');
    expect(findings.every(({ severity }) => severity === 'note')).toBe(true);
  });

  it('has the defaults of 1.17 under that profile', () => {
    expect(datapathConfig({ profile: '1.17' })).toMatchObject({ tableControlPlane: false, sockRevNatMax: 262144 });
  });
});

describe('what the agent refuses', () => {
  const kpr = { kubeProxyReplacement: true };
  it.each<[string, Values, string]>([
    [
      'dsr-with-vxlan',
      { ...kpr, loadBalancer: { mode: 'dsr' } },
      'Node Port "dsr" mode cannot be used with vxlan tunneling.',
    ],
    [
      'tunnel-needs-geneve-dispatch',
      { ...kpr, tunnelProtocol: 'geneve', loadBalancer: { mode: 'hybrid' } },
      'Tunnel routing with Node Port "hybrid" mode requires geneve dispatch.',
    ],
    [
      'geneve-dispatch-needs-geneve',
      {
        ...kpr,
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        loadBalancer: { mode: 'dsr', dsrDispatch: 'geneve' },
      },
      'Node Port "dsr" mode with geneve dispatch requires geneve tunnel protocol.',
    ],
    [
      'ipip-needs-xdp',
      {
        ...kpr,
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        loadBalancer: { mode: 'dsr', dsrDispatch: 'ipip' },
      },
      'DSR dispatch mode ipip currently only available under XDP acceleration',
    ],
    [
      'hybrid-with-ipip',
      {
        ...kpr,
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        loadBalancer: { mode: 'hybrid', dsrDispatch: 'ipip', acceleration: 'native' },
      },
      'Invalid value for --bpf-lb-dsr-dispatch: ipip',
    ],
    [
      'mode-annotation-with-hybrid',
      {
        ...kpr,
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        bpf: { lbModeAnnotation: true },
        loadBalancer: { mode: 'hybrid' },
      },
      'The value --bpf-lb-mode=hybrid is not supported as default under annotation mode',
    ],
    [
      'invalid-value',
      { ...kpr, maglev: { tableSize: 16384 } },
      'Invalid value for --bpf-lb-maglev-table-size: 16384, supported values are: [251 509 1021 2039 4093 8191 16381 32749 65521 131071]',
    ],
    ['invalid-value', { ...kpr, loadBalancer: { mode: 'DSR' } }, 'Invalid value for --bpf-lb-mode: DSR'],
    [
      'invalid-value',
      { ...kpr, nodePort: { range: '32767,30000' } },
      'parse NodePort range: max port value, 30000, is less than or equal to min port value, 32767',
    ],
    [
      'invalid-value',
      { ...kpr, nodePort: { range: [30000, 32767] } },
      'parse NodePort range: unable to parse min port value: strconv.ParseUint: parsing "[30000": invalid syntax',
    ],
    [
      'node-port-range-after-ephemeral',
      { ...kpr, nodePort: { range: '61000,62000' } },
      'NodePort port range (61000-62000) is not allowed to be after ephemeral port range (32768\t60999)',
    ],
    [
      'node-port-range-clash',
      { ...kpr, nodePort: { range: '40000,41000', autoProtectPortRange: false } },
      'NodePort port range (40000-41000) must not clash with ephemeral port range (32768\t60999).',
    ],
    [
      'nat46-needs-snat',
      {
        ...kpr,
        nat46x64Gateway: { enabled: true },
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        loadBalancer: { mode: 'dsr' },
      },
      'NAT46/64 is available with bpf-lb-mode snat only',
    ],
    [
      'xdp-with-ipv6-underlay',
      { ...kpr, underlayProtocol: 'ipv6', loadBalancer: { acceleration: 'native' } },
      'bpf-lb-acceleration cannot be combined with an IPv6 underlay',
    ],
    [
      'mode-given-twice',
      {
        ...kpr,
        loadBalancer: { mode: 'dsr' },
        routingMode: 'native',
        ipv4NativeRoutingCIDR: '10.0.0.0/8',
        extraConfig: { 'node-port-mode': 'hybrid' },
      },
      'Both --bpf-lb-mode and --node-port-mode were set. Only use --bpf-lb-mode instead.',
    ],
    [
      'no-conntrack-rules-need-replacement',
      { installNoConntrackIptablesRules: true },
      'install-no-conntrack-iptables-rules requires the agent to run with kube-proxy-replacement=true.',
    ],
    ['no-address-family', { ...kpr, ipv4: { enabled: false } }, 'Either IPv4 or IPv6 addressing must be enabled'],
    [
      'chaining-target-with-none',
      { cni: { chainingMode: 'none', chainingTarget: 'net' } },
      'the agent writes chaining-mode "none" into the CNI configuration, and the plugin then fails every pod: invalid chaining mode',
    ],
  ])('%s: %o', (code, values, message) => {
    const [first] = of(values).findings;
    expect(first).toMatchObject({ severity: 'error', code, message, by: 'agent' });
    expect(() => datapathConfig({ values: [valuesSource(values)] })).toThrow(
      expect.objectContaining({ code: 'refused-config' }),
    );
  });

  it('IP-in-IP in 1.17 is for standalone load balancers', () => {
    const values = {
      ...kpr,
      routingMode: 'native',
      ipv4NativeRoutingCIDR: '10.0.0.0/8',
      loadBalancer: { mode: 'dsr', dsrDispatch: 'ipip', acceleration: 'native' },
    };
    expect(codes(values, { profile: '1.17' })).toContain('ipip-needs-lb-only');
    expect(codes(values, { profile: '1.18' })).toEqual(['ipip-on-clouds']);
  });

  it('what the chart refuses never reaches the agent', () => {
    expect(of({ kubeProxyReplacement: 'strict' }).findings[0]).toMatchObject({
      by: 'chart',
      message: 'kubeProxyReplacement must be explicitly set to a valid value (true or false) to continue.',
      hint: expect.stringContaining('strict is now true'),
    });
    expect(of({ routingMode: 'native' }, { profile: '1.17' }).findings[0]).toMatchObject({
      by: 'chart',
      code: 'native-routing-cidr',
    });
    expect(of({ routingMode: 'native' }).findings[0]).toMatchObject({ by: 'agent', code: 'native-routing-needs-cidr' });
  });

  it('without protocol differentiation no service is found', () => {
    const values = { loadBalancer: { protocolDifferentiation: { enabled: false } } };
    expect(codes(values)).toContain('protocols-not-told-apart');
    expect(codes(values, { profile: '1.17' })).toContain('protocols-not-told-apart');
    expect(codes({ loadBalancer: { protocolDifferentiation: { enabled: true } } })).not.toContain(
      'protocols-not-told-apart',
    );
  });

  it('a family that is off is not masqueraded', () => {
    const values = {
      kubeProxyReplacement: 'true',
      installNoConntrackIptablesRules: true,
      routingMode: 'native',
      ipv4NativeRoutingCIDR: '10.0.0.0/8',
      enableIPv4Masquerade: false,
    };
    expect(codes(values)).not.toContain('no-conntrack-rules-need-replacement');
    expect(codes({ ...values, ipv6: { enabled: true }, ipv6NativeRoutingCIDR: 'fd00::/8' })).toContain(
      'no-conntrack-rules-need-replacement',
    );
  });

  it('what changes the way of packets and is not simulated is told', () => {
    const agent = { bpf: { masquerade: true }, ipMasqAgent: { enabled: true } };
    expect(codes(agent)).toContain('masquerading-exceptions');
    expect(codes({ ...agent, enableIPv4Masquerade: false })).not.toContain('masquerading-exceptions');
    expect(codes({ ...agent, bpf: { masquerade: false } })).not.toContain('masquerading-exceptions');
    expect(codes({ ipv6: { enabled: true }, underlayProtocol: 'ipv6' })).toContain('ipv6-underlay');
    expect(codes({ ipv6: { enabled: true } })).not.toContain('ipv6-underlay');
  });

  it('every check has a code of its own and names its options', () => {
    expect(new Set(CHECKS.map(({ code }) => code)).size).toBe(CHECKS.length);
    expect(CHECKS.every(({ options, rule }) => options.length > 0 && rule.endsWith('.'))).toBe(true);
  });
});

it('upgradeCompatibility brings computed defaults back', () => {
  const keys = [
    'bpf-map-dynamic-size-ratio',
    'enable-bpf-masquerade',
    'bpf-ct-global-tcp-max',
    'enable-ipv4-masquerade',
  ];
  const render = (upgradeCompatibility: unknown): (string | undefined)[] => {
    const { data } = of({ upgradeCompatibility, eni: { enabled: true } });
    return keys.map((key) => data[key]);
  };
  expect(render(null)).toEqual(['0.0025', undefined, undefined, 'false']);
  expect(render('1.17')).toEqual(['0.0025', undefined, undefined, 'true']);
  expect(render('1.9')).toEqual(['0.0025', 'true', undefined, 'true']);
  expect(render('1.7')).toEqual([undefined, undefined, '524288', 'true']);
  expect(codes({ upgradeCompatibility: 1.1 })).toEqual(['number-version']);
});

describe('sources', () => {
  const configMap = {
    name: 'kube-system/cilium-config',
    data: { 'kube-proxy-replacement': 'true', 'bpf-lb-algorithm': 'maglev', 'enable-ipv6': 'false' },
  };

  it('uses a ConfigMap as it is', () => {
    const { config, origin, disagreements } = resolveConfig({ configMap });
    expect(config).toMatchObject({ algorithm: 'maglev', kubeProxyReplacement: true, ipv6: false });
    expect(origin).toBe('configuration: ConfigMap kube-system/cilium-config; profile 1.18');
    expect(disagreements).toEqual([]);
  });

  it('explicit values win over the ConfigMap, and both are shown', () => {
    const { config, disagreements, findings } = of({ loadBalancer: { algorithm: 'random' } }, { configMap });
    expect(config.algorithm).toBe('random');
    expect(config.kubeProxyReplacement).toBe(true);
    expect(disagreements).toEqual([
      {
        key: 'bpf-lb-algorithm',
        option: 'loadBalancer.algorithm',
        fromValues: 'random',
        fromConfigMap: 'maglev',
        used: 'values',
      },
    ]);
    expect(findings[0]).toMatchObject({ severity: 'warning', code: 'sources-disagree' });
  });

  it('extraConfig overrides what the chart writes', () => {
    expect(
      of({ kubeProxyReplacement: true, extraConfig: { 'enable-svc-source-range-check': 'false' } }).config
        .sourceRangeCheck,
    ).toBe(false);
    expect(of({ kubeProxyReplacement: true, svcSourceRangeCheck: false }).config.sourceRangeCheck).toBe(true);
  });
});

describe('values that Helm takes and that do nothing', () => {
  it.each<[string, Values, string, string]>([
    [
      'unknown-value',
      { loadBalancer: { algoritm: 'maglev' } },
      'loadBalancer.algoritm is no value of the cilium chart; Helm ignores it',
      'loadBalancer.algorithm',
    ],
    [
      'unknown-value',
      { kubeProxyReplacment: true },
      'kubeProxyReplacment is no value of the cilium chart; Helm ignores it',
      'kubeProxyReplacement',
    ],
    [
      'misprinted-value',
      { 'bpf-lb-mode': 'dsr' },
      'bpf-lb-mode is no value of the cilium chart; Helm ignores it',
      'loadBalancer.mode',
    ],
    [
      'misprinted-value',
      { _bpf: { masquerade: true } },
      '_bpf.masquerade is no value of the cilium chart; Helm ignores it',
      '--set bpf.masquerade',
    ],
    ['removed-value', { tunnel: 'vxlan' }, 'tunnel no longer exists in the chart and has no effect', 'routingMode'],
  ])('%s %o', (code, values, message, hint) => {
    const found = of(values).findings.find((finding) => finding.code === code);
    expect(found).toMatchObject({ severity: 'warning', message });
    expect(found!.hint).toContain(hint);
  });

  it('a value that only the other version of the chart has', () => {
    const old = of({ externalIPs: { enabled: true } });
    expect(old.findings.map(({ code }) => code)).toContain('other-version');
    expect(old.config.externalIPs).toBe(false);
    expect(of({ externalIPs: { enabled: true } }, { profile: '1.17' }).config.externalIPs).toBe(true);
    expect(codes({ bpf: { distributedLRU: { enabled: true } } }, { profile: '1.17' })).toEqual(['other-version']);
  });

  it('knows values of the chart that it does not look at', () => {
    expect(
      codes({ hubble: { enabled: true }, operator: { replicas: 1 }, bpf: { tproxy: true }, image: { tag: 'x' } }),
    ).toEqual([]);
  });

  it('a values file of another chart', () => {
    expect(codes({ controller: {}, tcp: {}, defaultBackend: {}, rbac: {} })).toEqual(['another-chart']);
  });

  it.each<[Values, string]>([
    [{ bpf: true }, 'bpf must be a table of values, it is true'],
    [{ loadBalancer: { mode: { a: 1 } } }, 'loadBalancer.mode: {"a":1} is the wrong type (choice)'],
    [{ ipv6: { enabled: 'yes' } }, 'ipv6.enabled: "yes" is the wrong type (boolean)'],
  ])('wrong types %o', (values, message) => {
    expect(of(values).findings.find(({ code }) => code === 'wrong-type')).toMatchObject({ severity: 'error', message });
  });
});

it('profiles', () => {
  expect(['1.17', 'v1.17.3', '1.18.0-dev'].map(parseProfile)).toEqual(['1.17', '1.17', '1.18']);
  expect(() => parseProfile('1.16')).toThrow(expect.objectContaining({ code: 'unknown-profile' }));
});
