import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

const SHOP = ['-f', 'examples/shop.yaml', '--from', 'external:198.51.100.7:40000'];
const NODES = ['control-1', 'worker-a1', 'worker-a2', 'worker-b1', 'worker-b2'];

interface Answer {
  nodes: string[];
  outcomes: { nodes: string[]; backends: string[]; result: string; ways: object[]; journey: object }[];
}

const trace = (...argv: string[]): ReturnType<typeof runCli> =>
  runCli(['trace', ...SHOP, ...(argv.includes('--via') ? [] : ['--every-node']), ...argv]);

const json = async (...argv: string[]): Promise<Answer> => {
  const { out, err, code } = await trace(...argv, '-o', 'json');
  expect(code, err).toBeLessThan(2);
  return JSON.parse(out) as Answer;
};

describe('lbtwin trace --every-node', () => {
  it('says for every node what the backend sees and how the answer goes', async () => {
    const { out, code } = await trace('--to', '203.0.113.10:443/TCP', '--reply');
    expect(code).toBe(0);
    const table = out.slice(out.indexOf('at each'), out.indexOf('\nat control-1'));
    expect(table.replaceAll(/ {2,}/g, ' | ')).toBe(
      [
        'at each of the 5 nodes that may get the packet',
        ' | node | backend | source it sees | answer goes by | result',
        " | control-1, worker-a2, worker-b1, worker-b2 | 10.244.1.14:8443 | shop/web-6c9f7d5b8c-z4pdx | the receiving node, port 40000 | the backend's node, the receiving node | answered",
        ' | worker-a1 | 10.244.1.14:8443 | shop/web-6c9f7d5b8c-z4pdx | the client | the receiving node | answered',
        '',
      ].join('\n'),
    );
    expect(out).toContain('\nat control-1, as at 3 others\n  delivered, and the answer comes home\n');
    expect(out).toContain('\nat worker-a1\n  delivered, and the answer comes home\n');
    expect(out).not.toContain('Nothing says which node attracts');
  });

  it('externalTrafficPolicy Local: who rejects and who serves; --all explains each backend', async () => {
    const to = ['--to', '203.0.113.20:443/TCP'];
    const { outcomes, nodes } = await json(...to);
    expect(nodes).toEqual(NODES);
    expect(outcomes.map(({ nodes: where, result }) => [where, result])).toEqual([
      [['control-1', 'worker-a2', 'worker-b2'], 'rejected: port unreachable'],
      [['worker-a1'], 'delivered'],
      [['worker-b1'], 'delivered'],
    ]);
    const short = await trace(...to);
    expect(short.code).toBe(1);
    expect(short.out).toContain('\n1 outcome differs from one of these in the backend alone: --all explains each');
    expect(short.out).not.toContain('\nat worker-b1\n');
    expect((await trace(...to, '--all')).out).toContain('\nat worker-b1\n');
  });

  it('each journey is the one that --via shows', async () => {
    for (const more of [
      [],
      ['--set', 'loadBalancer.mode=dsr'],
      ['--set', 'loadBalancer.algorithm=random', '--seed', '7'],
    ]) {
      const argv = ['--to', '203.0.113.10:443/TCP', '--reply', '--set', 'kubeProxyReplacement=true', ...more];
      const { outcomes } = await json(...argv);
      for (const { nodes, journey } of outcomes) {
        const via = await trace(...argv, '--via', nodes[0]!, '-o', 'json');
        expect(journey).toEqual(JSON.parse(via.out));
      }
    }
  });

  it('DSR: the answer goes straight from the node of the backend', async () => {
    const { outcomes } = await json(
      '--to',
      '203.0.113.10:443/TCP',
      '--reply',
      '--set',
      'loadBalancer.mode=dsr',
      '--set',
      'kubeProxyReplacement=true',
    );
    expect(outcomes.map(({ ways }) => ways)).toMatchObject([
      [{ source: 'client', replyBy: ["backend's node"] }],
      [{ source: 'client', replyBy: ['receiving node'] }],
    ]);
  });

  it('a random choice: the backends, and what hangs on the one drawn', async () => {
    const random = ['--set', 'loadBalancer.algorithm=random', '--set', 'kubeProxyReplacement=true'];
    const { outcomes } = await json('--to', '203.0.113.10:443/TCP', ...random);
    expect(outcomes.map(({ nodes, backends, ways }) => [nodes, backends.length, ways.length])).toEqual([
      [['worker-a1', 'worker-a2', 'worker-b1', 'worker-b2'], 11, 2],
      [['control-1'], 11, 1],
    ]);
  });

  it('an SNAT port that is drawn is told as such', async () => {
    const argv = [
      'trace',
      '-f',
      'examples/shop.yaml',
      '--from',
      'external:198.51.100.7:4000',
      '--to',
      '203.0.113.10:443/TCP',
      '--every-node',
    ];
    expect((await runCli(argv)).out).toContain('the receiving node, a port that is drawn');
  });

  it('nodes that answer alike are one line, whatever their names', async () => {
    const { out } = await trace('--to', '203.0.113.10:81/TCP');
    expect(out).toMatch(/\n +all 5 +- +- +lost in a loop\n/);
  });

  it('what is known of the node counts: its address, and --announce', async () => {
    const nodePort = await trace('--to', '192.168.10.11:32100/TCP');
    expect(nodePort.out).not.toContain('that may get the packet');
    const one = await trace('--to', '203.0.113.20:443/TCP', '--announce', '203.0.113.20=worker-b1');
    expect(one.out).toMatch(/\ndelivered\n/);
    const two = await json('--to', '203.0.113.20:443/TCP', '--announce', '203.0.113.20=worker-b1,worker-a2');
    expect(two.nodes).toEqual(['worker-a2', 'worker-b1']);
    expect((await trace('--to', '203.0.113.20:443/TCP', '--strict-inputs')).err).not.toContain('Nothing says');
  });

  it('what needs one way says which nodes to choose from', async () => {
    const { err, code } = await trace('--to', '203.0.113.10:443/TCP', '-o', 'mermaid');
    expect(code).toBe(2);
    expect(err).toContain('5 nodes may get the packet, and a picture or a capture is of one way');
    expect(err).toContain('--via control-1|worker-a1');
    const all = await trace('--to', '203.0.113.10:443/TCP', '--via', 'worker-a1', '--all');
    expect([all.code, all.err]).toEqual([2, expect.stringContaining('--all is for --every-node')]);
  });
});
