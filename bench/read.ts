import { readObjects } from '../src/k8s/read.ts';
import { bigDump } from './dump.ts';
import type { Benchmark } from './measure.ts';

/** A big `List` of Nodes, Services and EndpointSlices, about 26 MB as YAML, and the same as JSON. */
export const readBenchmarks = (): Benchmark[] =>
  (['yaml', 'json'] as const).map((format) => ({
    name: `read a big List, ${format.toUpperCase()}`,
    operations: 1,
    samples: 5,
    run: () => readObjects('dump', bigDump()[format]).objects.length,
  }));
