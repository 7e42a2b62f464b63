import { type TupleView, viewTuple } from '../conntrack/tuple.ts';
import type { HashTable } from '../hash/table.ts';
import { type Family, formatWords } from '../net/address.ts';

/** Words of a NAT entry's value, from `table.valueAt(row)`; the address follows (1 or 4 words). */
export const NatWord = {
  /** Seconds of the datapath's clock. */
  CREATED: 0,
  /** `to_port` in the low half, bit 16 set if the flow also has a conntrack entry of the host (needs_ct). */
  PORT_NEEDS_CT: 1,
  /** Where the other half of the pair was last seen: a row number, no part of the kernel's entry. */
  OTHER_HALF: 2,
  TO_ADDR: 3,
} as const;

export const NEEDS_CT = 0x1_0000;

export const natValueWords = (w: number): number => 3 + w;

/** A NAT entry for people and reports: the tuple in NAT layout, and what it is translated to. */
export interface NatEntry extends TupleView {
  readonly created: number;
  readonly needsCt: boolean;
  readonly toAddr: string;
  readonly toPort: number;
}

/** The entry in a row of a NAT table as an object. */
export function viewNatEntry(family: Family, table: HashTable, row: number): NatEntry {
  const { rows } = table;
  const at = table.valueAt(row);
  const word = rows[at + NatWord.PORT_NEEDS_CT]!;
  return {
    ...viewTuple(family, rows, row * table.rowWords),
    created: rows[at + NatWord.CREATED]!,
    needsCt: (word & NEEDS_CT) !== 0,
    toAddr: formatWords(family, rows, at + NatWord.TO_ADDR),
    toPort: word & 0xffff,
  };
}
