import { LbtwinError } from '../errors.ts';
import { directionOfL4, hashPair, KeyTable, maskPort, packL4, prefixOfL4, widen } from './key-table.ts';
import { type Direction, POLICY_MAP_SIZE, type PolicyEntry, type PolicyKey, prefixOf, PROTO_BITS } from './layout.ts';

/**
 * The policy map of one endpoint: longest-prefix match over (identity, direction | protocol, port), as the kernel's LPM trie
 * answers it, in typed arrays. Every (identity, direction) pair knows which prefix lengths it holds, so that a lookup probes
 * only those. Entries are addressed by a slot number, which stays valid until the entry is deleted.
 */
export class PolicyMap {
  /** A full map refuses new keys. */
  readonly maxEntries: number;
  readonly #keys = new KeyTable();
  /** Slot -> `packEntry` word. */
  #value = new Uint32Array(8);
  // Prefix lengths per (identity, direction), open addressing. Bit 0: length 0, bit 1 + n: length 8 + n, bit 30: direction.
  #groupIdentity = new Uint32Array(16);
  #groupMask = new Int32Array(16);
  #groups = 0;
  readonly #anyMask: [ingress: number, egress: number] = [0, 0];

  constructor(maxEntries: number = POLICY_MAP_SIZE) {
    if (!Number.isInteger(maxEntries) || maxEntries < 1 || maxEntries > 1 << 24) {
      throw new LbtwinError('invalid-map-size', `${JSON.stringify(maxEntries)} is no map size`, {
        allowed: '1..16777216',
      });
    }
    this.maxEntries = maxEntries;
  }

  get size(): number {
    return this.#keys.size;
  }

  /**
   * Inserts or replaces. False, and nothing changed, when the key is new and the map is full.
   * @throws LbtwinError `invalid-policy-key`, `invalid-policy-entry`
   */
  set(key: PolicyKey, entry: PolicyEntry): boolean {
    checkKey(key);
    return this.write(key.identity, packL4(key.direction, prefixOf(key), key.proto, key.port), packEntry(entry));
  }

  /** Like `set`, with a packed key (`packL4`) and a packed value (`packEntry`). @internal */
  write(identity: number, l4: number, value: number): boolean {
    let slot = this.#keys.find(identity, l4);
    if (slot < 0) {
      if (this.size >= this.maxEntries) return false;
      slot = this.#keys.insert(identity, l4);
      if (this.#value.length < this.#keys.capacity) {
        this.#value = widen(this.#value, new Uint32Array(this.#keys.capacity));
      }
      this.#addToGroup(identity, l4);
    }
    this.#value[slot] = value;
    return true;
  }

  /** True if the key was there. */
  delete(key: PolicyKey): boolean {
    checkKey(key);
    const slot = this.#keys.find(key.identity, packL4(key.direction, prefixOf(key), key.proto, key.port));
    if (slot < 0) return false;
    this.#keys.remove(slot);
    this.#rebuildGroups(this.#groupMask.length);
    return true;
  }

  /** Slot of the longest matching entry under exactly this identity, or -1. No allocation. */
  match(direction: Direction, identity: number, proto: number, port: number): number {
    let mask = identity === 0 ? this.#anyMask[direction]! : this.#groupOf(identity, direction) & 0x3fffffff;
    while (mask !== 0) {
      const bit = 31 - Math.clz32(mask);
      mask ^= 1 << bit;
      const l4 =
        bit === 0
          ? direction << 29
          : (direction << 29) | ((PROTO_BITS + bit - 1) << 24) | (proto << 16) | maskPort(port, bit - 1);
      const slot = this.#keys.find(identity, l4 >>> 0);
      if (slot >= 0) return slot;
    }
    return -1;
  }

  /** Slot of exactly this key, or -1. */
  slotOf(key: PolicyKey): number {
    return this.#keys.find(key.identity, packL4(key.direction, prefixOf(key), key.proto, key.port));
  }

  /** Packed value of an entry; see `isDeny`, `proxyPortOf`, `priorityOf`, `authOf`, `isAuthExplicit`. */
  valueAt(slot: number): number {
    return this.#value[slot]!;
  }

  prefixAt(slot: number): number {
    return prefixOfL4(this.#keys.l4At(slot));
  }

  keyAt(slot: number): PolicyKey {
    return this.#keys.keyAt(slot);
  }

  entryAt(slot: number): PolicyEntry {
    return unpackEntry(this.#value[slot]!);
  }

  /** All entries, sorted by direction (ingress first), identity, protocol, port, prefix. */
  entries(): { key: PolicyKey; entry: PolicyEntry }[] {
    return this.#keys
      .slots()
      .map((slot) => ({ key: this.keyAt(slot), entry: this.entryAt(slot) }))
      .sort((a, b) => compareKeys(a.key, b.key));
  }

  #groupOf(identity: number, direction: Direction): number {
    const mask = this.#groupMask.length - 1;
    let at = hashPair(identity, direction) & mask;
    for (;;) {
      const found = this.#groupMask[at]!;
      if (found === 0) return 0;
      if (this.#groupIdentity[at] === identity && found >>> 30 === direction) return found;
      at = (at + 1) & mask;
    }
  }

  #addToGroup(identity: number, l4: number): void {
    const direction = directionOfL4(l4);
    const prefix = prefixOfL4(l4);
    const bit = 1 << (prefix === 0 ? 0 : prefix - PROTO_BITS + 1);
    if (identity === 0) {
      this.#anyMask[direction]! |= bit;
      return;
    }
    const mask = this.#groupMask.length - 1;
    let at = hashPair(identity, direction) & mask;
    while (this.#groupMask[at] !== 0) {
      if (this.#groupIdentity[at] === identity && this.#groupMask[at]! >>> 30 === direction) break;
      at = (at + 1) & mask;
    }
    if (this.#groupMask[at] === 0) this.#groups++;
    this.#groupIdentity[at] = identity;
    this.#groupMask[at]! |= bit | (direction << 30);
    if (this.#groups * 2 > this.#groupMask.length) this.#rebuildGroups(this.#groupMask.length * 2);
  }

  /** Fills the table of groups anew: when it grows, and after a delete, which is rare and off the hot path. */
  #rebuildGroups(positions: number): void {
    this.#groupIdentity = new Uint32Array(positions);
    this.#groupMask = new Int32Array(positions);
    this.#groups = 0;
    this.#anyMask.fill(0);
    for (const slot of this.#keys.slots()) this.#addToGroup(this.#keys.identityAt(slot), this.#keys.l4At(slot));
  }
}

/** What `PolicyStats` counted for one key. */
export interface PolicyCount {
  readonly key: PolicyKey;
  readonly packets: number;
  readonly bytes: number;
}

/**
 * The policy accounting map: packets and bytes per deciding prefix. Apart from the policy map, as in the kernel: its keys
 * carry the packet's own protocol and port, cut to the prefix of the entry that decided.
 */
export class PolicyStats {
  readonly #keys = new KeyTable();
  #packets = new Float64Array(8);
  #bytes = new Float64Array(8);

  count(direction: Direction, identity: number, prefix: number, proto: number, port: number, bytes: number): void {
    const l4 = packL4(direction, prefix, proto, port);
    let slot = this.#keys.find(identity, l4);
    if (slot < 0) {
      slot = this.#keys.insert(identity, l4);
      if (this.#packets.length < this.#keys.capacity) {
        this.#packets = widen(this.#packets, new Float64Array(this.#keys.capacity));
        this.#bytes = widen(this.#bytes, new Float64Array(this.#keys.capacity));
      }
    }
    this.#packets[slot]! += 1;
    this.#bytes[slot]! += bytes;
  }

  /** What was counted for exactly this key. */
  get(key: PolicyKey): PolicyCount | undefined {
    const slot = this.#keys.find(key.identity, packL4(key.direction, prefixOf(key), key.proto, key.port));
    return slot < 0 ? undefined : this.#row(slot);
  }

  /** All counts, in the order of `PolicyMap.entries`. */
  rows(): PolicyCount[] {
    const rows = this.#keys.slots().map((slot) => this.#row(slot));
    return rows.sort((a, b) => compareKeys(a.key, b.key));
  }

  #row(slot: number): PolicyCount {
    return { key: this.#keys.keyAt(slot), packets: this.#packets[slot]!, bytes: this.#bytes[slot]! };
  }
}

/** Order of dumps: direction (ingress first), identity, protocol, port, prefix. */
export function compareKeys(a: PolicyKey, b: PolicyKey): number {
  return (
    a.direction - b.direction ||
    a.identity - b.identity ||
    a.proto - b.proto ||
    a.port - b.port ||
    a.portPrefix - b.portPrefix
  );
}

export const isDeny = (value: number): boolean => value >>> 31 === 1;
export const isAuthExplicit = (value: number): boolean => ((value >>> 30) & 1) === 1;
export const authOf = (value: number): number => (value >>> 23) & 127;
export const priorityOf = (value: number): number => (value >>> 16) & 127;
export const proxyPortOf = (value: number): number => value & 0xffff;

/**
 * An entry in one word: deny << 31 | explicit << 30 | auth << 23 | priority << 16 | proxyPort.
 * @throws LbtwinError `invalid-policy-entry`
 */
export function packEntry(entry: PolicyEntry): number {
  const { proxyPort, priority, auth } = entry;
  if (!within(proxyPort, 65535) || !within(priority, 127) || !within(auth, 127)) {
    throw new LbtwinError('invalid-policy-entry', `${JSON.stringify(entry)} does not fit the policy map`, {
      allowed: 'proxyPort 0..65535, priority 0..127, auth 0..127',
    });
  }
  const flags = (entry.deny ? 0x80000000 : 0) | (entry.authExplicit ? 0x40000000 : 0);
  return (flags | (auth << 23) | (priority << 16) | proxyPort) >>> 0;
}

export const unpackEntry = (value: number): PolicyEntry => ({
  deny: isDeny(value),
  proxyPort: proxyPortOf(value),
  priority: priorityOf(value),
  auth: authOf(value),
  authExplicit: isAuthExplicit(value),
});

const within = (value: number, max: number): boolean => Number.isInteger(value) && value >= 0 && value <= max;

function checkKey(key: PolicyKey): void {
  const fits =
    within(key.direction, 1) &&
    within(key.identity, 0xffffffff) &&
    within(key.proto, 255) &&
    within(key.port, 65535) &&
    within(key.portPrefix, 16) &&
    (key.proto !== 0 || key.portPrefix === 0);
  if (!fits) {
    throw new LbtwinError('invalid-policy-key', `${JSON.stringify(key)} is no key of a policy map`, {
      allowed: 'direction 0 or 1, identity u32, proto 0..255, port 0..65535, portPrefix 0..16 (0 without a proto)',
    });
  }
}
