import type { Hook } from '../../datapath/hooks.ts';
import type { MetricEntry } from '../../datapath/metrics.ts';
import type { Node } from '../../datapath/node.ts';
import { LbtwinError } from '../../errors.ts';
import { hasTaken, sharedChunks } from '../threads/chunks.ts';
import type { GroupColumns } from './groups.ts';
import { makeNode, type NodeSource, type PacketColumns, type ShardReport } from './perform.ts';
import { readChunks, sharedPlan, type Shards, shareOut } from './plan.ts';
import { Planner } from './planner.ts';
import { restlessClients } from './restless.ts';
import { columnsFor, lruMaps, runPackets } from './run.ts';
import type { PacketTrace } from './trace.ts';
import { type ReplayThread, type ThreadOptions, withThreads } from './threads.ts';

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
 * @param source makes the node, once for each thread, and once more if one thread has to run them all; the nodes must be equal
 * @throws LbtwinError `invalid-threads`, `unknown-hook`, `invalid-node-source`, and what `Node.receive` throws
 */
export async function replayPackets(
  source: NodeSource,
  hook: Hook,
  trace: PacketTrace,
  options: PacketReplayOptions = {},
): Promise<PacketReplay> {
  if (!DEVICE_HOOKS.includes(hook)) {
    throw new LbtwinError('unknown-hook', `${JSON.stringify(hook)} takes no trace`, {
      path: ['hook'],
      allowed: DEVICE_HOOKS.join(', '),
    });
  }
  const { seed = 1 } = options;
  const run = { hook, trace, out: columnsFor(trace), seed };
  const alone = (node: Node, sequential: SequentialReason | undefined): PacketReplay => {
    const { metrics } = runPackets(run, node);
    return { ...run.out, metrics, shards: 1, sequential };
  };
  // Threads that begin now start while this one makes its node and plans.
  return withThreads(options, async (others) => {
    const node = await makeNode(source);
    if (others.length === 0) return alone(node, undefined);
    const maps = lruMaps(node);
    if (maps.some(({ size }) => size > 0)) return alone(node, 'earlier-flows');
    const sent = { module: String(source.module), data: source.data };
    const shards = await planTogether(node, sent, trace, others);
    const used = shards.loads.filter((load) => load > 0).length;
    if (used < 2) return alone(node, 'one-group');
    const asked = others.map(async (thread, i) => {
      const share = { shards, shard: i + 1 };
      return shards.loads[i + 1]! > 0 ? thread.ask({ kind: 'run', source: sent, ...run, share }) : undefined;
    });
    const own = runPackets({ ...run, share: { shards, shard: 0 } }, node);
    const answers = (await Promise.all(asked)) as (ShardReport | undefined)[];
    const reports = [own, ...answers.filter((report) => report !== undefined)];
    const reason = verify(
      reports,
      maps.map(({ maxEntries }) => maxEntries),
    );
    if (reason !== undefined) return alone(await makeAnother(source, node), reason);
    return { ...run.out, metrics: summed(reports), shards: used, sequential: undefined };
  });
}

/** A node without what the first has in its tables by now. */
async function makeAnother(source: NodeSource, first: Node): Promise<Node> {
  const node = await makeNode(source);
  if (node !== first) return node;
  throw new LbtwinError('invalid-node-source', `${String(source.module)} gives the same node twice`, {
    path: ['module'],
    allowed: 'a node of its own for each call',
  });
}

/** All threads read parts of the trace; one that is not there before all was read does not take part. */
async function planTogether(
  node: Node,
  source: NodeSource,
  trace: PacketTrace,
  others: readonly ReplayThread[],
): Promise<Shards> {
  const restless = restlessClients(trace);
  const chunks = sharedChunks(1 + others.length);
  const plan = sharedPlan(trace.times.length, chunks);
  const asked = others.map((thread, i) => thread.ask({ kind: 'plan', thread: i + 1, source, trace, restless, plan }));
  // A thread that cannot start says so again when it is to run something.
  for (const answer of asked) answer.catch(() => {});
  const planner = new Planner(node, restless);
  readChunks(planner, trace, plan, 0);
  const found = await Promise.all(asked.map((answer, i) => (hasTaken(chunks, i + 1) ? answer : undefined)));
  return shareOut(planner.groups, found as (GroupColumns | undefined)[], plan, 1 + others.length);
}
