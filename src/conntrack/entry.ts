import type { HashTable } from '../hash/table.ts';
import type { Family } from '../net/address.ts';
import { type TupleView, viewTuple } from './tuple.ts';

/** Words of a conntrack entry's value, from `table.valueAt(row)`. */
export const CtWord = {
  BACKEND_ID: 0,
  PACKETS_LOW: 1,
  PACKETS_HIGH: 2,
  BYTES_LOW: 3,
  BYTES_HIGH: 4,
  /** Absolute, in seconds of the datapath's clock. */
  LIFETIME: 5,
  /** `CtBit`s in the low half, revNatIndex in the high half. */
  BITS_REV_NAT: 6,
  /** TCP flags seen and reported: sent (tx) in byte 0, received (rx) in byte 1. */
  FLAGS_SEEN: 7,
  SRC_SEC_ID: 8,
  LAST_TX_REPORT: 9,
  LAST_RX_REPORT: 10,
} as const;

export const CT_VALUE_WORDS = 11;

/** Bits of an entry, and of a `CtState` (SYN and CLOSING exist there only). */
export const CtBit = {
  RX_CLOSING: 0x1,
  TX_CLOSING: 0x2,
  LOOPBACK: 0x8,
  SEEN_NON_SYN: 0x10,
  NODE_PORT: 0x20,
  PROXY_REDIRECT: 0x40,
  DSR_INTERNAL: 0x80,
  FROM_L7LB: 0x100,
  FROM_TUNNEL: 0x400,
  SYN: 0x10000,
  CLOSING: 0x20000,
} as const;

/**
 * What a caller tells a lookup or a creation, and what a hit tells the caller. Make one and reuse it. A lookup that misses
 * leaves it as it was.
 */
export class CtState {
  /** u16; 0 none. */
  revNatIndex = 0;
  /** u32; service entries only. */
  backendId = 0;
  /** Security identity of the source, u32; lookups do not fill it. */
  srcSecId = 0;
  /** `CtBit`s. */
  bits = 0;

  clear(): void {
    this.revNatIndex = 0;
    this.backendId = 0;
    this.srcSecId = 0;
    this.bits = 0;
  }
}

/** A conntrack entry for people and reports. Counters are exact up to 2^53. */
export interface CtEntry extends TupleView {
  readonly backendId: number;
  readonly packets: number;
  readonly bytes: number;
  readonly lifetime: number;
  readonly rxClosing: boolean;
  readonly txClosing: boolean;
  readonly loopback: boolean;
  readonly seenNonSyn: boolean;
  readonly nodePort: boolean;
  readonly proxyRedirect: boolean;
  readonly dsrInternal: boolean;
  readonly fromL7lb: boolean;
  readonly fromTunnel: boolean;
  readonly revNatIndex: number;
  readonly txFlagsSeen: number;
  readonly rxFlagsSeen: number;
  readonly srcSecId: number;
  readonly lastTxReport: number;
  readonly lastRxReport: number;
}

export type CtValue = Omit<CtEntry, keyof TupleView>;

const HIGH = 0x1_0000_0000;

/** The entry in a row of a conntrack table as an object. */
export function viewCtEntry(family: Family, table: HashTable, row: number): CtEntry {
  const { rows } = table;
  const at = table.valueAt(row);
  const word = (index: number): number => rows[at + index]!;
  const bits = word(CtWord.BITS_REV_NAT);
  return {
    ...viewTuple(family, rows, row * table.rowWords),
    backendId: word(CtWord.BACKEND_ID),
    packets: word(CtWord.PACKETS_LOW) + HIGH * word(CtWord.PACKETS_HIGH),
    bytes: word(CtWord.BYTES_LOW) + HIGH * word(CtWord.BYTES_HIGH),
    lifetime: word(CtWord.LIFETIME),
    rxClosing: (bits & CtBit.RX_CLOSING) !== 0,
    txClosing: (bits & CtBit.TX_CLOSING) !== 0,
    loopback: (bits & CtBit.LOOPBACK) !== 0,
    seenNonSyn: (bits & CtBit.SEEN_NON_SYN) !== 0,
    nodePort: (bits & CtBit.NODE_PORT) !== 0,
    proxyRedirect: (bits & CtBit.PROXY_REDIRECT) !== 0,
    dsrInternal: (bits & CtBit.DSR_INTERNAL) !== 0,
    fromL7lb: (bits & CtBit.FROM_L7LB) !== 0,
    fromTunnel: (bits & CtBit.FROM_TUNNEL) !== 0,
    revNatIndex: bits >>> 16,
    txFlagsSeen: word(CtWord.FLAGS_SEEN) & 0xff,
    rxFlagsSeen: (word(CtWord.FLAGS_SEEN) >>> 8) & 0xff,
    srcSecId: word(CtWord.SRC_SEC_ID),
    lastTxReport: word(CtWord.LAST_TX_REPORT),
    lastRxReport: word(CtWord.LAST_RX_REPORT),
  };
}

const bit = (set: boolean, mask: number): number => (set ? mask : 0);

/** Writes a value into `rows[at ...]`, for instance to start from a dump. */
export function storeCtValue(rows: Uint32Array, at: number, value: CtValue): void {
  rows[at + CtWord.BACKEND_ID] = value.backendId;
  rows[at + CtWord.PACKETS_LOW] = value.packets;
  rows[at + CtWord.PACKETS_HIGH] = Math.floor(value.packets / HIGH);
  rows[at + CtWord.BYTES_LOW] = value.bytes;
  rows[at + CtWord.BYTES_HIGH] = Math.floor(value.bytes / HIGH);
  rows[at + CtWord.LIFETIME] = value.lifetime;
  rows[at + CtWord.BITS_REV_NAT] =
    bit(value.rxClosing, CtBit.RX_CLOSING) |
    bit(value.txClosing, CtBit.TX_CLOSING) |
    bit(value.loopback, CtBit.LOOPBACK) |
    bit(value.seenNonSyn, CtBit.SEEN_NON_SYN) |
    bit(value.nodePort, CtBit.NODE_PORT) |
    bit(value.proxyRedirect, CtBit.PROXY_REDIRECT) |
    bit(value.dsrInternal, CtBit.DSR_INTERNAL) |
    bit(value.fromL7lb, CtBit.FROM_L7LB) |
    bit(value.fromTunnel, CtBit.FROM_TUNNEL) |
    (value.revNatIndex << 16);
  rows[at + CtWord.FLAGS_SEEN] = value.txFlagsSeen | (value.rxFlagsSeen << 8);
  rows[at + CtWord.SRC_SEC_ID] = value.srcSecId;
  rows[at + CtWord.LAST_TX_REPORT] = value.lastTxReport;
  rows[at + CtWord.LAST_RX_REPORT] = value.lastRxReport;
}
