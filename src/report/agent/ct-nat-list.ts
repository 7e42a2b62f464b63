import type { Conntrack } from '../../conntrack/conntrack.ts';
import { CtBit, type CtEntry } from '../../conntrack/entry.ts';
import { TupleFlag } from '../../conntrack/tuple.ts';
import type { NatEntry } from '../../nat/entry.ts';
import type { Nat } from '../../nat/nat.ts';
import { Protocol, protocolName } from '../../net/protocol.ts';

const FLAG_NAMES: readonly (readonly [name: string, bit: number, field: keyof CtEntry])[] = [
  ['RxClosing', CtBit.RX_CLOSING, 'rxClosing'],
  ['TxClosing', CtBit.TX_CLOSING, 'txClosing'],
  ['LBLoopback', CtBit.LOOPBACK, 'loopback'],
  ['SeenNonSyn', CtBit.SEEN_NON_SYN, 'seenNonSyn'],
  ['NodePort', CtBit.NODE_PORT, 'nodePort'],
  ['ProxyRedirect', CtBit.PROXY_REDIRECT, 'proxyRedirect'],
  ['DSRInternal', CtBit.DSR_INTERNAL, 'dsrInternal'],
  ['FromL7LB', CtBit.FROM_L7LB, 'fromL7lb'],
  ['FromTunnel', CtBit.FROM_TUNNEL, 'fromTunnel'],
];

const hex = (value: number, digits: number): string => `0x${value.toString(16).padStart(digits, '0')}`;

/** The agent swaps what it prints, so that the connection reads from its initiator on: addresses, or ports for a service. */
function ctTupleText(entry: CtEntry): string {
  const { saddr, daddr, sport, dport, flags } = entry;
  const protocol = protocolName(entry.protocol);
  if ((flags & TupleFlag.SERVICE) !== 0) return `${protocol} SVC ${saddr}:${dport} -> ${daddr}:${sport} `;
  const kind = (flags & TupleFlag.IN) !== 0 ? 'IN' : 'OUT';
  const related = (flags & TupleFlag.RELATED) !== 0 ? 'related ' : '';
  return `${protocol} ${kind} ${daddr}:${sport} -> ${saddr}:${dport} ${related}`;
}

/**
 * A line of `bpf ct list global`, trailing blank included.
 * @param now seconds of the datapath's clock: adds what remains of the lifetime, as `-d` does.
 */
export function formatCtEntry(entry: CtEntry, now?: number): string {
  const set = FLAG_NAMES.filter(([, , field]) => entry[field] === true);
  const flags = set.reduce((sum, [, bit]) => sum | bit, 0);
  const remaining = now === undefined ? '' : ` (remaining: ${entry.lifetime - now} sec(s))`;
  return [
    `${ctTupleText(entry)}expires=${entry.lifetime}${remaining}`,
    `Packets=${entry.packets} Bytes=${entry.bytes}`,
    `RxFlagsSeen=${hex(entry.rxFlagsSeen, 2)} LastRxReport=${entry.lastRxReport}`,
    `TxFlagsSeen=${hex(entry.txFlagsSeen, 2)} LastTxReport=${entry.lastTxReport}`,
    `Flags=${hex(flags, 4)} [ ${set.map(([name]) => `${name} `).join('')}]`,
    `RevNAT=${entry.revNatIndex} SourceSecurityID=${entry.srcSecId} BackendID=${entry.backendId} `,
  ].join(' ');
}

/**
 * `bpf ct list global`: the two maps of each family, an empty line after each. The agent lists a map in random order; here the
 * order is that of creation, roughly.
 */
export function ctList(conntracks: readonly Conntrack[], now?: number): string {
  let text = '';
  for (const conntrack of conntracks) {
    for (const entries of [conntrack.entriesOf(conntrack.tcp), conntrack.entriesOf(conntrack.any)]) {
      for (const entry of entries) {
        if (entry.protocol !== Protocol.ANY) text += `${formatCtEntry(entry, now)}\n`;
      }
      text += '\n';
    }
  }
  return text;
}

const bracketed = (address: string): string => (address.includes(':') ? `[${address}]` : address);

/** A line of `bpf nat list`; without `now` (seconds of the datapath's clock) the age is shown as the agent does then. */
export function formatNatEntry(entry: NatEntry, now?: number): string {
  const { saddr, sport, daddr, dport, toAddr, toPort, created, needsCt, flags } = entry;
  const incoming = (flags & TupleFlag.IN) !== 0;
  const age = now === undefined ? `? (raw ${created})` : `${now - created}sec ago`;
  return (
    `${protocolName(entry.protocol)} ${incoming ? 'IN' : 'OUT'} ${saddr}:${sport} -> ${daddr}:${dport}` +
    ` XLATE_${incoming ? 'DST' : 'SRC'} ${bracketed(toAddr)}:${toPort} Created=${age} NeedsCT=${needsCt ? 1 : 0}`
  );
}

/** `bpf nat list`: the map of each family, an empty line after each. */
export function natList(nats: readonly Nat[], now?: number): string {
  return nats
    .map((nat) => `${[...nat.entries()].map((entry) => `${formatNatEntry(entry, now)}\n`).join('')}\n`)
    .join('');
}
