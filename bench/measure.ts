/** One figure: nanoseconds per operation over repeated samples. */
export interface Result {
  readonly name: string;
  readonly unit: 'ns/op';
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly samples: number;
}

/** Something to measure. `run` does `operations` operations and returns a number that depends on their results. */
export interface Benchmark {
  readonly name: string;
  readonly operations: number;
  readonly run: () => number;
  /** Samples to take; 15 if absent. */
  readonly samples?: number;
}

/** Everything that is measured flows in here, so that nothing can be optimised away. */
export let sink = 0;

/** A small seeded generator of u32 (mulberry32's mixing): benchmarks repeat with the same inputs. */
export function seeded(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

const WARM_UP_MS = 150;

/** Warms up for a fixed time, then takes samples one by one. */
export function measure({ name, operations, run, samples = 15 }: Benchmark): Result {
  const end = performance.now() + WARM_UP_MS;
  do sink ^= run() | 0;
  while (performance.now() < end);
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    const start = performance.now();
    sink ^= run() | 0;
    times.push(((performance.now() - start) * 1e6) / operations);
  }
  times.sort((a, b) => a - b);
  return {
    name,
    unit: 'ns/op',
    median: round(times[times.length >> 1]!),
    min: round(times[0]!),
    max: round(times.at(-1)!),
    samples,
  };
}

const round = (value: number): number => Number(value.toPrecision(4));
