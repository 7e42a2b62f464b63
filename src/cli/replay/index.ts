export { type PacketReplay, type PacketReplayOptions, replayPackets, type SequentialReason } from './packets.ts';
export type { NodeSource, PacketColumns } from './perform.ts';
export { type PacketTrace, packetTrace, type TraceFrame } from './trace.ts';
export { replayTuples, type ThreadOptions } from './tuples.ts';
