import { describe, expect, it } from 'vitest';
import { testFiles } from '../support/files.ts';
import { runCli } from './run-cli.ts';

const { write } = testFiles();

const NODE = ['-f', 'examples/shop.yaml', '--node', 'worker-a1'];

const print = async (command: string, ...more: string[]): Promise<string> => {
  const { code, out } = await runCli([...command.split(' '), ...NODE, ...more]);
  expect(code).toBe(0);
  return out;
};

describe('lbtwin bpf lb list', () => {
  it('lists the maps of one node, NodePorts at its addresses included', async () => {
    const out = await print('bpf lb list');
    expect(out.split('\n')[0]).toMatch(/^SERVICE ADDRESS +BACKEND ADDRESS \(REVNAT_ID\) \(SLOT\)$/);
    expect(out).toMatch(
      /^203\.0\.113\.20:443\/TCP \(0\) +0\.0\.0\.0:0 \(\d+\) \(0\) \[LoadBalancer, Local, two-scopes, sessionAffinity, check source-range\] +$/m,
    );
    expect(out).toMatch(/^192\.168\.10\.11:31080\/TCP \(1\) +10\.244\.1\.\d+:3000\/TCP /m);
    expect(out).not.toContain('192.168.10.12:31080');
  });

  it.each([
    ['--frontends', /^10\.96\.0\.1:443\/TCP \(0\) +0 1\[0\] \(\d+\) \[0x0 0x0\] +$/m],
    ['--backends', /^\d+ +TCP:\/\/192\.168\.10\.10 +$/m],
    ['--revnat', /^\d+ +\[2001:db8:ff::10\]:443 +$/m],
    ['--source-ranges', /^198\.51\.100\.0\/24 \(\d+\) +$/m],
  ])('%s', async (view, line) => {
    expect(await print('bpf lb list', view)).toMatch(line);
  });

  it('as JSON is a list of values by key', async () => {
    const json = JSON.parse(await print('bpf lb list', '-o', 'json')) as Record<string, string[]>;
    expect(json['10.96.20.70:25/TCP (0)']![0]).toMatch(/^0\.0\.0\.0:0 \(\d+\) \(0\) \[ClusterIP, non-routable\]$/);
    expect(Object.keys(json)).toEqual(Object.keys(json).sort());
  });

  it('takes the addresses of devices', async () => {
    const out = await print('bpf lb list', '--device', 'eth0=203.0.113.77,10.1.1.1', '--device', 'eth1=192.168.10.11');
    expect(out).toContain('10.1.1.1:30080/TCP (0)');
    expect(out).toContain('192.168.10.11:30080/TCP (0)');
    expect(out).not.toContain('203.0.113.77:30080');
  });
});

describe('lbtwin service list', () => {
  it('lists frontends by id; the wildcard stands for the addresses of the node', async () => {
    const out = await print('service list');
    expect(out).toMatch(/^ID +Frontend +Service Type +Backend +$/m);
    expect(out).toMatch(/^\d+ +0\.0\.0\.0:31080\/TCP\/i +NodePort +1 => 10\.244\.1\.\d+:3000\/TCP \(active\) +$/m);
    expect(out).not.toContain('192.168.10.11:31080');
    expect(await print('service list', '--profile', '1.17')).toContain('192.168.10.11:31080/TCP ');
  });

  it('as JSON has the shape of the API', async () => {
    const json = JSON.parse(await print('service list', '-o', 'json')) as { spec: { id: number } }[];
    expect(json.map(({ spec }) => spec.id)).toEqual(json.map(({ spec }) => spec.id).toSorted((a, b) => a - b));
  });

  it('adopts live ids, from either listing, and gives new ones to what is not in it', async () => {
    const pasted = write(
      'ids.txt',
      '700    10.96.20.70:25/TCP    ClusterIP   \n10.96.0.1:443/TCP (0)   0.0.0.0:0 (44) (0) [ClusterIP]\n',
    );
    const out = await print('service list', '--ids-from', pasted);
    expect(out).toMatch(/^700 +10\.96\.20\.70:25\/TCP /m);
    expect(out).toMatch(/^44 +10\.96\.0\.1:443\/TCP /m);
    expect(out).toMatch(/^1 +\S+ /m);
    const list = write('list.txt', await print('bpf lb list', '--ids-from', pasted));
    expect(await print('bpf lb list', '--revnat', '--ids-from', list)).toBe(
      await print('bpf lb list', '--revnat', '--ids-from', pasted),
    );
    const empty = write('none.txt', 'nothing here\n');
    expect(await runCli(['service', 'list', ...NODE, '--ids-from', empty])).toMatchObject({
      code: 2,
      err: expect.stringContaining('no service ids in it (allowed: the output of') as string,
    });
  });
});

describe('lbtwin bpf lb maglev', () => {
  it('prints one table by id, address or name', async () => {
    const byAddress = await print('bpf lb maglev get 203.0.113.10:80/TCP');
    expect(byAddress).toMatch(/^SVC ID +LOOKUP TABLE\n\[(\d+)\]\/v4 +\[\d+( \d+){16380}\] +\n$/);
    const id = /\[(\d+)\]/.exec(byAddress)![1]!;
    expect(await print(`bpf lb maglev get ${id}`)).toBe(byAddress);
    expect(await print('bpf lb maglev get 203.0.113.10:80')).toBe(byAddress);
    expect(await print('bpf lb maglev get shop/web')).toContain(byAddress.split('\n')[1]!.trim().slice(0, 60));
  });

  it('prints shares and runs in short', async () => {
    const out = await print('bpf lb maglev get 203.0.113.10:80 --compact');
    expect(out).toMatch(/^\[\d+\]\/v4 {2}203\.0\.113\.10:80\/TCP\n {2}id +backend +slots +share\n/);
    expect(out).toMatch(/shop\/web-\S+ +14(?:89|90) +9\.1 % {2}█+\n/);
    const json = JSON.parse(await print('bpf lb maglev list --compact', '-o', 'json')) as Record<
      string,
      { size: number }
    >;
    expect(Object.keys(json).length).toBeGreaterThan(10);
    for (const { size } of Object.values(json)) expect(size).toBe(16381);
  });

  it('says when there is none', async () => {
    const none = await runCli(['bpf', 'lb', 'maglev', 'get', 'shop/mail', ...NODE]);
    expect(none).toMatchObject({ code: 1, out: '', err: expect.stringContaining('has no Maglev table') as string });
    const unknown = await runCli(['bpf', 'lb', 'maglev', 'get', 'shop/wbe', ...NODE]);
    expect(unknown.code).toBe(2);
    expect(unknown.err).toMatch(/"shop\/wbe" is no service here; did you mean shop\/web/);
  });
});

describe('lbtwin status', () => {
  it('prints the line, and the details on demand', async () => {
    const device = ['--device', 'eth0=192.168.10.11,fe80::1'];
    const { out } = await runCli(['status', '-f', 'examples/shop.yaml', '--verbose', ...device]);
    expect(out).toMatch(
      /^KubeProxyReplacement: {3}True {3}\[eth0 {3}192\.168\.10\.11 fe80::1 \(Direct Routing\)\]\n\nKubeProxyReplacement Details:\n/,
    );
    expect(out).toContain('  Backend Selection:    Maglev (Table Size: 16381)\n');
  });

  it('needs no objects, and tells what it does not know', async () => {
    const { code, out } = await runCli([
      'status',
      '--verbose',
      '--set',
      'loadBalancer.mode=dsr,routingMode=native,ipv4NativeRoutingCIDR=10.0.0.0/8',
      '--set',
      'kubeProxyReplacement=true',
    ]);
    expect(code).toBe(0);
    expect(out).toContain('Mode:                  DSR\n    DSR Dispatch Mode:   IP Option/Extension\n');
    expect(out).toContain('(not known: no Kubernetes object tells them; give --device NAME=IP[,IP])');
    const json = JSON.parse((await runCli(['status', '-o', 'json'])).out) as Record<string, { mode: string }>;
    expect(json['kube-proxy-replacement']!.mode).toBe('True');
  });
});

describe('commands about one node, bad input', () => {
  it.each([
    [
      ['bpf', 'lb', 'list', '-f', 'examples/shop.yaml'],
      /--node is missing: each node has maps of its own \(allowed: control-1, worker-a1/,
    ],
    [
      ['service', 'list', '-f', 'examples/shop.yaml', '--node', 'worker-1'],
      /there is no node "worker-1"; did you mean worker-/,
    ],
    [['bpf', 'lb', 'list', ...NODE, '--frontends', '--backends'], /--frontends and --backends exclude each other/],
    [['bpf', 'lb', 'list', ...NODE, '--device', 'eth0'], /--device: "eth0" \(allowed: NAME=IP\[,IP\]\)/],
    [['bpf', 'lb', 'list', ...NODE, '--device', 'eth0=1.2.3'], /"1\.2\.3" is not an IP address/],
    [['bpf', 'lb', 'list', ...NODE, '-o', 'yaml'], /--output: "yaml" is not known \(allowed: json, text\)/],
    [['bpf', 'lb', 'maglev', 'get', ...NODE], /no service is named/],
    [['bpf', 'lb', 'list', ...NODE, '--config', 'nowhere.yaml'], /nowhere\.yaml: no such file/],
    [['bpf', 'lb', 'list', ...NODE, '--set', 'loadBalancer.mode=fast'], /fast/],
    [['status', '--values', 'package.json', '--set', 'a'], /--set/],
  ])('%j', async (argv, message) => {
    const { code, out, err } = await runCli(argv);
    expect([code, out]).toEqual([2, '']);
    expect(err).toMatch(message);
  });

  it('reports an address that two services claim, as the agent would', async () => {
    const thief =
      'apiVersion: v1\nkind: Service\nmetadata: {name: thief, namespace: shop}\nspec: {clusterIP: 10.96.20.10, ports: [{port: 80}]}\n';
    const path = write('thief.yaml', thief);
    const { err } = await runCli(['service', 'list', ...NODE, '-f', path]);
    expect(err).toMatch(/thief\.yaml:1:1: Service shop\/thief: 10\.96\.20\.10:80\/TCP belongs to shop\/web/);
  });
});
