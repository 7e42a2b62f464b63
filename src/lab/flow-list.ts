import { LbtwinError } from '../errors.ts';
import { readHubble } from './hubble.ts';
import { type Family, formatWords, type IpAddress, wordsOf } from '../net/address.ts';
import { checkPort, type Endpoint } from '../net/endpoint.ts';
import { IPV4, IPV6, TcpFlag } from '../net/headers.ts';
import { PacketBuffer } from '../net/packet-buffer.ts';
import { Headers, Parse, readHeaders, tcpFlags } from '../net/parse.ts';
import { type CapturedFrame, ethernetOf } from '../net/pcap.ts';
import { Protocol } from '../net/protocol.ts';

/** A connection to replay: client side, service port, and what it carried. */
export interface ReplayFlow {
  readonly family: Family;
  readonly saddr: readonly number[];
  readonly sport: number;
  readonly dport: number;
  readonly protocol: number;
  /** Both ways, as far as known; 0 where the source does not tell. */
  packets: number;
  bytes: number;
}

/** Flows in the order in which they opened. */
export interface FlowList {
  readonly flows: readonly ReplayFlow[];
  /** Flow i opening is i + 1, closing -(i + 1), in order of time. */
  readonly events: readonly number[];
}

/** Which flows count: those to this address (any if absent) and port (any if absent). */
export interface FlowFilter {
  readonly address?: IpAddress;
  readonly port?: number;
}

export const filterTo = ({ address, port }: Endpoint): FlowFilter => ({ address, port });

/** One client's connections from a list of ports: `40000-40099,50000`. @throws LbtwinError `invalid-port` */
export function flowsOfPorts(text: string, client: IpAddress, dport: number, protocol: number): FlowList {
  const ports = text.split(',').flatMap((part) => {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match === null) {
      throw new LbtwinError('invalid-port', `${JSON.stringify(part)} is not a port or a range of ports`, {
        allowed: 'PORT or FROM-TO, separated by commas',
      });
    }
    const from = checkPort(Number(match[1]));
    const to = checkPort(Number(match[2] ?? match[1]));
    return Array.from({ length: Math.max(0, to - from + 1) }, (_, i) => from + i);
  });
  const { family, words: saddr } = client;
  const flows = ports.map((sport) => ({ family, saddr, sport, dport, protocol, packets: 0, bytes: 0 }));
  return { flows, events: flows.map((_, i) => i + 1) };
}

/** Gathers flows from packets that go either way. */
class Gatherer {
  readonly flows: ReplayFlow[] = [];
  readonly events: number[] = [];
  private readonly filter: FlowFilter;
  private readonly known = new Map<string, { index: number; open: boolean }>();

  constructor(filter: FlowFilter) {
    this.filter = filter;
  }

  private wanted(address: readonly number[], port: number): boolean {
    const { filter } = this;
    if (filter.port !== undefined && filter.port !== port) return false;
    return filter.address === undefined || filter.address.words.join() === address.join();
  }

  /** A packet: `opens` for a SYN without ACK, `closes` for FIN or RST. */
  packet(
    one: Omit<ReplayFlow, 'packets' | 'bytes'> & { readonly daddr: readonly number[] },
    bytes: number,
    opens: boolean,
    closes: boolean,
  ): void {
    const from = `${one.saddr.join()} ${one.sport}`;
    const to = `${one.daddr.join()} ${one.dport}`;
    const reply = this.known.get(`${to} ${from} ${one.protocol}`);
    const key = `${from} ${to} ${one.protocol}`;
    let entry = this.known.get(key) ?? (opens ? undefined : reply);
    if (entry === undefined || (opens && !entry.open)) {
      if (!this.wanted(one.daddr, one.dport)) return;
      const { family, saddr, sport, dport, protocol } = one;
      this.flows.push({ family, saddr, sport, dport, protocol, packets: 0, bytes: 0 });
      entry = { index: this.flows.length - 1, open: true };
      this.known.set(key, entry);
      this.events.push(entry.index + 1);
    }
    const flow = this.flows[entry.index]!;
    flow.packets++;
    flow.bytes += bytes;
    if (closes && entry.open) {
      entry.open = false;
      this.events.push(-entry.index - 1);
    }
  }
}

/**
 * Connections in a capture. A flow opens with its first packet (a SYN opens it anew after it closed) and closes with the
 * first FIN or RST of either side; fragments beyond the first, and all that is not TCP, UDP or SCTP, are left out.
 */
export function flowsOfCapture(frames: readonly CapturedFrame[], filter: FlowFilter = {}): FlowList {
  const gatherer = new Gatherer(filter);
  const packet = new PacketBuffer();
  const headers = new Headers();
  for (const frame of frames) {
    const bytes = ethernetOf(frame);
    if (bytes === undefined) continue;
    packet.load(bytes);
    if (readHeaders(packet, headers) !== Parse.OK || headers.laterFragment) continue;
    const { family, l3, l4, protocol } = headers;
    if (protocol !== Protocol.TCP && protocol !== Protocol.UDP && protocol !== Protocol.SCTP) continue;
    if (!packet.has(l4, 4)) continue;
    const words = (at: number): number[] =>
      Array.from({ length: wordsOf(family) }, (_, w) => packet.u32(l3 + at + 4 * w));
    const flags = protocol === Protocol.TCP ? Math.max(0, tcpFlags(packet, l4)) : 0;
    const source = family === 4 ? IPV4.SRC : IPV6.SRC;
    gatherer.packet(
      {
        family,
        saddr: words(source),
        daddr: words(source + 4 * wordsOf(family)),
        sport: packet.u16(l4),
        dport: packet.u16(l4 + 2),
        protocol,
      },
      frame.wireLength,
      (flags & (TcpFlag.SYN | TcpFlag.ACK)) === TcpFlag.SYN,
      (flags & (TcpFlag.FIN | TcpFlag.RST)) !== 0,
    );
  }
  return gatherer;
}

/**
 * Connections in Hubble's flow JSON (`hubble observe -o jsonpb` or `-o json`: one object per line). Lines without ports
 * (ICMP, layer 7 only) and other events are left out.
 * @throws LbtwinError `invalid-flow` with the line
 */
export function flowsOfHubble(text: string, filter: FlowFilter = {}): FlowList {
  const gatherer = new Gatherer(filter);
  for (const { source, destination, sport, dport, protocol, opens, closes } of readHubble(text).flows) {
    if (source === undefined || destination === undefined || protocol === undefined) continue;
    const { family, words: saddr } = source;
    gatherer.packet({ family, saddr, daddr: destination.words, sport, dport, protocol }, 0, opens, closes);
  }
  return gatherer;
}

/** The different destinations of a list, for messages. */
export const clientsOf = (list: FlowList): string[] => [
  ...new Set(list.flows.map(({ family, saddr }) => formatWords(family, saddr))),
];
