import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runReconcileCases } from '../support/reconcile-cases.ts';
import { optionsOf, Replay, type Scenario, type Step } from '../support/replay.ts';
import { observe } from '../support/upstream.ts';

/**
 * Cilium's own control-plane tests, read where they are (environment `SCENARIOS`). Expectations about the proxy's resources are not the
 * load balancer's; how many each file has is told here, so that none slips in unseen.
 */
const PROXY_EXPECTATIONS: Readonly<Record<string, number>> = {
  'ciliumenvoyconfig--anyport.json': 5,
  'ciliumenvoyconfig--backendservices.json': 4,
  'ciliumenvoyconfig--clusterwide.json': 7,
  'ciliumenvoyconfig--headless.json': 6,
  'ciliumenvoyconfig--ingress.json': 2,
  'ciliumenvoyconfig--labels.json': 4,
  'ciliumenvoyconfig--marshalling.json': 3,
  'ciliumenvoyconfig--namespaced.json': 6,
  'ciliumenvoyconfig--shared_cluster.json': 7,
};

const directory = process.env['SCENARIOS'] ?? '../shared/scenarios';
const missing = !existsSync(directory);
const title = missing
  ? `upstream scenarios: skipped, there is no ${directory} (SCENARIOS names the folder)`
  : 'upstream scenarios';

const isAboutProxy = (step: Step): boolean =>
  step.op === 'other'
    ? String(step['raw']).includes('envoy/cmp')
    : step['table'] === 'envoy-resources' || (step['table'] === 'ciliumenvoyconfigs' && step['match'] === 'serialized');

const read = <T>(name: string): T => JSON.parse(readFileSync(join(directory, name), 'utf8')) as T;

describe.skipIf(missing)(title, () => {
  const names = missing ? [] : readdirSync(directory).filter((name) => name.includes('--') && name.endsWith('.json'));

  it('are all there', () => {
    expect(names.length).toBe(read<{ summary: { scenarios: number } }>('index.json').summary.scenarios);
  });

  it.each(names)('%s', (name) => {
    const scenario = read<Scenario>(name);
    const replay = new Replay(optionsOf(scenario));
    const mapMax = (scenario.flags['bpf-lb-map-max'] as number | undefined) ?? 65536;
    let proxy = 0;
    let checked = 0;
    scenario.steps.forEach((step, i) => {
      if (isAboutProxy(step)) proxy++;
      else if (step.op === 'expect') {
        const { got, want } = observe(replay, step, mapMax);
        expect(got, `step ${i}: ${step['table']}`).toEqual(want);
        checked++;
      } else replay.run(step);
    });
    expect(proxy, 'expectations about the proxy').toBe(PROXY_EXPECTATIONS[name] ?? 0);
    expect(checked).toBeGreaterThan(0);
  });

  it('reconcile cases: one frontend with given backends, per algorithm and family', () => {
    const { runs, failures } = runReconcileCases(read('reconcile-cases.json'));
    expect(failures).toEqual([]);
    expect(runs).toBe(176);
  });
});
