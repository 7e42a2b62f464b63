import type { Hook } from '../../datapath/hooks.ts';
import type { Node } from '../../datapath/node.ts';
import type { MetricEntry } from '../../datapath/metrics.ts';
import { LbtwinError } from '../../errors.ts';
import { selectBackends } from '../../lb/select.ts';
import type { Service } from '../../lb/service.ts';
import type { TupleColumns } from '../../lb/tuple.ts';
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
  readonly service: Service;
  readonly columns: TupleColumns;
  readonly random: Uint32Array | undefined;
  readonly out: Uint32Array;
  readonly from: number;
  readonly to: number;
}

export interface PacketJob {
  readonly kind: 'packets';
  readonly source: NodeSource;
  readonly hook: Hook;
  readonly trace: PacketTrace;
  readonly out: PacketColumns;
  /** The frames to run, in order. */
  readonly rows: Uint32Array;
  readonly seed: number;
}

export type ReplayJob = TupleJob | PacketJob;

/** What all shards of a packet trace have in common and cannot share. */
export interface ShardReport {
  /** An upper bound for the entries that each LRU map had, in the order of `lruMaps`. */
  readonly peaks: readonly number[];
  /** Whether an answer was taken from the device's limit. */
  readonly limited: boolean;
  readonly metrics: readonly MetricEntry[];
}

export type ReplayResult = ShardReport | undefined;

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

export async function perform(job: ReplayJob): Promise<ReplayResult> {
  if (job.kind === 'tuples') return runTuples(job);
  // Most of what a thread has to load, and only packets need it.
  const { runPackets } = await import('./run.ts');
  return runPackets(job, await makeNode(job.source));
}

function runTuples({ service, columns, random, out, from, to }: TupleJob): undefined {
  const words = columns.family === 4 ? 1 : 4;
  const { daddr, dport, protocol } = columns;
  let next = from;
  const part: TupleColumns = {
    family: columns.family,
    saddr: columns.saddr.subarray(from * words, to * words),
    sport: columns.sport.subarray(from, to),
    ...(daddr === undefined ? {} : { daddr: daddr.subarray(from * words, to * words) }),
    ...(dport === undefined ? {} : { dport: dport.subarray(from, to) }),
    ...(protocol === undefined ? {} : { protocol: protocol.subarray(from, to) }),
  };
  selectBackends(service, part, out.subarray(from, to), random === undefined ? undefined : () => random[next++]!);
}
