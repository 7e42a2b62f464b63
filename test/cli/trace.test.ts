import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { describe, expect, it } from 'vitest';
import { readCapture } from '../../src/net/pcap.ts';
import { runCli } from './run-cli.ts';

const SHOP = ['-f', 'examples/shop.yaml'];
const TO = ['--to', '203.0.113.10:443/TCP'];
const CLIENT = ['--from', 'external:198.51.100.7:40000'];

interface Answer {
  config: string;
  outcome: { kind: string; backend?: string; candidates: string[] };
  hops: { node: string; hook: string; writes: { map: string }[] }[];
  service: object;
  spread: Record<string, number>;
}

const json = async (...argv: string[]): Promise<Answer> => {
  const { out, err, code } = await runCli(['trace', ...SHOP, ...argv, '-o', 'json']);
  expect(code, err).toBeLessThan(2);
  return JSON.parse(out) as Answer;
};

describe('lbtwin trace', () => {
  it('answers in JSON: outcome, hops, what was read and written', async () => {
    const answer = await json(...CLIENT, ...TO, '--via', 'worker-a2', '--reply');
    expect(answer.outcome).toMatchObject({
      kind: 'replied',
      backend: '10.244.1.14:8443',
      sourceSeen: '192.168.10.12:40000',
      replySource: '203.0.113.10:443',
      translatedAt: 'packet',
    });
    expect(answer.config).toContain('profile 1.18');
    expect(answer.hops[0]).toMatchObject({ node: 'worker-a2', hook: 'fromNetdev', verdict: 'TC_ACT_REDIRECT' });
    expect(answer.hops[0]!.writes.map(({ map }) => map)).toContain('nat');
    expect(answer.service).toMatchObject({ service: 'shop/web', type: 'LoadBalancer' });
  });

  it('without --reply the way ends at the backend', async () => {
    expect((await json(...CLIENT, ...TO)).outcome.kind).toBe('delivered');
  });

  it('a drop has Cilium’s code and name, and exit code 1', async () => {
    const { out, code } = await runCli([
      'trace',
      ...SHOP,
      ...CLIENT,
      '--to',
      '10.96.20.10:443/TCP',
      '--via',
      'worker-a1',
      '-o',
      'json',
    ]);
    expect(code).toBe(1);
    expect(JSON.parse(out).outcome).toMatchObject({
      kind: 'dropped',
      dropReason: { code: 174, name: 'IS_CLUSTER_IP', node: 'worker-a1', hook: 'fromNetdev' },
    });
  });

  it('each candidate is told with its pod, its node and the source that it sees; the way shown is one of them', async () => {
    const { out } = await runCli(['trace', ...SHOP, ...CLIENT, '--to', '203.0.113.20:443/TCP', '--via', 'worker-a1']);
    const random = await runCli([
      'trace',
      ...SHOP,
      ...CLIENT,
      ...TO,
      '--via',
      'worker-a1',
      '--set',
      'loadBalancer.algorithm=random',
    ]);
    expect(random.out).toMatch(
      /candidates +10\.244\.1\.\d+:8443 +shop\/web-\S+ +on worker-a1 +sees 198\.51\.100\.7:40000\n/,
    );
    expect(random.out).toMatch(/ +10\.244\.2\.\d+:8443 +shop\/web-\S+ +on worker-a2 +sees 192\.168\.10\.11:40000\n/);
    expect(random.out).toMatch(/the way there, of the first candidate\n/);
    expect(out).not.toContain('of the first candidate');
    const one = ['--from', 'node:worker-a1', '--to', '10.96.20.70:25/TCP', '--set', 'kubeProxyReplacement=true'];
    expect((await runCli(['trace', ...SHOP, ...one])).out).not.toContain('of the first candidate');
    const dns = ['--from', 'pod:shop/debug', '--to', '192.168.10.11:8125/UDP'];
    expect((await runCli(['trace', ...SHOP, ...dns])).out).not.toContain('of the first candidate');
  });

  it('a port that no frontend of a load balancer address has: the loop is explained and shown once', async () => {
    const { out, code } = await runCli([
      'trace',
      ...SHOP,
      ...CLIENT,
      '--to',
      '203.0.113.10:81/TCP',
      '--via',
      'worker-a1',
    ]);
    expect(code).toBe(1);
    expect(out).toContain(
      '- worker-a1 has no frontend 203.0.113.10:81/TCP, though the address is that of Service shop/web: the packet is let pass, routed out again, and the network brings it back\n',
    );
    expect(out).toMatch(/\n +… and so on, until it is given up after 64 hops\n/);
    expect(out.split('\n').length).toBeLessThan(25);
  });

  it('a frontend that the agent does not write is told', async () => {
    const config = {
      apiVersion: 'cilium.io/v2',
      kind: 'CiliumEnvoyConfig',
      metadata: { name: 'l7', namespace: 'shop' },
      spec: {
        services: [{ name: 'checkout', namespace: 'shop', listener: 'l' }],
        resources: [{ '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener', name: 'l' }],
      },
    };
    const argv = [...SHOP, '-', ...CLIENT, '--to', '203.0.113.20:443/TCP', '--via', 'worker-a1'];
    const { out } = await runCli(['trace', ...argv, '--set', 'envoyConfig.enabled=true'], {
      stdin: JSON.stringify(config),
    });
    expect(out).toContain(
      'the agent does not write the frontend as it is now (invalid feature combination: SessionAffinity with proxy redirection is not supported): its maps are those of an earlier update\n',
    );
  });

  it('random without a word: candidates; with one: the backend', async () => {
    const from = ['--from', 'pod:shop/debug', '--to', '10.96.20.20:7070/TCP'];
    expect((await json(...from)).outcome.candidates.length).toBeGreaterThan(1);
    const picked = (await json(...from, '--random', '1')).outcome;
    expect(picked.candidates).toBeUndefined();
    expect(picked.backend).toMatch(/:7070$/);
  });

  it('a client without a port: how its ports spread', async () => {
    const { out } = await runCli(['trace', ...SHOP, '--from', 'external:198.51.100.7', ...TO]);
    expect(out).toMatch(/1000 client ports/);
    const answer = await json('--from', 'external:2001:db8::7', '--to', '[2001:db8:ff::10]:443/TCP');
    expect(Object.values(answer.spread).reduce((sum, n) => sum + n, 0)).toBe(1000);
  });

  it('Helm values change the answer', async () => {
    const dsr = await json(...CLIENT, ...TO, '--via', 'worker-a2', '--reply', '--set', 'loadBalancer.mode=dsr');
    expect(dsr.outcome).toMatchObject({ kind: 'replied', sourceSeen: '198.51.100.7:40000' });
    const dropped = await json(
      ...CLIENT,
      ...TO,
      '--via',
      'worker-a2',
      '--set',
      'loadBalancer.mode=dsr',
      '--drop-ip-options',
    );
    expect(dropped.outcome).toMatchObject({ kind: 'dropped', dropReason: { code: 0, name: 'IP_OPTIONS' } });
  });

  it('explains, draws and captures', async () => {
    const file = join(tmpdir(), `lbtwin-trace-${process.pid}.pcapng`);
    const { out } = await runCli([
      'trace',
      ...SHOP,
      ...CLIENT,
      ...TO,
      '--via',
      'worker-a2',
      '--explain',
      '--reply',
      '--pcap',
      file,
    ]);
    expect(out).toContain('maglev: ');
    expect(out).toContain('the way back');
    const frames = readCapture(readFileSync(file));
    rmSync(file);
    expect(frames.length).toBeGreaterThan(5);
    const mermaid = await runCli(['trace', ...SHOP, ...CLIENT, ...TO, '-o', 'mermaid']);
    expect(mermaid.out).toMatch(/^sequenceDiagram\n {2}participant C as /);
  });

  it.each([
    [[...CLIENT, '--to', '203.0.113.10:443/TCP', '--via', 'worker-a9'], /did you mean worker-a1/],
    [['--from', 'pod:shop/debgu', ...TO], /did you mean shop\/debug/],
    [[...CLIENT, '--to', '203.0.113.10:99999/TCP'], /0\.\.65535/],
    [[...CLIENT, ...TO, '--set', 'loadBalancer.mode=dsr', '--set', 'loadBalancer.dsrDispatch=ipip'], /refuses this/],
    [[...CLIENT, ...TO, '--strict-inputs'], /--strict-inputs/],
    [[...CLIENT, ...TO, '--announce', '203.0.113.10'], /VIP=NODE/],
    [[...CLIENT, ...TO, '--tcp-flags', 'sin'], /no TCP flag/],
    [[...CLIENT], /--to is missing/],
    [
      [
        '--from',
        'external:198.51.100.7:4000',
        ...TO,
        '--via',
        'control-1',
        '--set',
        'loadBalancer.algorithm=random',
        '--random',
        '0',
      ],
      /the kernel draws another word after the 1 given \(for a backend, or for a source port in SNAT\)/,
    ],
    [['--pcap-in', 'nowhere.pcap', '--via', 'worker-a1'], /^lbtwin: [^]*nowhere\.pcap: no such file/],
    [['--pcap-in', 'README.md', '--via', 'worker-a1'], /README\.md: the file is neither pcap nor pcapng/],
    [[...CLIENT, ...TO, '--pcap', 'nowhere/x.pcap'], /nowhere\/x\.pcap: no such folder/],
    [[...CLIENT, ...TO, '--pcap', 'test'], /test: is a folder/],
    [[...CLIENT, ...TO, '--via', 'worker-a1', '--ct', 'README.md'], /README\.md: line 1 is no entry of/],
    [[...CLIENT, ...TO, '--size', '10'], /size: 10 .*40\.\.65535/],
    [[...CLIENT, ...TO, '--fromm', 'x'], /unknown option '--fromm'; did you mean --from\?/],
    [[...CLIENT, ...TO, '--colour'], /unknown option '--colour' \(allowed: those that --help lists\)/],
  ])('bad input %#: exit code 2 and one clear line', async (argv, message) => {
    const { code, err, out } = await runCli(['trace', ...SHOP, ...argv]);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).not.toContain('a defect of lbtwin');
    expect(err).toMatch(message);
  });
});
