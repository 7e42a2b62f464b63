import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const SHOP = ['-f', 'examples/policy.yaml'];

const policy = async (...words: string[]): Promise<{ code: number; out: string; err: string }> =>
  runCli(['policy', ...words]);

const { write: file } = testFiles();

describe('lbtwin policy check', () => {
  it('names the deciding rules on both sides', async () => {
    const { code, out } = await policy(
      'check',
      '--from',
      'pod:shop/web-1',
      '--to',
      'pod:shop/db-0',
      '--port',
      'sql',
      ...SHOP,
    );
    expect(code).toBe(0);
    expect(out).toContain('5432/TCP: ALLOWED');
    expect(out).toContain('+ CiliumNetworkPolicy shop/web spec.egress[0]: allows it');
    expect(out).toContain('+ NetworkPolicy shop/db spec.ingress[0].from[0]: allows it');
    expect(out).toContain('· NetworkPolicy shop/db spec.ingress[0].from[1]: is about other peers');
  });

  it('asks about every pod of a service, with its target port', async () => {
    const words = ['--from', 'entity:world', '--port', '80', '-o', 'json', ...SHOP];
    const byName = await policy('check', '--to', 'service:shop/web', ...words);
    const byAddress = await policy('check', '--to', 'ip:10.96.0.10', ...words);
    expect(byName.code).toBe(0);
    expect(byAddress.out).toBe(byName.out);
    const { checks } = JSON.parse(byName.out);
    expect(checks.map(({ to }: { to: { name: string } }) => to.name)).toEqual(['shop/web-1', 'shop/web-2']);
    expect(checks[0]).toMatchObject({
      allowed: true,
      port: 8080,
      egress: null,
      ingress: { redirect: { parser: 'http' } },
    });
  });

  it('says what would have to change', async () => {
    const denied = await policy('check', '--from', 'pod:ops/backup', '--to', 'ip:192.0.2.1', '--icmp', '8', ...SHOP);
    expect(denied.code).toBe(1);
    expect(denied.out).toContain('a deny rule refuses it');
    expect(denied.out).toContain('no allow rule can override a deny');
    const closed = await policy('check', '--from', 'node:worker-a', '--to', 'pod:shop/db-0', '--port', '22', ...SHOP);
    expect(closed.out).toContain(
      '→ needed: a rule that selects pod shop/db-0 and allows ingress from node worker-a on 22/TCP',
    );
  });

  it('lets the local host in, and only the local host', async () => {
    const from = async (node: string): Promise<number> =>
      (await policy('check', '--from', `node:${node}`, '--to', 'pod:shop/db-0', '--port', '5432', ...SHOP)).code;
    expect(await from('worker-b')).toBe(0);
    expect(await from('worker-a')).toBe(1);
  });

  it('resolves names of toFQDNs by the DNS view', async () => {
    const rules = file(
      'fqdn.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: out, namespace: ops}
spec:
  endpointSelector: {}
  egress: [{toFQDNs: [{matchPattern: "*.example.com"}]}]
`,
    );
    const dns = file('dns.yaml', 'api.example.com: [198.51.100.9]\nother.example.org: 198.51.100.10\n');
    const check = async (address: string): Promise<number> => {
      const words = ['--from', 'pod:shop/web-1', '--to', `ip:${address}`, '--port', '443', '--dns', dns];
      return (await policy('check', ...words.with(1, 'pod:ops/job'), '-f', job, rules)).code;
    };
    const job = file('job.yaml', 'apiVersion: v1\nkind: Pod\nmetadata: {name: job, namespace: ops}\nspec: {}\n');
    expect(await check('198.51.100.9')).toBe(0);
    expect(await check('198.51.100.10')).toBe(1);
  });

  it.each([
    [['--from', 'pod:shop/nobody', '--to', 'pod:shop/db-0', '--port', '1'], 'is no pod of this cluster'],
    [['--from', 'somebody', '--to', 'pod:shop/db-0', '--port', '1'], 'names nobody'],
    [['--from', 'entity:pods', '--to', 'pod:shop/db-0', '--port', '1'], 'no such entity'],
    [['--from', 'entity:world', '--to', 'pod:shop/db-0'], '--port is missing'],
    [['--from', 'entity:world', '--to', 'pod:shop/db-0', '--port', '70000'], 'is no port'],
    [['--from', 'entity:world', '--to', 'pod:shop/db-0', '--port', 'http'], 'no port named http'],
    [['--from', 'entity:world', '--to', 'service:shop/web', '--port', '81'], 'has no port 81'],
    [['--from', 'entity:world', '--to', 'pod:shop/db-0', '--icmp', 'x'], 'is no ICMP type'],
    [['--from', 'entity:world', '--to', 'pod:shop/db-0', '--port', '1', '--strict-inputs'], 'default/kubernetes'],
  ])('refuses %j', async (words, message) => {
    const { code, out, err } = await policy('check', ...words, ...SHOP);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toContain(message);
  });

  it('leaves aside what the API server or the agent refuses, with its place', async () => {
    const wrong = file(
      'wrong.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: wrong, namespace: shop}
spec:
  endpointSelector: {}
  ingress:
  - fromEndpoints: [{}]
    fromCIDR: [10.0.0.0/8]
`,
    );
    const words = ['check', '--from', 'entity:world', '--to', 'pod:ops/backup', '--port', '1', ...SHOP, wrong];
    const { code, err } = await policy(...words);
    expect(code).toBe(0);
    expect(err).toMatch(/refused: .*wrong\.yaml:7:\d+: CiliumNetworkPolicy shop\/wrong: .*cannot be combined/);
    expect((await policy(...words, '--strict')).code).toBe(2);
  });
});

describe('lbtwin policy matrix', () => {
  it('prints squares', async () => {
    const { code, out } = await policy('matrix', '--port', '5432', ...SHOP);
    expect(code).toBe(0);
    expect(out).toContain('1  ops/backup    - X i i E\n');
    expect(out).toContain('5  entity:world  X i i i -\n');
  });

  it('shows many parties in groups that policy treats the same', async () => {
    const pods = Array.from({ length: 30 }, (_, i) => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: `pod-${String(i).padStart(2, '0')}`, namespace: 'x', labels: { app: i < 10 ? 'a' : 'b' } },
      spec: {},
    }));
    const rule = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumNetworkPolicy',
      metadata: { name: 'p', namespace: 'x' },
      spec: {
        endpointSelector: { matchLabels: { app: 'a' } },
        ingress: [{ fromEndpoints: [{ matchLabels: { app: 'b' } }] }],
      },
    };
    const objects = file('many.json', JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [...pods, rule] }));
    const { out } = await policy('matrix', '--port', '80', '-f', objects);
    expect(out).toContain('1  x/pod-00 (+9)   i X X\n2  x/pod-10 (+19)  X X X\n3  entity:world    i X -\n');
    const { traffic } = JSON.parse((await policy('matrix', '--port', '80', '-o', 'json', '-f', objects)).out);
    expect(traffic[0].rows).toHaveLength(31);
  });

  it('prints JSON, Markdown and SVG', async () => {
    const json = JSON.parse((await policy('matrix', '--port', '8080', '-o', 'json', ...SHOP)).out);
    expect(json.traffic).toEqual([{ name: '8080/TCP', rows: ['-iiiE', 'X-iiX', 'ee-ee', 'eee-e', 'XiPP-'] }]);
    expect((await policy('matrix', '--port', '8080', '-o', 'markdown', ...SHOP)).out).toContain(
      '| entity:world | X | i | P | P | - |',
    );
    const { out: svg } = await policy('matrix', '--port', '8080', '-o', 'svg', ...SHOP);
    expect(svg).toMatch(/^<svg[^>]*>[\s\S]*<\/svg>\n$/);
    expect(svg).toContain('entity:world → shop/web-1 (+1): allowed through a proxy');
  });
});

describe('lbtwin policy map', () => {
  it('prints the entries', async () => {
    const { code, out } = await policy('map', '--pod', 'shop/db-0', '-n', ...SHOP);
    expect(code).toBe(0);
    expect(out.replaceAll(/ +/g, ' ')).toBe(`POLICY DIRECTION IDENTITY PORT/PROTO PROXY PORT AUTH TYPE PREFIX ${''}
Allow Ingress 1 ANY NONE disabled 0 ${''}
Allow Ingress 256 5432/TCP NONE disabled 24 ${''}
Allow Ingress 258 5432/TCP NONE disabled 24 ${''}
Allow Egress 0 ANY NONE disabled 0 ${''}
`);
  });
});

describe('lbtwin policy diff', () => {
  it('tells what is gained and lost', async () => {
    const open = file(
      'open.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  egress: [{toEndpoints: [{matchLabels: {app: nobody}}]}]
  ingress: [{fromEntities: [world], toPorts: [{ports: [{port: "5432", protocol: TCP}]}]}]
`,
    );
    const { code, out } = await policy('diff', 'examples/policy.yaml', open, ...SHOP);
    expect(code).toBe(1);
    expect(out).toContain('+  entity:world → shop/db-0  5432/TCP');
    expect(out).toContain('-  shop/db-0 → ops/backup');
    expect((await policy('diff', 'examples/policy.yaml', 'examples/policy.yaml')).code).toBe(0);
  });
});

describe('lbtwin policy lint', () => {
  it('finds nothing wrong with the example', async () => {
    expect((await policy('lint', ...SHOP)).code).toBe(0);
  });

  it('finds what rules do not say', async () => {
    const odd = file(
      'odd.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: odd, namespace: shop}
spec:
  endpointSelector: {matchLabels: {app: db}}
  ingress:
  - {}
  - fromEntities: [cluster]
    icmps: [{fields: [{type: 0}]}]
  - fromEndpoints: []
  - fromEndpoints: [{matchLabels: {app: web}}]
    toPorts: [{ports: [{port: "0", endPort: 1023, protocol: UDP}, {port: "90", endPort: 80}, {port: nope}]}]
  ingressDeny:
  - fromEndpoints: [{matchLabels: {app: web}}]
  egress:
  - toCIDR: [10.1.0.0/16]
  - toEndpoints: [{matchLabels: {app: ghost}}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: none}
spec:
  endpointSelector: {matchLabels: {app: ghost}}
  enableDefaultDeny: {egress: true}
  ingress: [{fromEntities: [all]}]
---
apiVersion: cilium.io/v2
kind: CiliumClusterwideNetworkPolicy
metadata: {name: nodes}
spec:
  nodeSelector: {}
  ingress: [{fromEntities: [cluster]}]
`,
    );
    const { code, out } = await policy('lint', '-o', 'json', ...SHOP, odd);
    expect(code).toBe(1);
    const found = JSON.parse(out).files.flatMap(({ findings }: { findings: unknown[] }) => findings);
    expect(found.find((finding: { code: string }) => finding.code === 'icmp-type-0')).toMatchObject({
      file: odd,
      line: 9,
      object: 'CiliumNetworkPolicy shop/odd',
      path: 'spec.ingress[1].icmps[0].fields[0]',
    });
    expect(new Set(found.map((finding: { code: string }) => finding.code))).toEqual(
      new Set([
        'unknown-named-port',
        'empty-rule-denies',
        'entity-cluster',
        'icmp-type-0',
        'empty-peer-list',
        'port-0-range',
        'end-port-below-port',
        'shadowed-by-deny',
        'cidr-covers-pods',
        'peers-select-nothing',
        'selects-nothing',
        'default-deny-without-rules',
        'entity-all',
        'host-firewall-off',
        'egress-without-dns',
      ]),
    );
  });

  it('finds names that are never learned, and egress without DNS', async () => {
    const rules = file(
      'fqdn.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: out, namespace: ops}
spec:
  endpointSelector: {}
  egress: [{toFQDNs: [{matchName: api.example.com}], toPorts: [{ports: [{port: "443", protocol: TCP}]}]}]
`,
    );
    const { code, out } = await policy('lint', ...SHOP, rules);
    expect(code).toBe(1);
    expect(out).toMatch(
      /fqdn\.yaml:6:\d+: warning: CiliumNetworkPolicy ops\/out: ops\/backup: no egress rule .*\[policy: fqdn-without-dns-rule\]/,
    );
    const github = await policy('lint', '--level', 'warning', '-o', 'github', ...SHOP, rules);
    expect(github.out).toMatch(/^::warning file=.*fqdn\.yaml,line=6,col=\d+,title=policy%3A fqdn-without-dns-rule::/);
  });

  it('lists what it looks for', async () => {
    expect((await policy('lint', '--rules')).out).toContain('shadowed-by-deny');
  });
});
