import { LbtwinError } from '../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { hashTuple } from '../hash/tuple.ts';
import { DEFAULT_WEIGHT, type MaglevBackend } from '../maglev/backend.ts';
import { buildLookupTable, type MaglevOptions } from '../maglev/table.ts';
import type { FlowList, ReplayFlow } from './flow-list.ts';
import { below, seededRandom } from './random.ts';
import { chiSquareTail } from './statistics.ts';

export const SPREAD_ALGORITHMS = ['maglev', 'random', 'least-connections'] as const;
export type SpreadAlgorithm = (typeof SPREAD_ALGORITHMS)[number];

export interface SpreadOptions extends MaglevOptions {
  /** Session affinity: the client's port does not enter the Maglev hash, and a client keeps its backend. */
  readonly affinity?: boolean;
  /** 0..2^32-1; for `random`. */
  readonly seed: number;
}

export interface BackendLoad {
  readonly id: number;
  readonly connections: number;
  readonly packets: number;
  readonly bytes: number;
  /** Most connections open at once. */
  readonly peak: number;
  /** Connections by weight. */
  readonly expected: number;
}

/** How one algorithm spreads the flows. */
export interface SpreadResult {
  readonly algorithm: SpreadAlgorithm;
  readonly perBackend: readonly BackendLoad[];
  /** The busiest backend above its share of connections, and of bytes. */
  readonly imbalance: number;
  readonly bytesImbalance: number;
  readonly chiSquare: number;
  readonly degrees: number;
  /** How often an even choice by chance looks at least this uneven. */
  readonly pValue: number;
}

type Choose = (flow: ReplayFlow, open: Uint32Array) => number;

/**
 * Replays flows through an algorithm, in the order in which they opened and closed.
 * @param backends at least one; weights count for `maglev` as Cilium has it, for `least-connections` as open connections per weight
 * @throws LbtwinError as `buildLookupTable`; `no-flows`
 */
export function spreadFlows(
  list: FlowList,
  backends: readonly MaglevBackend[],
  algorithm: SpreadAlgorithm,
  options: SpreadOptions,
): SpreadResult {
  if (list.flows.length === 0) {
    throw new LbtwinError('no-flows', 'there is no flow to replay', { allowed: 'one or more flows' });
  }
  const choose = chooser(algorithm, backends, options);
  const open = new Uint32Array(backends.length);
  const peak = new Uint32Array(backends.length);
  const connections = new Uint32Array(backends.length);
  const packets = new Float64Array(backends.length);
  const bytes = new Float64Array(backends.length);
  const chosen = new Int32Array(list.flows.length).fill(-1);
  for (const event of list.events) {
    const f = event > 0 ? event - 1 : -event - 1;
    const flow = list.flows[f]!;
    if (event < 0) {
      open[chosen[f]!]!--;
      continue;
    }
    const b = choose(flow, open);
    chosen[f] = b;
    connections[b]!++;
    open[b]!++;
    peak[b] = Math.max(peak[b]!, open[b]!);
    packets[b]! += flow.packets;
    bytes[b]! += flow.bytes;
  }
  const total = backends.reduce((sum, { weight = DEFAULT_WEIGHT }) => sum + weight, 0);
  const share = (i: number): number =>
    total === 0 ? 1 / backends.length : (backends[i]!.weight ?? DEFAULT_WEIGHT) / total;
  const perBackend = backends.map(({ id }, i) => ({
    id,
    connections: connections[i]!,
    packets: packets[i]!,
    bytes: bytes[i]!,
    peak: peak[i]!,
    expected: list.flows.length * share(i),
  }));
  const allBytes = bytes.reduce((sum, value) => sum + value, 0);
  const above = (value: (load: BackendLoad, i: number) => number): number =>
    perBackend.reduce((max, load, i) => (load.expected > 0 ? Math.max(max, value(load, i)) : max), 0);
  const chiSquare = perBackend.reduce(
    (sum, load) => sum + (load.expected > 0 ? (load.connections - load.expected) ** 2 / load.expected : 0),
    0,
  );
  const degrees = perBackend.filter(({ expected }) => expected > 0).length - 1;
  return {
    algorithm,
    perBackend,
    imbalance: above((load) => load.connections / load.expected - 1),
    bytesImbalance: allBytes === 0 ? 0 : above((load, i) => load.bytes / (allBytes * share(i)) - 1),
    chiSquare,
    degrees,
    pValue: chiSquareTail(chiSquare, degrees),
  };
}

function chooser(algorithm: SpreadAlgorithm, backends: readonly MaglevBackend[], options: SpreadOptions): Choose {
  const choose = freeChooser(algorithm, backends, options);
  if (options.affinity !== true) return choose;
  const sticky = new Map<string, number>();
  return (flow, open) => {
    const client = flow.saddr.join(':');
    const known = sticky.get(client);
    if (known !== undefined) return known;
    const chosen = choose(flow, open);
    sticky.set(client, chosen);
    return chosen;
  };
}

function freeChooser(algorithm: SpreadAlgorithm, backends: readonly MaglevBackend[], options: SpreadOptions): Choose {
  if (algorithm === 'random') {
    const random = seededRandom(options.seed, 0x7370);
    return () => below(random, backends.length);
  }
  if (algorithm === 'least-connections') {
    const weights = backends.map(({ weight = DEFAULT_WEIGHT }) => weight);
    return (_, open) => {
      let best = -1;
      for (let i = 0; i < open.length; i++) {
        if (weights[i] === 0) continue;
        if (best < 0 || open[i]! * weights[best]! < open[best]! * weights[i]!) best = i;
      }
      return Math.max(0, best);
    };
  }
  const table = buildLookupTable(
    backends.map((backend, i) => ({ ...backend, id: i })),
    options,
  );
  const seeds = parseHashSeed(options.hashSeed ?? DEFAULT_HASH_SEED);
  return ({ family, saddr, sport, dport, protocol }) => {
    const seed = family === 4 ? seeds.jhash4 : seeds.jhash6;
    const port = options.affinity === true ? 0 : sport;
    return table[hashTuple(family, saddr, 0, port, dport, protocol, seed) % table.length]!;
  };
}

/** What a spread tells about "why is my load uneven", most telling first. */
export function spreadFindings(list: FlowList, results: readonly SpreadResult[], affinity: boolean): string[] {
  const findings: string[] = [];
  const { flows } = list;
  const clients = new Set(flows.map(({ saddr }) => saddr.join(':'))).size;
  const count = results[0]!.perBackend.length;
  const noise = Math.sqrt(count / flows.length);
  const maglev = results.find(({ algorithm }) => algorithm === 'maglev');
  if (maglev !== undefined && !affinity) {
    findings.push(
      maglev.pValue < 0.01
        ? `maglev is more uneven than chance explains (chi-square ${maglev.chiSquare.toFixed(1)}, ${maglev.degrees} degrees of freedom, p ${maglev.pValue.toPrecision(2)}): look for flows that repeat`
        : `maglev is as even as chance makes it (p ${maglev.pValue.toPrecision(2)})`,
    );
  }
  if (noise > 0.05) {
    findings.push(
      `${flows.length} connections over ${count} backends: a backend ${(200 * noise).toFixed(0)} % off its share is nothing unusual`,
    );
  }
  if (affinity && clients < 20 * count) {
    findings.push(`session affinity spreads clients, not connections, and there are only ${clients}`);
  }
  const bytes = flows.reduce((sum, flow) => sum + flow.bytes, 0);
  const largest = flows.reduce((max, flow) => Math.max(max, flow.bytes), 0);
  if (bytes > 0 && largest * count > 0.2 * bytes) {
    findings.push(
      `one connection carries ${((100 * largest) / bytes).toFixed(1)} % of all bytes: no algorithm that keeps connections whole spreads that`,
    );
  }
  return findings;
}
