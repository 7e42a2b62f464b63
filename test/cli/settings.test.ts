import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { path: pathOf, write: file } = testFiles();

describe('config', () => {
  it('explain: by Helm value, key and flag; a group; near matches', async () => {
    const { code, out } = await runCli(['config', 'explain', 'loadBalancer.mode']);
    expect(code).toBe(0);
    expect(out).toContain('ConfigMap key:    bpf-lb-mode\n');
    expect(out).toContain('refused: DSR does not work over a VXLAN tunnel. [dsr-with-vxlan]\n');
    expect((await runCli(['config', 'explain', 'bpf-lb-mode'])).out).toBe(out);
    expect((await runCli(['config', 'explain', '--', '--bpf-lb-mode'])).out).toBe(out);
    const group = await runCli(['config', 'explain', 'maglev', '-o', 'json']);
    expect((JSON.parse(group.out) as { helm: string }[]).map(({ helm }) => helm)).toEqual([
      'maglev.tableSize',
      'maglev.hashSeed',
    ]);
    const unknown = await runCli(['config', 'explain', 'maglev.tablesize']);
    expect(unknown).toMatchObject({ code: 2, out: '' });
    expect(unknown.err).toContain('did you mean maglev.tableSize?');
  });

  it('explain: versions apart, or one', async () => {
    const both = await runCli(['config', 'explain', 'sessionAffinity']);
    expect(both.out).toContain('without the key:  false (1.17), true (1.18)\n');
    expect((await runCli(['config', 'explain', 'sessionAffinity', '--profile', '1.17'])).out).toContain(
      'without the key:  false\n',
    );
  });

  it('render: the ConfigMap, findings beside it', async () => {
    const values = file('values.yaml', 'kubeProxyReplacement: true\nipv6: {enabled: yes}\nloadBalancer: {mode: dsr}\n');
    const { code, out, err } = await runCli(['config', 'render', '--values', values]);
    expect(code).toBe(1);
    expect(out).toContain('  bpf-lb-mode: "dsr"\n');
    expect(out).toContain('  enable-ipv6: "true"\n');
    expect(err).toContain(
      `${values}:3:22: error: the agent refuses this: Node Port "dsr" mode cannot be used with vxlan tunneling.`,
    );
    expect(err).toContain('values.yaml:2:17: yes is true for Helm (YAML 1.1), "yes" in YAML 1.2\n');
    const json = await runCli(['config', 'render', '--set', 'kubeProxyReplacement=true', '-o', 'json']);
    expect(json.code).toBe(0);
    expect(JSON.parse(json.out)).toMatchObject({
      data: { 'kube-proxy-replacement': 'true' },
      config: { nodePort: true },
    });
  });

  it('render: later sources win', async () => {
    const a = file('a.yaml', 'maglev: {tableSize: 251}\n');
    const b = file('b.yaml', 'maglev: {tableSize: 509}\n');
    const { out } = await runCli(['config', 'render', '--values', a, b, '--set-string', 'cluster.name=1e3']);
    expect(out).toContain('bpf-lb-maglev-table-size: "509"');
    expect(out).toContain('cluster-name: "1e3"');
  });

  it('render: a ConfigMap and values that disagree', async () => {
    const map = file('map.yaml', 'kind: ConfigMap\ndata: {bpf-lb-algorithm: maglev, kube-proxy-replacement: "true"}\n');
    const { out, err } = await runCli(['config', 'render', '--config', map, '--set', 'loadBalancer.algorithm=random']);
    expect(out).toContain('bpf-lb-algorithm: "random"');
    expect(err).toContain('bpf-lb-algorithm: the values say random, the ConfigMap says maglev; the values count here');
  });

  it('diff: in words', async () => {
    const a = file('old.yaml', 'kubeProxyReplacement: true\n');
    const b = file(
      'new.yaml',
      'kubeProxyReplacement: true\nmaglev: {tableSize: 65521}\nloadBalancer: {algorithm: maglev}\n',
    );
    const { code, out } = await runCli(['config', 'diff', a, b]);
    expect(code).toBe(1);
    expect(out).toContain('maglev.tableSize (bpf-lb-maglev-table-size): 16381 -> 65521\n');
    expect(out).toContain('On a live cluster: Most flows map to another slot');
    expect((await runCli(['config', 'diff', a, a])).code).toBe(0);
    const upgrade = await runCli(['config', 'diff', 'defaults', 'defaults', '--profile-a', '1.17', '-o', 'json']);
    const { settings } = JSON.parse(upgrade.out) as { settings: { option: string; effect: string }[] };
    expect(settings.map(({ option }) => option)).toEqual([
      'sessionAffinity',
      'loadBalancer.experimental',
      'bpf-sock-rev-map-max',
    ]);
    expect(settings[0]!.effect).toBe('No effect: other settings make it true either way.');
  });

  it('refuses bad input', async () => {
    expect((await runCli(['config', 'render', '--set', 'a'])).err).toContain('key "a" has no value');
    expect((await runCli(['config', 'render', '--values', file('list.yaml', '- 1\n')])).err).toContain(
      'Helm values are one map',
    );
    expect((await runCli(['config', 'render', '--profile', '1.16'])).err).toContain('allowed: 1.17, 1.18');
    expect((await runCli(['config', 'diff', 'defaults'])).code).toBe(2);
    expect((await runCli(['config', 'explain'])).code).toBe(2);
    expect((await runCli(['config', 'explain', 'loadbalancer.mode'])).err).toContain(
      'no option that lbtwin knows; did you mean loadBalancer.mode',
    );
    const silent = await runCli(['lint', '-f', 'examples/policy.yaml', '--set', 'ipv6.enabled=true']);
    expect(silent.err).toContain("the values do not set kubeProxyReplacement, and the chart's default is false");
    const said = await runCli(['lint', '-f', 'examples/policy.yaml', '--set', 'kubeProxyReplacement=false']);
    expect(said.err).not.toContain('the values do not set kubeProxyReplacement');
    const foreign = await runCli([
      'status',
      '--values',
      file('foreign.yaml', 'replicaCount: 1\ningress: 2\nservicePort: 3\n'),
    ]);
    expect(foreign.err).toMatch(/values of another chart\? \(\S+foreign\.yaml\)\n$/);
    const misspelt = await runCli(['status', '--set', 'kubeProxyReplacement=true,loadBalancer.algoritm=maglev']);
    expect(misspelt.err).toContain(
      'loadBalancer.algoritm is no value of the cilium chart; Helm ignores it (near: loadBalancer.algorithm',
    );
  });
});

describe('kernel', () => {
  it.each<[string, string[], number, string]>([
    ['6.1.0', [], 0, 'this kernel has what the configuration needs'],
    ['5.4.0', ['--profile', '1.17'], 0, 'this kernel has what the configuration needs'],
    ['5.4.0', [], 1, 'the agent will not start'],
    ['5.4.0-150-generic', [], 1, 'cannot be told from the version'],
    ['5.0.21', ['--profile', '1.17'], 1, 'the agent will not start'],
    ['4.18.0-372.9.1.el8.x86_64', ['--profile', '1.17'], 1, 'cannot be told from the version'],
  ])('%s %o', async (release, more, code, text) => {
    const result = await runCli(['kernel', '--release', release, ...more]);
    expect(result.code).toBe(code);
    expect(result.out).toContain(text);
  });

  it('refuses what is no release', async () => {
    expect(await runCli(['kernel', '--release', 'linux'])).toMatchObject({ code: 2 });
    expect(await runCli(['kernel'])).toMatchObject({ code: 2 });
  });
});

describe('validate', () => {
  const POLICY =
    'apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p}\nspec:\n  endpointSelector: {}\n  ingress: [{toPorts: [{ports: [{port: "65536"}]}]}]\n';

  it('prints file, line and column; exit code 1 for errors', async () => {
    const path = file('policy.yaml', POLICY);
    const { code, out } = await runCli(['validate', path]);
    expect(code).toBe(1);
    expect(out).toContain(`${path}:6:40: error: CiliumNetworkPolicy p: spec.ingress[0].toPorts[0].ports[0].port: `);
    expect(out).toContain('1 file (1 CiliumNetworkPolicy): 1 error, 0 warnings\n');
    expect((await runCli(['validate', file('good.yaml', POLICY.replace('65536', '80'))])).code).toBe(0);
  });

  it('writes SARIF, JSON and GitHub annotations', async () => {
    const path = file('policy.yaml', POLICY);
    const sarif = JSON.parse((await runCli(['validate', path, '-o', 'sarif'])).out) as {
      runs: { results: unknown[] }[];
    };
    expect(sarif).toMatchObject({
      version: '2.1.0',
      runs: [
        {
          tool: { driver: { name: 'lbtwin', rules: [{ id: 'agent/port-out-of-range-or-not-a-number' }] } },
          results: [
            {
              level: 'error',
              ruleIndex: 0,
              locations: [
                { physicalLocation: { artifactLocation: { uri: path }, region: { startLine: 6, startColumn: 40 } } },
              ],
            },
          ],
        },
      ],
    });
    expect((await runCli(['validate', path, '-o', 'github'])).out).toMatch(
      /^::error file=.*policy\.yaml,line=6,col=40,title=agent%3A port-out-of-range-or-not-a-number::spec\.ingress/,
    );
    expect(JSON.parse((await runCli(['validate', path, '-o', 'json'])).out)).toMatchObject({ files: [{ file: path }] });
  });

  it('takes the schema of the cluster, the settings, and standard input', async () => {
    const crd = {
      kind: 'CustomResourceDefinition',
      spec: {
        names: { kind: 'CiliumNetworkPolicy' },
        versions: [
          { name: 'v2', storage: true, schema: { openAPIV3Schema: { type: 'object', required: ['status'] } } },
        ],
      },
    };
    const own = await runCli(['validate', '-', '--crd', file('crd.json', JSON.stringify(crd))], { stdin: POLICY });
    expect(own.out).toContain('status: Required value [api-server, own CRD: required]');
    const l7 = POLICY.replace('{port: "65536"}', '{port: "80", protocol: TCP}')
      .replace('}]}]\n', '}], rules: {http: [{}]}}]}]\n')
      .replace('[{ports', '[{ports');
    const path = file('l7.yaml', l7.replace('}]}]}], rules', '}], rules').replace('}]}], rules', '}], rules'));
    expect((await runCli(['validate', path, '--set', 'l7Proxy=false'])).out).toContain('l7-proxy-disabled');
    expect((await runCli(['validate', path, '--crd', file('no.yaml', 'kind: Pod\n')])).code).toBe(2);
    expect((await runCli(['validate'])).code).toBe(2);
  });
});

describe('cni, units, installation', () => {
  it('cni render: a dry run over a folder', async () => {
    const net = pathOf('net.d');
    file('net.d/10-calico.conflist', '{"name":"k8s-pod-network","plugins":[{"type":"calico"}]}');
    const { code, out } = await runCli(['cni', 'render', '--set', 'cni.chainingTarget=k8s-pod-network', '--dir', net]);
    expect(code).toBe(0);
    expect(out).toContain('"chaining-mode": "generic-veth"');
    expect(out).toContain('# renamed: 10-calico.conflist -> 10-calico.conflist.cilium_bak\n');
    const missing = await runCli(['cni', 'render', '--set', 'cni.chainingTarget=nosuch', '--dir', net]);
    expect(missing.code).toBe(1);
    expect(missing.out).toContain('no CNI configuration named "nosuch"');
    const copied = await runCli([
      'cni',
      'render',
      '--set',
      'cni.configMap=x',
      '--cni-config',
      file('my.conflist', '{}'),
      '-o',
      'json',
    ]);
    expect(JSON.parse(copied.out)).toMatchObject({ text: '{}', file: '05-cilium.conflist' });
    expect((await runCli(['cni', 'render', '--dir', pathOf('nothing')])).code).toBe(2);
  });

  it('mount-unit and its check', async () => {
    expect((await runCli(['mount-unit', '--name', '/mnt/my-bpf'])).out).toBe('mnt-my\\x2dbpf.mount\n');
    const { out } = await runCli(['mount-unit', '/mnt/bpf']);
    const path = file('mnt-bpf.mount', out);
    expect(await runCli(['mount-unit', 'check', path])).toMatchObject({ code: 0, out: `${path}: nothing to say\n` });
    const renamed = await runCli(['mount-unit', 'check', path, '--name', 'bpf.mount']);
    expect(renamed.code).toBe(1);
    expect(renamed.out).toContain('name the file mnt-bpf.mount');
    expect((await runCli(['mount-unit', 'relative'])).code).toBe(2);
  });

  it('install plan: steps in order, problems first', async () => {
    const bare = await runCli(['install', 'plan', '--set', 'kubeProxyReplacement=true']);
    expect(bare.code).toBe(1);
    expect(bare.out).toContain('problem: k8sServiceHost is not set');
    const args = [
      'install',
      'plan',
      '--set',
      'kubeProxyReplacement=true,k8sServiceHost=192.0.2.10,k8sServicePort=6443',
    ];
    const fresh = await runCli([...args, '--node-ip', '192.0.2.10']);
    expect(fresh.code).toBe(0);
    expect(fresh.out).toContain(
      '$ kubeadm init --skip-phases=addon/kube-proxy --apiserver-advertise-address=192.0.2.10\n',
    );
    expect(fresh.out).toContain('--node-ip=192.0.2.10');
    const existing = await runCli([...args, '--existing', '--crio', '-o', 'json']);
    const { steps } = JSON.parse(existing.out) as { steps: { title: string }[] };
    expect(steps.map(({ title }) => title)).toEqual([
      'Check the kernel',
      'Remove kube-proxy',
      'Remove its rules',
      'Make sure that agents reach the API server without a service',
      'Install Cilium',
      'Let CRI-O read the CNI directory again',
      'Restart pods that started before',
      'See that the replacement is on',
    ]);
    expect((await runCli([...args, '--node-ip', 'eth0'])).code).toBe(2);
  });

  it('install check: rules and status', async () => {
    const left = file(
      'rules.txt',
      '*nat\n:KUBE-SVC-ABC - [0:0]\n:KUBE-MARK-MASQ - [0:0]\n-A KUBE-SVC-ABC -j KUBE-SEP-X\nCOMMIT\n',
    );
    const bad = await runCli(['install', 'check', '--iptables-save', left]);
    expect(bad.code).toBe(1);
    expect(bad.out).toContain('NO  no service chains of kube-proxy (KUBE-SVC): 1 services\n');
    const clean = file('clean.txt', '*nat\n:KUBE-KUBELET-CANARY - [0:0]\n:CILIUM_PRE_nat - [0:0]\nCOMMIT\n');
    const status = file(
      'status.txt',
      `KubeProxyReplacement:    True   [eth0   10.0.0.5 (Direct Routing)]
KubeProxyReplacement Details:
  Status:                True
  Socket LB:             Enabled
  Socket LB Coverage:    Full
  Devices:               eth0   10.0.0.5 (Direct Routing)
  Mode:                  SNAT
  Backend Selection:     Random
  Services:
  - NodePort:       Enabled (Range: 30000-32767)
`,
    );
    expect((await runCli(['install', 'check', '--iptables-save', clean, '--status', status])).code).toBe(0);
    const wanted = await runCli([
      'install',
      'check',
      '--status',
      status,
      '--set',
      'kubeProxyReplacement=true,loadBalancer.algorithm=maglev',
    ]);
    expect(wanted.code).toBe(1);
    expect(wanted.out).toContain('NO  backend selection: Maglev (Table Size: 16381): Random\n');
    expect((await runCli(['install', 'check', '--status', clean])).err).toContain(
      'there is no KubeProxyReplacement in it',
    );
    expect((await runCli(['install', 'check'])).code).toBe(2);
  });
});

it('the examples are accepted, or refused as they say', async () => {
  expect((await runCli(['validate', 'examples/values.yaml'])).code).toBe(0);
  expect((await runCli(['validate', 'examples/policies'])).out).toContain('port-65536.yaml:14:21: error');
});
