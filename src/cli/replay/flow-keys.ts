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
    return type === EtherType.IPV6 && length >= ETH.SIZE + IPV6.SIZE + PORTS ? this.#find6(view, l3) : -1;
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
    const protocol = view.getUint8(l3 + IPV4.PROTOCOL);
    if (options || fragment || !hasPorts(protocol)) return -1;
    const key = this.#key;
    key[0] = view.getUint32(l3 + IPV4.SRC);
    key[1] = view.getUint32(l3 + IPV4.DST);
    key[2] = view.getUint32(l3 + IPV4.SIZE);
    key[3] = protocol;
    this.#family = 4;
    return valueOf(this.#v4, key);
  }

  #find6(view: DataView, l3: number): number {
    const protocol = view.getUint8(l3 + IPV6.NEXT_HEADER);
    if (!hasPorts(protocol)) return -1;
    const key = this.#key;
    // Both addresses and the ports behind them.
    for (let word = 0; word < 9; word++) key[word] = view.getUint32(l3 + IPV6.SRC + 4 * word);
    key[9] = protocol;
    this.#family = 6;
    return valueOf(this.#v6, key);
  }
}

const hasPorts = (protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;

function valueOf(table: HashTable, key: Uint32Array): number {
  const row = table.find(key);
  return row < 0 ? -1 : table.rows[table.valueAt(row)]!;
}
