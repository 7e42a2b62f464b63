import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { Cluster } from '../../src/cluster/index.ts';
import { resolveConfig } from '../../src/config/index.ts';
import { accessScenario, accessSteps } from '../../src/install/index.ts';
import { readObjects } from '../../src/k8s/index.ts';
import { runCli } from '../cli/run-cli.ts';

const { objects } = readObjects('shop.yaml', readFileSync('examples/shop.yaml', 'utf8'));
const { config } = resolveConfig();

describe('access checks', () => {
  it('a working replacement answers every one of them', () => {
    const steps = accessSteps(objects, config, { node: 'worker-a1' });
    expect(new Set(steps.map(({ name }) => name)).size).toBe(steps.length);
    expect(steps.length).toBeGreaterThan(20);
    const cluster = Cluster.fromKubernetes(objects, { seed: 1 });
    for (const { name, send, expect: wanted } of steps) {
      expect(cluster.send(send).outcome.kind, name).toBe(wanted.outcome);
    }
  });

  it('names one service and one node', () => {
    expect(accessSteps(objects, config, { service: 'shop/api', node: 'worker-b1' }).map(({ send }) => send.to)).toEqual(
      ['10.96.20.30:80/TCP', '192.168.10.21:31080/TCP', '127.0.0.1:31080/TCP'],
    );
    expect(() => accessSteps(objects, config, { node: 'nobody' })).toThrow(
      expect.objectContaining({ code: 'no-node' }),
    );
    // It has no endpoints: nothing to expect.
    expect(() => accessSteps(objects, config, { service: 'shop/mail' })).toThrow(
      expect.objectContaining({ code: 'no-service' }),
    );
  });

  it('is written as a scenario file', async () => {
    const steps = accessSteps(objects, config, { service: 'shop/api' });
    const scenario = parse(accessScenario(steps, ['dump.yaml'], { values: { ipv6: { enabled: true } } })) as object;
    expect(scenario).toMatchObject({ objects: ['dump.yaml'], values: [{ ipv6: { enabled: true } }], steps });
    const { code, out } = await runCli([
      'install',
      'check',
      '--access',
      '-f',
      'examples/shop.yaml',
      '--service',
      'shop/api',
    ]);
    expect(code).toBe(0);
    expect(parse(out)).toMatchObject({ objects: ['examples/shop.yaml'], steps: steps.map(({ send }) => ({ send })) });
  });
});
