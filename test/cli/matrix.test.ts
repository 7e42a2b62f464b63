import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const matrix = (...argv: string[]): ReturnType<typeof runCli> =>
  runCli(['matrix', '-f', 'examples/shop.yaml', ...argv]);

describe('lbtwin matrix', () => {
  it('prints a table for each frontend; a black hole is exit code 1', async () => {
    const { code, out } = await matrix('--service', 'shop/checkout');
    expect(code).toBe(1);
    expect(out).toMatch(
      /^configuration: ConfigMap kube-system\/cilium-config; profile 1\.18\n\nshop\/checkout {2}NodePort own node:31443\/TCP /,
    );
    expect(out).toMatch(/^ {2}external {2}no +control-1, worker-a2, worker-b2 +none +rejected: port unreachable$/m);
    expect(out).toMatch(/^ {2}external {2}yes +worker-a1, worker-b1 +local \(2 of 4\) +replied +client +packet$/m);
  });

  it('tells the families of a NodePort apart', async () => {
    const { code, out } = await matrix('--service', 'shop/web');
    expect(code).toBe(0);
    expect(out).toContain('NodePort own node (IPv6):30080/TCP');
    expect(out).toMatch(
      /external {2}yes +worker-a1, worker-a2, worker-b1, worker-b2 +all \(11\) +replied +client; from other nodes' backends: the node/,
    );
  });

  it('gives JSON with a row for every node, and Markdown', async () => {
    const { out } = await matrix('--service', 'shop/search', '-o', 'json');
    const { rows } = JSON.parse(out) as { rows: { client: string; node: string; candidates: string; count: number }[] };
    expect(rows.find(({ client, node }) => client === 'pod' && node === 'worker-b2')).toMatchObject({
      candidates: 'zone',
      count: 5,
    });
    expect((await matrix('--service', 'shop/search', '-o', 'md')).out).toContain('| service | frontend |');
  });

  it('refuses an unknown service', async () => {
    const { code, err } = await matrix('--service', 'shop/wob');
    expect(code).toBe(2);
    expect(err).toContain('there is no service "shop/wob"');
  });

  it('says unknown, not none, where kube-proxy decides', async () => {
    const argv = ['matrix', '-f', 'examples/shop.yaml', '--service', 'shop/web', '--set', 'kubeProxyReplacement=false'];
    const { out, code } = await runCli(argv);
    expect(code).toBe(1);
    expect(out).toMatch(/external .* unknown +undecided/);
    expect(out).not.toMatch(/none +undecided/);
  });
});
