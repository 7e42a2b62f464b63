import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { write: file } = testFiles();

const broken = (): string =>
  file(
    'broken.yaml',
    `apiVersion: v1
kind: Service
metadata: {name: broken, namespace: shop}
spec: {type: LoadBalancer, clusterIP: 10.96.20.99, ports: [{port: 0, nodePort: 31999}]}
status: {loadBalancer: {ingress: [{ip: 203.0.113.99}]}}
`,
  );
const COMMANDS: Readonly<Record<string, readonly string[]>> = {
  trace: ['--from', 'external:198.51.100.7:40000', '--to', '203.0.113.99:80/TCP', '--via', 'worker-a1'],
  'trace of many ports': ['--from', 'external:198.51.100.7', '--to', '203.0.113.99:80/TCP', '--via', 'worker-a1'],
  connect: ['--pod', 'shop/debug', '--to', '10.96.20.99:80'],
  select: ['--from', '198.51.100.7:40000', '--to', '203.0.113.99:80'],
  matrix: ['--service', 'shop/checkout', '--node', 'worker-a1'],
  migrate: ['--service', 'shop/checkout'],
};

describe('an object that is refused', () => {
  it.each(Object.entries(COMMANDS))('is told by %s, and refuses everything with --strict', async (name, argv) => {
    const words = [name.split(' ')[0]!, '-f', 'examples/shop.yaml', broken(), ...argv];
    const told = /refused: \S+broken\.yaml:4:\d+: Service shop\/broken: spec\.ports\[0\]\.port: 0 is not accepted here/;
    const lenient = await runCli(words);
    expect(lenient.err).toMatch(told);
    expect(lenient.code).toBeLessThan(2);
    const strict = await runCli([...words, '--strict']);
    expect(strict.err).toMatch(/^lbtwin: .*Service shop\/broken: spec\.ports\[0\]\.port: 0 is not accepted here/m);
    expect(strict.code).toBe(2);
    expect(strict.out).toBe('');
  });

  it('is told by diff and run', async () => {
    const shop = file('shop.yaml', readFileSync('examples/shop.yaml', 'utf8'));
    expect((await runCli(['diff', shop, broken()])).err).toContain('refused: ');
    const steps = 'steps:\n- send: {from: "external:198.51.100.7:1", to: 203.0.113.10:80/TCP, via: worker-a1}\n';
    const scenario = file('scenario.yaml', `objects: [shop.yaml, broken.yaml]\n${steps}`);
    expect((await runCli(['run', scenario])).err).toMatch(/refused: \S+broken\.yaml:4:\d+: Service shop\/broken/);
    const inline = `objects: [shop.yaml, {apiVersion: v1, kind: Service, metadata: {name: x}, spec: {ports: [{port: 0}]}}]\n${steps}`;
    const { code, err } = await runCli(['run', file('inline.yaml', inline)]);
    expect(code).toBe(2);
    expect(err).toMatch(/inline\.yaml:1:\d+: objects\[1\]\.spec\.ports\[0\]\.port: 0 is not accepted here/);
  });
});

it('an object that is there twice is told, with both places', async () => {
  const argv = ['select', '--from', '198.51.100.7:40000', '--to', '203.0.113.10:80'];
  const twice = file('twice.yaml', 'apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n');
  const { err } = await runCli([...argv, '-f', 'examples/shop.yaml', twice]);
  expect(err).toMatch(
    /note: \S+twice\.yaml:1:1: Namespace shop: is there already at examples\/shop\.yaml:\d+:\d+; the later one counts/,
  );
});

describe('policies that are refused', () => {
  const policies = (): string =>
    file(
      'policies.yaml',
      `apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: api-server, namespace: shop}
spec: {endpointSelector: {}, ingress: [{fromCIDR: ["10.0.0.1"]}]}
---
apiVersion: cilium.io/v2
kind: CiliumNetworkPolicy
metadata: {name: agent, namespace: shop}
spec: {endpointSelector: {}, ingress: [{toPorts: [{ports: [{port: "99999"}]}]}]}
`,
    );
  const API_SERVER =
    /refused: \S+policies\.yaml:4:\d+: CiliumNetworkPolicy shop\/api-server: .*the API server refuses it/;
  const AGENT = /CiliumNetworkPolicy shop\/agent takes no effect: the agent refuses it \(.*99999/;
  const to = ['--from', 'external:198.51.100.7:40000', '--to', '203.0.113.10:80/TCP', '--via', 'worker-a1'];

  it.each([
    ['trace', to],
    ['matrix', ['--service', 'shop/checkout', '--node', 'worker-a1']],
  ])('are told by %s and take no effect', async (name, argv) => {
    const plain = await runCli([name, '-f', 'examples/shop.yaml', ...argv]);
    const { code, out, err } = await runCli([name, '-f', 'examples/shop.yaml', policies(), ...argv]);
    expect(code).toBe(plain.code);
    expect(err).toMatch(API_SERVER);
    expect(out).toMatch(AGENT);
  });

  it('are told by run', async () => {
    file('shop.yaml', readFileSync('examples/shop.yaml', 'utf8'));
    policies();
    const steps =
      'steps:\n- send: {from: "external:198.51.100.7:1", to: 203.0.113.10:80/TCP, via: worker-a1}\n  expect: {outcome: replied}\n';
    const { code, out, err } = await runCli(['run', file('p.yaml', `objects: [shop.yaml, policies.yaml]\n${steps}`)]);
    expect(err).toMatch(API_SERVER);
    expect(out).toMatch(/1 passed, 0 failed/);
    expect(code).toBe(0);
  });
});
