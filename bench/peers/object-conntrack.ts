import { DEFAULT_CONNTRACK_OPTIONS } from '../../src/conntrack/options.ts';
import { TcpFlag } from '../../src/net/index.ts';

/** A TCP packet over IPv4; addresses are u32. */
export interface Packet {
  readonly source: number;
  readonly sport: number;
  readonly destination: number;
  readonly dport: number;
  readonly flags: number;
}

export interface ObjectEntry {
  revNatIndex: number;
  lifetime: number;
  rxClosing: boolean;
  txClosing: boolean;
  seenNonSyn: boolean;
  txFlagsSeen: number;
  rxFlagsSeen: number;
  lastTxReport: number;
  lastRxReport: number;
}

export type Direction = 'egress' | 'ingress';
export type Status = 'new' | 'established' | 'reply';

const { tcpTimeout, synTimeout, finTimeout, reportFlags, reportInterval } = DEFAULT_CONNTRACK_OPTIONS;

/**
 * Connection tracking of TCP over IPv4 as one writes it first: a Map from text to objects. It answers like `Conntrack` with its default options,
 * in so far as the peers' benchmark asks: no services, no counters, no limit on entries.
 */
export class ObjectConntrack {
  /** By `keyOf`. */
  readonly entries = new Map<string, ObjectEntry>();

  lookup(packet: Packet, direction: Direction, now: number): { status: Status; entry?: ObjectEntry } {
    const { source, sport, destination, dport, flags } = packet;
    const opposite = direction === 'egress' ? 'ingress' : 'egress';
    const answered = this.entries.get(keyOf(destination, dport, source, sport, opposite));
    if (answered !== undefined && refreshed(answered, direction, flags, now))
      return { status: 'reply', entry: answered };
    const own = this.entries.get(keyOf(source, sport, destination, dport, direction));
    if (own !== undefined && refreshed(own, direction, flags, now)) return { status: 'established', entry: own };
    return { status: 'new' };
  }

  create({ source, sport, destination, dport }: Packet, direction: Direction, revNatIndex: number, now: number): void {
    const entry: ObjectEntry = {
      revNatIndex,
      lifetime: 0,
      rxClosing: false,
      txClosing: false,
      seenNonSyn: false,
      txFlagsSeen: 0,
      rxFlagsSeen: 0,
      lastTxReport: 0,
      lastRxReport: 0,
    };
    refresh(entry, direction, TcpFlag.SYN, now);
    this.entries.set(keyOf(source, sport, destination, dport, direction), entry);
  }
}

export const keyOf = (from: number, sport: number, to: number, dport: number, direction: Direction): string =>
  `${from}:${sport}>${to}:${dport} ${direction}`;

/** Notes a packet in an entry; false if the packet begins a new connection in place of one that is closing. */
function refreshed(entry: ObjectEntry, direction: Direction, flags: number, now: number): boolean {
  const closing = entry.rxClosing || entry.txClosing;
  if (!entry.rxClosing || !entry.txClosing) refresh(entry, direction, flags, now);
  if ((flags & (TcpFlag.FIN | TcpFlag.RST)) !== 0) {
    close(entry, direction, flags, now);
  } else if ((flags & TcpFlag.SYN) !== 0 && closing) {
    entry.rxClosing = false;
    entry.txClosing = false;
    entry.seenNonSyn = false;
    entry.txFlagsSeen = 0;
    entry.rxFlagsSeen = 0;
    refresh(entry, direction, flags, now);
    return false;
  }
  return true;
}

function refresh(entry: ObjectEntry, direction: Direction, flags: number, now: number): void {
  if ((flags & TcpFlag.SYN) === 0) entry.seenNonSyn = true;
  entry.lifetime = now + (entry.seenNonSyn ? tcpTimeout : synTimeout);
  report(entry, direction, flags, now);
}

function close(entry: ObjectEntry, direction: Direction, flags: number, now: number): void {
  if ((flags & TcpFlag.RST) !== 0 || direction === 'ingress') entry.rxClosing = true;
  if ((flags & TcpFlag.RST) !== 0 || direction === 'egress') entry.txClosing = true;
  if (!entry.rxClosing || !entry.txClosing) return;
  entry.lifetime = now + finTimeout;
  report(entry, direction, flags, now);
}

function report(entry: ObjectEntry, direction: Direction, flags: number, now: number): void {
  const seen = flags & reportFlags;
  if (direction === 'ingress') {
    if ((entry.rxFlagsSeen | seen) === entry.rxFlagsSeen && entry.lastRxReport + reportInterval >= now) return;
    entry.rxFlagsSeen |= seen;
    entry.lastRxReport = now;
  } else {
    if ((entry.txFlagsSeen | seen) === entry.txFlagsSeen && entry.lastTxReport + reportInterval >= now) return;
    entry.txFlagsSeen |= seen;
    entry.lastTxReport = now;
  }
}
