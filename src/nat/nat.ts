import type { Conntrack } from '../conntrack/conntrack.ts';
import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtState } from '../conntrack/entry.ts';
import {
  type CtTuple,
  setTuple,
  swapTupleAddresses,
  TupleFlag,
  tupleProtocol,
  tupleWords,
} from '../conntrack/tuple.ts';
import { Use, type UseLog } from '../conntrack/use-log.ts';
import { LbtwinError } from '../errors.ts';
import { HashTable } from '../hash/table.ts';
import { copyAddress, type Family, sameAddressAt, wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { type NatEntry, natValueWords, NatWord, NEEDS_CT, viewNatEntry } from './entry.ts';
import { keepPort, nextPort, SNAT_ATTEMPTS, SNAT_SIGNAL_THRESHOLD } from './ports.ts';

/** The agent's default size of a NAT table: two thirds of both conntrack tables. */
export const DEFAULT_NAT_MAX_ENTRIES = 524_288;

/** Source of random words, u32; drawn only where the datapath draws one. */
export type Random = () => number;

/** What a flow's source is to become. Make one and reuse it. */
export class SnatTarget {
  /** The new source address: 1 or 4 words. */
  readonly addr: Uint32Array;
  /** Range of ports, inclusive; `minPort <= maxPort`. */
  minPort = 32_768;
  maxPort = 65_535;
  /** Source ports below this are left alone unless the packet comes from a pod of this node; where the SNAT ports begin. */
  minEgress = 32_768;
  /** Keep a conntrack entry beside the mapping: traffic of the host itself. */
  needsCt = false;
  /** The packet comes from a pod of this node: then its source port does not matter. */
  fromLocalEndpoint = false;

  constructor(family: Family) {
    this.addr = new Uint32Array(wordsOf(family));
  }

  /** @throws LbtwinError `invalid-port-range` */
  setRange(minPort: number, maxPort: number): void {
    if (
      !Number.isInteger(minPort) ||
      !Number.isInteger(maxPort) ||
      minPort < 0 ||
      maxPort > 65_535 ||
      minPort > maxPort
    ) {
      throw new LbtwinError('invalid-port-range', `${minPort}-${maxPort} is not a range of ports`, {
        allowed: '0..65535, first <= last',
      });
    }
    this.minPort = minPort;
    this.maxPort = maxPort;
  }
}

export function createNatTable(family: Family, maxEntries: number = DEFAULT_NAT_MAX_ENTRIES): HashTable {
  return new HashTable({
    kind: 'lru',
    keyWords: tupleWords(family),
    valueWords: natValueWords(wordsOf(family)),
    maxEntries,
  });
}

/**
 * Source NAT of one address family (docs/nat.md). Each mapping is two entries: *forward*, from the packet's own tuple (flags OUT)
 * to the new source, and *reverse*, from the reply's tuple (flags IN) to the original source. Tuples are in NAT layout.
 * Answers are 0 or a negative `DropReason`; the translation is left in `toAddr` and `toPort`.
 */
export class Nat {
  readonly family: Family;
  readonly table: HashTable;
  readonly conntrack: Conntrack;
  /** The translation that the last successful call found or made: new source (forward), original source (reverse). */
  readonly toAddr: Uint32Array;
  toPort = 0;
  /** When that translation's entry was made, and whether it needs conntrack. */
  created = 0;
  needsCt = false;
  /** The errno (negative) behind the last failure, else 0. */
  extErr = 0;
  /** What conntrack answered in the last call, or -1 if it was not asked. */
  ctStatus: CtStatus | -1 = -1;
  /** How many new mappings took 0, 1, ... 31 failed attempts; [32] counts those that gave up. */
  readonly retries: Uint32Array = new Uint32Array(SNAT_ATTEMPTS + 1);
  /** How often the agent was signalled that ports run out. */
  fillUpSignals = 0;
  /** Where uses are noted, if anybody wants to know. */
  log: UseLog | undefined = undefined;

  readonly #w: number = 1;
  private readonly key: CtTuple;
  private readonly ctTuple: CtTuple;
  readonly #ctState = new CtState();

  constructor(conntrack: Conntrack, table: HashTable = createNatTable(conntrack.family)) {
    this.family = conntrack.family;
    this.conntrack = conntrack;
    this.table = table;
    this.#w = wordsOf(this.family);
    this.toAddr = new Uint32Array(this.#w);
    this.key = new Uint32Array(tupleWords(this.family));
    this.ctTuple = new Uint32Array(tupleWords(this.family));
  }

  /** Looks up any entry; true if found, with the translation in `toAddr`, `toPort`, ... */
  lookup(tuple: CtTuple): boolean {
    return this.#load(this.#lookup(tuple));
  }

  /**
   * The mapping of an outgoing flow: the existing one if it fits the target, else a new one.
   * @param tcpFlags flags byte of a TCP packet; @param length frame length in bytes: both for conntrack only.
   */
  forward(tuple: CtTuple, target: SnatTarget, tcpFlags: number, length: number, now: number, random: Random): number {
    this.extErr = 0;
    this.ctStatus = -1;
    const row = this.#lookup(tuple);
    if (target.needsCt) {
      const failure = this.#trackForward(tuple, tcpFlags, length, now);
      if (failure !== 0) return failure;
    }
    if (row < 0) return this.newMapping(tuple, target, now, random);
    this.#load(row);
    const fits = this.needsCt === target.needsCt && sameAddressAt(this.toAddr, 0, target.addr, 0, this.#w);
    this.#setReverseKey(tuple, this.toAddr, this.toPort);
    if (!fits) {
      this.table.deleteRow(row);
      this.table.delete(this.key);
      return this.newMapping(tuple, target, now, random);
    }
    // Half of the pair may have been evicted: it is repaired from this one.
    if (this.#hasOtherHalf(row)) return 0;
    const w = this.#w;
    return this.#repair(row, tuple, w, tuple[2 * w]! & 0xffff, now);
  }

  /**
   * The original source behind an incoming packet's destination.
   * @returns 0 with `toAddr` and `toPort`, or `-DropReason.NAT_NO_MAPPING`.
   */
  reverse(tuple: CtTuple, tcpFlags: number, length: number, now: number): number {
    this.extErr = 0;
    this.ctStatus = -1;
    const row = this.#lookup(tuple);
    if (!this.#load(row)) return -DropReason.NAT_NO_MAPPING;
    const w = this.#w;
    const key = this.key;
    const ports = tuple[2 * w]!;
    // Forward key: from the original source to the packet's source.
    setTuple(key, w, this.toAddr, 0, tuple, w, this.toPort, ports & 0xffff, tupleProtocol(tuple, w), TupleFlag.OUT);
    if (!this.#hasOtherHalf(row)) {
      const failure = this.#repair(row, tuple, 0, ports >>> 16, now);
      if (failure !== 0) return failure;
    }
    if (!this.needsCt) return 0;
    // Conntrack's packet layout of the packet as it will be: source and destination ports crosswise.
    const ct = this.ctTuple;
    setTuple(ct, w, tuple, w, this.toAddr, 0, this.toPort, ports & 0xffff, tupleProtocol(tuple, w), 0);
    this.#ctState.clear();
    this.ctStatus = this.conntrack.lookup(
      ct,
      CtDir.INGRESS,
      CtScope.REVERSE,
      CtType.ANY,
      this.#ctState,
      tcpFlags,
      length,
      now,
    );
    return 0;
  }

  /** True if the entry in a row has a conntrack entry beside it. */
  needsTracking(row: number): boolean {
    return (this.table.rows[this.table.valueAt(row) + NatWord.PORT_NEEDS_CT]! & NEEDS_CT) !== 0;
  }

  /** A mapping for a flow that has none: searches a free port, at most `SNAT_ATTEMPTS` times; draws 0 to 2 random words. */
  newMapping(tuple: CtTuple, target: SnatTarget, now: number, random: Random): number {
    const w = this.#w;
    const { table } = this;
    const { minPort, maxPort } = target;
    const key = this.key;
    const sport = tuple[2 * w]! & 0xffff;
    this.extErr = 0;
    let port = keepPort(minPort, maxPort, sport, random);
    let attempt = 0;
    let reverse = -1;
    this.#setReverseKey(tuple, target.addr, port);
    for (; attempt < SNAT_ATTEMPTS; attempt++) {
      reverse = table.create(key);
      if (reverse >= 0) break;
      port = nextPort(minPort, maxPort, port, attempt, random);
      key[2 * w] = (port << 16) | (key[2 * w]! & 0xffff);
    }
    this.retries[attempt]!++;
    if (attempt > SNAT_SIGNAL_THRESHOLD) this.fillUpSignals++;
    if (reverse < 0) return -DropReason.NAT_NO_MAPPING;
    const forward = table.create(tuple);
    if (forward < 0) {
      table.delete(key);
      this.extErr = forward;
      return -DropReason.NAT_NO_MAPPING;
    }
    this.#store(reverse, forward, tuple, w, sport, target.needsCt, now);
    this.#store(forward, reverse, target.addr, 0, port, target.needsCt, now);
    this.#load(forward);
    return 0;
  }

  /** Stores one entry as it is, overwriting: how DSR keeps a service's address for replies. 0, or the negative errno. */
  put(
    tuple: CtTuple,
    toAddr: ArrayLike<number>,
    toAddrAt: number,
    toPort: number,
    needsCt: boolean,
    now: number,
  ): number {
    const row = this.table.upsert(tuple);
    if (row < 0) return row;
    this.table.changed();
    this.#store(row, row, toAddr, toAddrAt, toPort, needsCt, now);
    return 0;
  }

  /** All entries, both directions. */
  *entries(): Generator<NatEntry> {
    const { table } = this;
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) yield viewNatEntry(this.family, table, row);
  }

  #lookup(tuple: CtTuple): number {
    const row = this.table.lookup(tuple, 0);
    const { log } = this;
    if (log !== undefined) {
      if (row < 0) log.spoil();
      else log.note(Use.NAT, row);
    }
    return row;
  }

  #load(row: number): boolean {
    if (row < 0) return false;
    const { rows } = this.table;
    const at = this.table.valueAt(row);
    const word = rows[at + NatWord.PORT_NEEDS_CT]!;
    this.created = rows[at + NatWord.CREATED]!;
    this.toPort = word & 0xffff;
    this.needsCt = (word & NEEDS_CT) !== 0;
    copyAddress(this.toAddr, 0, rows, at + NatWord.TO_ADDR, this.#w);
    return true;
  }

  #store(
    row: number,
    otherHalf: number,
    addr: ArrayLike<number>,
    addrAt: number,
    port: number,
    needsCt: boolean,
    now: number,
  ): void {
    this.log?.spoil();
    const { rows } = this.table;
    const at = this.table.valueAt(row);
    rows[at + NatWord.CREATED] = now;
    rows[at + NatWord.OTHER_HALF] = otherHalf;
    rows[at + NatWord.PORT_NEEDS_CT] = needsCt ? port | NEEDS_CT : port;
    copyAddress(rows, at + NatWord.TO_ADDR, addr, addrAt, this.#w);
  }

  /** Key of the replies to a flow that leaves as `addr`:`port`. */
  #setReverseKey(tuple: CtTuple, addr: ArrayLike<number>, port: number): void {
    const w = this.#w;
    setTuple(this.key, w, tuple, 0, addr, 0, tuple[2 * w]! >>> 16, port, tupleProtocol(tuple, w), TupleFlag.IN);
  }

  /** True if the entry of `#key`, the other half of `row`, is there. */
  #hasOtherHalf(row: number): boolean {
    const { rows } = this.table;
    const at = this.table.valueAt(row) + NatWord.OTHER_HALF;
    const other = this.table.lookupNear(rows[at]!, this.key);
    if (other < 0) return false;
    this.log?.note(Use.NAT, other);
    rows[at] = other;
    return true;
  }

  /** Makes the other half of `row`, whose key is `#key`, new as of now; what was loaded stays loaded. */
  #repair(row: number, addr: ArrayLike<number>, addrAt: number, port: number, now: number): number {
    const other = this.table.create(this.key);
    if (other < 0) {
      this.extErr = other;
      return -DropReason.NAT_NO_MAPPING;
    }
    this.#store(other, row, addr, addrAt, port, this.needsCt, now);
    return 0;
  }

  #trackForward(tuple: CtTuple, tcpFlags: number, length: number, now: number): number {
    const { conntrack } = this;
    const ct = this.ctTuple;
    ct.set(tuple);
    swapTupleAddresses(ct, this.#w);
    this.#ctState.clear();
    this.ctStatus = conntrack.lookup(
      ct,
      CtDir.EGRESS,
      CtScope.FORWARD,
      CtType.ANY,
      this.#ctState,
      tcpFlags,
      length,
      now,
    );
    if (this.ctStatus !== CtStatus.NEW) return 0;
    const failure = conntrack.create(ct, CtDir.EGRESS, null, false, length, now);
    this.extErr = conntrack.extErr;
    return failure;
  }
}
