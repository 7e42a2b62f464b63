import { LbtwinError } from '../errors.ts';
import { HashTable } from '../hash/index.ts';
import { checkKey, compareKeys, packEntry, unpackEntry } from './entry.ts';
import { directionOfL4, maskPort, packL4, portOfL4, prefixOfL4, protoOfL4 } from './l4.ts';
import { type Direction, POLICY_MAP_SIZE, type PolicyEntry, type PolicyKey, prefixOf, PROTO_BITS } from './layout.ts';

const l4Of = (key: PolicyKey): number => packL4(key.direction, prefixOf(key), key.proto, key.port);

function keyOf(identity: number, l4: number): PolicyKey {
  const prefix = prefixOfL4(l4);
  return {
    direction: directionOfL4(l4),
    identity,
    proto: protoOfL4(l4),
    port: portOfL4(l4),
    portPrefix: prefix > PROTO_BITS ? prefix - PROTO_BITS : 0,
  };
}

/**
 * The policy map of one endpoint: longest-prefix match over (identity, direction | protocol, port), as the kernel's LPM trie
 * answers it, in typed arrays. Every identity knows which prefix lengths it holds per direction, so that a lookup probes only
 * those. Entries are addressed by a row number, which stays valid until the entry is deleted.
 */
export class PolicyMap {
  /** identity, l4 -> `packEntry` word. */
  readonly #entries: HashTable;
  /** identity -> prefix lengths held, per direction. Bit 0: length 0, bit 1 + n: length 8 + n. */
  readonly #lengths: HashTable;
  readonly #key = new Uint32Array(2);
  readonly #identity = new Uint32Array(1);
  /** Prefix lengths held under identity 0, which every lookup asks for. */
  readonly #anyLengths: [ingress: number, egress: number] = [0, 0];

  /**
   * @param reserve entries to take memory for at once
   * @throws LbtwinError `invalid-map-size`
   */
  constructor(maxEntries: number = POLICY_MAP_SIZE, reserve = 0) {
    if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > 1 << 24) {
      throw new LbtwinError('invalid-map-size', `${JSON.stringify(maxEntries)} is no map size`, {
        allowed: '1..16777216',
      });
    }
    this.#entries = new HashTable({ kind: 'hash', keyWords: 2, valueWords: 1, maxEntries, reserve });
    this.#lengths = new HashTable({ kind: 'hash', keyWords: 1, valueWords: 2, maxEntries });
  }

  /** A full map refuses new keys. */
  get maxEntries(): number {
    return this.#entries.maxEntries;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * Inserts or replaces. False, and nothing changed, when the key is new and the map is full.
   * @throws LbtwinError `invalid-policy-key`, `invalid-policy-entry`
   */
  set(key: PolicyKey, entry: PolicyEntry): boolean {
    checkKey(key);
    return this.write(key.identity, l4Of(key), packEntry(entry));
  }

  /** Like `set`, with a packed key (`packL4`) and a packed value (`packEntry`). @internal */
  write(identity: number, l4: number, value: number): boolean {
    const entries = this.#entries;
    const row = entries.upsert(this.#keyed(identity, l4));
    if (row < 0) return false;
    entries.rows[entries.valueAt(row)] = value;
    this.#note(identity, l4);
    return true;
  }

  /** True if the key was there. */
  delete(key: PolicyKey): boolean {
    checkKey(key);
    if (!this.#entries.delete(this.#keyed(key.identity, l4Of(key)))) return false;
    this.#lengths.clear();
    this.#anyLengths.fill(0);
    const { rows, rowWords } = this.#entries;
    for (let row = this.#entries.nextRow(-1); row >= 0; row = this.#entries.nextRow(row)) {
      this.#note(rows[row * rowWords]!, rows[row * rowWords + 1]!);
    }
    return true;
  }

  /** Row of the longest matching entry under exactly this identity, or -1. No allocation. */
  match(direction: Direction, identity: number, proto: number, port: number): number {
    let lengths = identity === 0 ? this.#anyLengths[direction]! : this.#lengthsOf(direction, identity);
    if (lengths === 0) return -1;
    const key = this.#key;
    key[0] = identity;
    while (lengths !== 0) {
      const bit = 31 - Math.clz32(lengths);
      lengths ^= 1 << bit;
      key[1] =
        bit === 0
          ? direction << 29
          : (direction << 29) | ((PROTO_BITS + bit - 1) << 24) | (proto << 16) | maskPort(port, bit - 1);
      const row = this.#entries.find(key);
      if (row >= 0) return row;
    }
    return -1;
  }

  /** Row of exactly this key, or -1. */
  rowOf(key: PolicyKey): number {
    return this.#entries.find(this.#keyed(key.identity, l4Of(key)));
  }

  /** Packed value of an entry; see `isDeny`, `proxyPortOf`, `priorityOf`, `authOf`, `isAuthExplicit`. */
  valueAt(row: number): number {
    return this.#entries.rows[this.#entries.valueAt(row)]!;
  }

  prefixAt(row: number): number {
    return prefixOfL4(this.#entries.rows[row * this.#entries.rowWords + 1]!);
  }

  keyAt(row: number): PolicyKey {
    const base = row * this.#entries.rowWords;
    return keyOf(this.#entries.rows[base]!, this.#entries.rows[base + 1]!);
  }

  entryAt(row: number): PolicyEntry {
    return unpackEntry(this.valueAt(row));
  }

  /** All entries, sorted by direction (ingress first), identity, protocol, port, prefix. */
  entries(): { key: PolicyKey; entry: PolicyEntry }[] {
    const all: { key: PolicyKey; entry: PolicyEntry }[] = [];
    for (let row = this.#entries.nextRow(-1); row >= 0; row = this.#entries.nextRow(row)) {
      all.push({ key: this.keyAt(row), entry: this.entryAt(row) });
    }
    return all.sort((a, b) => compareKeys(a.key, b.key));
  }

  #keyed(identity: number, l4: number): Uint32Array {
    this.#key[0] = identity;
    this.#key[1] = l4;
    return this.#key;
  }

  #lengthsOf(direction: Direction, identity: number): number {
    this.#identity[0] = identity;
    const found = this.#lengths.find(this.#identity);
    return found < 0 ? 0 : this.#lengths.rows[this.#lengths.valueAt(found) + direction]!;
  }

  #note(identity: number, l4: number): void {
    const prefix = prefixOfL4(l4);
    const bit = 1 << (prefix === 0 ? 0 : prefix - PROTO_BITS + 1);
    if (identity === 0) {
      this.#anyLengths[directionOfL4(l4)]! |= bit;
      return;
    }
    this.#identity[0] = identity;
    const at = this.#lengths.valueAt(this.#lengths.upsert(this.#identity)) + directionOfL4(l4);
    this.#lengths.rows[at]! |= bit;
  }
}

/** What `PolicyStats` counted for one key of one endpoint. */
export interface PolicyCount {
  readonly endpoint: number;
  readonly key: PolicyKey;
  readonly packets: number;
  readonly bytes: number;
}

/** Default capacity of the accounting map (`bpf-policy-stats-map-max`). */
export const POLICY_STATS_SIZE = 65536;

/**
 * A node's policy accounting map: packets and bytes per endpoint and deciding prefix. Apart from the policy maps, as in the
 * kernel: its keys carry the packet's own protocol and port, cut to the prefix of the entry that decided.
 */
export class PolicyStats {
  readonly #table: HashTable;
  readonly #key = new Uint32Array(3);

  constructor(maxEntries: number = POLICY_STATS_SIZE) {
    this.#table = new HashTable({ kind: 'lru', keyWords: 3, valueWords: 4, maxEntries });
  }

  /** Counts one packet; `l4` from `packL4`. */
  count(endpoint: number, identity: number, l4: number, bytes: number): void {
    const key = this.#key;
    key[0] = endpoint;
    key[1] = identity;
    key[2] = l4;
    const at = this.#table.valueAt(this.#table.upsert(key));
    const { rows } = this.#table;
    // Two 64-bit counters as low and high words.
    rows[at]! += 1;
    if (rows[at] === 0) rows[at + 1]! += 1;
    const low = rows[at + 2]! + bytes;
    rows[at + 2] = low;
    if (low > 0xffffffff) rows[at + 3]! += 1;
  }

  /** What was counted for exactly this key. */
  get(endpoint: number, key: PolicyKey): PolicyCount | undefined {
    this.#key[0] = endpoint;
    this.#key[1] = key.identity;
    this.#key[2] = l4Of(key);
    const row = this.#table.find(this.#key);
    return row < 0 ? undefined : this.#row(row);
  }

  /** All counts, by endpoint and then in the order of `PolicyMap.entries`. */
  rows(): PolicyCount[] {
    const all: PolicyCount[] = [];
    for (let row = this.#table.nextRow(-1); row >= 0; row = this.#table.nextRow(row)) all.push(this.#row(row));
    return all.sort((a, b) => a.endpoint - b.endpoint || compareKeys(a.key, b.key));
  }

  #row(row: number): PolicyCount {
    const { rows, rowWords } = this.#table;
    const base = row * rowWords;
    const at = this.#table.valueAt(row);
    return {
      endpoint: rows[base]!,
      key: keyOf(rows[base + 1]!, rows[base + 2]!),
      packets: rows[at]! + rows[at + 1]! * 2 ** 32,
      bytes: rows[at + 2]! + rows[at + 3]! * 2 ** 32,
    };
  }
}
