import { dump } from 'js-yaml';
import { readObjects } from '../src/k8s/read.ts';
import { cluster } from './control-plane.ts';
import type { Benchmark } from './measure.ts';

const SERVICES = 10_000;

/** What a live dump has beside the fields that count: ids, times, the manifest as it was applied. */
function dressed(object: Record<string, unknown>, i: number): Record<string, unknown> {
  const metadata = {
    ...(object['metadata'] as object),
    creationTimestamp: '2025-03-01T12:00:00Z',
    resourceVersion: String(100_000 + i),
    uid: `3b241101-e2bb-4255-8caf-${String(i).padStart(12, '0')}`,
    annotations: {
      'kubectl.kubernetes.io/last-applied-configuration': `${JSON.stringify({ ...object, status: undefined })}\n`,
      'meta.helm.sh/release-name': `release-${i}`,
    },
  };
  return { ...object, metadata };
}

/** A `kubectl get svc,endpointslices -A -o yaml` of 10,000 services, about 26 MB, and the same as JSON. */
export function readBenchmarks(): Benchmark[] {
  const items = cluster(SERVICES).map(dressed);
  const list = { apiVersion: 'v1', items, kind: 'List', metadata: { resourceVersion: '' } };
  const yaml = dump(list, { noRefs: true, seqNoIndent: true, lineWidth: -1 });
  const json = JSON.stringify(list, undefined, 4);
  const size = (text: string): string => `${Math.round(text.length / 1e6)} MB`;
  const read = (name: string, text: string): Benchmark => ({
    name: `read a List, ${size(text)} ${name}`,
    operations: 1,
    samples: 5,
    run: () => readObjects('dump', text).objects.length,
  });
  return [read('YAML', yaml), read('JSON', json)];
}
