export { type PacketReplay, type PacketReplayOptions, replayPackets, type SequentialReason } from './packets.ts';
export type { NodeSource, PacketColumns } from './perform.ts';
export { type PacketTrace, packetTrace, type TraceFrame } from './trace.ts';
export { ReplayThreads, type ReplayThreadsOptions, type ThreadOptions } from './threads.ts';
export { replayTuples } from './tuples.ts';
