import type { Hook } from '../../datapath/hooks.ts';
import type { Node } from '../../datapath/node.ts';
import type { MetricEntry } from '../../datapath/metrics.ts';
import { LbtwinError } from '../../errors.ts';
import { selectBackends } from '../../lb/select.ts';
import type { Service } from '../../lb/service.ts';
import type { TupleColumns } from '../../lb/tuple.ts';
import { type Chunks, takeChunk } from '../threads/chunks.ts';
import type { GroupColumns } from './groups.ts';
import type { SharedPlan, Share } from './plan.ts';
import type { PacketTrace } from './trace.ts';

/** Where a node comes from: a module that every thread imports, whose default export makes it from `data`. */
export interface NodeSource {
  readonly module: string | URL;
  /** Given to the module's function; a structured clone of it in other threads. */
  readonly data?: unknown;
}

/** What became of each frame. Output frame i is `bytes[starts[i], starts[i] + lengths[i])`; its length is 0 if it was dropped. */
export interface PacketColumns {
  /** `Act`, or a negative drop reason. */
  readonly act: Int32Array;
  /** The interface that it leaves by; 0 if it stays. */
  readonly ifindex: Uint32Array;
  readonly mark: Uint32Array;
  readonly starts: Float64Array;
  readonly lengths: Uint32Array;
  readonly bytes: Uint8Array;
}

export interface TupleJob {
  readonly kind: 'tuples';
  /** The thread, from 0. */
  readonly thread: number;
  readonly service: Service;
  readonly columns: TupleColumns;
  readonly random: Uint32Array | undefined;
  readonly out: Uint32Array;
  readonly chunks: Chunks;
}

/** To read a trace and find out what hangs together. */
export interface PlanJob {
  readonly kind: 'plan';
  readonly thread: number;
  readonly source: NodeSource;
  readonly trace: PacketTrace;
  readonly restless: Uint32Array;
  readonly plan: SharedPlan;
}

/** To run the frames of a shard. */
export interface RunJob {
  readonly kind: 'run';
  readonly source: NodeSource;
  readonly hook: Hook;
  readonly trace: PacketTrace;
  readonly out: PacketColumns;
  readonly seed: number;
  /** Which frames; all if absent. */
  readonly share?: Share;
}

export type ReplayJob = TupleJob | PlanJob | RunJob;

/** What all shards of a packet trace have in common and cannot share. */
export interface ShardReport {
  /** An upper bound for the entries that each LRU map had, in the order of `lruMaps`. */
  readonly peaks: readonly number[];
  /** Whether an answer was taken from the device's limit. */
  readonly limited: boolean;
  readonly metrics: readonly MetricEntry[];
}

export type ReplayResult = ShardReport | GroupColumns | undefined;

/** Makes a node. @throws LbtwinError `invalid-node-source`, and what the module throws */
export async function makeNode({ module, data }: NodeSource): Promise<Node> {
  const loaded = (await import(String(module))) as { default?: unknown };
  if (typeof loaded.default !== 'function') {
    throw new LbtwinError('invalid-node-source', `${String(module)} has no default export that makes a node`, {
      path: ['module'],
      allowed: 'a module with `export default (data) => new Node(...)`',
    });
  }
  return (await loaded.default(data)) as Node;
}

/** The node that a plan was made with, for the run that follows. */
let planned: Node | undefined;

export async function perform(job: ReplayJob): Promise<ReplayResult> {
  if (job.kind === 'tuples') return runTuples(job);
  // Most of what a thread has to load, and only packets need it.
  const { Planner, readChunks, runPackets } = await import('./packet-jobs.ts');
  const held = job.kind === 'run' ? planned : undefined;
  planned = undefined;
  const node = held ?? (await makeNode(job.source));
  if (job.kind === 'run') return runPackets(job, node);
  planned = node;
  const planner = new Planner(node, job.restless);
  return readChunks(planner, job.trace, job.plan, job.thread) ? planner.groups.columns() : undefined;
}

/** Rows that a thread takes at a time. */
export const TUPLES = 65_536;

export function runTuples({ thread, service, columns, random, out, chunks }: TupleJob): undefined {
  const { family, saddr, sport, daddr, dport, protocol } = columns;
  const words = family === 4 ? 1 : 4;
  for (;;) {
    const chunk = takeChunk(chunks, thread, Math.ceil(out.length / TUPLES));
    if (chunk < 0) return;
    const from = chunk * TUPLES;
    const to = Math.min(out.length, from + TUPLES);
    const part: TupleColumns = {
      family,
      saddr: saddr.subarray(from * words, to * words),
      sport: sport.subarray(from, to),
      ...(daddr === undefined ? {} : { daddr: daddr.subarray(from * words, to * words) }),
      ...(dport === undefined ? {} : { dport: dport.subarray(from, to) }),
      ...(protocol === undefined ? {} : { protocol: protocol.subarray(from, to) }),
    };
    let next = from;
    selectBackends(service, part, out.subarray(from, to), random === undefined ? undefined : () => random[next++]!);
  }
}
