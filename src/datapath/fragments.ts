import { copyAddress, wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import type { PacketBuffer } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import type { FragmentMap } from '../node/fragment-map.ts';
import type { FragmentPorts } from './extract.ts';

/** Fragment tracking: the first fragment leaves its ports in the map, the later ones find them there. */
export class FragmentTracking implements FragmentPorts {
  readonly #map: FragmentMap;
  readonly #daddr = new Uint32Array(4);
  readonly #saddr = new Uint32Array(4);

  constructor(map: FragmentMap) {
    this.#map = map;
  }

  loadPorts(packet: PacketBuffer, headers: Headers, tuple: Uint32Array): number {
    const words = wordsOf(headers.family);
    if (headers.fragment) return this.#loadFragment(packet, headers, tuple, words);
    if (!packet.has(headers.l4, 4)) return -DropReason.CT_INVALID_HDR;
    tuple[2 * words] = packet.u32(headers.l4);
    return 0;
  }

  /** The ports word of a tuple is the four port bytes of the packet: source port in the upper half. */
  #loadFragment(packet: PacketBuffer, headers: Headers, tuple: Uint32Array, words: number): number {
    const daddr = this.#daddr;
    const saddr = this.#saddr;
    copyAddress(daddr, 0, tuple, 0, words);
    copyAddress(saddr, 0, tuple, words, words);
    const { fragmentId, protocol, l4 } = headers;
    if (headers.laterFragment) {
      const ports = this.#map.lookup(daddr, saddr, fragmentId, protocol);
      if (ports < 0) return -DropReason.FRAG_NOT_FOUND;
      tuple[2 * words] = ports;
      return 0;
    }
    if (!packet.has(l4, 4)) return -DropReason.CT_INVALID_HDR;
    const ports = packet.u32(l4);
    tuple[2 * words] = ports;
    this.#map.store(daddr, saddr, fragmentId, protocol, ports >>> 16, ports & 0xffff);
    return 0;
  }
}
