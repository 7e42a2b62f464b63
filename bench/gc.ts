import { constants, type PerformanceEntry, PerformanceObserver } from 'node:perf_hooks';
import { collectGarbage } from './heap.ts';
import { type Benchmark, counted, lazy, type Result } from './measure.ts';
import { Population } from './population.ts';

/* What ten million packets of open connections leave for the garbage collector: nothing is allocated for a packet. */

const SAMPLES = 10;
const PACKETS = 1_000_000;

/** Collections by kind between `start` and `stop`. An observer hears of them only when the event loop turns. */
class GcWatch {
  readonly #entries: PerformanceEntry[] = [];
  readonly #observer = new PerformanceObserver((list) => this.#entries.push(...list.getEntries()));
  #since = 0;
  #heap = 0;

  async start(): Promise<void> {
    collectGarbage();
    this.#observer.observe({ entryTypes: ['gc'] });
    await turn();
    this.#heap = process.memoryUsage().heapUsed;
    this.#since = performance.now();
  }

  async stop(name: string): Promise<Result[]> {
    const until = performance.now();
    const growth = process.memoryUsage().heapUsed - this.#heap;
    await turn();
    this.#entries.push(...this.#observer.takeRecords());
    this.#observer.disconnect();
    // V8 tidies up when the event loop turns: that is not the packets' doing.
    const during = this.#entries.filter(({ startTime }) => startTime >= this.#since && startTime <= until);
    const minor = during.filter((entry) => kindOf(entry) === constants.NODE_PERFORMANCE_GC_MINOR).length;
    return [
      counted(`${name}.major`, 'collections', during.length - minor),
      counted(`${name}.minor`, 'collections', minor),
      counted(`${name}.heap`, 'bytes', growth),
    ];
  }
}

const kindOf = (entry: PerformanceEntry): number =>
  (entry as PerformanceEntry & { readonly detail: { readonly kind: number } }).detail.kind;

/** The next turn of the event loop but one, so that what was queued for the next has been delivered. */
async function turn(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise((resolve) => setImmediate(resolve));
}

export function gcBenchmarks(): Benchmark[] {
  return ([4, 6] as const).map((family) => {
    const name = `gc.10m.v${family}`;
    const watch = new GcWatch();
    const population = lazy(() => new Population(family, { services: 100, backends: 10, flows: 10_000 }));
    return {
      name,
      operations: PACKETS,
      samples: SAMPLES,
      run: () => population().run(PACKETS),
      ready: () => watch.start(),
      figures: () => watch.stop(name),
    };
  });
}
