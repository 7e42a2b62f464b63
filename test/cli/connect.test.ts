import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { write } = testFiles();

const SHOP = ['-f', 'examples/shop.yaml'];
const DEBUG = [...SHOP, '--pod', 'shop/debug'];

const connect = (...argv: string[]): ReturnType<typeof runCli> => runCli(['connect', ...argv]);

interface Answer {
  caller: { node: string; pod: string | null };
  service: { name: string; frontend: string } | null;
  errno: string;
  outcome: string;
  goesTo: { address: string; name?: string; node?: string } | null;
  chosenBy: string | null;
  candidates: { address: string; node: string }[];
  shown: string | null;
  writes: string[];
  why: string[];
  afterwards?: { backend: string; stuck: boolean; closedByAgent: boolean; shown: string };
}

async function ask(...argv: string[]): Promise<Answer & { code: number }> {
  const { code, out } = await connect(...argv, '-o', 'json');
  return { ...(JSON.parse(out) as Answer), code };
}

describe('lbtwin connect', () => {
  it('lists the candidates of an open choice, and what the application is shown', async () => {
    const { code, out } = await connect(...DEBUG, '--to', '10.96.20.10:80');
    expect(code).toBe(0);
    expect(out).toContain('pod shop/debug on worker-b2: connect() to 10.96.20.10:80/TCP\n');
    expect(out).toContain('result     OK, goes to one of 11 by a random draw (--random), each 9.1 %:\n');
    expect(out).toContain('shows      10.96.20.10:80 at getpeername()\n');
    expect(out).toContain('Maglev plays no part at sockets');
  });

  it('takes the caller in the words of trace, too', async () => {
    const to = ['--to', '10.96.20.10:80'];
    expect(await connect(...SHOP, '--from', 'pod:shop/debug', ...to)).toEqual(await connect(...DEBUG, ...to));
    expect(await connect(...SHOP, '--from', 'node:worker-b2', ...to)).toEqual(
      await connect(...SHOP, '--node', 'worker-b2', ...to),
    );
    expect((await connect(...DEBUG, '--from', 'pod:shop/debug', ...to)).err).toContain('--from and --pod');
    expect((await connect(...SHOP, '--from', 'external:1.2.3.4', ...to)).err).toContain(
      '(allowed: pod:NAMESPACE/NAME or node:NAME)',
    );
  });

  it('takes the word that TCP draws, and the cookie that UDP goes by', async () => {
    const all = await ask(...DEBUG, '--to', '10.96.20.10:80');
    const one = await ask(...DEBUG, '--to', '10.96.20.10:80', '--random', '14');
    expect(one.goesTo!.address).toBe(all.candidates[14 % 11]!.address);
    expect(one.writes).toEqual([
      expect.stringMatching(/^reverse-sk: \S+:8080 cookie=1 → 10\.96\.20\.10:80 revNatIndex=\d+$/),
    ]);
    const dns = await ask(...DEBUG, '--to', '10.96.0.10:53/UDP');
    expect(dns).toMatchObject({ chosenBy: 'cookie', candidates: [{ node: 'worker-a1' }, { node: 'worker-b1' }] });
    const fixed = await ask(...DEBUG, '--to', '10.96.0.10:53/UDP', '--socket-cookie', '7');
    expect(fixed.goesTo!.node).toBe('worker-b1');
    const sendto = await ask(
      ...DEBUG,
      '--to',
      '10.96.0.10:53/UDP',
      '--udp-sendto',
      '--socket-cookie',
      '18446744073709551614',
    );
    expect(sendto).toMatchObject({ goesTo: { node: 'worker-a1' }, shown: '10.96.0.10:53' });
  });

  it('keeps affinity by network namespace', async () => {
    const { writes } = await ask(...DEBUG, '--to', '10.96.20.20:7070', '--random', '3', '--netns-cookie', '16');
    expect(writes[0]).toMatch(/^affinity: client=netns:16 revNatIndex=\d+ → backendId=\d+$/);
  });

  it('fails without backends, and tells the errno', async () => {
    const { code, out } = await connect(...DEBUG, '--to', '10.96.20.70:25');
    expect(code).toBe(1);
    expect(out).toContain('result     EHOSTUNREACH\n');
    expect(out).toContain('the call fails at once, nothing is sent');
  });

  it.each([
    ['what is no service', '192.0.2.1:80', 'no-service'],
    ['an external IP of somebody else', '198.51.100.20:8088', 'foreign-address'],
    ['ICMP', '10.96.20.10/ICMP', 'protocol'],
    ['UDP-Lite, for which no program runs', '10.96.0.10:53/UDPLITE', 'no-hook'],
    ["a NodePort on the pod's own loopback", '127.0.0.1:30080', 'no-service'],
  ])('leaves %s as it is', async (_, to, outcome) => {
    const answer = await ask(...DEBUG, '--to', to);
    expect(answer).toMatchObject({ code: 0, outcome, errno: 'OK', writes: [] });
    expect(answer.goesTo!.address).toBe(to.split(/[:/]/)[0]);
  });

  it('answers for the addresses of other nodes from the own one, by the internal policy', async () => {
    const answer = await ask(...DEBUG, '--to', '192.168.10.11:31080');
    expect(answer.service).toMatchObject({ name: 'shop/api', frontend: '0.0.0.0:31080/TCP/i' });
    expect(answer.candidates).toHaveLength(6);
  });

  it('knows the host namespace: loopback NodePorts, and port 0', async () => {
    const host = [...SHOP, '--node', 'worker-b2', '--host'];
    expect(await ask(...host, '--to', '127.0.0.1:30300')).toMatchObject({
      service: { name: 'monitoring/grafana' },
      shown: '127.0.0.1:30300',
    });
    expect(await ask(...host, '--to', '10.96.20.10:0')).toMatchObject({ code: 1, errno: 'ECONNREFUSED' });
    expect(await ask(...host, '--to', '0.0.0.0:80')).toMatchObject({ goesTo: { address: '127.0.0.1' } });
    expect(await ask(...host, '--to', '[fd00:10:96::2010]:443', '--random', '0')).toMatchObject({
      service: { name: 'shop/web' },
    });
  });

  it('tells a UDP socket that sticks to a dead backend, and one that does not', async () => {
    const shop = readFileSync('examples/shop.yaml', 'utf8');
    const dns =
      /  - addresses:\n    - (10\.244\.3\.\d+)\n(?:    .*\n)+?      name: coredns(?:.*\n)+?    zone: eu-west-1b\n/.exec(
        shop,
      )!;
    const after = write('after.yaml', shop.replace(dns[0], ''));
    const udp = ['--to', '10.96.0.10:53/UDP', '--after', after];
    const stuck = await ask(...DEBUG, ...udp, '--socket-cookie', '7');
    expect(stuck).toMatchObject({
      code: 1,
      goesTo: { address: dns[1] },
      afterwards: { backend: 'gone', stuck: true, closedByAgent: true },
    });
    expect((await connect(...DEBUG, ...udp, '--socket-cookie', '7')).out).toContain('STUCK: the backend is gone');
    const kept = await ask(...DEBUG, ...udp, '--socket-cookie', '6');
    expect(kept).toMatchObject({ code: 0, afterwards: { backend: 'active', stuck: false, shown: '10.96.0.10:53' } });
    expect((await connect(...DEBUG, ...udp)).err).toContain(
      '--after needs a socket that has chosen (allowed: --socket-cookie U64)',
    );
  });
});

describe('lbtwin connect, bad input', () => {
  it.each([
    [['--pod', 'shop/debgu', '--to', '10.96.0.10:53'], /there is no pod "shop\/debgu"; did you mean shop\/debug/],
    [['--node', 'worker-b3', '--to', '10.96.0.10:53'], /there is no node "worker-b3"; did you mean worker-b/],
    [['--pod', 'shop/debug', '--node', 'worker-a1', '--to', '10.96.0.10:53'], /pod shop\/debug runs on worker-b2/],
    [['--pod', 'shop/debug', '--host', '--to', '10.96.0.10:53'], /--pod and --host exclude each other/],
    [['--to', '10.96.0.10:53'], /who calls\?/],
    [['--to', '10.96.0.10:53', '--host'], /--host: of which node\? \(allowed: --node NAME with it\)/],
    [['--pod', 'debug', '--to', '10.96.0.10:53'], /there is no pod "default\/debug".*shop\/debug/],
    [['--pod', 'shop/debug', '--to', 'shop/web:80'], /--to: "shop\/web:80" is a name, not an address/],
    [
      ['--pod', 'shop/debug', '--to', '10.96.0.10:53/ICMP'],
      /"10\.96\.0\.10:53" is not an IP address, and ICMP has no ports/,
    ],
    [
      ['--pod', 'shop/debug', '--to', '10.96.0.10:53', '--random', '-1'],
      /--random: its value is missing or begins with a dash/,
    ],
    [['--pod', 'shop/debug'], /--to is missing/],
    [['--pod', 'shop/debug', '--to', '10.96.0.10:65536'], /--to: 65536 is not a port number/],
    [['--pod', 'shop/debug', '--to', '10.96.0.10:53', '--udp-sendto'], /sendto\(\) with an address is for UDP/],
    [['--pod', 'shop/debug', '--to', '10.96.0.10:53', '--socket-cookie', '-1'], /--socket-cookie/],
    [
      ['--pod', 'shop/debug', '--to', '10.96.0.10:53', '--set', 'kubeProxyReplacement=false'],
      /sockets are not translated/,
    ],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await connect(...SHOP, ...argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('a destination of a family that the pod does not have', async () => {
    const path = write(
      'v4.yaml',
      'apiVersion: v1\nkind: Pod\nmetadata: {name: old, namespace: shop}\nspec: {nodeName: node-1}\nstatus: {phase: Running, podIP: 10.0.0.5}\n',
    );
    const { code, err } = await connect('-f', path, '--pod', 'shop/old', '--to', '[fd00::1]:80');
    expect(code).toBe(2);
    expect(err).toContain('pod shop/old has no IPv6 address (allowed: an IPv4 destination)');
  });
});
