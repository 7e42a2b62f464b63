import type { TraceEvent } from '../lb/trace.ts';
import { accessesOf, type Hop, type JourneyDrop } from './journey.ts';
import { viewOf } from './packet-view.ts';

/** Where a packet ended. */
export interface DropArrival {
  readonly kind: 'dropped';
  readonly drop: JourneyDrop;
  readonly reason?: string;
}

/** What is written down of a walk: a hop for every program, kernel step and stretch of network. */
export class Diary {
  readonly hops: Hop[] = [];
  /** Hops so far, written down or not. */
  count = 0;
  readonly #direction: Hop['direction'];
  readonly #at: number;
  readonly #record: boolean;

  /** @param at seconds of the cluster's clock; @param record false to count hops only */
  constructor(direction: Hop['direction'], at: number, record: boolean) {
    this.#direction = direction;
    this.#at = at;
    this.#record = record;
  }

  write(
    node: string,
    hook: string,
    before: Uint8Array,
    after: Uint8Array | undefined,
    verdict: string,
    events: readonly TraceEvent[],
    drop?: { readonly code: number; readonly name: string },
  ): void {
    this.count++;
    if (!this.#record) return;
    const [from, to] = [viewOf(before), after === undefined ? undefined : viewOf(after)];
    this.hops.push({
      node,
      hook,
      direction: this.#direction,
      ...(from === undefined ? {} : { before: from }),
      ...(to === undefined ? {} : { after: to }),
      verdict,
      ...(drop === undefined ? {} : { drop: { code: drop.code, name: drop.name } }),
      ...accessesOf(events),
      events,
      frameIn: before,
      ...(after === undefined ? {} : { frameOut: after }),
      at: this.#at,
    });
  }

  /** A step of the kernel's or the network's, of which there is no more to say than what it did. */
  quiet(node: string, hook: string, before: Uint8Array, after: Uint8Array, verdict = 'passed on'): void {
    this.write(node, hook, before, after, verdict, []);
  }

  drop(code: number, name: string, node: string, hook: string): JourneyDrop {
    return { code, name, node, hook, ...(this.#direction === 'reply' ? { ofReply: true as const } : {}) };
  }

  /** The end of a packet that no program gave up: 0 and a word of ours, or Cilium's code where its program would have. */
  dropped(
    frame: Uint8Array,
    node: string,
    hook: string,
    { code, name }: { code: number; name: string },
    reason: string,
  ): DropArrival {
    this.write(node, hook, frame, undefined, 'drop', [], { code, name });
    return { kind: 'dropped', drop: this.drop(code, name, node, hook), reason };
  }
}
