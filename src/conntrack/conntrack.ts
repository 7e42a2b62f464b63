import type { HashTable } from '../hash/table.ts';
import { type Family, wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { TcpFlag } from '../net/headers.ts';
import { Protocol } from '../net/protocol.ts';
import { CT_VALUE_WORDS, CtBit, type CtEntry, type CtState, CtWord, viewCtEntry } from './entry.ts';
import { CtDir, CtScope, CtStatus, CtType, MONITOR_REPORT, MONITOR_UNWRITTEN } from './kinds.ts';
import { type ConntrackOptions, resolveConntrackOptions } from './options.ts';
import { type ConntrackTables, createConntrackTables } from './tables.ts';
import { reverseTuple, setTupleFlags, type CtTuple, TupleFlag, tupleWords } from './tuple.ts';
import { Use, type UseLog } from './use-log.ts';

const BOTH_CLOSING = CtBit.RX_CLOSING | CtBit.TX_CLOSING;
/** SYN seen from both sides, as `FLAGS_SEEN` has it. */
const BOTH_SYN = TcpFlag.SYN | (TcpFlag.SYN << 8);
const STATE_BITS = CtBit.NODE_PORT | CtBit.PROXY_REDIRECT | CtBit.DSR_INTERNAL | CtBit.FROM_L7LB | CtBit.FROM_TUNNEL;

// What TCP flags ask of an entry.
const NONE = 0;
const CREATE = 1;
const CLOSE = 2;

// What a probe answers.
const ABSENT = 0;
const FOUND = 1;

/**
 * Connection tracking of one address family, as the datapath does it (docs/conntrack.md): one table for TCP, one for all else.
 * Times are seconds of the datapath's clock, u32, given with every call. An entry's lifetime is never compared with the clock
 * here; only `gc` deletes.
 */
export class Conntrack {
  readonly family: Family;
  readonly options: ConntrackOptions;
  readonly tcp: HashTable;
  readonly any: HashTable;
  /**
   * What the last `lookup` left for the monitor: 128 to report the packet with this payload length, 0 not to, or
   * `MONITOR_UNWRITTEN`.
   */
  monitor = 0;
  /** The errno (negative) behind the last failed `create`, else 0. */
  extErr = 0;
  /** How often a failed `create` signalled the agent that the table is full. */
  fillUpSignals = 0;
  /** Where uses are noted, if anybody wants to know. */
  log: UseLog | undefined = undefined;
  /** Or-ed to the kinds of noted uses. */
  logAs = 0;

  readonly #w: number = 1;
  readonly #stateBits: number = 0;
  readonly #related: CtTuple;

  /** `tables` are used as they are (their sizes win over the options'); without them empty ones are made. */
  constructor(family: Family, options: Partial<ConntrackOptions> = {}, tables?: ConntrackTables) {
    this.family = family;
    this.options = resolveConntrackOptions(options);
    const { tcp, any } = tables ?? createConntrackTables(family, options);
    this.tcp = tcp;
    this.any = any;
    this.#w = wordsOf(family);
    this.#stateBits = this.options.loopback ? STATE_BITS | CtBit.LOOPBACK : STATE_BITS;
    this.#related = new Uint32Array(tupleWords(family));
  }

  /** The table that holds entries of the tuple's protocol. */
  tableOf(tuple: CtTuple): HashTable {
    return this.#isTcp(tuple) ? this.tcp : this.any;
  }

  /**
   * Looks a tuple up and, on a hit, refreshes the entry. The tuple has its ports; for FORWARD it is in forward layout, otherwise
   * in packet layout. Its flags are overwritten, and it is left as the last probe had it: what `create` wants.
   *
   * @param types accepted kinds (`CtType`); a kind's conditions are read from `state`.
   * @param state filled from the entry on a hit.
   * @param tcpFlags the packet's flags byte; not looked at unless the protocol is TCP.
   * @param length of the frame in bytes, Ethernet header included; counted with `accounting` only.
   */
  lookup(
    tuple: CtTuple,
    dir: CtDir,
    scope: CtScope,
    types: number,
    state: CtState,
    tcpFlags: number,
    length: number,
    now: number,
  ): CtStatus {
    return this.#lookup(tuple, 0, dir, scope, types, state, tcpFlags, length, now);
  }

  /** Like `lookup`, for a tuple that may be marked RELATED (an ICMP error); the mark is kept. */
  lookupRelated(
    tuple: CtTuple,
    dir: CtDir,
    scope: CtScope,
    types: number,
    state: CtState,
    tcpFlags: number,
    length: number,
    now: number,
  ): CtStatus {
    const related = tuple[2 * this.#w + 1]! & TupleFlag.RELATED;
    return this.#lookup(tuple, related, dir, scope, types, state, tcpFlags, length, now);
  }

  #lookup(
    tuple: CtTuple,
    related: number,
    dir: CtDir,
    scope: CtScope,
    types: number,
    state: CtState,
    tcpFlags: number,
    length: number,
    now: number,
  ): CtStatus {
    const w = this.#w;
    const forward = scope === CtScope.FORWARD;
    const last = tuple[2 * w + 1]!;
    const tcp = ((last >>> 8) & 0xff) === Protocol.TCP;
    const table = tcp ? this.tcp : this.any;
    const flags = tcp ? tcpFlags : 0;
    let tupleFlags = TupleFlag.SERVICE as number;
    if (dir !== CtDir.SERVICE) tupleFlags = (dir === CtDir.EGRESS) === forward ? TupleFlag.OUT : TupleFlag.IN;
    tuple[2 * w + 1] = (last & 0xff00) | tupleFlags | related;
    this.monitor = MONITOR_UNWRITTEN;
    if (!forward) {
      if (this.#probe(table, tuple, dir, types, state, flags, length, now) === FOUND) {
        return related === 0 ? CtStatus.REPLY : CtStatus.RELATED;
      }
      if (scope === CtScope.REVERSE) return CtStatus.NEW;
      reverseTuple(tuple, w);
      tuple[2 * w + 1]! ^= TupleFlag.IN;
    }
    return this.#probe(table, tuple, dir, types, state, flags, length, now) === FOUND
      ? CtStatus.ESTABLISHED
      : CtStatus.NEW;
  }

  /**
   * Makes (or overwrites) the entry of a tuple as a `lookup` that answered NEW left it. With `related` an entry for ICMP errors
   * is made first, which stays even if the second fails.
   * @param state null for an entry without any.
   * @returns 0, or `-DropReason.CT_CREATE_FAILED` with `extErr` set.
   */
  create(tuple: CtTuple, dir: CtDir, state: CtState | null, related: boolean, length: number, now: number): number {
    this.log?.spoil();
    const w = this.#w;
    const tcp = this.#isTcp(tuple);
    this.extErr = 0;
    if (related) {
      const key = this.#related;
      key.set(tuple);
      key[2 * w] = 0;
      const protocol = this.family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
      key[2 * w + 1] = (protocol << 8) | (tuple[2 * w + 1]! & 0xff) | TupleFlag.RELATED;
      const row = this.#emptyRow(this.any, key);
      if (row < 0) return this.#createFailed(row);
      this.#fill(this.any, row, tcp, dir, state, now);
    }
    const table = tcp ? this.tcp : this.any;
    const row = this.#emptyRow(table, tuple);
    if (row < 0) return this.#createFailed(row);
    this.#fill(table, row, tcp, dir, state, now);
    if (this.options.accounting) this.#count(table.rows, table.valueAt(row), length);
    return 0;
  }

  /** Another backend for a service entry, in place; nothing if the entry is gone. */
  updateService(tuple: CtTuple, backendId: number, revNatIndex: number): void {
    this.log?.spoil();
    const table = this.tableOf(tuple);
    const row = table.lookup(tuple);
    if (row < 0) return;
    const { rows } = table;
    const at = table.valueAt(row);
    rows[at + CtWord.BACKEND_ID] = backendId;
    rows[at + CtWord.BITS_REV_NAT] = (rows[at + CtWord.BITS_REV_NAT]! & 0xffff) | (revNatIndex << 16);
  }

  /** True if the packet of `tuple` (packet layout) answers a connection that came in from outside; sets the flags to IN. */
  isReply(tuple: CtTuple): boolean {
    setTupleFlags(tuple, this.#w, TupleFlag.IN);
    return this.#read(tuple) >= 0;
  }

  /**
   * The bits (`CtBit`) and the revNatIndex, in the high half, of the entry of `tuple` with flags OUT, or -1: how egress
   * programs recognise replies of NodePort (`NODE_PORT`) and DSR (`DSR_INTERNAL`) connections. Sets the flags to OUT.
   */
  egressBits(tuple: CtTuple): number {
    setTupleFlags(tuple, this.#w, TupleFlag.OUT);
    return this.#read(tuple);
  }

  /**
   * Whether the entry in a row says what a noted use says: the same but for SEEN_NON_SYN, which comes of itself. The row has to be
   * live.
   */
  isAsNoted(use: number, row: number, bits: number, backendId: number): boolean {
    const table = this.#tableOfUse(use);
    const at = table.valueAt(row);
    const { rows } = table;
    return (
      ((rows[at + CtWord.BITS_REV_NAT]! ^ bits) & ~CtBit.SEEN_NON_SYN) === 0 &&
      rows[at + CtWord.BACKEND_ID] === backendId
    );
  }

  /** What a `lookup` did when it noted `use`, for another packet of the flow: one with SYN as that had or had not, without FIN and RST. */
  repeat(use: number, row: number, flags: number, length: number, now: number): void {
    const table = this.#tableOfUse(use);
    table.use(row);
    if ((use & Use.MASK) === Use.CT_READ) return;
    const { rows } = table;
    const at = table.valueAt(row);
    this.monitor = this.#refresh(rows, at, table === this.tcp, ((use >>> 8) & 0xff) as CtDir, flags, now);
    if (this.options.accounting) this.#count(rows, at, length);
  }

  /** Deletes the entries whose lifetime is over at `now`, as the agent's garbage collection does; returns how many. */
  gc(now: number): number {
    let deleted = 0;
    for (const table of [this.tcp, this.any]) {
      for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
        if (table.rows[table.valueAt(row) + CtWord.LIFETIME]! >= now) continue;
        table.deleteRow(row);
        deleted++;
      }
    }
    return deleted;
  }

  /** All entries, TCP first. */
  *entries(): Generator<CtEntry> {
    yield* this.entriesOf(this.tcp);
    yield* this.entriesOf(this.any);
  }

  /** The entries of one of the two tables. */
  *entriesOf(table: HashTable): Generator<CtEntry> {
    for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) yield viewCtEntry(this.family, table, row);
  }

  #tableOfUse(use: number): HashTable {
    return use >>> 16 === 0 ? this.tcp : this.any;
  }

  /** A lookup whose answer is the entry's bits with the revNatIndex in the high half, or -1. */
  #read(tuple: CtTuple): number {
    const table = this.tableOf(tuple);
    const row = table.lookup(tuple);
    if (row < 0) {
      this.log?.spoil();
      return -1;
    }
    const { rows } = table;
    const at = table.valueAt(row);
    const bits = rows[at + CtWord.BITS_REV_NAT]!;
    this.log?.note(
      Use.CT_READ | this.logAs | (table === this.tcp ? 0 : 1 << 16),
      row,
      bits,
      rows[at + CtWord.BACKEND_ID],
    );
    return bits;
  }

  #isTcp(tuple: CtTuple): boolean {
    return ((tuple[2 * this.#w + 1]! >>> 8) & 0xff) === Protocol.TCP;
  }

  /** FOUND or ABSENT: numbers, since what a call answers is tested for every kind of truth if it is a boolean. */
  #probe(
    table: HashTable,
    tuple: CtTuple,
    dir: CtDir,
    types: number,
    state: CtState,
    flags: number,
    length: number,
    now: number,
  ): number {
    const row = table.lookup(tuple, 0);
    const { log } = this;
    if (row < 0) {
      this.monitor = MONITOR_REPORT;
      if (log !== undefined) log.spoil();
      return ABSENT;
    }
    const { rows } = table;
    const at = table.valueAt(row);
    const word = rows[at + CtWord.BITS_REV_NAT]!;
    const revNatIndex = word >>> 16;
    const accepted = types === CtType.ANY || ((types & CtType.SERVICE) !== 0 && revNatIndex === state.revNatIndex);
    if (!accepted && accepts(types, word, revNatIndex, state) !== true) {
      this.monitor = MONITOR_REPORT;
      if (log !== undefined) log.spoil();
      return ABSENT;
    }
    const { options } = this;
    const service = dir === CtDir.SERVICE;
    const syn = (flags & TcpFlag.SYN) !== 0;
    const closing = (word & BOTH_CLOSING) !== 0;
    if (log !== undefined) {
      if (closing || (flags & (TcpFlag.FIN | TcpFlag.RST)) !== 0) log.spoil();
      else
        log.note(
          Use.CT | this.logAs | (dir << 8) | (table === this.tcp ? 0 : 1 << 16),
          row,
          word,
          rows[at + CtWord.BACKEND_ID]!,
        );
    }
    if (service && syn && closing && (rows[at + CtWord.LAST_TX_REPORT]! + options.serviceTcpGrace) >>> 0 <= now) {
      this.monitor = MONITOR_REPORT;
      return ABSENT;
    }
    if ((word & BOTH_CLOSING) !== BOTH_CLOSING)
      this.monitor = this.#refresh(rows, at, table === this.tcp, dir, flags, now);
    if (options.accounting) this.#count(rows, at, length);

    const action = (flags & (TcpFlag.FIN | TcpFlag.RST)) !== 0 ? CLOSE : syn ? CREATE : NONE;
    if (action === CREATE && closing) {
      rows[at + CtWord.BITS_REV_NAT] = (word & ~(BOTH_CLOSING | CtBit.SEEN_NON_SYN)) >>> 0;
      rows[at + CtWord.FLAGS_SEEN] = 0;
      this.monitor = this.#refresh(rows, at, table === this.tcp, dir, flags, now);
      return ABSENT;
    }
    state.revNatIndex = revNatIndex;
    if (action === CLOSE) {
      this.#close(rows, at, dir, flags, now);
      state.bits |= CtBit.CLOSING;
      this.monitor = MONITOR_REPORT;
    }
    if (service) {
      state.backendId = rows[at + CtWord.BACKEND_ID]!;
      state.bits = syn ? state.bits | CtBit.SYN : state.bits & ~CtBit.SYN;
    } else {
      const mask = this.#stateBits;
      state.bits = (state.bits & ~mask) | (word & mask);
    }
    return FOUND;
  }

  #close(rows: Uint32Array, at: number, dir: CtDir, flags: number, now: number): void {
    let bits = rows[at + CtWord.BITS_REV_NAT]!;
    const reset = (flags & TcpFlag.RST) !== 0;
    // The kernel's test for "both sides sent SYN" looks at a bit that cannot be set: docs/fidelity.md, ctRstClosesBoth.
    const all = reset && (this.options.ctRstClosesBoth || (rows[at + CtWord.FLAGS_SEEN]! & BOTH_SYN) !== BOTH_SYN);
    if (dir === CtDir.SERVICE || all) bits |= BOTH_CLOSING;
    else bits |= dir === CtDir.INGRESS ? CtBit.RX_CLOSING : CtBit.TX_CLOSING;
    rows[at + CtWord.BITS_REV_NAT] = bits;
    if ((bits & BOTH_CLOSING) !== BOTH_CLOSING) return;
    rows[at + CtWord.LIFETIME] = now + this.options.finTimeout;
    this.#report(rows, at, dir, flags, now);
  }

  #refresh(rows: Uint32Array, at: number, tcp: boolean, dir: CtDir, flags: number, now: number): number {
    const { options } = this;
    const service = dir === CtDir.SERVICE;
    let timeout = service ? options.serviceAnyTimeout : options.anyTimeout;
    if (tcp) {
      if ((flags & TcpFlag.SYN) === 0) rows[at + CtWord.BITS_REV_NAT]! |= CtBit.SEEN_NON_SYN;
      const established = (rows[at + CtWord.BITS_REV_NAT]! & CtBit.SEEN_NON_SYN) !== 0;
      timeout = !established ? options.synTimeout : service ? options.serviceTcpTimeout : options.tcpTimeout;
    }
    rows[at + CtWord.LIFETIME] = now + timeout;
    return this.#report(rows, at, dir, flags, now);
  }

  /** Remembers flags and time of a report if one is due; 128 if so, else 0. */
  #report(rows: Uint32Array, at: number, dir: CtDir, flags: number, now: number): number {
    const { options } = this;
    const ingress = dir === CtDir.INGRESS;
    const last = at + (ingress ? CtWord.LAST_RX_REPORT : CtWord.LAST_TX_REPORT);
    const seen = rows[at + CtWord.FLAGS_SEEN]!;
    const all = seen | ((flags & options.reportFlags) << (ingress ? 8 : 0));
    if (all === seen && (rows[last]! + options.reportInterval) >>> 0 >= now) return 0;
    rows[at + CtWord.FLAGS_SEEN] = all;
    rows[last] = now;
    return MONITOR_REPORT;
  }

  #count(rows: Uint32Array, at: number, length: number): void {
    const packets = rows[at + CtWord.PACKETS_LOW]! + 1;
    rows[at + CtWord.PACKETS_LOW] = packets;
    if (packets > 0xffff_ffff) rows[at + CtWord.PACKETS_HIGH]!++;
    const bytes = rows[at + CtWord.BYTES_LOW]! + length;
    rows[at + CtWord.BYTES_LOW] = bytes;
    if (bytes > 0xffff_ffff) rows[at + CtWord.BYTES_HIGH]!++;
  }

  /** A row for a key, made or overwritten, its value all zero; or what `upsert` answers. */
  #emptyRow(table: HashTable, key: Uint32Array): number {
    const { size } = table;
    const row = table.upsert(key);
    // A new one is empty already.
    if (row < 0 || table.size !== size) return row;
    const { rows } = table;
    const at = table.valueAt(row);
    for (let word = 0; word < CT_VALUE_WORDS; word++) rows[at + word] = 0;
    return row;
  }

  #fill(table: HashTable, row: number, tcp: boolean, dir: CtDir, state: CtState | null, now: number): void {
    const { rows } = table;
    const at = table.valueAt(row);
    if (state !== null) {
      if (dir === CtDir.SERVICE) rows[at + CtWord.BACKEND_ID] = state.backendId;
      const bits = dir === CtDir.SERVICE ? 0 : state.bits & this.#stateBits;
      rows[at + CtWord.BITS_REV_NAT] = bits | (state.revNatIndex << 16);
      rows[at + CtWord.SRC_SEC_ID] = state.srcSecId;
    }
    this.#refresh(rows, at, tcp, dir, tcp ? TcpFlag.SYN : 0, now);
  }

  #createFailed(errno: number): number {
    this.extErr = errno;
    this.fillUpSignals++;
    return -DropReason.CT_CREATE_FAILED;
  }
}

/** Whether an entry is of another kind that is asked for than SERVICE. */
function accepts(types: number, word: number, revNatIndex: number, state: CtState): boolean {
  if ((types & CtType.DSR) !== 0 && (word & CtBit.DSR_INTERNAL) !== 0) return true;
  return (
    (types & CtType.NODE_PORT) !== 0 &&
    (word & CtBit.NODE_PORT) !== 0 &&
    revNatIndex !== 0 &&
    (state.revNatIndex === 0 || state.revNatIndex === revNatIndex)
  );
}
