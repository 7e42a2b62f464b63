import { HashTable } from '../../hash/table.ts';
import { ETH, EtherType, IPV4, IPV6 } from '../../net/headers.ts';
import { Protocol } from '../../net/protocol.ts';

/** Two ports. */
const PORTS = 4;
const MAX_FLOWS = 16_777_216;

/** The key of each flow's group, for packets whose addresses, ports and protocol are all that it depends on. */
export class FlowKeys {
  readonly #v4 = new HashTable({ kind: 'hash', keyWords: 4, valueWords: 1, maxEntries: MAX_FLOWS });
  readonly #v6 = new HashTable({ kind: 'hash', keyWords: 10, valueWords: 1, maxEntries: MAX_FLOWS });
  readonly #key = new Uint32Array(10);
  /** The family of the flow that was asked for last, 0 if it is none. */
  #family = 0;

  /** The key of the frame's group; -1 if it is not known. */
  find(view: DataView, at: number, length: number): number {
    this.#family = 0;
    if (length < ETH.SIZE + IPV4.SIZE + PORTS) return -1;
    const type = view.getUint16(at + ETH.TYPE);
    const l3 = at + ETH.SIZE;
    if (type === EtherType.IPV4) return this.#find4(view, l3);
    if (type !== EtherType.IPV6 || length < ETH.SIZE + IPV6.SIZE + PORTS) return -1;
    return this.#look(6, this.#v6, view, l3 + IPV6.SRC, view.getUint8(l3 + IPV6.NEXT_HEADER));
  }

  /** Tells the key of the frame that was asked for last; kept if it will be that of its whole flow. */
  keep(group: number): void {
    if (this.#family === 0) return;
    const table = this.#family === 4 ? this.#v4 : this.#v6;
    const row = table.upsert(this.#key);
    // A full table only means that later flows are looked at packet by packet.
    if (row >= 0) table.rows[table.valueAt(row)] = group;
  }

  #find4(view: DataView, l3: number): number {
    const options = (view.getUint8(l3) & 0x0f) !== IPV4.SIZE / 4;
    const fragment = (view.getUint16(l3 + IPV4.FRAGMENT) & (IPV4.MORE_FRAGMENTS | IPV4.OFFSET_MASK)) !== 0;
    if (options || fragment) return -1;
    return this.#look(4, this.#v4, view, l3 + IPV4.SRC, view.getUint8(l3 + IPV4.PROTOCOL));
  }

  /** `at`: where the addresses are, with the ports behind them. */
  #look(family: number, table: HashTable, view: DataView, at: number, protocol: number): number {
    if (!hasPorts(protocol)) return -1;
    const key = this.#key;
    const words = (table.keyWords - 1) | 0;
    for (let word = 0; word < words; word++) key[word] = view.getInt32(at + 4 * word, true);
    key[words] = protocol;
    this.#family = family;
    const row = table.find(key);
    return row < 0 ? -1 : table.rows[table.valueAt(row)]!;
  }
}

const hasPorts = (protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;
