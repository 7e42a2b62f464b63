import { HashTable } from '../../hash/table.ts';
import type { Family } from '../../net/address.ts';
import { ETH } from '../../net/headers.ts';
import { Headers, Parse, readHeaders } from '../../net/parse.ts';
import { PacketBuffer, sourceOffset } from '../../net/packet-buffer.ts';
import { type PacketTrace, viewOf } from './trace.ts';

/** Family and address. */
const CLIENT_WORDS = 5;

/** A set of addresses of both families. */
export class Clients {
  readonly table: HashTable;
  readonly #key = new Uint32Array(CLIENT_WORDS);

  constructor(valueWords: number) {
    this.table = new HashTable({ kind: 'hash', keyWords: CLIENT_WORDS, valueWords, maxEntries: 16_777_216 });
  }

  /** From what `restlessClients` answers. */
  static of(list: Uint32Array): Clients {
    const clients = new Clients(0);
    for (let at = 0; at < list.length; at += CLIENT_WORDS) clients.table.upsert(list, at);
    return clients;
  }

  has(family: Family, words: Uint32Array, at: number): boolean {
    this.#key[0] = family;
    for (let i = 0; i < 4; i++) this.#key[1 + i] = family === 6 || i === 0 ? words[at + i]! : 0;
    return this.table.find(this.#key) >= 0;
  }

  /** Where the values of a packet's source are. */
  valueOfSource(packet: PacketBuffer, { family, l3 }: Headers): number {
    const key = this.#key.fill(0);
    key[0] = family;
    packet.address(l3 + sourceOffset(family), family === 4 ? 1 : 4, key, 1);
    return this.table.valueAt(this.table.upsert(key));
  }
}

/** Clients whose frames come from several MAC addresses: the node remembers the latest for all their flows. `CLIENT_WORDS` for each. */
export function restlessClients(trace: PacketTrace): Uint32Array {
  if (hasOneSender(trace)) return new Uint32Array(0);
  const { bytes, offsets, times } = trace;
  const view = viewOf(bytes);
  const packet = new PacketBuffer();
  const headers = new Headers();
  // Values: whether there is one, the MAC address in two words, whether there are several.
  const clients = new Clients(4);
  const { table } = clients;
  for (let i = 0; i < times.length; i++) {
    packet.lookAt(bytes, view, offsets[i]!, offsets[i + 1]! - offsets[i]!);
    if (readHeaders(packet, headers) !== Parse.OK) continue;
    const at = clients.valueOfSource(packet, headers);
    const { rows } = table;
    const high = packet.u32(ETH.SRC);
    const low = packet.u16(ETH.SRC + 4);
    if (rows[at] === 0) {
      rows[at] = 1;
      rows[at + 1] = high;
      rows[at + 2] = low;
    } else if (rows[at + 1] !== high || rows[at + 2] !== low) {
      rows[at + 3] = 1;
    }
  }
  const restless: number[] = [];
  for (let row = table.nextRow(-1); row >= 0; row = table.nextRow(row)) {
    const at = row * table.rowWords;
    if (table.rows[table.valueAt(row) + 3] === 1) restless.push(...table.rows.subarray(at, at + CLIENT_WORDS));
  }
  return Uint32Array.from(restless);
}

/** Whether all frames have the same source MAC address, as behind a router. */
function hasOneSender({ bytes, offsets, times }: PacketTrace): boolean {
  const view = viewOf(bytes);
  let first = -1;
  for (let i = 0; i < times.length; i++) {
    const at = offsets[i]!;
    if (offsets[i + 1]! - at < ETH.SIZE) continue;
    if (first < 0) first = at;
    const high = view.getInt32(at + ETH.SRC) === view.getInt32(first + ETH.SRC);
    if (!high || view.getUint16(at + ETH.SRC + 4) !== view.getUint16(first + ETH.SRC + 4)) return false;
  }
  return true;
}
