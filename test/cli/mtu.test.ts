import { readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { TcpFlag } from '../../src/net/headers.ts';
import { mtuRows } from '../../src/report/mtu.ts';
import { scenario } from '../../src/testing/scenario.ts';
import { Cluster } from '../../src/cluster/index.ts';
import { shop, values } from '../cluster/objects.ts';
import { runCli } from './run-cli.ts';

describe('lbtwin mtu', () => {
  it('what it says fits does fit in the twin, and one byte more does not', () => {
    for (const { mode, family, largest, counted } of mtuRows(1500)) {
      if (!mode.startsWith('DSR, IP option')) continue;
      const cluster = (): Cluster =>
        Cluster.fromKubernetes(shop(), {
          config: {
            values: values({ loadBalancer: { algorithm: 'maglev', mode: 'dsr' }, pmtuDiscovery: { enabled: true } }),
          },
        });
      const to = family === 4 ? '203.0.113.10:80/TCP' : '[2001:db8:ff::10]:80/TCP';
      const client = family === 4 ? '198.51.100.7' : '[2001:db8::7]';
      for (let port = 40000; port < 40040; port++) {
        const spec = {
          from: `external:${client}:${port}`,
          to,
          via: 'node-1',
          dontFragment: true,
          tcpFlags: TcpFlag.SYN,
        };
        if (cluster().send(spec).outcome.node === 'node-1') continue;
        expect(counted).toBeGreaterThan(0);
        expect(cluster().send({ ...spec, size: largest }).outcome.kind).toBe('replied');
        expect(cluster().send({ ...spec, size: largest + 1 }).outcome.kind).toBe('rejected');
        break;
      }
    }
  });

  it('prints a table, or JSON', async () => {
    expect((await runCli(['mtu', '--path-mtu', '1450'])).out).toContain('path MTU 1450');
    const json = JSON.parse((await runCli(['mtu', '-o', 'json'])).out) as {
      modes: { mode: string; largest: number }[];
    };
    expect(json.modes).toHaveLength(14);
    expect((await runCli(['mtu', '--path-mtu', '12'])).code).toBe(2);
  });
});

describe('lbtwin trace --pcap-in', () => {
  it('gives captured frames to a node', async () => {
    const file = join(tmpdir(), `lbtwin-replay-${process.pid}.pcapng`);
    const common = ['trace', '-f', 'examples/shop.yaml'];
    const flow = ['--from', 'external:198.51.100.7:40000', '--to', '203.0.113.10:443/TCP', '--via', 'worker-a2'];
    await runCli([...common, ...flow, '--pcap', file]);
    expect(readFileSync(file).length).toBeGreaterThan(100);
    const { out, code } = await runCli([...common, '--pcap-in', file, '--via', 'worker-a2']);
    rmSync(file);
    expect(code).toBe(0);
    expect(out).toContain('frames at worker-a2, 0 dropped');
    expect(out).toMatch(
      /198\.51\.100\.7:40000 -> 203\.0\.113\.10:443 +TC_ACT_REDIRECT +192\.168\.10\.12:40000 -> 10\.244\./,
    );
  });
});

describe('scenario() of lbtwin/testing', () => {
  const flow = { from: 'external:198.51.100.7:40000', to: '203.0.113.10:80/TCP', via: 'node-1' };
  it('passes, and throws with every difference', async () => {
    const twin = scenario(shop(), { config: { values: values() } });
    await twin.expectFlow(flow, { outcome: 'replied', replySource: '203.0.113.10:80' });
    await expect(twin.expectFlow(flow, { outcome: 'dropped', backend: '10.9.9.9' })).rejects.toThrow(
      /outcome: expected "dropped", got "replied"\n {2}backend: expected "10\.9\.9\.9"/,
    );
    await expect(twin.expectFlow(flow, { outcom: 'replied' })).rejects.toThrow(/did you mean outcome/);
    twin.advance(10);
    twin.apply([]);
    expect(twin.cluster.now).toBe(1_000_010);
  });
});
