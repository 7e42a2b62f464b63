import { defineService, packTuples, selectBackend, selectBackends, type Service } from '../src/lb/index.ts';
import { type Benchmark, seeded } from './measure.ts';

const FLOWS = 65536;

function serviceOf(family: 4 | 6): Service {
  return defineService({
    frontend: family === 4 ? '203.0.113.10:443/TCP' : '[2001:db8::a]:443/TCP',
    type: 'LoadBalancer',
    algorithm: 'maglev',
    backends: Array.from({ length: 100 }, (_, i) => ({
      address: family === 4 ? `10.1.0.${i + 1}` : `fd00::${i + 1}`,
      port: 8443,
    })),
  });
}

function flowsOf(
  family: 4 | 6,
): { protocol: number; saddr: number | number[]; sport: number; daddr: number | number[]; dport: number }[] {
  const next = seeded(family);
  return Array.from({ length: FLOWS }, () => ({
    protocol: 6,
    saddr: family === 4 ? next() : [0x20010db8, next(), next(), next()],
    sport: next() & 0xffff,
    daddr: family === 4 ? 0xcb00710a : [0x20010db8, 0, 0, 10],
    dport: 443,
  }));
}

const dotted = (word: number): string => [24, 16, 8, 0].map((shift) => (word >>> shift) & 255).join('.');

/** `selectBackend` and its batch at M=16381, 100 backends. */
export function selectBenchmarks(): Benchmark[] {
  const out = new Uint32Array(FLOWS);
  return ([4, 6] as const).flatMap((family) => {
    const service = serviceOf(family);
    const flows = flowsOf(family);
    const columns = packTuples(family, flows);
    const lean = { family, saddr: columns.saddr, sport: columns.sport };
    const single = (tuples: Parameters<typeof selectBackend>[1][]): number => {
      let sum = 0;
      for (let i = 0; i < tuples.length; i++) sum += selectBackend(service, tuples[i]!)!.id;
      return sum;
    };
    const batch = (input: typeof lean): number => {
      selectBackends(service, input, out);
      return out[0]! + out[FLOWS - 1]!;
    };
    const text = flows.map((flow) => ({
      ...flow,
      protocol: 'TCP',
      saddr: family === 4 ? dotted(flow.saddr as number) : (flow.saddr as number[]).map(halves).join(':'),
      daddr: family === 4 ? '203.0.113.10' : '2001:db8::a',
    }));
    return [
      { name: `select.batch.v${family}`, operations: FLOWS, run: () => batch(lean) },
      { name: `select.batch.checked.v${family}`, operations: FLOWS, run: () => batch(columns) },
      { name: `select.single.v${family}`, operations: FLOWS, run: () => single(flows) },
      { name: `select.single.text.v${family}`, operations: FLOWS, run: () => single(text) },
    ];
  });
}

const halves = (word: number): string => `${(word >>> 16).toString(16)}:${(word & 0xffff).toString(16)}`;
