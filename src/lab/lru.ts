const NONE = -1;

/** Which flows have a conntrack entry, in the order of their last packets: at the limit, the one quiet for longest loses its entry. */
export class LruOfFlows {
  private readonly limit: number;
  private readonly newer: Int32Array;
  private readonly older: Int32Array;
  private readonly present: Uint8Array;
  private newest = NONE;
  private oldest = NONE;
  private held = 0;

  /** Flows 0..flows-1, of which `limit` (at least 1) have room. */
  constructor(flows: number, limit: number) {
    this.limit = limit;
    this.newer = new Int32Array(flows).fill(NONE);
    this.older = new Int32Array(flows).fill(NONE);
    this.present = new Uint8Array(flows);
  }

  has(flow: number): boolean {
    return this.present[flow] === 1;
  }

  /** A packet of `flow`: its entry is made, or moved to the front. */
  touch(flow: number): void {
    if (this.present[flow] === 1) this.unlink(flow);
    else if (this.held === this.limit) {
      const victim = this.oldest;
      this.unlink(victim);
      this.present[victim] = 0;
    } else this.held++;
    this.present[flow] = 1;
    this.older[flow] = this.newest;
    this.newer[flow] = NONE;
    if (this.newest === NONE) this.oldest = flow;
    else this.newer[this.newest] = flow;
    this.newest = flow;
  }

  private unlink(flow: number): void {
    const [up, down] = [this.newer[flow]!, this.older[flow]!];
    if (up === NONE) this.newest = down;
    else this.older[up] = down;
    if (down === NONE) this.oldest = up;
    else this.newer[down] = up;
  }
}
