import { type Chunks, takeChunk } from '../threads/chunks.ts';
import type { GroupColumns, Groups } from './groups.ts';
import type { Planner } from './planner.ts';
import { type PacketTrace, sharedBytes, sharedInts } from './trace.ts';

/** Frames that one thread reads at a time. */
export const CHUNK = 8192;

/** What all threads write to while they plan; in shared memory. */
export interface SharedPlan {
  readonly chunks: Chunks;
  /** For each frame a key of its group, as a number of the thread that read it … */
  readonly keys: Int32Array;
  /** … which is told for each chunk. */
  readonly readers: Uint8Array;
}

/** Which frames are on which shard. */
export interface Shards extends Pick<SharedPlan, 'keys' | 'readers'> {
  /** By thread that read, by key. */
  readonly shardOf: readonly Uint8Array[];
  /** Frames of each shard. */
  readonly loads: Float64Array;
}

export const sharedPlan = (frames: number, chunks: Chunks): SharedPlan => ({
  chunks,
  keys: sharedInts(frames),
  readers: sharedBytes(Math.ceil(frames / CHUNK)),
});

/** Reads chunks of the trace until none is left; false if there was none at all. */
export function readChunks(planner: Planner, trace: PacketTrace, plan: SharedPlan, thread: number): boolean {
  const { chunks, keys, readers } = plan;
  for (let any = false; ; any = true) {
    const chunk = takeChunk(chunks, thread, readers.length);
    if (chunk < 0) return any;
    readers[chunk] = thread;
    planner.read(trace, chunk * CHUNK, Math.min(keys.length, (chunk + 1) * CHUNK), keys);
  }
}

/** A group is large that has this part of a shard's frames. */
const LARGE = 1 / 1024;

/**
 * Small groups are strewn over the shards, then large ones go to the shard with the fewest frames, the largest first. Where a group comes to
 * lie depends on its frames alone, not on which thread read them. Answers the shard of each key.
 */
function assign({ roots, sizes, firsts }: GroupColumns, loads: Float64Array): Uint8Array {
  const shardOf = new Uint8Array(roots.length);
  const place = (group: number, shard: number): void => {
    shardOf[group] = shard;
    loads[shard]! += sizes[group]!;
  };
  const frames = sizes.reduce((sum, size) => sum + size, 0);
  const large: number[] = [];
  for (let group = 0; group < roots.length; group++) {
    if (sizes[group] === 0) continue;
    if (sizes[group]! >= (frames / loads.length) * LARGE) large.push(group);
    else place(group, (Math.imul(firsts[group]! + 1, 0x9e3779b1) >>> 16) % loads.length);
  }
  large.sort((a, b) => sizes[b]! - sizes[a]! || firsts[a]! - firsts[b]!);
  for (const group of large) place(group, loads.indexOf(Math.min(...loads)));
  for (let key = 0; key < roots.length; key++) shardOf[key] = shardOf[roots[key]!]!;
  return shardOf;
}

/** Puts together what the first thread and the others found out; undefined stands for a thread that has read nothing. */
export function shareOut(
  groups: Groups,
  others: readonly (GroupColumns | undefined)[],
  { keys, readers }: SharedPlan,
  shards: number,
): Shards {
  const numbers = others.map((found) => (found === undefined ? [] : groups.absorb(found)));
  const loads = new Float64Array(shards);
  const shardOf = assign(groups.columns(), loads);
  return {
    keys,
    readers,
    loads,
    shardOf: [shardOf, ...numbers.map((here) => Uint8Array.from(here, (key) => shardOf[key]!))],
  };
}

/** A shard of several. */
export interface Share {
  readonly shards: Shards;
  readonly shard: number;
}

/** The frames of a chunk that are on a shard (all without one), in order, to `rows`; answers how many. */
export function rowsOf(chunk: number, frames: number, share: Share | undefined, rows: Uint32Array): number {
  const end = Math.min(frames, (chunk + 1) * CHUNK);
  let count = 0;
  if (share === undefined) {
    for (let row = chunk * CHUNK; row < end; row++) rows[count++] = row;
    return count;
  }
  const { keys, readers, shardOf } = share.shards;
  const shardOfKey = shardOf[readers[chunk]!]!;
  for (let row = chunk * CHUNK; row < end; row++) if (shardOfKey[keys[row]!] === share.shard) rows[count++] = row;
  return count;
}
