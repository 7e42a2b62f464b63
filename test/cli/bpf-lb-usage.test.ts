import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const NODE = ['-f', 'examples/shop.yaml', '--node', 'worker-a1'];
const usage = (...more: string[]): ReturnType<typeof runCli> => runCli(['bpf', 'lb', 'usage', ...NODE, ...more]);

interface Usage {
  maps: { map: string; used: number; max: number }[];
  services: { service: string; frontends: number; entries: number }[];
  refused: string[];
}
const json = async (...more: string[]): Promise<Usage> => JSON.parse((await usage('-o', 'json', ...more)).out) as Usage;

describe('lbtwin bpf lb usage', () => {
  it('counts what the listings show', async () => {
    const { maps, services } = await json();
    const lines = async (...view: string[]): Promise<string[]> =>
      (await runCli(['bpf', 'lb', 'list', ...NODE, ...view])).out.trimEnd().split('\n').slice(1);
    const used = (name: string): number =>
      maps.filter(({ map }) => map.startsWith(name)).reduce((sum, one) => sum + one.used, 0);
    const all = await lines();
    expect(used('services')).toBe(all.length);
    expect(used('backends')).toBe((await lines('--backends')).length);
    expect(used('reverse NAT')).toBe((await lines('--revnat')).length);
    expect(used('source ranges')).toBe((await lines('--source-ranges')).length);
    expect(used('service ids')).toBe(all.filter((line) => line.includes(' (0) ')).length);
    expect(services.reduce((sum, { entries }) => sum + entries, 0)).toBe(all.length);
    expect(services.map(({ entries }) => entries)).toEqual(
      services.map(({ entries }) => entries).sort((a, b) => b - a),
    );
  });

  it('prints a table and the most expensive services', async () => {
    const { code, out } = await usage('--top', '1');
    expect(code).toBe(0);
    expect(out).toMatch(/\n {2}services, IPv4 +\d+ +65536 +0\.\d %\n/);
    expect(out).toMatch(/\n {2}service ids +\d+ +65534 +/);
    expect(out).toMatch(
      /services; the most expensive:\n {2}service +frontends +service entries\n {2}shop\/web +\d+ +\d+\n$/,
    );
  });

  it('is 1 over the limit, and where a map refuses', async () => {
    expect((await usage('--limit', '0.01%')).code).toBe(1);
    expect((await usage('--limit', '80%')).code).toBe(0);
    const { code, out } = await usage('--set', 'bpf.lbMapMax=100');
    expect(code).toBe(1);
    expect(out).toMatch(/frontends are not written, these first:\n/);
    expect(out).toContain('100 %');
  });

  it('refuses bad input', async () => {
    expect((await usage('--limit', 'much')).err).toContain('--limit: "much" is not a share (allowed: 0%..100%)');
    expect((await runCli(['bpf', 'lb', 'usage', '-f', 'examples/shop.yaml'])).err).toContain('--node is missing');
  });
});
