import { HookContext } from '../../datapath/context.ts';
import type { Node } from '../../datapath/node.ts';
import type { PacketColumns, RunJob, ShardReport } from './perform.ts';
import { CHUNK, rowsOf } from './plan.ts';
import { type PacketTrace, sharedBytes, sharedInts, sharedNumbers, sharedWords, viewOf } from './trace.ts';

/** The maps that drop their oldest entries when they are full. */
export const lruMaps = (node: Node): { readonly size: number; readonly maxEntries: number }[] =>
  ([4, 6] as const).flatMap((family) => {
    const { conntrack, nat, tables, lb } = node.of(family);
    return [conntrack.tcp, conntrack.any, nat.table, tables.neighbours, tables.fragments, lb.affinity];
  });

/** Room for what a frame can grow by: an outer header with options, or an ICMP error around it. */
const GROWTH = 128;

/** Frames between two looks at the sizes of maps, and how many entries these can add to one map at most. */
const CHECK_EVERY = 64;
const ADDED_BETWEEN = 4 * CHECK_EVERY;

function note(peaks: number[], maps: readonly { readonly size: number }[]): void {
  maps.forEach(({ size }, i) => (peaks[i] = Math.max(peaks[i]!, size)));
}

/**
 * Columns for the results of a trace. A frame that did not grow lies where it lay in the trace, the others behind all of these, each
 * in a place of its own: memory that is never written to is never taken.
 */
export function columnsFor({ offsets, times }: PacketTrace): PacketColumns {
  const count = times.length;
  return {
    act: sharedInts(count),
    ifindex: sharedWords(count),
    mark: sharedWords(count),
    starts: sharedNumbers(count),
    lengths: sharedWords(count),
    bytes: sharedBytes(2 * offsets[count]! + GROWTH * count),
  };
}

/** Runs the frames of a shard, or all, through a node of its own. */
export function runPackets(
  { hook, trace, out, seed, share }: Omit<RunJob, 'source' | 'kind'>,
  node: Node,
): ShardReport {
  const { offsets, times } = trace;
  const frames = viewOf(trace.bytes);
  const results = viewOf(out.bytes);
  const behind = offsets[times.length]!;
  const ctx = new HookContext();
  const { packet } = ctx;
  const words = new FrameWords(seed);
  const options = { now: 0, random: () => words.next() };
  const maps = lruMaps(node);
  const peaks = maps.map(({ size }) => size);
  const rows = new Uint32Array(CHUNK);
  for (let chunk = 0; chunk * CHUNK < times.length; chunk++) {
    const count = rowsOf(chunk, times.length, share, rows);
    for (let i = 0; i < count; i++) {
      const row = rows[i]!;
      if (i % CHECK_EVERY === 0) note(peaks, maps);
      words.begin(row);
      options.now = times[row]!;
      const from = offsets[row]!;
      const came = offsets[row + 1]! - from;
      packet.loadFrom(frames, from, came);
      const act = node.runLoaded(hook, options, ctx);
      const length = act < 0 ? 0 : packet.length;
      if (length > came + GROWTH) throw new RangeError(`frame ${row} grew to ${length} bytes`);
      const start = length <= came ? from : behind + from + GROWTH * row;
      out.act[row] = act;
      out.ifindex[row] = act < 0 || ctx.redirectKind === 0 ? 0 : ctx.redirectIfindex;
      out.mark[row] = ctx.mark;
      out.lengths[row] = length;
      out.starts[row] = start;
      if (length > 0) packet.copyTo(results, start);
    }
  }
  note(peaks, maps);
  const limited = node.tables.icmpBuckets.tokens(node.addresses.ifindex) !== undefined;
  const most = peaks.map((size) => (size === 0 ? 0 : size + ADDED_BETWEEN));
  return { peaks: most, limited, metrics: [...node.metrics.entries()] };
}

/** Random words that depend on the seed and the frame's number only, not on which frames a thread ran before. */
class FrameWords {
  readonly #seed: number;
  #state = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  begin(frame: number): void {
    this.#state = mixed(this.#seed ^ mixed(frame));
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    return mixed(this.#state) >>> 0;
  }
}

/** The finaliser of MurmurHash3: every bit of the argument moves every bit of the result. */
function mixed(word: number): number {
  let h = word;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}
