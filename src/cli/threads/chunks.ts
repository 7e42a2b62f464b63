/** Work that several threads share: numbers of chunks, each given to who asks first. In shared memory: the next number, then who has asked. */
export type Chunks = Int32Array;

export const sharedChunks = (threads: number): Chunks => new Int32Array(new SharedArrayBuffer(4 * (1 + threads)));

/** The next of `count` chunks, for thread `thread` (from 0), or -1 if all are given away. */
export function takeChunk(chunks: Chunks, thread: number, count: number): number {
  Atomics.store(chunks, 1 + thread, 1);
  const chunk = Atomics.add(chunks, 0, 1);
  return chunk < count ? chunk : -1;
}

/** Once all are given away: whether a thread may have got one. If not, it never will, and nobody has to wait for it. */
export const hasTaken = (chunks: Chunks, thread: number): boolean => Atomics.load(chunks, 1 + thread) === 1;
