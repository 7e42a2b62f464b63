/**
 * Could a table be updated in time proportional to the slots that change, in place of being built anew? `node build/bench/incremental.js`.
 *
 * A slot's owner depends on the turn at which each backend reaches it. Removing a backend lets the others take its slots, and whoever
 * takes one has its later turns pushed back by one, slots and all. An exact update has to visit every slot whose turn changed,
 * since any of them may now go to someone who passed it in between. This counts those slots, and times the full build.
 */
import { fileURLToPath } from 'node:url';
import { drawTrial } from '../src/lab/index.ts';
import { DEFAULT_HASH_SEED, offsetOf, parseHashSeed, prepareBackends, skipOf, tableOf } from '../src/maglev/index.ts';

interface Claims {
  readonly owner: Int32Array;
  /** How many slots the owner had before this one. */
  readonly round: Int32Array;
  readonly probes: number;
}

/** The plain fill, noting the round of each claim. `keys` name the backends. */
function claims(hashes: Uint32Array, keys: readonly number[], size: number): Claims {
  const owner = new Int32Array(size).fill(-1);
  const round = new Int32Array(size);
  const position = keys.map((_, i) => offsetOf(hashes, 4 * i, size));
  const skip = keys.map((_, i) => skipOf(hashes, 4 * i, size));
  let probes = 0;
  for (let n = 0; n < size; n++) {
    const i = n % keys.length;
    let slot = position[i]!;
    for (probes++; owner[slot]! >= 0; probes++) slot = (slot + skip[i]!) % size;
    owner[slot] = keys[i]!;
    round[slot] = Math.floor(n / keys.length);
    position[i] = (slot + skip[i]!) % size;
  }
  return { owner, round, probes };
}

const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[values.length >> 1]!;

function timed(run: () => void, repeats: number): number {
  const times: number[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    run();
    times.push(performance.now() - start);
  }
  return median(times.slice(repeats >> 2));
}

export function incremental(tableSize: number, backends: number): Record<string, number> {
  const { murmur } = parseHashSeed(DEFAULT_HASH_SEED);
  const spec = { variant: 'cilium', tableSize, backends, churn: { kind: 'remove', count: 1 }, seed: 1 } as const;
  const changed: number[] = [];
  const shifted: number[] = [];
  const probes: number[] = [];
  for (let trial = 0; trial < 15; trial++) {
    const { before, after } = drawTrial(spec, trial);
    const [one, two] = [before, after].map((list) => {
      const prepared = prepareBackends(list, murmur);
      return claims(prepared.hashes, Array.from(prepared.ids), tableSize);
    }) as [Claims, Claims];
    changed.push(one.owner.reduce((sum, owner, s) => sum + Number(owner !== two.owner[s]), 0));
    shifted.push(
      one.owner.reduce((sum, owner, s) => sum + Number(owner !== two.owner[s] || one.round[s] !== two.round[s]), 0),
    );
    probes.push(two.probes);
  }
  const { before } = drawTrial(spec, 0);
  const prepared = prepareBackends(before, murmur);
  return {
    tableSize,
    backends,
    changed: median(changed),
    shifted: median(shifted),
    probes: median(probes),
    fillMs: timed(() => void tableOf(prepared, tableSize), 60),
    fullMs: timed(() => void tableOf(prepareBackends(before, murmur), tableSize), 60),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const backends of [10, 50, 100, 250, 500]) console.log(JSON.stringify(incremental(16381, backends)));
}
