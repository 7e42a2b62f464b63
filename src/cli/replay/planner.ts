import { createTuple, reverseTuple } from '../../conntrack/tuple.ts';
import type { Node } from '../../datapath/node.ts';
import type { NodeFamily } from '../../datapath/node-family.ts';
import { hasAffinity } from '../../lb/layout.ts';
import { ICMP } from '../../net/headers.ts';
import { Headers, Parse, readHeaders, readIp } from '../../net/parse.ts';
import { destinationOffset, PacketBuffer, sourceOffset } from '../../net/packet-buffer.ts';
import { Protocol } from '../../net/protocol.ts';
import { FlowKeys } from './flow-keys.ts';
import { Groups, KeyKind } from './groups.ts';
import { Clients } from './restless.ts';
import { type PacketTrace, viewOf } from './trace.ts';

const FAMILIES = [4, 6] as const;
const NO_WORDS: readonly number[] = [];

/** The first ICMPv6 type that is no error, and the ICMP types that are. */
const FIRST_INFORMATIONAL_6 = 128;
const ERRORS_4: readonly number[] = [3, 4, 5, 11, 12];

/**
 * Finds the frames of a trace that can meet in a node's tables (docs/performance.md tells the rule). What is not certain counts
 * as meeting: too large a group costs speed only.
 */
export class Planner {
  readonly groups: Groups = new Groups();
  readonly #node: Node;
  readonly #flows = new FlowKeys();
  readonly #restless: Clients | undefined;
  readonly #packet = new PacketBuffer();
  readonly #headers = new Headers();
  readonly #inner = new Headers();
  readonly #tuples = { 4: createTuple(4), 6: createTuple(6) };
  readonly #words = new Uint32Array(4);
  /** What is behind each frontend, until a frame can reach any of it. */
  readonly #behind = new Map<number, number[]>();
  /** Group of the frame in hand, or -1. */
  #group = -1;

  /** @param restless see `restlessClients` */
  constructor(node: Node, restless: Uint32Array) {
    this.#node = node;
    this.#restless = restless.length > 0 ? Clients.of(restless) : undefined;
    for (const family of FAMILIES) this.#anchor(node.of(family));
  }

  /** Writes a key of the group of each frame in `[from, to)` to `keys`. */
  read({ bytes, offsets }: PacketTrace, from: number, to: number, keys: Int32Array): void {
    const groups = this.groups;
    const flows = this.#flows;
    const packet = this.#packet;
    // Of these frames only: offsets in it are small integers, those in a trace may be anything.
    const start = offsets[from]!;
    const part = bytes.subarray(start, offsets[to]);
    const view = viewOf(part);
    for (let i = from; i < to; i++) {
      const at = (offsets[i]! - start) | 0;
      const length = (offsets[i + 1]! - start - at) | 0;
      let key = flows.find(view, at, length);
      if (key < 0) {
        packet.lookAt(part, view, at, length);
        key = this.#frame();
        flows.keep(key);
      }
      keys[i] = key;
      groups.count(key, 1, i);
    }
  }

  /** Addresses of backends and pods, and what is behind frontends. */
  #anchor(f: NodeFamily): void {
    const { family, words, lb, tables } = f;
    for (const [, { address }] of lb.backends.entries()) this.#address(f, address.words, 0);
    for (const [address, { host }] of tables.endpoints.entries()) if (!host) this.#address(f, address.words, 0);
    for (const [{ address, port, slot, protocol, scope }, { union, revNatIndex, flags }] of lb.services.entries()) {
      const frontend = this.groups.of(KeyKind.FRONTEND, family, address.words, 0, words);
      const behind = this.#behind.get(frontend) ?? [];
      this.#behind.set(frontend, behind);
      if (slot > 0) {
        behind.push(this.#backend(f, union));
        continue;
      }
      // Maps written by hand may have a table and no slots.
      const bare = lb.services.find(Uint32Array.from(address.words), 0, port, 1, protocol, scope) < 0;
      if (bare) for (const id of new Set(lb.maglev.get(revNatIndex))) behind.push(this.#backend(f, id));
      if (hasAffinity(flags)) behind.push(this.groups.of(KeyKind.AFFINITY, family, NO_WORDS, 0, 0, revNatIndex));
    }
  }

  /** The frontend at an address, together with everything behind it. */
  #frontend(f: NodeFamily, words: Uint32Array, at: number): number {
    const frontend = this.groups.of(KeyKind.FRONTEND, f.family, words, at, f.words);
    const behind = this.#behind.get(frontend);
    if (behind !== undefined) {
      for (const group of behind) if (group >= 0) this.groups.join(group, frontend);
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
    return this.groups.of(KeyKind.ADDRESS, f.family, words, at, f.words);
  }

  #add(group: number): void {
    this.#group = this.groups.join(this.#group, group);
  }

  /** A key of the group of the frame in hand. */
  #frame(): number {
    const packet = this.#packet;
    const headers = this.#headers;
    this.#group = -1;
    if (readHeaders(packet, headers) === Parse.OK) {
      const { family, protocol, l3, l4, laterFragment } = headers;
      const f = this.#node.of(family);
      this.#touch(f, headers);
      const icmp = protocol === (family === 4 ? Protocol.ICMP : Protocol.ICMPV6);
      if (icmp && !laterFragment && packet.has(l4, ICMP.SIZE) && isError(family, packet.u8(l4))) {
        this.#frontends(f, this.#addresses(f, l3));
        const quoted = readIp(packet, l4 + ICMP.SIZE, family, this.#inner);
        if (quoted === Parse.OK) this.#touch(f, this.#inner);
      }
    }
    return this.#group >= 0 ? this.#group : this.groups.of(KeyKind.NOTHING, 0, NO_WORDS, 0, 0);
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
      if (!this.groups.has(KeyKind.FRONTEND, f.family, tuple, at, f.words)) continue;
      this.#add(this.#frontend(f, tuple, at));
      found = true;
    }
    return found;
  }

  /** Takes in what the flow of these headers can have to do with, whichever of its two directions they are. */
  #touch(f: NodeFamily, { protocol, l3, l4, fragment }: Headers): void {
    const w = f.words;
    const tuple = this.#addresses(f, l3);
    this.#clients(f, tuple);
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

  /** The group of what the node remembers of a restless client, for flows from it and to it. */
  #clients(f: NodeFamily, tuple: Uint32Array): void {
    const restless = this.#restless;
    if (restless === undefined) return;
    for (let at = 0; at <= f.words; at += f.words) {
      if (restless.has(f.family, tuple, at)) this.#add(this.groups.of(KeyKind.CLIENT, f.family, tuple, at, f.words));
    }
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
    const anchored = [0, w].map((at) => this.groups.has(KeyKind.ADDRESS, family, tuple, at, w));
    for (const side of [0, 1] as const) {
      const at = side * w;
      if (anchored[side]!) this.#add(this.#address(f, tuple, at));
      else if (!isOwn(f, tuple, at)) {
        const port = side === 0 ? ports & 0xffff : ports >>> 16;
        const detail = ((port << 8) | protocol) >>> 0;
        this.#add(this.groups.of(KeyKind.ENDPOINT, family, tuple, at, w, detail));
        if (!anchored[1 - side]!) this.#add(this.groups.of(KeyKind.REMOTE, family, tuple, at, w));
      }
    }
  }
}

const isError = (family: number, icmpType: number): boolean =>
  family === 4 ? ERRORS_4.includes(icmpType) : icmpType < FIRST_INFORMATIONAL_6;

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
