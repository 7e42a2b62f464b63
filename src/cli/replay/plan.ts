import { createTuple, reverseTuple } from '../../conntrack/tuple.ts';
import type { Node } from '../../datapath/node.ts';
import type { NodeFamily } from '../../datapath/node-family.ts';
import { HashTable } from '../../hash/table.ts';
import { hasAffinity } from '../../lb/layout.ts';
import { ETH, ICMP } from '../../net/headers.ts';
import { Headers, Parse, readHeaders, readIp } from '../../net/parse.ts';
import { destinationOffset, PacketBuffer, sourceOffset } from '../../net/packet-buffer.ts';
import { Protocol } from '../../net/protocol.ts';
import { Groups, KeyKind } from './groups.ts';
import { type PacketTrace, sharedWords } from './trace.ts';

const FAMILIES = [4, 6] as const;
const NO_WORDS: readonly number[] = [];

/** The first ICMPv6 type that is no error, and the ICMP types that are. */
const FIRST_INFORMATIONAL_6 = 128;
const ERRORS_4: readonly number[] = [3, 4, 5, 11, 12];

/**
 * Finds the frames of a trace that can meet in a node's tables (docs/performance.md tells the rule). What is not certain counts
 * as meeting: too large a group costs speed only.
 */
class Planner {
  readonly #node: Node;
  readonly #groups = new Groups();
  readonly #packet = new PacketBuffer();
  readonly #headers = new Headers();
  readonly #inner = new Headers();
  readonly #tuples = { 4: createTuple(4), 6: createTuple(6) };
  readonly #words = new Uint32Array(4);
  /** What is behind each frontend, until a frame can reach any of it. */
  readonly #behind = new Map<number, number[]>();
  /** Group of the frame in hand, or -1. */
  #group = -1;

  constructor(node: Node) {
    this.#node = node;
    for (const family of FAMILIES) this.#anchor(node.of(family));
  }

  /** A key of each frame's group; `find` tells the group once all frames were seen. */
  read(trace: PacketTrace): Int32Array {
    const { bytes, offsets } = trace;
    const restless = this.#restlessClients(trace);
    const keys = new Int32Array(trace.times.length);
    for (let i = 0; i < keys.length; i++) {
      this.#group = -1;
      this.#packet.load(bytes.subarray(offsets[i], offsets[i + 1]));
      if (readHeaders(this.#packet, this.#headers) === Parse.OK) this.#frame(restless);
      keys[i] = this.#group >= 0 ? this.#group : this.#groups.of(KeyKind.NOTHING, 0, NO_WORDS, 0, 0);
    }
    for (let i = 0; i < keys.length; i++) keys[i] = this.#groups.find(keys[i]!);
    return keys;
  }

  /** Addresses of backends and pods, and what is behind frontends. */
  #anchor(f: NodeFamily): void {
    const { family, words, lb, tables } = f;
    for (const [, { address }] of lb.backends.entries()) this.#address(f, address.words, 0);
    for (const [address, { host }] of tables.endpoints.entries()) if (!host) this.#address(f, address.words, 0);
    for (const [{ address, port, slot, protocol, scope }, { union, revNatIndex, flags }] of lb.services.entries()) {
      const frontend = this.#groups.of(KeyKind.FRONTEND, family, address.words, 0, words);
      const behind = this.#behind.get(frontend) ?? [];
      this.#behind.set(frontend, behind);
      if (slot > 0) {
        behind.push(this.#backend(f, union));
        continue;
      }
      // Maps written by hand may have a table and no slots.
      const bare = lb.services.find(Uint32Array.from(address.words), 0, port, 1, protocol, scope) < 0;
      if (bare) for (const id of new Set(lb.maglev.get(revNatIndex))) behind.push(this.#backend(f, id));
      if (hasAffinity(flags)) behind.push(this.#groups.of(KeyKind.AFFINITY, family, NO_WORDS, 0, 0, revNatIndex));
    }
  }

  /** The frontend at an address, together with everything behind it. */
  #frontend(f: NodeFamily, words: Uint32Array, at: number): number {
    const frontend = this.#groups.of(KeyKind.FRONTEND, f.family, words, at, f.words);
    const behind = this.#behind.get(frontend);
    if (behind !== undefined) {
      for (const group of behind) if (group >= 0) this.#groups.join(group, frontend);
      this.#behind.delete(frontend);
    }
    return frontend;
  }

  /** Group of a backend, or -1. */
  #backend(f: NodeFamily, id: number): number {
    const row = f.lb.backends.find(id);
    if (row < 0) return -1;
    f.lb.backends.copyAddress(row, this.#words);
    return this.#address(f, this.#words, 0);
  }

  #address(f: NodeFamily, words: ArrayLike<number>, at: number): number {
    return this.#groups.of(KeyKind.ADDRESS, f.family, words, at, f.words);
  }

  #add(group: number): void {
    this.#group = this.#groups.join(this.#group, group);
  }

  #frame(restless: HashTable | undefined): void {
    const packet = this.#packet;
    const headers = this.#headers;
    const { family, protocol, l3, l4, laterFragment } = headers;
    const f = this.#node.of(family);
    this.#touch(f, headers);
    const icmp = protocol === (family === 4 ? Protocol.ICMP : Protocol.ICMPV6);
    if (icmp && !laterFragment && packet.has(l4, ICMP.SIZE)) {
      const type = packet.u8(l4);
      const error = family === 4 ? ERRORS_4.includes(type) : type < FIRST_INFORMATIONAL_6;
      if (error) {
        this.#frontends(f, this.#addresses(f, l3));
        const quoted = readIp(packet, l4 + ICMP.SIZE, family, this.#inner);
        if (quoted === Parse.OK) this.#touch(f, this.#inner);
      }
    }
    if (restless === undefined) return;
    this.#words.fill(0);
    packet.address(l3 + sourceOffset(family), f.words, this.#words, 0);
    const row = restless.find(this.#words);
    if (row >= 0 && restless.rows[restless.valueAt(row) + 2] === 1) this.#add(this.#address(f, this.#words, 0));
  }

  /** The tuple of the IP header at `l3` in packet layout, without ports. */
  #addresses(f: NodeFamily, l3: number): Uint32Array {
    const tuple = this.#tuples[f.family];
    this.#packet.address(l3 + destinationOffset(f.family), f.words, tuple, 0);
    this.#packet.address(l3 + sourceOffset(f.family), f.words, tuple, f.words);
    tuple[2 * f.words] = 0;
    return tuple;
  }

  /** Everything behind the frontends at either address; true if there is one. */
  #frontends(f: NodeFamily, tuple: Uint32Array): boolean {
    let found = false;
    for (let at = 0; at <= f.words; at += f.words) {
      if (!this.#groups.has(KeyKind.FRONTEND, f.family, tuple, at, f.words)) continue;
      this.#add(this.#frontend(f, tuple, at));
      found = true;
    }
    return found;
  }

  /** Takes in what the flow of these headers can have to do with, whichever of its two directions they are. */
  #touch(f: NodeFamily, { protocol, l3, l4, fragment }: Headers): void {
    const w = f.words;
    const tuple = this.#addresses(f, l3);
    tuple[2 * w + 1] = protocol << 8;
    const ported = protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === Protocol.SCTP;
    if (ported) {
      if (fragment || !this.#packet.has(l4, 4)) {
        if (this.#frontends(f, tuple)) return;
      } else {
        tuple[2 * w] = this.#packet.u32(l4);
        if (this.#service(f, tuple)) return;
        reverseTuple(tuple, w);
        if (this.#service(f, tuple)) return;
      }
    }
    this.#ends(f, tuple, protocol);
  }

  /** If the tuple is of a service, the backend that its flow has, or all it may have. */
  #service(f: NodeFamily, tuple: Uint32Array): boolean {
    if (!f.service.find(tuple)) return false;
    const id = f.service.foresee(tuple);
    const backend = id > 0 ? this.#backend(f, id) : -1;
    this.#add(backend >= 0 ? backend : this.#frontend(f, tuple, 0));
    return true;
  }

  /**
   * The two ends of a flow that is of no service. A backend or pod is one group with all its flows. Of any other address, the endpoint is
   * the port space of source NAT; and unless the other end is a backend or pod, the address, which ICMP errors are known by.
   */
  #ends(f: NodeFamily, tuple: Uint32Array, protocol: number): void {
    const { family, words: w } = f;
    const ports = tuple[2 * w]!;
    const anchored = [0, w].map((at) => this.#groups.has(KeyKind.ADDRESS, family, tuple, at, w));
    for (const side of [0, 1] as const) {
      const at = side * w;
      if (anchored[side]!) this.#add(this.#address(f, tuple, at));
      else if (!isOwn(f, tuple, at)) {
        const port = side === 0 ? ports & 0xffff : ports >>> 16;
        const detail = ((port << 8) | protocol) >>> 0;
        this.#add(this.#groups.of(KeyKind.ENDPOINT, family, tuple, at, w, detail));
        if (!anchored[1 - side]!) this.#add(this.#groups.of(KeyKind.REMOTE, family, tuple, at, w));
      }
    }
  }

  /**
   * Clients whose frames come from several MAC addresses: the node remembers the latest for all their flows. Undefined if every frame comes
   * from one. Values: the MAC address in two words, and 1 if there are several.
   */
  #restlessClients(trace: PacketTrace): HashTable | undefined {
    if (hasOneSender(trace)) return undefined;
    const { bytes, offsets, times } = trace;
    const packet = this.#packet;
    const headers = this.#headers;
    const clients = new HashTable({ kind: 'hash', keyWords: 4, valueWords: 3, maxEntries: 16_777_216 });
    for (let i = 0; i < times.length; i++) {
      packet.load(bytes.subarray(offsets[i], offsets[i + 1]));
      if (readHeaders(packet, headers) !== Parse.OK) continue;
      const { family, l3 } = headers;
      this.#words.fill(0);
      packet.address(l3 + sourceOffset(family), family === 4 ? 1 : 4, this.#words, 0);
      const high = packet.u32(ETH.SRC);
      const low = packet.u16(ETH.SRC + 4);
      const before = clients.size;
      const at = clients.valueAt(clients.upsert(this.#words));
      const { rows } = clients;
      if (clients.size > before) {
        rows[at] = high;
        rows[at + 1] = low;
      } else if (rows[at] !== high || rows[at + 1] !== low) {
        rows[at + 2] = 1;
      }
    }
    return clients;
  }
}

/** Whether all frames have the first one's source MAC address, as behind a router. */
function hasOneSender({ bytes, offsets, times }: PacketTrace): boolean {
  const first = offsets[0]! + ETH.SRC;
  for (let i = 1; i < times.length; i++) {
    const at = offsets[i]! + ETH.SRC;
    for (let b = 0; b < 6; b++) if (bytes[at + b] !== bytes[first + b]) return false;
  }
  return true;
}

/** Whether an address is the node's own, which source NAT gives away. */
function isOwn(f: NodeFamily, tuple: Uint32Array, at: number): boolean {
  let node = true;
  let router = true;
  for (let i = 0; i < f.words; i++) {
    node &&= tuple[at + i] === f.nodeAddress[i];
    router &&= tuple[at + i] === f.routerAddress[i];
  }
  return node || router;
}

/**
 * The frames of each shard, in the order of the trace. Groups go to the shard with the fewest frames, the largest group first; empty shards
 * are left out.
 */
export function planShards(node: Node, trace: PacketTrace, shards: number): Uint32Array[] {
  const groups = new Planner(node).read(trace);
  const sizes = new Uint32Array(groups.reduce((most, group) => Math.max(most, group), 0) + 1);
  for (const group of groups) sizes[group]!++;
  const bySize = [...sizes.keys()].filter((group) => sizes[group]! > 0).sort((a, b) => sizes[b]! - sizes[a]!);
  const loads = Array.from({ length: shards }, () => 0);
  const shardOf = new Uint8Array(sizes.length);
  for (const group of bySize) {
    const shard = loads.indexOf(Math.min(...loads));
    shardOf[group] = shard;
    loads[shard]! += sizes[group]!;
  }
  const rows = loads.map((load) => sharedWords(load));
  const next = new Uint32Array(shards);
  for (let i = 0; i < groups.length; i++) {
    const shard = shardOf[groups[i]!]!;
    rows[shard]![next[shard]!++] = i;
  }
  return rows.filter(({ length }) => length > 0);
}
