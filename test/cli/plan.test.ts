import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

describe('lbtwin snat plan', () => {
  const small = ['snat', 'plan', '--range', '40000-40099', '--source-ports', '1024-65535', '--runs', '4'];

  it('tells what a flow can expect, and shows the curve', async () => {
    const { code, out } = await runCli([...small, '--flows', '50']);
    expect(code).toBe(0);
    expect(out).toContain('SNAT ports 40000-40099 (100), towards one destination');
    expect(out).toMatch(/With 50 flows open a new one fails with probability 0?\.?\d/);
    expect(out).toMatch(/^flows {2}of ports {2}next one fails/m);
  });

  it('answers in JSON, the same for the same seed', async () => {
    const words = [...small, '--flows', '50', '--probability', '0.5', '-o', 'json'];
    const { code, out } = await runCli(words);
    const answer = JSON.parse(out);
    expect(answer).toMatchObject({ range: [40_000, 40_099], occupied: 0, flows: { flows: 50 }, probability: 0.5 });
    expect(code).toBe(answer.fits ? 0 : 1);
    expect((await runCli(words)).out).toBe(out);
  });

  it('exits with 1 if the flows do not fit', async () => {
    const { code, out } = await runCli([...small, '--flows', '101', '--probability', '0.001']);
    expect(code).toBe(1);
    expect(out).toContain('101 flows do not fit');
  });

  it.each([
    [['--flows', 'x'], '--flows: "x" is not a number'],
    [[], 'nothing asked'],
    [['--probability', '1'], '--probability: "1" is not a probability'],
    [['--flows', '1', '--range', '9-1'], '--range: "9-1" is not a range of ports'],
    [['--flows', '1', '--range', '1-9', '--occupied', '10'], '--occupied: "10" is not a number in range'],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await runCli(['snat', 'plan', ...words]);
    expect(code).toBe(2);
    expect(err).toContain(message);
  });
});

describe('lbtwin ct plan', () => {
  it('prints how full the maps are', async () => {
    const { code, out } = await runCli([
      'ct',
      'plan',
      '--flows',
      'snat:tcp:100:20',
      'pod:udp:10:0',
      '--gc-interval',
      '60',
    ]);
    expect(code).toBe(0);
    expect(out).toBe(
      'map              size  new/s  live  before GC   full\n' +
        'conntrack TCP  524288  200.0  6000      18000  3.4 %  fits\n' +
        'conntrack any  262144   20.0  1200       2400  0.9 %  fits\n' +
        'NAT            524288  200.0  6000      18000  3.4 %  fits\n\n' +
        'Garbage collection every 60 s (as configured).\n',
    );
  });

  it('exits with 1 if a map is too small', async () => {
    const { code, out } = await runCli(['ct', 'plan', '--flows', 'snat:tcp:100:20:50%', '-o', 'json']);
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ fits: false, maps: [{ map: 'ct-tcp', rate: 200 }, {}, { map: 'nat' }] });
  });

  it.each([
    'snat',
    'nat:tcp:1:1',
    'snat:sctp:1:1',
    'snat:tcp:-1:1',
    'snat:udp:1:1:5%',
    'snat:tcp:1:1:101',
    'snat:tcp:1:1:1:1',
  ])('refuses %s', async (kind) => {
    const { code, err } = await runCli(['ct', 'plan', '--flows', kind]);
    expect(code).toBe(2);
    expect(err).toContain('is no kind of traffic');
  });
});

describe('lbtwin snat usage', () => {
  const line = (port: number): string =>
    `TCP IN 10.9.9.9:443 -> 192.0.2.1:${port} XLATE_DST 10.0.0.1:${port} Created=1sec ago NeedsCT=0`;
  const listing = (ports: readonly number[]): string => `${ports.map(line).join('\n')}\n\n`;
  const usage = (ports: readonly number[], ...more: string[]): ReturnType<typeof runCli> =>
    runCli(['snat', 'usage', '-', '--range', '40000-40003', '--source-ports', '40000-40003', ...more], {
      stdin: listing(ports),
    });

  it('shows what the next flow can expect', async () => {
    const { code, out } = await usage([40_000, 40_002]);
    expect(code).toBe(0);
    expect(out).toBe(
      'destination       from       ports  of all  next one fails  failed attempts  halves\n' +
        '10.9.9.9:443/TCP  192.0.2.1      2  50.0 %            0.25             8.25       2\n\n',
    );
  });

  it('exits with 1 over the accepted probability', async () => {
    expect((await usage([40_000, 40_002], '--probability', '0.2')).code).toBe(1);
    expect((await usage([40_001], '--probability', '0.2')).code).toBe(0);
  });

  it('answers in JSON', async () => {
    const { out } = await usage([40_000, 40_002], '-o', 'json', '--probability', '0.2');
    expect(JSON.parse(out)).toMatchObject({ destinations: [{ used: 2, ports: 4, fails: 0.25 }], over: 1, more: 0 });
  });

  it('says so when there is nothing to read', async () => {
    const { code, out } = await runCli(['snat', 'usage', '-'], { stdin: '\n' });
    expect(code).toBe(0);
    expect(out).toBe('No entries: nothing is translated on this node.\n');
  });

  it('says which line it cannot read', async () => {
    const { code, err } = await runCli(['snat', 'usage', '-'], { stdin: 'TCP IN here' });
    expect(code).toBe(2);
    expect(err).toContain('standard input:1: "TCP IN here" is no line of bpf nat list');
  });
});
