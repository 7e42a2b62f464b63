const NONE = -1;
/** In place of the newer neighbour: the flow has no entry. */
const ABSENT = -2;

/** Which flows have a conntrack entry, in the order of their last packets: at the limit, the one quiet for longest loses its entry. */
export class LruOfFlows {
  private readonly limit: number;
  /** Newer and older neighbour of each flow, side by side: packets come in no order, and each look is a cache line. */
  private readonly links: Int32Array;
  private newest = NONE;
  private oldest = NONE;
  private held = 0;

  /** Flows 0..flows-1, of which `limit` (at least 1) have room. */
  constructor(flows: number, limit: number) {
    this.limit = limit;
    this.links = new Int32Array(2 * flows).fill(ABSENT);
  }

  has(flow: number): boolean {
    return this.links[2 * flow] !== ABSENT;
  }

  /** A packet of `flow`: its entry is made, or moved to the front. */
  touch(flow: number): void {
    const { links } = this;
    if (flow === this.newest) return;
    if (links[2 * flow] !== ABSENT) this.unlink(flow);
    else if (this.held === this.limit) {
      const victim = this.oldest;
      this.unlink(victim);
      links[2 * victim] = ABSENT;
    } else this.held++;
    const { newest } = this;
    links[2 * flow] = NONE;
    links[2 * flow + 1] = newest;
    if (newest === NONE) this.oldest = flow;
    else links[2 * newest] = flow;
    this.newest = flow;
  }

  private unlink(flow: number): void {
    const { links } = this;
    const newer = links[2 * flow]!;
    const older = links[2 * flow + 1]!;
    if (newer === NONE) this.newest = older;
    else links[2 * newer + 1] = older;
    if (older === NONE) this.oldest = newer;
    else links[2 * older] = newer;
  }
}
