import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { write } = testFiles();

const shop = readFileSync('examples/shop.yaml', 'utf8');

/** The shop without one endpoint. */
function without(address: string): string {
  const at = shop.indexOf(`    - ${address}\n`);
  const start = shop.lastIndexOf('  - addresses:\n', at);
  return shop.slice(0, start) + shop.slice(shop.indexOf('  - addresses:\n', at));
}

describe('lbtwin diff', () => {
  const after = write('after.yaml', without('10.244.4.12'));

  it('tells backends and moved flows, nodes that change alike together', async () => {
    const { code, out } = await runCli(['diff', 'examples/shop.yaml', after]);
    expect(code).toBe(1);
    expect(out).toMatch(/^configuration: .*\n\non every node\n shop\/web\n/);
    expect(out).toContain(
      "  0.0.0.0:30080/TCP  changed: 9.1 % of new flows move (random); from outside, at the nodes' addresses, 9.6 % of new flows move (maglev)\n" +
        '    - 10.244.4.12:8080/TCP  shop/web-6c9f7d5b8c-xzpm2\n',
    );
    expect(out).not.toContain('192.168.10.11:30080');
  });

  it('tells changed policies by flag names, and what comes and goes', async () => {
    const open = write('open.yaml', shop.replaceAll('externalTrafficPolicy: Local', 'externalTrafficPolicy: Cluster'));
    const { out } = await runCli(['diff', 'examples/shop.yaml', open, '--node', 'worker-a1']);
    expect(out).toContain('  0.0.0.0:31080/TCP/i  gone (6 backends)\n');
    expect(out).toContain('    flags: NodePort, Local, two-scopes, non-routable → NodePort, non-routable\n');
  });

  it('gives every entry as JSON', async () => {
    const { code, out } = await runCli(['diff', 'examples/shop.yaml', after, '-o', 'json']);
    expect(code).toBe(1);
    const { nodes } = JSON.parse(out) as { nodes: { node: string; frontends: { address: string; moved: number }[] }[] };
    expect(nodes.map(({ node }) => node)).toEqual(['control-1', 'worker-a1', 'worker-a2', 'worker-b1', 'worker-b2']);
    expect(nodes[1]!.frontends.find(({ address }) => address === '192.168.10.11:30080/TCP')!.moved).toBeGreaterThan(
      0.09,
    );
  });

  it('says that nothing changes', async () => {
    const { code, out } = await runCli(['diff', 'examples/shop.yaml', 'examples/shop.yaml']);
    expect(code).toBe(0);
    expect(out).toContain('nothing changes on any node\n');
  });

  it.each([
    [['examples/shop.yaml'], /two states are to be compared \(allowed: OLD NEW, each a file or a folder\)/],
    [['examples/shop.yaml', 'nowhere.yaml'], /nowhere\.yaml: no such file/],
    [['examples/shop.yaml', 'examples/shop.yaml', '--node', 'x'], /there is no node "x" \(allowed: control-1/],
  ])('refuses %j', async (argv, message) => {
    const { code, err } = await runCli(['diff', ...argv]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('lbtwin lint', () => {
  it('tells findings with object, place and rule', async () => {
    const { code, out } = await runCli(['lint', '-f', 'examples/shop.yaml']);
    expect(code).toBe(1);
    expect(out).toMatch(
      /^examples\/shop\.yaml:\d+:\d+: warning: Service shop\/api: spec\.externalTrafficPolicy: external traffic is dropped on control-1, worker-b2: no backend there \[no-local-backend\]$/m,
    );
    expect(out).toMatch(/^\d+ errors?, \d+ warnings?, \d+ notes?$/m);
  });

  it('gives JSON with the source of each rule, and the list of rules', async () => {
    const { out } = await runCli(['lint', '-f', 'examples/shop.yaml', '-o', 'json', '--level', 'warning']);
    const { findings } = JSON.parse(out) as {
      findings: { rule: string; place: string; source: string; severity: string }[];
    };
    expect(findings.length).toBeGreaterThan(2);
    for (const { place, source, severity } of findings) {
      expect(place).toMatch(/^examples\/shop\.yaml:\d+:\d+$/);
      expect(source).toMatch(/^docs\//);
      expect(severity).not.toBe('info');
    }
    const rules = await runCli(['lint', '--rules']);
    expect(rules.code).toBe(0);
    for (const { rule } of findings) expect(rules.out).toContain(rule);
  });

  it('is content with a cluster without surprises', async () => {
    const calm = write(
      'calm.yaml',
      'apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: x}\nspec: {clusterIP: 10.0.0.1, ports: [{port: 80}]}\n---\n' +
        'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: s-1, namespace: x, labels: {kubernetes.io/service-name: s}}\n' +
        'addressType: IPv4\nendpoints: [{addresses: [10.1.0.1]}]\nports: [{port: 80}]\n',
    );
    const { code, out } = await runCli(['lint', '-f', calm]);
    expect([code, out.split('\n').at(-2)]).toEqual([0, '0 errors, 0 warnings, 0 notes']);
  });
});
