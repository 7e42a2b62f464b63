/** Kinds of use, in the low bits of a use's first word; a conntrack entry's direction (`CtDir`) is in its second byte, above it the table. */
export const Use = {
  /** A packet of a conntrack entry's flow passed: time, flags and counters were written. */
  CT: 0,
  /** A conntrack entry was looked at. */
  CT_READ: 1,
  NAT: 2,
  NEIGHBOUR: 3,
  MASK: 0x7f,
} as const;

/** In a use's kind: by the conntrack of the pods' programs, which shares its tables with the node's. */
export const USE_BY_PODS = 0x80;

/** Words per use: kind, row, and for conntrack what the entry said: bits with revNatIndex, backend id. */
export const USE_WORDS = 4;

/** More uses than this by one packet are not noted. */
export const MAX_USES = 6;

/**
 * What one packet used of the tables that flows leave entries in, in order, so that its successors can do the same without looking it up again
 * (docs/performance.md). Whoever changes such a table otherwise than by a noted use, or decides by something that the next packet may find
 * changed, has to spoil the log.
 */
export class UseLog {
  /** False: nothing is noted. */
  active = false;
  spoiled = false;
  count = 0;
  readonly uses: Uint32Array = new Uint32Array(MAX_USES * USE_WORDS);

  begin(): void {
    this.active = true;
    this.spoiled = false;
    this.count = 0;
  }

  note(kind: number, row: number, bits = 0, backendId = 0): void {
    if (!this.active) return;
    if (this.count === MAX_USES) {
      this.spoiled = true;
      return;
    }
    const at = this.count * USE_WORDS;
    this.uses[at] = kind;
    this.uses[at + 1] = row;
    this.uses[at + 2] = bits;
    this.uses[at + 3] = backendId;
    this.count++;
  }

  spoil(): void {
    this.spoiled = true;
  }
}
