import { describe, expect, it } from 'vitest';
import { runCli } from './run-cli.ts';

describe('lbtwin maglev plan', () => {
  const plan = (...words: string[]): ReturnType<typeof runCli> =>
    runCli(['maglev', 'plan', '--threads', '1', ...words]);

  it('answers for programs', async () => {
    const { code, out } = await plan('--backends', '10', '--table-size', '1021', '--trials', '40', '-o', 'json');
    const report = JSON.parse(out) as Record<string, unknown>;
    expect(code).toBe(1);
    expect(report).toMatchObject({
      churn: 'remove:1',
      sizes: [{ tableSize: 1021, needless: { trials: 40 } }],
      recommendation: { tableSize: null },
      partial: false,
    });
    const again = JSON.parse(
      (await plan('--backends', '10', '--table-size', '1021', '--trials', '40', '-o', 'json')).out,
    );
    const [size] = report['sizes'] as { needless: unknown }[];
    expect((again as { sizes: { needless: unknown }[] }).sizes[0]!.needless).toEqual(size!.needless);
  });

  it('recommends, and warns when weights do not count', async () => {
    const words = ['--weights', '5x1,5x2', '--max-needless', '7%', '--max-imbalance', '60%', '--trials', '5'];
    const { code, out } = await plan(...words, '--table-size', '251', '--table-size', '1021', '--services', '7');
    expect(code).toBe(0);
    expect(out).toMatch(/→ +1021/);
    expect(out).toMatch(/Note: the weights are ignored/);
    expect(out).toMatch(/7 tables/);
  });

  it.each([
    [['--backends', '0'], /--backends: "0" is not a number in range/],
    [[], /--backends is missing/],
    [['--backends', '300', '--table-size', '251'], /300 backends do not fit/],
    [['--backends', '5', '--table-size', '1000'], /table size 1000 is not supported/],
    [['--backends', '5', '--table-size', '65537'], /table size 65537 is not supported/],
    [['--backends', '5', '--variant', 'paper', '--table-size', '65536'], /not supported \(allowed: a prime/],
    [['--backends', '5', '--churn', 'remove:6'], /takes more than there are/],
    [['--backends', '5', '--churn', 'remove:5'], /leaves none/],
    [['--weights', '0,0,0'], /no backend has a weight/],
    [['--weights', '1,2', '--backends', '3'], /names 2 backends/],
    [['--backends', '5', '--variant', 'nginx'], /not a Maglev variant/],
    [['--backends', '5', '--max-needless', '200%'], /not a share/],
    [['--backends', '5', '--max-needless', '1'], /not a share/],
    [['--backends', '1'], /add:COUNT/],
  ])('refuses %j', async (words, message) => {
    const { code, out, err } = await plan(...words);
    expect(code).toBe(2);
    expect(out).toBe('');
    expect(err).toMatch(message);
  });
});

describe('lbtwin churn', () => {
  const churn = (...words: string[]): ReturnType<typeof runCli> =>
    runCli(['churn', '--threads', '1', '--flows', '2000', ...words]);

  it('tells each algorithm step by step', async () => {
    const { code, out } = await churn('--backends', '8', '--plan', 'rolling', '--trials', '3');
    expect(code).toBe(0);
    for (const text of ["Cilium's Maglev", 'Random choice', 'Rendezvous', 'Hash ring', 'Jump', 'round 1']) {
      expect(out).toContain(text);
    }
  });

  it('gives programs everything but the tables', async () => {
    const words = ['--backends', '8', '--plan', 'remove:1', '--algorithm', 'maglev,ring', '--ct-size', '500'];
    const report = JSON.parse((await churn(...words, '-o', 'json')).out) as {
      results: { algorithm: string; steps: { evictedMoved: number }[]; tables?: unknown }[];
    };
    expect(report.results.map(({ algorithm }) => algorithm)).toEqual(['maglev', 'ring']);
    expect(report.results[0]!.tables).toBeUndefined();
    expect(report.results[0]!.steps.length).toBe(2);
  });

  it('draws', async () => {
    const svg = (await churn('--backends', '8', '--plan', 'remove:1', '-o', 'svg')).out;
    expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    const html = (await churn('--backends', '8', '--plan', 'zone:2', '-o', 'html')).out;
    expect(html).toMatch(/^<!doctype html>/);
    expect(html.match(/<svg/g)!.length).toBe(3);
    expect(html).not.toMatch(/<script|https?:\/\/(?!www\.w3\.org)|NaN|undefined|Infinity/);
  });

  it("compares another program's Maglev", async () => {
    const { out } = await churn('--backends', '4', '--plan', 'flap:1', '--variant', 'envoy', '--algorithm', 'maglev');
    expect(out).toMatch(/^Envoy's Maglev$/m);
    expect(out).toMatch(/^Cilium's Maglev$/m);
  });

  it('leaves out what knows no weights when weights change', async () => {
    const { code, out } = await churn('--backends', '4', '--plan', 'reweight:50%:2');
    expect(code).toBe(0);
    expect(out).not.toMatch(/Jump/);
    expect(out).toMatch(/weight 75 to 50|weight 100 to 50/);
  });

  it.each([
    [['--backends', '3'], /--plan is missing/],
    [['--backends', '3', '--plan', 'remove:4'], /takes more than there are/],
    [['--backends', '3', '--plan', 'explode'], /is not a plan/],
    [['--backends', '260', '--plan', 'add:1', '--table-size', '251'], /261 backends do not fit/],
    [['--weights', '0,0', '--plan', 'add:1'], /no backend has a weight/],
    [['--backends', '3', '--plan', 'rolling', '--surge', '0%'], /cannot move/],
    [['--backends', '3', '--plan', 'add:1', '--algorithm', 'nginx'], /not an algorithm/],
    [['--backends', '3', '--plan', 'add:1', '--table-size', '1000'], /not supported/],
    [['--weights', '1,300', '--plan', 'add:1', '--algorithm', 'jump'], /knows no weights/],
    [['--backends', '3', '--plan', 'reweight:50%', '--algorithm', 'jump'], /knows no weights/],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await churn(...words);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });

  it('refuses absurd numbers of flows', async () => {
    const { code, err } = await runCli(['churn', '--backends', '3', '--plan', 'add:1', '--flows', '2000000000']);
    expect(code).toBe(2);
    expect(err).toMatch(/out of range/);
  });
});

describe('lbtwin spread', () => {
  it('tells how ports spread', async () => {
    const { code, out } = await runCli(['spread', '--ports', '40000-40099', '--backends', '5']);
    expect(code).toBe(0);
    expect(out).toMatch(/^100 connections of 1 client/);
    expect(out).toMatch(/least-connections: busiest 0 % above/);
  });

  it('answers for programs, for named backends', async () => {
    const words = [
      '--ports',
      '1-10',
      '--backend-list',
      '10.0.0.1:80,[fd00::1]:80',
      '--weights',
      '100,300',
      '-o',
      'json',
    ];
    const report = JSON.parse((await runCli(['spread', ...words])).out) as { names: string[]; results: unknown[] };
    expect(report.names).toEqual(['10.0.0.1:80', '[fd00::1]:80']);
    expect(report.results.length).toBe(3);
  });

  it.each([
    [['--backends', '2'], /one source/],
    [['--ports', '1', '--pcap', 'x', '--backends', '2'], /one source/],
    [['--ports', '1'], /--backends is missing/],
    [['--ports', 'a', '--backends', '2'], /not a port/],
    [['--pcap', 'no-such.pcap', '--backends', '2'], /no such file/],
    [['--pcap', 'package.json', '--backends', '2'], /neither pcap nor pcapng/],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await runCli(['spread', ...words]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('a service of a cluster', () => {
  const shop = ['-f', 'examples/shop.yaml'];

  it('churns its own backends, under its own configuration', async () => {
    const words = ['churn', ...shop, '--plan', 'remove:1', '--flows', '1000', '--threads', '1', '-o', 'json'];
    const { code, out } = await runCli([...words, '--service', 'shop/web:80', '--algorithm', 'maglev']);
    const report = JSON.parse(out) as { subject: string; backends: number; tableSize: number };
    expect(code).toBe(0);
    expect(report.subject).toBe('shop/web (203.0.113.10:80/TCP)');
    expect(report.backends).toBe(11);
    const byAddress = JSON.parse((await runCli([...words, '--to', '203.0.113.10:80', '--algorithm', 'maglev'])).out);
    expect(byAddress).toEqual(report);
  });

  it('plans for its own backends, each removed once', async () => {
    const words = [
      'maglev',
      'plan',
      ...shop,
      '--service',
      'shop/web:80',
      '--threads',
      '1',
      '--table-size',
      '251',
      '-o',
      'json',
    ];
    const report = JSON.parse((await runCli(words)).out) as Record<string, unknown>;
    expect(report).toMatchObject({
      subject: 'shop/web (203.0.113.10:80/TCP)',
      exhaustive: true,
      backends: 11,
      sizes: [{ needless: { trials: 11 } }],
    });
  });

  it('spreads as `select` says', async () => {
    const client = '198.51.100.7';
    const spread = ['spread', ...shop, '--to', '203.0.113.10:80', '--client', client, '-o', 'json'];
    const { names, results } = JSON.parse((await runCli([...spread, '--ports', '40000'])).out) as {
      names: string[];
      results: { algorithm: string; perBackend: { connections: number }[] }[];
    };
    const chosen = names[results[0]!.perBackend.findIndex(({ connections }) => connections === 1)]!;
    const select = ['select', ...shop, '--from', `${client}:40000`, '--to', '203.0.113.10:80', '--algorithm', 'maglev'];
    expect((await runCli(select)).out).toContain(chosen);
  });

  it.each([
    [['--service', 'shop/wob'], /no service "shop\/wob"; did you mean shop\/web/],
    [['--service', 'shop/web'], /several ports/],
    [['--service', 'shop/web:81'], /no port 81/],
    [['--to', '203.0.113.99:80'], /no frontend 203.0.113.99:80\/TCP/],
    [['--service', 'shop/web:80', '--backends', '3'], /different things/],
    [['--service', 'shop/web:80', '--node', 'nowhere'], /no node "nowhere"/],
    [[], /--service is missing/],
  ])('refuses %j', async (words, message) => {
    const { code, err } = await runCli(['churn', ...shop, '--plan', 'remove:1', '--threads', '1', ...words]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});
