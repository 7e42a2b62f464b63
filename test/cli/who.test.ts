import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const ask = (backend: string, ...more: string[]): ReturnType<typeof runCli> =>
  runCli(['who', '-f', 'examples/shop.yaml', '--node', 'worker-a1', '--backend', backend, ...more]);

interface Answer {
  readonly pod: string;
  readonly frontends: readonly { readonly frontend: string; readonly ports: readonly (readonly [number, number])[] }[];
}

describe('lbtwin who', () => {
  it('lists the frontends of a backend with their shares', async () => {
    const { code, out } = await ask('10.244.4.12:8080');
    expect(code).toBe(0);
    expect(out).toMatch(/^configuration: /);
    expect(out).toContain('10.244.4.12:8080  shop/web-6c9f7d5b8c-xzpm2  active\n');
    expect(out).toMatch(/^203\.0\.113\.10:80\/TCP +\d+ {2}packets {2}maglev +1489 of 16381 +9\.1 % {2}no$/m);
    expect(out).toMatch(/^10\.96\.20\.10:80\/TCP +\d+ {2}sockets {2}random +1 of 11 +9\.1 % {2}no$/m);
  });

  it('the ports it names reach that backend, by select', async () => {
    const { out } = await ask('10.244.4.12:8080', '--from', '198.51.100.7', '--ports', '40000-40100', '-o', 'json');
    const { frontends, pod } = JSON.parse(out) as Answer;
    expect(pod).toBe('shop/web-6c9f7d5b8c-xzpm2');
    const { ports } = frontends.find(({ frontend }) => frontend === '203.0.113.10:80/TCP')!;
    const named = new Set(ports.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, i) => from + i)));
    for (const port of [40_000, 40_001, ...[...named].slice(0, 3)]) {
      const args = ['--from', `198.51.100.7:${port}`, '--to', '203.0.113.10:80', '-o', 'json'];
      const answer = JSON.parse((await runCli(['select', '-f', 'examples/shop.yaml', ...args])).out);
      const { address } = answer.views[0].backend;
      expect(address === '10.244.4.12').toBe(named.has(port));
    }
  });

  it('with --slots and --from prints slots and ports, in short', async () => {
    const { out } = await ask('10.244.4.12:8080', '--from', '198.51.100.7', '--slots');
    expect(out).toMatch(/^ {2}slots {2}(\d+(-\d+)?, ){12}…$/m);
    expect(out).toMatch(/^ {2}ports {2}\d+: (\d+(-\d+)?, ){12}…$/m);
  });

  it('says no for an address that is no backend', async () => {
    const { code, out } = await ask('10.244.4.99:8080');
    expect(code).toBe(1);
    expect(out).toContain('no service of this node has this backend');
  });

  it.each([
    ['10.244.4.12', [], '--backend'],
    ['10.244.4.12:8080', ['--from', 'fd00::1'], 'different families'],
    ['10.244.4.12:8080', ['--ports', '9-1'], 'not a range of ports'],
  ])('refuses %s %j', async (backend, more, message) => {
    const { code, err } = await ask(backend, ...more);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});
