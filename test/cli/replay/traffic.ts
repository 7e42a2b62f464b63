import {
  buildFrame,
  type Family,
  type IpAddress,
  parseAddress,
  parseMac,
  Protocol,
  TcpFlag,
} from '../../../src/index.ts';
import { seededRandom } from '../../../src/hash/random.ts';
import type { PacketReplay, TraceFrame } from '../../../src/cli/replay/index.ts';
import { NAMES } from './node.ts';

const NODE_MAC = parseMac('02:00:00:00:00:02');
const GATEWAY = parseMac('02:00:00:00:00:01');
const OTHER_GATEWAY = parseMac('02:00:00:00:00:09');
const FLAGS = [TcpFlag.SYN, TcpFlag.ACK, TcpFlag.ACK, TcpFlag.FIN | TcpFlag.ACK, TcpFlag.RST];

/**
 * Requests of few clients with few ports, so that flows meet in the backends' port spaces; some are pings and some miss. With `odd`, which
 * makes large groups, there are fragments, and a client behind two gateways.
 */
export function requests(count: number, seed: number, services: number, odd: boolean): TraceFrame[] {
  const random = seededRandom(seed);
  const under = (n: number): number => random() % n;
  return Array.from({ length: count }, (_, i) => {
    const family: Family = under(2) === 0 ? 4 : 6;
    const names = NAMES[family];
    const kind = under(20);
    const ping = family === 4 ? Protocol.ICMP : Protocol.ICMPV6;
    const client = 1 + under(12);
    const frame = buildFrame({
      protocol: kind === 0 ? ping : kind < 6 ? Protocol.UDP : Protocol.TCP,
      source: parseAddress(`${names.client}${client}`),
      destination: parseAddress(`${names.frontend}${1 + under(services)}`),
      sport: kind === 0 ? 8 << 8 : 33_000 + under(8),
      dport: kind === 1 ? 81 : 80,
      tcpFlags: FLAGS[under(FLAGS.length)]!,
      sourceMac: odd && client === 1 && under(2) === 0 ? OTHER_GATEWAY : GATEWAY,
      destinationMac: NODE_MAC,
    });
    // Some fragments: more to come, and later ones.
    if (odd && family === 4 && under(25) === 0)
      new DataView(frame.buffer).setUint16(20, under(2) === 0 ? 0x2000 : 0x2010);
    return { frame, at: 1000 + i / 100 };
  });
}

/** Replies of backends to what was forwarded to them, after a while. */
export function replies({ act, starts, lengths, bytes }: PacketReplay, after: number): TraceFrame[] {
  const frames: TraceFrame[] = [];
  for (let i = 0; i < act.length; i++) {
    if (act[i]! <= 0) continue;
    const view = new DataView(bytes.slice(starts[i], starts[i]! + lengths[i]!).buffer);
    const family: Family = view.getUint16(12) === 0x0800 ? 4 : 6;
    const [source, words, l4] = family === 4 ? [26, 1, 34] : [22, 4, 54];
    const address = (at: number): IpAddress => ({
      family,
      words: Array.from({ length: words }, (_, w) => view.getUint32(at + 4 * w)),
    });
    const frame = buildFrame({
      protocol: view.getUint8(family === 4 ? 23 : 20),
      source: address(source + 4 * words),
      destination: address(source),
      sport: view.getUint16(l4 + 2),
      dport: view.getUint16(l4),
      tcpFlags: FLAGS[i % FLAGS.length]!,
      sourceMac: GATEWAY,
      destinationMac: NODE_MAC,
    });
    frames.push({ frame, at: after + i / 100 });
  }
  return frames;
}

/** Errors of a router about IPv4 packets that were forwarded: each quotes the whole packet. */
export function errors({ act, starts, lengths, bytes }: PacketReplay, after: number): TraceFrame[] {
  const frames: TraceFrame[] = [];
  for (let i = 0; i < act.length; i += 3) {
    const sent = bytes.slice(starts[i]! + 14, starts[i]! + lengths[i]!);
    if (act[i]! <= 0 || sent[0] !== 0x45) continue;
    const frame = buildFrame({
      protocol: Protocol.ICMP,
      source: parseAddress('198.51.100.1'),
      destination: parseAddress(NAMES[4].node),
      length: 20 + 8 + sent.length,
      sourceMac: GATEWAY,
      destinationMac: NODE_MAC,
    });
    frame[34] = 3;
    frame.set(sent, 42);
    frames.push({ frame, at: after + i / 100 });
  }
  return frames;
}
