import type { Hook } from '../../datapath/hooks.ts';
import type { MetricEntry } from '../../datapath/metrics.ts';
import { LbtwinError } from '../../errors.ts';
import { runJobs } from '../threads/pool.ts';
import {
  makeNode,
  type NodeSource,
  type PacketColumns,
  type PacketJob,
  perform,
  type ReplayJob,
  type ReplayResult,
  type ShardReport,
} from './perform.ts';
import { planShards } from './plan.ts';
import { columnsFor, lruMaps, runPackets } from './run.ts';
import type { PacketTrace } from './trace.ts';
import { type ThreadOptions, threadsOf, WORKER } from './tuples.ts';

/** The hooks of devices. Pods' hooks need a pod with each packet and are no part of a trace. */
const DEVICE_HOOKS: readonly Hook[] = ['xdp', 'fromNetdev', 'toNetdev', 'fromOverlay'];

/**
 * Why the frames were run by one thread although more were asked for: the node had flows before the trace, all flows hang together, a full
 * LRU map would have dropped entries, or answers of several shards were to share the device's limit.
 */
export type SequentialReason = 'earlier-flows' | 'one-group' | 'full-map' | 'limited-answers';

export interface PacketReplay extends PacketColumns {
  /** What the node's metrics map counted, in the order of reason and direction. */
  readonly metrics: readonly MetricEntry[];
  /** Shards that the result is of. */
  readonly shards: number;
  readonly sequential: SequentialReason | undefined;
}

export interface PacketReplayOptions extends ThreadOptions {
  /** Of the random words that the datapath draws: those of a frame depend on it and on the frame's number. u32, 1 if absent. */
  readonly seed?: number;
}

/** Whether shards that ran side by side did what one thread would have done. */
function verify(reports: readonly ShardReport[], limits: readonly number[]): SequentialReason | undefined {
  if (reports.filter(({ limited }) => limited).length > 1) return 'limited-answers';
  const full = limits.some((limit, i) => reports.reduce((sum, { peaks }) => sum + peaks[i]!, 0) > limit);
  return full ? 'full-map' : undefined;
}

function summed(reports: readonly ShardReport[]): MetricEntry[] {
  const sums = new Map<string, MetricEntry>();
  for (const entry of reports.flatMap(({ metrics }) => metrics)) {
    const key = `${entry.reason} ${entry.direction}`;
    const { packets = 0, bytes = 0 } = sums.get(key) ?? {};
    sums.set(key, { ...entry, packets: packets + entry.packets, bytes: bytes + entry.bytes });
  }
  const order = ['ingress', 'egress', 'service'];
  return [...sums.values()].sort(
    (a, b) => a.reason - b.reason || order.indexOf(a.direction) - order.indexOf(b.direction),
  );
}

/**
 * Runs a trace of frames through a hook of a node on several threads. The result does not depend on how many: frames that can meet in the
 * node's tables are on one shard, in their order (docs/performance.md), and where that does not hold one thread runs them all.
 * @param source makes the node, once for each thread; the nodes must be equal
 * @throws LbtwinError `invalid-threads`, `unknown-hook`, `invalid-node-source`, and what `Node.receive` throws
 */
export async function replayPackets(
  source: NodeSource,
  hook: Hook,
  trace: PacketTrace,
  options: PacketReplayOptions = {},
): Promise<PacketReplay> {
  const threads = threadsOf(options);
  if (!DEVICE_HOOKS.includes(hook)) {
    throw new LbtwinError('unknown-hook', `${JSON.stringify(hook)} takes no trace`, {
      path: ['hook'],
      allowed: DEVICE_HOOKS.join(', '),
    });
  }
  const { seed = 1 } = options;
  const node = await makeNode(source);
  const out = columnsFor(trace);
  const alone = (sequential: SequentialReason | undefined): PacketReplay => {
    const rows = new Uint32Array(trace.times.length);
    for (let i = 0; i < rows.length; i++) rows[i] = i;
    const { metrics } = runPackets({ hook, trace, out, rows, seed }, node);
    return { ...out, metrics, shards: 1, sequential };
  };
  if (threads === 1) return alone(undefined);
  const maps = lruMaps(node);
  if (maps.some(({ size }) => size > 0)) return alone('earlier-flows');
  const shards = planShards(node, trace, threads);
  if (shards.length < 2) return alone('one-group');
  const { module, data } = source;
  const jobs = shards.map((rows): PacketJob => ({
    kind: 'packets',
    source: { module: String(module), data },
    hook,
    trace,
    out,
    rows,
    seed,
  }));
  const reports: ShardReport[] = [];
  await runJobs<ReplayJob, ReplayResult>(jobs, {
    threads,
    worker: options.worker ?? WORKER,
    perform,
    done: (_, report) => reports.push(report!),
  });
  const reason = verify(
    reports,
    maps.map(({ maxEntries }) => maxEntries),
  );
  return reason === undefined
    ? { ...out, metrics: summed(reports), shards: shards.length, sequential: undefined }
    : alone(reason);
}
