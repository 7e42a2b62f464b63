import { dropReasonName } from '../net/drop-reason.ts';

/** Direction of a metrics entry. */
export const MetricDirection = { INGRESS: 1, EGRESS: 2, SERVICE: 3 } as const;
export type MetricDirection = (typeof MetricDirection)[keyof typeof MetricDirection];

const DIRECTIONS = ['', 'ingress', 'egress', 'service'] as const;

export interface MetricEntry {
  /** Number of a drop reason, or of a reason to forward. */
  readonly reason: number;
  readonly name: string;
  readonly direction: 'ingress' | 'egress' | 'service';
  readonly packets: number;
  readonly bytes: number;
}

/** Packets and bytes by reason and direction, as the datapath's metrics map counts them. Exact up to 2^53. */
export class Metrics {
  readonly #packets = new Float64Array(1024);
  readonly #bytes = new Float64Array(1024);

  /** `bytes` is the frame's length, Ethernet header included. */
  count(reason: number, direction: MetricDirection, bytes: number): void {
    const at = (reason << 2) | direction;
    this.#packets[at]! += 1;
    this.#bytes[at]! += bytes;
  }

  packets(reason: number, direction: MetricDirection): number {
    return this.#packets[(reason << 2) | direction]!;
  }

  bytes(reason: number, direction: MetricDirection): number {
    return this.#bytes[(reason << 2) | direction]!;
  }

  /** What was counted, in the order of reason and direction. */
  *entries(): Generator<MetricEntry> {
    for (let at = 0; at < 1024; at++) {
      if (this.#packets[at] === 0) continue;
      const direction = DIRECTIONS[at & 3] as MetricEntry['direction'];
      yield {
        reason: at >>> 2,
        name: dropReasonName(at >>> 2),
        direction,
        packets: this.#packets[at]!,
        bytes: this.#bytes[at]!,
      };
    }
  }

  clear(): void {
    this.#packets.fill(0);
    this.#bytes.fill(0);
  }
}
