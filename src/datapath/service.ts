import type { Conntrack } from '../conntrack/conntrack.ts';
import { CtDir, CtScope, CtStatus, CtType } from '../conntrack/kinds.ts';
import { CtBit, type CtState } from '../conntrack/entry.ts';
import { traceCtLookup, traceCtUpdate } from '../conntrack/trace.ts';
import { type CtTuple, setTupleFlags } from '../conntrack/tuple.ts';
import { hashTuple } from '../hash/tuple.ts';
import { affinityOfAddress } from '../lb/affinity.ts';
import {
  affinityTimeout,
  Algorithm,
  BackendState,
  hasAffinity,
  isL7Delegate,
  isLocalRedirect,
  serviceAlgorithm,
} from '../lb/layout.ts';
import { lookupService, ServiceHit, slotBackend } from '../lb/lookup.ts';
import type { LbFamilyMaps, LbMaps } from '../lb/maps.ts';
import { maglevBackendId, randomSlot } from '../lb/slot.ts';
import type { Trace } from '../lb/trace.ts';
import { copyAddress, type Family, formatWords, sameAddressAt, wordsOf } from '../net/address.ts';
import { DropReason } from '../net/drop-reason.ts';
import { UDP } from '../net/headers.ts';
import { destinationOffset, type PacketBuffer, sourceOffset } from '../net/packet-buffer.ts';
import type { Headers } from '../net/parse.ts';
import { Protocol } from '../net/protocol.ts';
import { replaceAddress, replaceEndpoint, Rewrite } from '../net/rewrite.ts';
import { replaceL4Checksum } from '../net/checksum.ts';
import type { U64 } from '../net/u64.ts';
import type { AddressTable } from '../node/address-table.ts';
import type { LocalEndpoint } from '../node/tables.ts';

/** What a program's service step is built with. */
export interface ServicePathOptions {
  /** `bpf-lb-algorithm`; the pod program always has `random`. */
  readonly algorithm: 'random' | 'maglev';
  /** The service's own algorithm byte decides (`bpf-lb-algorithm-annotation`); bytes it does not know select nothing. */
  readonly algorithmAnnotation: boolean;
  /** Seed of the family's flow hash, u32. */
  readonly hashSeed: number;
  /** `bpf-lb-proto-diff`. */
  readonly protocolDifferentiation: boolean;
  /** Services with two scopes are looked up from inside: pods with kube-proxy replacement, never the edge. */
  readonly scopeSwitch: boolean;
  /** `enable-session-affinity`. */
  readonly sessionAffinity: boolean;
  /**
   * IPv4 address (one word) that stands in for a pod which reaches itself by a service; undefined where that is not handled:
   * at the edge, and for IPv6.
   */
  readonly loopback: number | undefined;
  /** `enable-local-redirect-policy`, where a pod's own skip entries count. */
  readonly localRedirect: boolean;
}

/** What the service step needs of a packet on its way: of a hook, or of a caller without bytes. */
export interface ServicePacket {
  readonly packet: PacketBuffer;
  readonly headers: Headers;
  readonly now: number;
  readonly random: () => number;
  readonly trace: Trace | undefined;
  readonly serviceState: CtState;
}

/**
 * The service step of the packet programs for one address family (docs/services.md): finds the service of a packet, keeps its
 * flow on one backend by a conntrack entry of its own, and rewrites the destination. The edge and the pod program share it.
 */
export class ServicePath {
  readonly family: Family;
  readonly options: ServicePathOptions;
  /** What `find` found. */
  readonly hit: ServiceHit = new ServiceHit();
  /** Backend id of the last `translate` that answered 0, or -205. */
  backendId = 0;
  /** True if the last `translate` left the packet alone for a skip entry. */
  skipped = false;
  /** True if the last `translate` put the loopback address in as the source. */
  loopback = false;
  private readonly maps: LbMaps;
  private readonly lb: LbFamilyMaps;
  private readonly conntrack: Conntrack;
  private readonly endpoints: AddressTable<LocalEndpoint>;
  readonly #words: number = 1;
  /** The service's address, and after it the backend's. */
  readonly #vip = new Uint32Array(4);
  readonly #backend = new Uint32Array(4);
  readonly #source = new Uint32Array(1);

  constructor(
    family: Family,
    maps: LbMaps,
    conntrack: Conntrack,
    endpoints: AddressTable<LocalEndpoint>,
    options: ServicePathOptions,
  ) {
    this.family = family;
    this.options = options;
    this.maps = maps;
    this.lb = maps.of(family);
    this.conntrack = conntrack;
    this.endpoints = endpoints;
    this.#words = wordsOf(family);
    this.#source[0] = options.loopback ?? 0;
  }

  /** The errno (negative) behind the last CT_CREATE_FAILED. */
  get extError(): number {
    return this.conntrack.extErr;
  }

  /** Finds the service of a tuple (packet layout) into `hit`. */
  find(tuple: CtTuple, trace?: Trace): boolean {
    const w = this.#words;
    const protocol = this.options.protocolDifferentiation ? tuple[2 * w + 1]! >>> 8 : Protocol.ANY;
    const { services } = this.lb;
    return lookupService(
      services,
      tuple,
      0,
      tuple[2 * w]! & 0xffff,
      protocol,
      this.options.scopeSwitch,
      this.hit,
      trace,
    );
  }

  /**
   * Sends a packet of the service in `hit` to a backend: the one of its flow, or a new one.
   * @param tuple packet layout, flags as the caller wants them back; receives the backend's address and port
   * @param tcpFlags the packet's flags byte, 0 if it has none
   * @param skip decide and remember, but leave the packet alone
   * @param netnsCookie of the sending pod, for its skip entries
   * @returns 0 or a negative drop reason: NO_SERVICE, CT_CREATE_FAILED (`extErr` of conntrack has the errno), CSUM_L4, and
   *   PUNT_PROXY, which is no drop at the edge: a proxy here takes over
   */
  translate(p: ServicePacket, tuple: CtTuple, tcpFlags: number, skip: boolean, netnsCookie?: U64): number {
    const w = this.#words;
    const { services, backends } = this.lb;
    const flags = services.flags(this.hit.row);
    const revNatIndex = services.revNatIndex(this.hit.row);
    const sticky = this.options.sessionAffinity && hasAffinity(flags);
    const tupleFlags = tuple[2 * w + 1]! & 0xff;
    copyAddress(this.#vip, 0, tuple, 0, w);
    this.skipped = false;
    this.loopback = false;
    this.backendId = 0;
    const row = this.#choose(p, tuple, tcpFlags, revNatIndex, sticky);
    setTupleFlags(tuple, w, tupleFlags);
    if (row < 0) return row;
    if (sticky) {
      this.conntrack.log?.spoil();
      this.lb.affinity.storeAddress(tuple, w, revNatIndex, this.backendId, p.now);
    }
    backends.copyAddress(row, this.#backend);
    if (this.options.loopback !== undefined && sameAddressAt(this.#backend, 0, tuple, w, w)) {
      if (this.#skipEntry(flags, tuple, netnsCookie)) {
        this.skipped = true;
        return 0;
      }
      this.loopback = true;
      p.serviceState.bits |= CtBit.LOOPBACK;
    } else copyAddress(tuple, 0, this.#backend, 0, w);
    if (isL7Delegate(flags) && this.endpoints.lookup(this.#backend, 0) !== undefined) return -DropReason.PUNT_PROXY;
    return skip ? 0 : this.#rewrite(p, tuple, backends.port(row));
  }

  /** Row of the flow's backend, with `backendId` set; or a negative drop reason. */
  #choose(p: ServicePacket, tuple: CtTuple, tcpFlags: number, revNatIndex: number, sticky: boolean): number {
    const { backends } = this.lb;
    const { serviceState: state, now } = p;
    const conntrack = this.conntrack;
    const { length } = p.packet;
    state.clear();
    state.revNatIndex = revNatIndex;
    const status = conntrack.lookup(
      tuple,
      CtDir.SERVICE,
      CtScope.REVERSE,
      CtType.SERVICE,
      state,
      tcpFlags,
      length,
      now,
    );
    if (p.trace !== undefined) traceCtLookup(p.trace, conntrack, tuple, status);
    if (status === CtStatus.REPLY) {
      const row = backends.find(state.backendId);
      this.backendId = state.backendId;
      if (row >= 0 && (backends.state(row) === BackendState.ACTIVE || (state.bits & CtBit.SYN) === 0)) return row;
      const other = this.#select(p, tuple);
      // In place: the state keeps the backend that was.
      if (other >= 0) conntrack.updateService(tuple, this.backendId, revNatIndex);
      return other;
    }
    let row = -1;
    if (sticky && this.lb.services.count(this.hit.row) > 0) {
      const timeout = affinityTimeout(this.lb.services.union(this.hit.row));
      const w = this.#words;
      const id = affinityOfAddress(this.maps, this.lb, revNatIndex, timeout, tuple, w, now, p.trace);
      if (id !== 0) row = backends.find(id);
      this.backendId = id;
    }
    if (row < 0) {
      row = this.#select(p, tuple);
      if (row < 0) return row;
    }
    state.backendId = this.backendId;
    const created = conntrack.create(tuple, CtDir.SERVICE, state, false, length, now);
    if (created === 0 && p.trace !== undefined) traceCtUpdate(p.trace, conntrack, tuple);
    return created < 0 ? created : row;
  }

  /** Row of a backend for a new flow, with `backendId` set; or -NO_SERVICE. */
  #select(p: ServicePacket, tuple: CtTuple): number {
    const { services, backends } = this.lb;
    const count = services.count(this.hit.row);
    if (count === 0) return -DropReason.NO_SERVICE;
    const algorithm = this.#algorithm();
    if (algorithm === Algorithm.MAGLEV) {
      const table = this.#table();
      const hash = this.#hash(tuple);
      this.backendId = maglevBackendId(table, hash);
      if (p.trace !== undefined) traceMaglev(p.trace, hash, table, this.backendId);
    } else if (algorithm === Algorithm.RANDOM) {
      const word = p.random() >>> 0;
      if (p.trace !== undefined) p.trace.event({ kind: 'random', word });
      const slot = randomSlot(word, count);
      const port = tuple[2 * this.#words]! & 0xffff;
      this.backendId = slotBackend(services, this.#vip, 0, port, slot, this.hit, p.trace);
    } else this.backendId = 0;
    const row = this.backendId === 0 ? -1 : backends.find(this.backendId);
    return row < 0 ? -DropReason.NO_SERVICE : row;
  }

  /**
   * Backend id that the service in `hit` gives every packet of a flow as long as the maps stay as they are and no older state says
   * otherwise: Maglev without affinity. 0 for none, -1 if it takes random words or hangs on the client's other flows.
   * @param tuple packet layout
   */
  foresee(tuple: CtTuple): number {
    const { services } = this.lb;
    if (services.count(this.hit.row) === 0) return 0;
    if (hasAffinity(services.flags(this.hit.row)) || this.#algorithm() !== Algorithm.MAGLEV) return -1;
    return maglevBackendId(this.#table(), this.#hash(tuple));
  }

  /** How the service in `hit` selects, an `Algorithm`; others select nothing. */
  #algorithm(): number {
    const { algorithmAnnotation, algorithm } = this.options;
    if (algorithmAnnotation) return serviceAlgorithm(this.lb.services.union(this.hit.row));
    return algorithm === 'maglev' ? Algorithm.MAGLEV : Algorithm.RANDOM;
  }

  #table(): Uint32Array | undefined {
    return this.lb.maglev.get(this.lb.services.revNatIndex(this.hit.row));
  }

  /** The hash of a flow to the service in `hit`. */
  #hash(tuple: CtTuple): number {
    const w = this.#words;
    const ports = tuple[2 * w]!;
    const port = hasAffinity(this.lb.services.flags(this.hit.row)) ? 0 : ports >>> 16;
    const protocol = (tuple[2 * w + 1]! >>> 8) & 0xff;
    return hashTuple(this.family, tuple, w, port, ports & 0xffff, protocol, this.options.hashSeed);
  }

  /** Whether the pod that would reach itself is exempt from the local redirect. */
  #skipEntry(flags: number, tuple: CtTuple, netnsCookie: U64 | undefined): boolean {
    if (!this.options.localRedirect || netnsCookie === undefined || !isLocalRedirect(flags)) return false;
    const port = tuple[2 * this.#words]! & 0xffff;
    return this.lb.skipLb.contains(netnsCookie.low, netnsCookie.high, tuple, 0, port);
  }

  /** Writes destination and, for loopback, source into the packet; the port unless the backend has none. */
  #rewrite(p: ServicePacket, tuple: CtTuple, backendPort: number): number {
    const { packet, headers, trace } = p;
    const { family } = this;
    const w = this.#words;
    const { l3, protocol } = headers;
    const port = tuple[2 * w]! & 0xffff;
    const to = backendPort === 0 ? port : backendPort;
    tuple[2 * w] = (tuple[2 * w]! & 0xffff0000) | to;
    const l4 = headers.laterFragment ? -1 : headers.l4;
    if (trace !== undefined) this.#traceRewrite(trace, port, to);
    if (this.loopback) {
      const diff = replaceAddress(packet, family, l3, sourceOffset(family), this.#source, 0);
      if (l4 >= 0 && !replaceL4Checksum(packet, l4, protocol, diff)) return -DropReason.CSUM_L4;
    }
    const at = destinationOffset(family);
    const done = replaceEndpoint(packet, family, l3, at, this.#backend, 0, l4, protocol, UDP.DST_PORT, port, to);
    if (done === Rewrite.OK) return 0;
    return done === Rewrite.WRITE ? -DropReason.WRITE_ERROR : -DropReason.CSUM_L4;
  }

  #traceRewrite(trace: Trace, port: number, to: number): void {
    const from = { address: formatWords(this.family, this.#vip, 0), port };
    const backend = { address: formatWords(this.family, this.#backend, 0), port: to };
    trace.event({ kind: 'rewrite', field: 'destination', from, to: backend });
    if (!this.loopback) return;
    trace.event({ kind: 'rewrite', field: 'source', from: backend.address, to: formatWords(4, this.#source, 0) });
  }
}

function traceMaglev(trace: Trace, hash: number, table: Uint32Array | undefined, backendId: number): void {
  const detail =
    table === undefined ? { hash, table: 'none' } : { hash, tableSize: table.length, index: hash % table.length };
  trace.event({ kind: 'decision', what: 'maglev', result: backendId, detail });
}
