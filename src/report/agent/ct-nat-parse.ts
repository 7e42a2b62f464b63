import { LbtwinError } from '../../errors.ts';
import type { Conntrack } from '../../conntrack/conntrack.ts';
import { type CtValue, storeCtValue } from '../../conntrack/entry.ts';
import { type CtTuple, TupleFlag, tupleOf } from '../../conntrack/tuple.ts';
import type { Nat } from '../../nat/nat.ts';
import { type IpAddress, parseAddress } from '../../net/address.ts';
import { parseProtocol } from '../../net/protocol.ts';

/** One table for each family. */
export interface ByFamily<T> {
  readonly v4: T;
  readonly v6: T;
}

const of = <T>(tables: ByFamily<T>, { family }: IpAddress): T => (family === 4 ? tables.v4 : tables.v6);

const wrong = (line: number, text: string, what: string): LbtwinError =>
  new LbtwinError('invalid-dump', `line ${line} is no ${what}: ${JSON.stringify(text.slice(0, 80))}`, {
    allowed: `lines as ${what} prints them`,
  });

/** `10.0.0.1:80` and `fd00::1:80`: these listings have IPv6 addresses without brackets, the port last. */
function endpoint(text: string): { address: IpAddress; port: number } {
  const colon = text.lastIndexOf(':');
  return {
    address: parseAddress(text.slice(0, colon).replace(/^\[(.*)\]$/, '$1')),
    port: Number(text.slice(colon + 1)),
  };
}

const CT_LINE =
  /^(\w+) (SVC|IN|OUT) (\S+) -> (\S+) (related )?expires=(\d+)(?: \(remaining: -?\d+ sec\(s\)\))? Packets=(\d+) Bytes=(\d+) RxFlagsSeen=0x([\da-f]+) LastRxReport=(\d+) TxFlagsSeen=0x([\da-f]+) LastTxReport=(\d+) Flags=0x[\da-f]+ \[ ((?:\S+ )*)\] RevNAT=(\d+) SourceSecurityID=(\d+) BackendID=(\d+)$/;

const CT_FLAGS = {
  RxClosing: 'rxClosing',
  TxClosing: 'txClosing',
  LBLoopback: 'loopback',
  SeenNonSyn: 'seenNonSyn',
  NodePort: 'nodePort',
  ProxyRedirect: 'proxyRedirect',
  DSRInternal: 'dsrInternal',
  FromL7LB: 'fromL7lb',
  FromTunnel: 'fromTunnel',
} as const;

/**
 * Puts the entries of a pasted `bpf ct list global` into conntrack tables; answers how many. Counters and ids are as in the text.
 * @throws LbtwinError `invalid-dump`, `table-full`
 */
export function loadCtList(text: string, tables: ByFamily<Conntrack>): number {
  return eachLine(text, (line, number) => {
    const match = CT_LINE.exec(line);
    if (match === null) throw wrong(number, line, 'entry of bpf ct list global');
    const [, protocol, kind, left, right, related] = match;
    const [from, to] = [endpoint(left!), endpoint(right!)];
    const conntrack = of(tables, from.address);
    const tuple = ctTuple(kind!, from, to, parseProtocol(protocol!), related !== undefined);
    const table = conntrack.tableOf(tuple);
    const row = table.upsert(tuple);
    if (row < 0) throw new LbtwinError('table-full', `line ${number}: the table takes no more entries`);
    storeCtValue(table.rows, table.valueAt(row), ctValue(match));
  });
}

type End = ReturnType<typeof endpoint>;

/** The key as it is stored: the listing swaps the addresses of a connection, and the ports of a service entry. */
function ctTuple(kind: string, from: End, to: End, protocol: number, related: boolean): CtTuple {
  if (kind === 'SVC') return tupleOf(from.address, to.address, to.port, from.port, protocol, TupleFlag.SERVICE);
  const flags = (kind === 'IN' ? TupleFlag.IN : TupleFlag.OUT) | (related ? TupleFlag.RELATED : 0);
  return tupleOf(to.address, from.address, from.port, to.port, protocol, flags);
}

function ctValue(match: RegExpExecArray): CtValue {
  const number = (index: number, base = 10): number => Number.parseInt(match[index]!, base);
  const names = match[13]!
    .trim()
    .split(' ')
    .filter((name) => name !== '');
  const flags = Object.fromEntries(Object.entries(CT_FLAGS).map(([name, field]) => [field, names.includes(name)]));
  return {
    ...(flags as Record<(typeof CT_FLAGS)[keyof typeof CT_FLAGS], boolean>),
    lifetime: number(6),
    packets: number(7),
    bytes: number(8),
    rxFlagsSeen: number(9, 16),
    lastRxReport: number(10),
    txFlagsSeen: number(11, 16),
    lastTxReport: number(12),
    revNatIndex: number(14),
    srcSecId: number(15),
    backendId: number(16),
  };
}

const NAT_LINE =
  /^(\w+) (IN|OUT) (\S+) -> (\S+) XLATE_(?:SRC|DST) (\S+) Created=(?:(\d+)sec ago|\? \(raw (\d+)\)) NeedsCT=([01])$/;

/**
 * Puts the entries of a pasted `bpf nat list` into NAT tables; answers how many.
 * @param now seconds of the clock, from which the ages in the text count
 * @throws LbtwinError `invalid-dump`, `table-full`
 */
export function loadNatList(text: string, tables: ByFamily<Nat>, now: number): number {
  return eachLine(text, (line, number) => {
    const match = NAT_LINE.exec(line);
    if (match === null) throw wrong(number, line, 'entry of bpf nat list');
    const [from, to, target] = [endpoint(match[3]!), endpoint(match[4]!), endpoint(match[5]!)];
    const flags = match[2] === 'IN' ? TupleFlag.IN : TupleFlag.OUT;
    const protocol = parseProtocol(match[1]!);
    const tuple = tupleOf(from.address, to.address, from.port, to.port, protocol, flags);
    const created = match[6] === undefined ? Number(match[7]) : now - Number(match[6]);
    const words = Uint32Array.from(target.address.words);
    const failed = of(tables, from.address).put(tuple, words, 0, target.port, match[8] === '1', created);
    if (failed !== 0) throw new LbtwinError('table-full', `line ${number}: the table takes no more entries`);
  });
}

/** Calls `take` for every line that is not blank; an error of an address or port in it names the line. */
function eachLine(text: string, take: (line: string, number: number) => void): number {
  let count = 0;
  text.split('\n').forEach((raw, i) => {
    const line = raw.trim();
    if (line === '') return;
    try {
      take(line, i + 1);
    } catch (error) {
      throw error instanceof LbtwinError && error.code !== 'table-full' && error.code !== 'invalid-dump'
        ? new LbtwinError('invalid-dump', `line ${i + 1}: ${error.message}`)
        : error;
    }
    count++;
  });
  return count;
}
