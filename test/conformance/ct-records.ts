import { CtBit, type CtEntry, CtState, storeCtValue, viewCtEntry } from '../../src/conntrack/entry.ts';
import { setTuple, type CtTuple, tupleWords, type TupleView } from '../../src/conntrack/tuple.ts';
import { HashTable } from '../../src/hash/table.ts';
import { type Family, parseAddress, wordsOf } from '../../src/net/address.ts';

/** A tuple as the vectors write it. */
export interface KeyRecord {
  readonly daddr: string;
  readonly saddr: string;
  readonly dport: number;
  readonly sport: number;
  readonly nexthdr: number;
  readonly flags: number;
}

export function keyRecord(view: TupleView): KeyRecord {
  const { daddr, saddr, dport, sport, protocol, flags } = view;
  return { daddr, saddr, dport, sport, nexthdr: protocol, flags };
}

export function tupleFrom(family: Family, record: KeyRecord): CtTuple {
  const tuple = new Uint32Array(tupleWords(family));
  const [saddr, daddr] = [parseAddress(record.saddr), parseAddress(record.daddr)];
  if (saddr.family !== family || daddr.family !== family) throw new Error('tuple of the wrong family');
  const { sport, dport, nexthdr, flags } = record;
  setTuple(tuple, wordsOf(family), saddr.words, 0, daddr.words, 0, sport, dport, nexthdr, flags);
  return tuple;
}

export interface CtValueRecord {
  readonly [field: string]: number;
}

const bit = (set: boolean): number => (set ? 1 : 0);

export function ctValueRecord(entry: CtEntry): CtValueRecord {
  return {
    backend_id: entry.backendId,
    packets: entry.packets,
    bytes: entry.bytes,
    lifetime: entry.lifetime,
    rx_closing: bit(entry.rxClosing),
    tx_closing: bit(entry.txClosing),
    lb_loopback: bit(entry.loopback),
    seen_non_syn: bit(entry.seenNonSyn),
    node_port: bit(entry.nodePort),
    proxy_redirect: bit(entry.proxyRedirect),
    dsr_internal: bit(entry.dsrInternal),
    from_l7lb: bit(entry.fromL7lb),
    from_tunnel: bit(entry.fromTunnel),
    rev_nat_index: entry.revNatIndex,
    tx_flags_seen: entry.txFlagsSeen,
    rx_flags_seen: entry.rxFlagsSeen,
    src_sec_id: entry.srcSecId,
    last_tx_report: entry.lastTxReport,
    last_rx_report: entry.lastRxReport,
  };
}

/** Stores a recorded entry into a conntrack table. */
export function putCtEntry(family: Family, table: HashTable, key: KeyRecord, value: CtValueRecord): void {
  const row = table.upsert(tupleFrom(family, key));
  storeCtValue(table.rows, table.valueAt(row), {
    backendId: value['backend_id']!,
    packets: value['packets']!,
    bytes: value['bytes']!,
    lifetime: value['lifetime']!,
    rxClosing: value['rx_closing'] === 1,
    txClosing: value['tx_closing'] === 1,
    loopback: value['lb_loopback'] === 1,
    seenNonSyn: value['seen_non_syn'] === 1,
    nodePort: value['node_port'] === 1,
    proxyRedirect: value['proxy_redirect'] === 1,
    dsrInternal: value['dsr_internal'] === 1,
    fromL7lb: value['from_l7lb'] === 1,
    fromTunnel: value['from_tunnel'] === 1,
    revNatIndex: value['rev_nat_index']!,
    txFlagsSeen: value['tx_flags_seen']!,
    rxFlagsSeen: value['rx_flags_seen']!,
    srcSecId: value['src_sec_id']!,
    lastTxReport: value['last_tx_report']!,
    lastRxReport: value['last_rx_report']!,
  });
}

export interface MapRecord {
  readonly map: string;
  readonly key: KeyRecord;
  readonly value: CtValueRecord;
}

/** A table whose insertions can be made to fail, as the recordings did: `failWith` is a negative errno, 0 for none. */
export class FailingTable extends HashTable {
  failWith = 0;
  /** Insertions that still work before that. */
  failAfter = 0;
  override upsert(key: Uint32Array, at = 0): number {
    return this.#fails() ? this.failWith : super.upsert(key, at);
  }
  override create(key: Uint32Array, at = 0): number {
    return this.#fails() ? this.failWith : super.create(key, at);
  }
  #fails(): boolean {
    return this.failWith !== 0 && this.failAfter-- <= 0;
  }
}

export function ctTable(family: Family, maxEntries = 100_000): FailingTable {
  return new FailingTable({ kind: 'lru', keyWords: tupleWords(family), valueWords: 11, maxEntries });
}

/** All entries of the two tables of a family, TCP first, by the kernel's map names. */
export function ctContents(family: Family, tcp: HashTable, any: HashTable, order = rowsByKey): MapRecord[] {
  return (
    [
      [`cilium_ct${family}_global`, tcp],
      [`cilium_ct_any${family}_global`, any],
    ] as const
  ).flatMap(([map, table]) =>
    order(table).map((row) => {
      const entry = viewCtEntry(family, table, row);
      return { map, key: keyRecord(entry), value: ctValueRecord(entry) };
    }),
  );
}

/** The rows of a table in the order of their keys' bytes, as the recordings list whole maps. */
export function rowsByKey(table: HashTable): number[] {
  const { rows, rowWords, keyWords } = table;
  return allRows(table).sort((a, b) => {
    let word = 0;
    while (word < keyWords && rows[a * rowWords + word] === rows[b * rowWords + word]) word++;
    return rows[a * rowWords + word]! - rows[b * rowWords + word]!;
  });
}

/** The rows of a table, least recently used first: the order in which a step changed them. */
export function rowsByAge(table: HashTable): number[] {
  const { rows, rowWords, keyWords } = table;
  return allRows(table).sort((a, b) => rows[a * rowWords + keyWords]! - rows[b * rowWords + keyWords]!);
}

function allRows(table: HashTable): number[] {
  const list: number[] = [];
  for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) list.push(row);
  return list;
}

const nameOf = (record: { map?: string; key: KeyRecord }): string =>
  `${record.map ?? ''} ${JSON.stringify(record.key)}`;

/** The entries of `after` that are new or different, in the order of `after`. */
export function changedEntries<R extends { map?: string; key: KeyRecord; value: object }>(
  before: readonly R[],
  after: readonly R[],
): (R & { new: boolean })[] {
  const known = new Map(before.map((record) => [nameOf(record), JSON.stringify(record.value)]));
  return after
    .filter((record) => known.get(nameOf(record)) !== JSON.stringify(record.value))
    .map((record) => Object.assign({}, record, { new: !known.has(nameOf(record)) }));
}

/** `now` of a step: whole seconds of its nanoseconds, as the 32-bit clock has it. */
export const secondsOf = (nanoseconds: string): number =>
  Number(BigInt.asUintN(32, BigInt(nanoseconds) / 1_000_000_000n));

export type StateRecord = Readonly<Record<string, number>>;

const STATE_BITS: Readonly<Record<string, number>> = {
  loopback: CtBit.LOOPBACK,
  node_port: CtBit.NODE_PORT,
  dsr_internal: CtBit.DSR_INTERNAL,
  syn: CtBit.SYN,
  proxy_redirect: CtBit.PROXY_REDIRECT,
  from_l7lb: CtBit.FROM_L7LB,
  from_tunnel: CtBit.FROM_TUNNEL,
  closing: CtBit.CLOSING,
};

export function stateFrom(record: StateRecord): CtState {
  const state = new CtState();
  for (const [field, value] of Object.entries(record)) {
    if (field === 'rev_nat_index') state.revNatIndex = value;
    else if (field === 'backend_id') state.backendId = value;
    else if (field === 'src_sec_id') state.srcSecId = value;
    else if (STATE_BITS[field] === undefined) throw new Error(`unknown state field ${field}`);
    else if (value === 1) state.bits |= STATE_BITS[field];
  }
  return state;
}

export function stateRecord(state: CtState): StateRecord {
  const bits = Object.entries(STATE_BITS).map(([field, mask]) => [field, (state.bits & mask) === 0 ? 0 : 1]);
  return {
    rev_nat_index: state.revNatIndex,
    ...(Object.fromEntries(bits) as StateRecord),
    src_sec_id: state.srcSecId,
    backend_id: state.backendId,
  };
}
