import { type CtEntry, formatMac, type Node, PacketBuffer } from '../../src/index.ts';
import { formatWords, wordsOf } from '../../src/net/address.ts';
import { csumAdd, csumBytes, csumFold, pseudoHeaderSum } from '../../src/net/checksum.ts';
import { ETH, ICMP, TCP, UDP } from '../../src/net/headers.ts';
import { destinationOffset, sourceOffset } from '../../src/net/packet-buffer.ts';
import { Headers, readHeaders } from '../../src/net/parse.ts';
import { Protocol } from '../../src/net/protocol.ts';
import { ttlOf } from '../../src/net/rewrite.ts';
import { fromHex } from './packets.ts';

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'ICMP', 6: 'TCP', 17: 'UDP', 58: 'ICMPv6', 132: 'SCTP' };
const FLAGS = ['F', 'S', 'R', 'P', 'A', 'U', 'E', 'C'];

/** TCP flags as the vectors write them: lowest bit first. */
export const flagLetters = (flags: number): string => FLAGS.filter((_, bit) => ((flags >>> bit) & 1) === 1).join('');

/** A frame as the `podegress` vectors decode it. */
export function decodeFrame(hex: string): Record<string, unknown> {
  const packet = new PacketBuffer();
  const headers = new Headers();
  packet.load(fromHex(hex));
  if (readHeaders(packet, headers) !== 0) throw new Error(`not an IP packet: ${hex}`);
  const { family, l3, l4, protocol } = headers;
  const mac = (at: number): string => formatMac({ high: packet.u32(at), low: packet.u16(at + 4) });
  const address = (offset: number): string => {
    const words = new Uint32Array(4);
    packet.address(l3 + offset, wordsOf(family), words, 0);
    return formatWords(family, words);
  };
  const record: Record<string, unknown> = {
    dmac: mac(ETH.DST),
    smac: mac(ETH.SRC),
    src: address(sourceOffset(family)),
    dst: address(destinationOffset(family)),
    ttl: ttlOf(packet, family, l3),
    proto: PROTOCOLS[protocol],
  };
  if (family === 4) record['l3csumOk'] = csumFold(csumBytes(packet.bytes, packet.head + l3, l4 - l3)) === 0;
  if (headers.fragment) {
    const word = packet.u16(l3 + 6);
    record['frag'] = { offset: (word & 0x1fff) * 8, more: (word & 0x2000) !== 0, id: packet.u16(l3 + 4) };
  }
  if (headers.laterFragment) return record;
  const icmp = protocol === Protocol.ICMP || protocol === Protocol.ICMPV6;
  if (icmp) {
    record['icmpType'] = packet.u8(l4 + ICMP.TYPE);
    record['icmpCode'] = packet.u8(l4 + ICMP.CODE);
    if (record['icmpType'] === 8 || record['icmpType'] === 0) record['icmpId'] = packet.u16(l4 + ICMP.ID);
  } else {
    record['sport'] = packet.u16(l4);
    record['dport'] = packet.u16(l4 + 2);
    if (protocol === Protocol.TCP) record['flags'] = flagLetters(packet.u8(l4 + TCP.FLAGS));
  }
  if (headers.fragment || protocol === Protocol.SCTP) return record;
  if (protocol === Protocol.UDP && packet.u16(l4 + UDP.CHECKSUM) === 0) record['l4csum'] = 'zero';
  else record['l4csumOk'] = l4ChecksumOk(packet, headers);
  return record;
}

function l4ChecksumOk(packet: PacketBuffer, { family, l3, l4, protocol }: Headers): boolean {
  const end = family === 4 ? l3 + packet.u16(l3 + 2) : l3 + 40 + packet.u16(l3 + 4);
  const length = end - l4;
  const sum = csumBytes(packet.bytes, packet.head + l4, length);
  if (protocol === Protocol.ICMP) return csumFold(sum) === 0;
  const addresses = packet.head + l3 + sourceOffset(family);
  return csumFold(csumAdd(sum, pseudoHeaderSum(packet.bytes, addresses, 8 * wordsOf(family), protocol, length))) === 0;
}

const BITS: readonly [string, keyof CtEntry][] = [
  ['rxClosing', 'rxClosing'],
  ['txClosing', 'txClosing'],
  ['lbLoopback', 'loopback'],
  ['seenNonSyn', 'seenNonSyn'],
  ['nodePort', 'nodePort'],
  ['proxyRedirect', 'proxyRedirect'],
  ['dsrInternal', 'dsrInternal'],
  ['fromL7lb', 'fromL7lb'],
  ['fromTunnel', 'fromTunnel'],
];

/** All conntrack entries of a node as the vectors write them. */
export function ctRecords(node: Node): Record<string, unknown>[] {
  return [node.v4, node.v6].flatMap(({ family, conntrack }) =>
    [...conntrack.entries()].map((entry) => ({
      map: entry.protocol === Protocol.TCP ? `ct${family}_global` : `ct_any${family}_global`,
      key: {
        daddr: entry.daddr,
        saddr: entry.saddr,
        dport: entry.dport,
        sport: entry.sport,
        proto: PROTOCOLS[entry.protocol],
        flags: entry.flags,
      },
      value: {
        revNatId: entry.revNatIndex,
        backendId: entry.backendId,
        packets: entry.packets,
        bytes: entry.bytes,
        lifetime: entry.lifetime,
        bits: BITS.filter(([, field]) => entry[field] === true).map(([name]) => name),
        txFlags: flagLetters(entry.txFlagsSeen),
        rxFlags: flagLetters(entry.rxFlagsSeen),
        srcSecId: entry.srcSecId,
        lastTxReport: entry.lastTxReport,
        lastRxReport: entry.lastRxReport,
      },
    })),
  );
}
