import { describe, expect, it } from 'vitest';
import { findMisprints, MISPRINTS, validateFile } from '../../src/validate/index.ts';
import { mountUnit } from '../../src/install/index.ts';

const POLICY = `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: web, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
  - toPorts:
    - ports:
      - port: "65536"
        protocol: TCP
`;

const brief = (file: string, text: string, options = {}): string[] =>
  validateFile(file, text, options).findings.map(
    ({ line, column, severity, stage, code }) => `${line}:${column} ${severity} ${stage} ${code}`,
  );

describe('validateFile', () => {
  it('the showcase: the API server takes port 65536, the agent does not', () => {
    const { findings, checked } = validateFile('p.yaml', POLICY);
    expect(checked).toEqual(['CiliumNetworkPolicy']);
    expect(findings).toEqual([
      {
        file: 'p.yaml',
        line: 9,
        column: 15,
        severity: 'error',
        stage: 'agent',
        code: 'port-out-of-range-or-not-a-number',
        object: 'CiliumNetworkPolicy shop/web',
        path: 'spec.ingress[0].toPorts[0].ports[0].port',
        message: expect.stringMatching(/^spec\.ingress\[0\].*; kubectl apply succeeds all the same$/),
        hint: expect.stringContaining('0..65535'),
      },
    ]);
  });

  it('an older schema refuses it with a pattern error', () => {
    const pattern = '^(6553[0-5]|655[0-2][0-9]|65[0-4][0-9]{2}|6[0-4][0-9]{3}|[1-5][0-9]{4}|[0-9]{1,4})$';
    const port = { type: 'object', properties: { port: { type: 'string', pattern } } } as const;
    const ports = { type: 'array', items: port } as const;
    const toPorts = { type: 'array', items: { type: 'object', properties: { ports } } } as const;
    const ingress = { type: 'array', items: { type: 'object', properties: { toPorts } } } as const;
    const spec = { type: 'object', properties: { ingress, endpointSelector: { type: 'object' } } } as const;
    const schemas = new Map([['CiliumNetworkPolicy', { type: 'object', properties: { spec } } as const]]);
    expect(validateFile('p.yaml', POLICY, { schemas }).findings[0]).toMatchObject({
      stage: 'api-server',
      code: 'pattern',
      source: 'own CRD',
      message: expect.stringContaining(`in body should match '${pattern}'`),
    });
  });

  it('reads lists, several documents and JSON', () => {
    const service = { apiVersion: 'v1', kind: 'Service', metadata: { name: 'Web' }, spec: { ports: [{ port: 0 }] } };
    const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service] }, undefined, 1);
    expect(brief('s.json', text)).toEqual(['9:13 error api-server invalid', '14:15 error api-server invalid']);
    expect(validateFile('a.yaml', `${POLICY}---\napiVersion: v1\nkind: Secret\n`).checked).toEqual([
      'CiliumNetworkPolicy',
      'Secret (not validated)',
    ]);
  });

  it('reports scalars of YAML 1.1, duplicate keys and texts that are no YAML', () => {
    const labels = POLICY.replace(
      'endpointSelector: {}',
      'endpointSelector: {matchLabels: {app: y, tier: 010}}',
    ).replace('65536', '80');
    expect(brief('p.yaml', labels)).toEqual([
      '5:41 warning text yaml-1.1',
      '5:41 error api-server type',
      '5:41 error agent json-type-error',
      '5:50 warning text yaml-1.1',
      '5:50 error api-server type',
    ]);
    expect(brief('a.yaml', 'maglev: {}\nmaglev: {}\n')).toEqual(['2:1 error text duplicate-key']);
    expect(brief('a.yaml', 'a: [1')).toEqual(['1:6 error text yaml-syntax']);
    expect(brief('a.yaml', '')).toEqual(['1:1 error text empty']);
    expect(brief('a.yaml', '- 1\n')).toEqual(['1:1 error text not-an-object']);
  });

  it('a kind of another API group is another kind', () => {
    const knative = 'apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: web}\nspec: {template: {}}\n';
    const old = 'apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: web}\n';
    const { findings, checked } = validateFile('k.yaml', `${knative}---\n${old}`);
    expect(findings).toEqual([]);
    expect(checked).toEqual([
      'Service of serving.knative.dev/v1 (not validated)',
      'NetworkPolicy of extensions/v1beta1 (not validated)',
    ]);
  });

  it('unknown fields of Kubernetes kinds, where all fields are known', () => {
    const told = (text: string): string[] => brief('s.yaml', text).filter((line) => line.includes('unknown-field'));
    expect(
      told(`apiVersion: v1
kind: Service
metadata: {name: web, lables: {a: b}, ownerReferences: [{uid: x}], managedFields: [{a: b}]}
spec:
  externalTrafficPolcy: Local
  ports:
  - {port: 80, targetport: 8080}
status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}
`),
    ).toEqual([
      '3:31 warning api-server unknown-field',
      '5:25 warning api-server unknown-field',
      '7:28 warning api-server unknown-field',
    ]);
    expect(
      told(`apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: p}
spec: {podSelector: {}, ingres: []}
`),
    ).toEqual(['4:33 warning api-server unknown-field']);
    expect(
      told(`apiVersion: v1
kind: Pod
metadata: {name: p}
spec: {whatever: 1, containers: [{name: c, image: x, ports: [{containerPort: 80, hostport: 80}]}]}
`),
    ).toEqual(['4:92 warning api-server unknown-field']);
  });

  it('unknown fields are dropped, or refused with strict', () => {
    const text = POLICY.replace('65536', '80').replace(
      '  endpointSelector',
      '  endpointSelektor: {}\n  endpointSelector',
    );
    expect(brief('p.yaml', text)).toEqual(['5:21 warning api-server unknown-field']);
    expect(brief('p.yaml', text, { strict: true })).toEqual(['5:21 error api-server unknown-field']);
  });

  it('Helm values, with their place', () => {
    const text = 'kubeProxyReplacement: true\nloadBalancer:\n  mode: dsr\n  algoritm: maglev\n';
    expect(brief('values.yaml', text)).toEqual([
      '3:9 error settings dsr-with-vxlan',
      '3:9 warning settings dsr-option-mtu',
      '4:13 warning settings unknown-value',
    ]);
  });

  it('a cilium-config ConfigMap', () => {
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config}\ndata:\n  kube-proxy-replacement: "true"\n  bpf-lb-mode: fast\n`;
    expect(brief('c.yaml', text)).toEqual(['6:16 error settings invalid-value']);
    expect(brief('c.yaml', text.replace('"true"', 'true'))).toEqual(['5:27 error settings not-a-config-map']);
  });

  it('mount units by their file name', () => {
    expect(brief('units/bpf.mount', mountUnit('/mnt/bpf').text)).toEqual(['9:1 error systemd where-mismatch']);
  });
});

describe('misprints', () => {
  const EXAMPLES: Readonly<Record<string, [text: string, hint: string]>> = {
    'custom-conf-key': ['`cni.customConf` (in the ConfigMap: `cni-exclusive`)', 'custom-cni-conf'],
    'set-without-blank': ['helm install cilium cilium/cilium --set_bpf.masquerade=true', '--set bpf.masquerade'],
    'agent-label': ['kubectl get pods -l k8s-app-cilium', 'k8s-app=cilium'],
    'unit-key-case': ['[Mount]\nwhat=bpffs', 'What='],
    'bpffs-spelling': ['mount bpfss /mnt/bpf -t bpf', 'bpffs'],
    'unit-for-api-file-system': ['[Mount]\nWhere=/sys/fs/bpf', 'leave the unit out'],
    'feature-gate-gone': ['--feature-gates=CustomResourceValidation=true', 'leave it out'],
  };

  it('each has an example', () => expect(MISPRINTS.map(({ code }) => code)).toEqual(Object.keys(EXAMPLES)));

  it.each(Object.entries(EXAMPLES))('%s', (code, [text, hint]) => {
    const [found, ...more] = findMisprints(`# about\n${text}\n`);
    expect(more).toEqual([]);
    expect(found).toMatchObject({ code, hint: expect.stringContaining(hint) });
    expect(found!.line).toBeGreaterThan(1);
  });

  it('has nothing to say about the right forms', () => {
    const text =
      'cni.customConf: custom-cni-conf\nhelm --set bpf.masquerade=true\n-l k8s-app=cilium\nWhat=bpffs\nWantedBy=x\nWhere=/mnt/bpf\n';
    expect(findMisprints(text)).toEqual([]);
  });
});
