import type { TraceEvent } from '../lb/trace.ts';
import type { ServiceFacts } from './facts.ts';
import type { PacketView } from './packet-view.ts';

/** What became of a packet that somebody sent, and of its answer. */
export type OutcomeKind =
  /** It arrived; no answer was asked for (or none is made for this kind of packet). */
  | 'delivered'
  /** It arrived and the answer came back from the address that the client had sent to. */
  | 'replied'
  /** An ICMP error came back. */
  | 'rejected'
  | 'dropped'
  /** The system call failed: nothing was sent. */
  | 'socketError'
  /** It arrived, but the answer comes from another address than the client sent to: the client discards it. */
  | 'wrongSource'
  /** It reached a process, or nobody, on a node itself, or by loopback in the sender's pod: whether somebody listens there is not known. */
  | 'passedToHost'
  /** The frames go round and round. */
  | 'looped'
  /** The twin cannot decide it; `reason` says why. */
  | 'undecided';

/** Which program, on which node, gave the packet up. */
export interface JourneyDrop {
  /** Cilium's number and name; 0 and a word of ours where not a program of Cilium's but the network dropped it. */
  readonly code: number;
  readonly name: string;
  readonly node: string;
  readonly hook: string;
  /** The answer, not the request, was dropped. */
  readonly ofReply?: true;
}

export interface Outcome {
  readonly kind: OutcomeKind;
  /** `ip:port` of the pod or host that got the request. */
  readonly backend?: string;
  /** The pod behind it: `namespace/name`. */
  readonly pod?: string;
  /** The node it arrived on. */
  readonly node?: string;
  /** All that may be picked, where the choice is random and no word was given. */
  readonly candidates?: readonly string[];
  /** Source that the receiver sees. */
  readonly sourceSeen?: string;
  /** Source of the answer as the client's network sees it. */
  readonly replySource?: string;
  /** Where the service address was translated first. */
  readonly translatedAt?: 'socket' | 'packet';
  readonly dropReason?: JourneyDrop;
  /** `EHOSTUNREACH` and the like. */
  readonly errno?: string;
  /** The ICMP error that came back, in words. */
  readonly icmp?: string;
  /** In plain words, where kind and fields do not say it all. */
  readonly reason?: string;
}

/** An entry of a map that a program looked at or wrote. */
export interface MapAccess {
  readonly map: string;
  readonly key: unknown;
  /** `undefined` for a miss. */
  readonly value: unknown;
}

/** One program, kernel step or stretch of network on the way. */
export interface Hop {
  /** Node name, or `client`, `network`. */
  readonly node: string;
  /** `xdp`, `fromNetdev`, `toContainer`, `connect4`, `host stack`, ... */
  readonly hook: string;
  /** `reply` on the way back. */
  readonly direction: 'request' | 'reply';
  readonly before?: PacketView;
  /** Absent when the packet ended here. */
  readonly after?: PacketView;
  readonly verdict: string;
  readonly drop?: { readonly code: number; readonly name: string };
  readonly reads: readonly MapAccess[];
  readonly writes: readonly MapAccess[];
  /** Everything that the program told, in order. */
  readonly events: readonly TraceEvent[];
  /** The frame before the hop, and after it. */
  readonly frameIn?: Uint8Array;
  readonly frameOut?: Uint8Array;
  /** Seconds of the cluster's clock. */
  readonly at: number;
}

/** A packet's whole way and that of its answer. */
export interface Journey {
  readonly from: string;
  readonly to: string;
  readonly outcome: Outcome;
  readonly hops: readonly Hop[];
  /** Which configuration this is for. */
  readonly config: string;
  /** The service that the packet met; absent if none was found. */
  readonly service?: ServiceFacts;
  /** One outcome for each way that a random choice may fall, where no word was given. */
  readonly alternatives?: readonly Outcome[];
  /** The journeys behind `alternatives`, in their order. */
  readonly ways?: readonly Journey[];
  /** What was assumed because nothing says it. */
  readonly assumptions: readonly string[];
}

/** Entries read and written, out of a program's events. */
export function accessesOf(events: readonly TraceEvent[]): { reads: MapAccess[]; writes: MapAccess[] } {
  const reads: MapAccess[] = [];
  const writes: MapAccess[] = [];
  for (const event of events) {
    if (event.kind === 'lookup') reads.push({ map: event.map, key: event.key, value: event.value });
    else if (event.kind === 'update') writes.push({ map: event.map, key: event.key, value: event.value });
    else if (event.kind === 'delete') writes.push({ map: event.map, key: event.key, value: undefined });
  }
  return { reads, writes };
}
