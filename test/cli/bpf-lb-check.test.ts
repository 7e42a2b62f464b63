import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { write: file } = testFiles();

const NODE = ['-f', 'examples/shop.yaml', '--node', 'worker-a1'];
const listing = async (...more: string[]): Promise<string> =>
  (await runCli(['bpf', 'lb', 'list', ...NODE, ...more])).out;
const check = (text: string, ...more: string[]): ReturnType<typeof runCli> =>
  runCli(['bpf', 'lb', 'check', file('live.txt', text), ...NODE, ...more]);

/** Lines of one frontend. */
const isOf =
  (frontend: string) =>
  (line: string): boolean =>
    line.startsWith(`${frontend} (`);

describe('lbtwin bpf lb check', () => {
  it('finds nothing in maps that are as the agent writes them, in any order and as JSON', async () => {
    const text = await listing();
    const { code, out } = await check(text);
    expect(out).toMatch(/worker-a1: (\d+) frontends in its maps, \1 by the objects\nno difference\n$/);
    expect(code).toBe(0);
    const [title, ...rows] = text.trimEnd().split('\n');
    expect((await check([title, ...rows.reverse()].join('\r\n'))).code).toBe(0);
    expect((await check(await listing('-o', 'json'))).code).toBe(0);
  });

  it('tells stale and missing frontends, backends and flags', async () => {
    const rows = (await listing()).split('\n');
    const web = '203.0.113.10:80/TCP';
    const backend = rows.find((line) => line.startsWith(`${web} (1)`))!;
    const text = [
      ...rows.filter((line) => line !== backend && !isOf('203.0.113.20:443/TCP')(line)),
      `${web} (99)   10.244.1.99:8080/TCP (7) (99)`,
      '203.0.113.77:80/TCP (0)   0.0.0.0:0 (99) (0) [LoadBalancer]',
      '203.0.113.77:80/TCP (1)   10.244.1.98:8080/TCP (99) (1)',
    ]
      .join('\n')
      .replace(new RegExp(`(${web} \\(0\\) .*\\[LoadBalancer)`), '$1, sessionAffinity');
    const { code, out } = await check(text);
    expect(code).toBe(1);
    expect(out).toMatch(
      /in the maps, and not by the objects .*\n {2}203\.0\.113\.77:80\/TCP {2}LoadBalancer {4}10\.244\.1\.98:8080\/TCP\n/,
    );
    expect(out).toMatch(
      /by the objects, and not in the maps\n {2}203\.0\.113\.20:443\/TCP {2}LoadBalancer {2}shop\/checkout/,
    );
    expect(out).toMatch(/ {2}203\.0\.113\.10:80\/TCP {2}shop\/web\n/);
    expect(out).toMatch(
      /only in the maps: +10\.244\.1\.99:8080\/TCP +no object has this address, of worker-a1's pod network\n/,
    );
    expect(out).toMatch(/not in the maps: +10\.244\.\d+\.\d+:8080\/TCP +shop\/web-\S+ {2}worker-\S+\n/);
    expect(out).toMatch(/flag only in the maps: +sessionAffinity\n/);
    const json = JSON.parse((await check(text, '-o', 'json')).out) as { stale: object[]; changed: object[] };
    expect(json.stale).toEqual([
      { frontend: '203.0.113.77:80/TCP', flags: ['LoadBalancer'], backends: ['10.244.1.98:8080/TCP'] },
    ]);
    expect(json.changed).toEqual([
      expect.objectContaining({ frontend: web, stale: ['10.244.1.99:8080/TCP'], reordered: false }),
    ]);
  });

  it('tells backends that stand in other slots', async () => {
    const rows = (await listing()).split('\n');
    const key = /^(10\.96\.0\.10:53\/UDP) \((\d)\)/;
    const swapped = rows.map((line) =>
      line.replace(
        key,
        (_, frontend: string, slot: string) => `${frontend} (${slot === '1' ? 2 : slot === '2' ? 1 : slot})`,
      ),
    );
    expect((await check(swapped.join('\n'))).out).toContain('the same backends, in other slots');
  });

  it.each([
    ['kind: List\n', /live\.txt:1: "kind: List" is no line of bpf lb list/],
    ['10.0.0.1:80/TCP (0)   nonsense\n', /live\.txt:1: .*is no line of bpf lb list/],
    ['{"a"', /live\.txt: the text is no JSON/],
  ])('refuses %j', async (text, message) => {
    const { code, err } = await check(text);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('wants a listing', async () => {
    expect((await runCli(['bpf', 'lb', 'check', ...NODE])).err).toContain('no listing is named');
  });
});
