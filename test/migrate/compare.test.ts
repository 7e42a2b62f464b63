import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readObjects } from '../../src/k8s/index.ts';
import { compareWithKubeProxy, DIFFERENCES, type MigrationReport } from '../../src/migrate/index.ts';
import { valuesSource, type Values } from '../../src/config/index.ts';
import { runCli } from '../cli/run-cli.ts';

const { objects } = readObjects('shop.yaml', readFileSync('examples/shop.yaml', 'utf8'));
const only = (service: string, more: object = {}): MigrationReport =>
  compareWithKubeProxy(objects, { service, ...more });
const withValues = (values: Values): object => ({
  config: { values: [valuesSource({ kubeProxyReplacement: true, ...values })] },
});

const found = (report: MigrationReport, frontend: string, client: RegExp): string[] => [
  ...new Set(
    report.rows
      .filter((row) => row.frontend === frontend && client.test(row.client))
      .flatMap(({ differences }) => differences),
  ),
];

describe('compareWithKubeProxy', () => {
  it('Cluster policy: the client address is kept where the backend is here', () => {
    const report = only('shop/web');
    expect(found(report, 'NodePort', /^outside through worker-a1/)).toEqual(['source-kept']);
    expect(found(report, 'NodePort', /^outside through control-1/)).toEqual([]);
    expect(found(report, 'ClusterIP', /^pod/)).toEqual([]);
    expect(found(report, 'ClusterIP', /^outside/)).toEqual(['cluster-ip-from-outside']);
    expect(found(report, 'NodePort on loopback', /^host/)).toEqual(['loopback-node-port']);
  });

  it('Local policy: a node without a backend answers', () => {
    expect(found(only('shop/api'), 'NodePort', /control-1/)).toEqual(['rejects-instead-of-drops']);
    const drop = only('shop/api', withValues({ serviceNoBackendResponse: 'drop' }));
    expect(found(drop, 'NodePort', /control-1/)).toEqual([]);
  });

  it('no backends, source ranges, external IPs', () => {
    expect(found(only('shop/mail'), 'ClusterIP', /^host/)).toEqual(['fails-at-connect']);
    expect(found(only('shop/checkout'), 'LoadBalancer', /^pod/)).toEqual(['source-ranges-inside']);
    expect(found(only('shop/legacy-gateway'), 'ExternalIP', /^pod/)).toEqual(['external-ip-mitigation']);
    expect(only('shop/checkout').notes.map(({ code }) => code)).toContain('session-affinity');
  });

  it('settings decide: an externally reachable ClusterIP', () => {
    const report = only('shop/api', withValues({ bpf: { lbExternalClusterIP: true } }));
    expect(found(report, 'ClusterIP', /^outside/)).not.toContain('cluster-ip-from-outside');
  });

  it('a family that Cilium does not serve is one note, not a table of what is unknown', () => {
    const report = only('shop/web', withValues({ ipv6: { enabled: false } }));
    expect(report.rows.filter(({ to }) => to.startsWith('['))).toEqual([]);
    expect(report.notes).toContainEqual({
      service: 'shop/web',
      code: 'family-off',
      message: 'its IPv6 addresses are not served: IPv6 is off in this configuration (ipv6.enabled)',
    });
    expect(only('shop/web').notes.map(({ code }) => code)).not.toContain('family-off');
  });

  it('is about a configuration that replaces kube-proxy', () => {
    expect(() => only('shop/web', withValues({ kubeProxyReplacement: false }))).toThrow(
      expect.objectContaining({ code: 'kube-proxy-stays' }),
    );
  });

  it('ipvs answers otherwise', () => {
    const report = only('shop/api', { mode: 'ipvs' });
    expect(found(report, 'NodePort', /control-1/)).toEqual([]);
    expect(found(report, 'NodePort on loopback', /^host/)).toEqual(['loopback-node-port']);
    expect(report.notes.map(({ code }) => code)).toContain('ipvs-host-services');
  });

  it('asking twice gives the same answers', () => {
    expect(only('shop/api')).toEqual(only('shop/api'));
  });
});

it('lbtwin migrate', async () => {
  const args = ['migrate', '-f', 'examples/shop.yaml', '--service', 'shop/api'];
  const { code, out } = await runCli(args);
  expect(code).toBe(1);
  expect(out).toMatch(
    /NodePort 192\.168\.10\.10:31080\/TCP +Local +outside through control-1, where no backend is +dropped +rejected/,
  );
  expect(out).toContain(`rejects-instead-of-drops: ${DIFFERENCES['rejects-instead-of-drops']}\n`);
  const json = JSON.parse((await runCli([...args, '-o', 'json'])).out) as MigrationReport;
  expect(json.rows.length).toBeGreaterThan(10);
  const wrong = await runCli(['migrate', '-f', 'examples/shop.yaml', '--service', 'shop/apis']);
  expect(wrong).toMatchObject({ code: 2 });
  expect(wrong.err).toContain('did you mean shop/api');
});
