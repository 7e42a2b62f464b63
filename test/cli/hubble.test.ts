import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const SHOP = ['-f', 'examples/shop.yaml'];
const FLOWS = readFileSync('examples/flows.jsonl', 'utf8');

describe('lbtwin hubble', () => {
  it('a line for each flow, the counts, and what does not fit', async () => {
    const { out, code } = await runCli(['hubble', 'examples/flows.jsonl', ...SHOP]);
    expect(code).toBe(0);
    expect(out).toMatch(
      /\n +1 +worker-a2 +198\.51\.100\.7:40000 -> 203\.0\.113\.10:443\/TCP +before translation +shop\/web:https \(LoadBalancer\)/,
    );
    expect(out).toContain('\n9 flows of examples/flows.jsonl: 5 as computed, 2 mismatch, 1 undecided, 1 no service\n');
    expect(out).toContain('\nHubble lost 3 events:');
    expect(out).toMatch(/\nmismatches\n +shop\/checkout:https +10\.244\.3\.77:8443 +2 flows +first in line 5 +/);
  });

  it('JSON: a line for each flow and one with the summary; the flows may come by standard input', async () => {
    const { out } = await runCli(['hubble', '-', ...SHOP, '-o', 'json'], { stdin: FLOWS });
    const lines = out
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.length).toBe(10);
    expect(lines[0]).toEqual({
      line: 1,
      node: 'worker-a2',
      point: 'FROM_NETWORK',
      protocol: 'TCP',
      source: '198.51.100.7:40000',
      destination: '203.0.113.10:443',
      hop: 'before translation',
      service: 'shop/web:https',
      frontend: { address: '203.0.113.10:443/TCP', type: 'LoadBalancer' },
      backend: '10.244.1.14:8443',
      pod: 'shop/web-6c9f7d5b8c-z4pdx',
      status: 'as-computed',
      reason: 'the backend that Maglev gives',
      computed: '10.244.1.14:8443',
    });
    expect(lines[9]).toMatchObject({
      summary: {
        source: 'standard input',
        flows: 9,
        mismatch: 2,
        undecided: 1,
        lost: 3,
        mismatches: [{ code: 'not-a-backend', count: 2, firstLine: 5 }],
      },
    });
  });

  it('--check: exit code 1 for a mismatch, 0 without', async () => {
    expect((await runCli(['hubble', 'examples/flows.jsonl', ...SHOP, '--check'])).code).toBe(1);
    const fitting = FLOWS.split('\n').filter((line) => !line.includes('203.0.113.20') && !line.includes('10.244.3.77'));
    expect((await runCli(['hubble', '-', ...SHOP, '--check'], { stdin: fitting.join('\n') })).code).toBe(0);
  });

  it('the configuration counts: another seed, other backends', async () => {
    const seed = ['--set', 'maglev.hashSeed=JLfvgnHc2kaSUFaI', '--set', 'kubeProxyReplacement=true'];
    const { out } = await runCli(['hubble', 'examples/flows.jsonl', ...SHOP, ...seed, '--set', 'maglev.tableSize=509']);
    expect(out).toMatch(/MISMATCH: Maglev gives /);
  });

  it('input without a flow is told, with exit code 1', async () => {
    const { code, err, out } = await runCli(['hubble', '-', ...SHOP], { stdin: '{"node_status":{}}\n' });
    expect([code, out]).toEqual([1, '']);
    expect(err).toContain('standard input has no flow');
  });

  it.each([
    [['hubble', ...SHOP], /the flows are missing/],
    [['hubble', '-', '-f', '-'], /standard input is one thing/],
    [['hubble', 'examples/nowhere.jsonl', ...SHOP], /nowhere\.jsonl: no such file/],
    [['hubble', 'README.md', ...SHOP], /README\.md: line 1 is not JSON/],
    [['hubble', 'a', 'b', ...SHOP], /one file of flows is enough/],
  ])('%j: exit code 2 and one clear line', async (argv, message) => {
    const { code, err, out } = await runCli(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('a broken line is told with its place', async () => {
    const broken = FLOWS.replace('"198.51.100.7"', '"198.51.100"');
    const { err, code } = await runCli(['hubble', '-', ...SHOP], { stdin: broken });
    expect(code).toBe(2);
    expect(err).toMatch(/standard input:1: "198\.51\.100"/);
  });
});
