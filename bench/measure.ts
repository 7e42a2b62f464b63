/** One figure: over repeated samples, or of many things of a kind. */
export interface Result {
  readonly name: string;
  /** Times are in nanoseconds per operation; what else is reported has a unit of its own. */
  readonly unit: 'ns/op' | 'bytes' | 'bytes/entry' | 'probes' | '%' | 'collections';
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
  /** The work is done elsewhere, in other processes: only the clock can tell how long it takes. */
  readonly elsewhere?: boolean;
  /** Called when everything is warm, before the first sample. */
  readonly ready?: () => void | Promise<void>;
  /** What else there is to report, once it has run. */
  readonly figures?: () => Result[] | Promise<Result[]>;
}

/** Figures that are no times. */
export interface Report {
  readonly name: string;
  readonly figures: () => Result[] | Promise<Result[]>;
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

/** A list in another order: where entries were made in the order of a list, their rows lie side by side. */
export const shuffled = <T>(list: readonly T[], random: () => number): T[] =>
  list
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

/** Something that is made when it is first asked for: what a filter leaves out costs nothing. */
export function lazy<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => (made ??= { value: make() }).value;
}

const WARM_UP_MS = 150;

/**
 * Milliseconds of `run`: by the clock, or by the processor time of this process if that is less, so that what other work took from the core does
 * not count. (Processor time can be more: V8's helper threads are in it.)
 */
function timed(run: () => number, elsewhere: boolean): number {
  const [start, used] = [performance.now(), process.cpuUsage()];
  sink ^= run() | 0;
  const clock = performance.now() - start;
  const { user, system } = process.cpuUsage(used);
  return elsewhere ? clock : Math.min(clock, (user + system) / 1e3);
}

/** Warms up for a fixed time, then takes samples one by one; other figures follow the time. */
export async function measure(benchmark: Benchmark): Promise<Result[]> {
  const { name, operations, run, samples = 15, elsewhere = false, ready, figures } = benchmark;
  const end = performance.now() + WARM_UP_MS;
  do sink ^= run() | 0;
  while (performance.now() < end);
  await ready?.();
  const times: number[] = [];
  for (let i = 0; i < samples; i++) {
    times.push((timed(run, elsewhere) * 1e6) / operations);
  }
  const more = await figures?.();
  return [summary(name, 'ns/op', times), ...(more ?? [])];
}

/** Median and spread of some values; sorts them. */
export function summary(name: string, unit: Result['unit'], values: number[] | Uint32Array): Result {
  values.sort((a, b) => a - b);
  const { length } = values;
  return {
    name,
    unit,
    median: round(values[length >> 1]!),
    min: round(values[0]!),
    max: round(values[length - 1]!),
    samples: length,
  };
}

/** A figure that was counted, not sampled. */
export const counted = (name: string, unit: Result['unit'], value: number): Result => summary(name, unit, [value]);

const round = (value: number): number => Number(value.toPrecision(4));
