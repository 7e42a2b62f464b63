declare module 'consistent-hash' {
  /** A ring of servers; the package has no types of its own. */
  export default class ConsistentHash {
    /** `points`: places on the ring, 0..100002; drawn if absent. */
    add(server: string, count?: number, points?: number[]): this;
    get(key: string): string;
  }
}
