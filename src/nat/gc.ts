import type { Conntrack } from '../conntrack/conntrack.ts';
import { CtBit, CtWord } from '../conntrack/entry.ts';
import {
  type CtTuple,
  setTuple,
  swapTupleAddresses,
  TupleFlag,
  tupleFlags,
  tupleProtocol,
  tupleWords,
} from '../conntrack/tuple.ts';
import { wordsOf } from '../net/address.ts';
import { NatWord } from './entry.ts';
import type { Nat } from './nat.ts';

export interface Collected {
  /** Deleted conntrack entries. */
  readonly conntrack: number;
  /** Deleted NAT entries, both directions. */
  readonly nat: number;
}

/**
 * The agent's garbage collection at `now` (seconds): conntrack entries whose lifetime is over go, and with an outgoing one its
 * NAT mapping. Mappings whose conntrack entry was evicted stay: `purgeOrphans` finds those.
 */
export function collectGarbage(nat: Nat, now: number): Collected {
  const { conntrack } = nat;
  const key = new Uint32Array(tupleWords(nat.family));
  const before = nat.table.size;
  let deleted = 0;
  for (const table of [conntrack.tcp, conntrack.any]) {
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
      const at = table.valueAt(row);
      if (table.rows[at + CtWord.LIFETIME]! >= now) continue;
      const base = row * table.rowWords;
      key.set(table.rows.subarray(base, base + table.keyWords));
      const dsr = (table.rows[at + CtWord.BITS_REV_NAT]! & CtBit.DSR_INTERNAL) !== 0;
      table.deleteRow(row);
      deleted++;
      if (tupleFlags(key, wordsOf(nat.family)) === TupleFlag.OUT) deleteMapping(nat, key, dsr);
    }
  }
  return { conntrack: deleted, nat: before - nat.table.size };
}

/** Deletes the NAT entries of a connection, given its conntrack key (forward layout), which is used up. */
function deleteMapping(nat: Nat, key: CtTuple, dsr: boolean): void {
  const w = wordsOf(nat.family);
  const { table } = nat;
  if (dsr) {
    // DSR keeps one entry, for the reply: the same addresses, the ports the other way round.
    key[2 * w] = (key[2 * w]! << 16) | (key[2 * w]! >>> 16);
    table.delete(key);
    return;
  }
  swapTupleAddresses(key, w);
  const row = table.find(key);
  if (row < 0) return;
  const reverse = new Uint32Array(key.length);
  const at = table.valueAt(row);
  const port = table.rows[at + NatWord.PORT_NEEDS_CT]! & 0xffff;
  const protocol = tupleProtocol(key, w);
  setTuple(reverse, w, key, 0, table.rows, at + NatWord.TO_ADDR, key[2 * w]! >>> 16, port, protocol, TupleFlag.IN);
  table.deleteRow(row);
  table.delete(reverse);
}

/**
 * What the agent does when the datapath signals that ports or entries run out: deletes the NAT entries that no conntrack entry
 * stands behind any more. Returns how many.
 */
export function purgeOrphans(nat: Nat): number {
  const { table, conntrack } = nat;
  const w = wordsOf(nat.family);
  const key = new Uint32Array(tupleWords(nat.family));
  const ctKey = new Uint32Array(tupleWords(nat.family));
  const before = table.size;
  for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
    const base = row * table.rowWords;
    key.set(table.rows.subarray(base, base + table.keyWords));
    const ports = key[2 * w]!;
    const protocol = tupleProtocol(key, w);
    if (tupleFlags(key, w) === TupleFlag.IN) {
      const at = table.valueAt(row);
      const port = table.rows[at + NatWord.PORT_NEEDS_CT]! & 0xffff;
      // The forward NAT key, then the connection's conntrack key: the same with the addresses swapped.
      setTuple(ctKey, w, table.rows, at + NatWord.TO_ADDR, key, w, port, ports & 0xffff, protocol, TupleFlag.OUT);
      swapTupleAddresses(ctKey, w);
      if (conntrack.tableOf(ctKey).find(ctKey) >= 0) continue;
      table.deleteRow(row);
      swapTupleAddresses(ctKey, w);
      table.delete(ctKey);
    } else {
      ctKey.set(key);
      swapTupleAddresses(ctKey, w);
      if (conntrack.tableOf(ctKey).find(ctKey) >= 0 || hasDsrEntry(conntrack, key, w)) continue;
      table.deleteRow(row);
    }
  }
  return before - table.size;
}

/** True if a DSR connection of this node uses the NAT entry for its replies. The key's ports are swapped. */
function hasDsrEntry(conntrack: Conntrack, key: CtTuple, w: number): boolean {
  const table = conntrack.tableOf(key);
  key[2 * w] = (key[2 * w]! << 16) | (key[2 * w]! >>> 16);
  const row = table.find(key);
  return row >= 0 && (table.rows[table.valueAt(row) + CtWord.BITS_REV_NAT]! & CtBit.DSR_INTERNAL) !== 0;
}
