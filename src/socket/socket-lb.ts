import { affinityOfCookie } from '../lb/affinity.ts';
import {
  affinityTimeout,
  hasAffinity,
  isExternalIp,
  isL7Delegate,
  isL7LoadBalancer,
  isLoadBalancer,
  isLocalRedirect,
  isNodePort,
  l7ProxyPort,
  ServiceFlag,
} from '../lb/layout.ts';
import { lookupService, ServiceHit, slotBackend } from '../lb/lookup.ts';
import type { LbFamilyMaps, LbMaps } from '../lb/maps.ts';
import { randomSlot } from '../lb/slot.ts';
import type { Trace } from '../lb/trace.ts';
import { type Family, formatWords } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { formatU64, moduloU64 } from '../net/u64.ts';
import type { NodeTables } from '../node/tables.ts';
import { Errno, type SocketCall, type SocketOutcome } from './call.ts';
import { resolveSocketLbOptions, type SocketLbOptions } from './options.ts';
import { HealthMap, ReverseSocketMap } from './reverse-map.ts';
import { type IpCache, lookupNodeWildcard, lookupWildcard, skipsTranslation } from './wildcard.ts';

const UDP_LITE = 136;
/** SO_MARK of the health checker's sockets. */
const HEALTH_MARK = 0x0d00;
/** Not an errno: the address is no service. */
const NO_SERVICE = 1;

const UNSPECIFIED = new Uint32Array(4);
const LOOPBACK: Readonly<Record<Family, readonly number[]>> = { 4: [0x7f000001], 6: [0, 0, 0, 1] };

/** What is per family. */
interface Side {
  readonly family: Family;
  readonly lb: LbFamilyMaps;
  readonly reverse: ReverseSocketMap;
  readonly health: HealthMap;
  readonly ipCache: IpCache;
}

/**
 * The socket programs of a node (docs/eastwest.md): connect, sendmsg, recvmsg, getpeername and bind over the node's service
 * maps. Every hook answers 0, or a negative errno with which the system call fails; the call's address and port are what the
 * program leaves. Nothing is allocated per call.
 */
export class SocketLb {
  readonly options: SocketLbOptions;
  readonly maps: LbMaps;
  readonly #v4: Side;
  readonly #v6: Side;
  readonly #hit = new ServiceHit();

  /** @throws LbtwinError `invalid-option`, `invalid-table-size` */
  constructor(maps: LbMaps, tables: NodeTables, options: Partial<SocketLbOptions> = {}) {
    this.options = resolveSocketLbOptions(options);
    this.maps = maps;
    this.#v4 = this.#side(4, tables);
    this.#v6 = this.#side(6, tables);
  }

  #side(family: Family, tables: NodeTables): Side {
    return {
      family,
      lb: this.maps.of(family),
      reverse: new ReverseSocketMap(family, this.options.reverseMapMax),
      health: new HealthMap(family, this.maps.sizes.services),
      ipCache: tables.of(family).ipCache,
    };
  }

  /** Backend address of a socket to what it had asked for; entries live until the LRU map drops them. */
  reverse(family: Family): ReverseSocketMap {
    return family === 4 ? this.#v4.reverse : this.#v6.reverse;
  }

  /** Bound addresses of the health checker's sockets. */
  health(family: Family): HealthMap {
    return family === 4 ? this.#v4.health : this.#v6.health;
  }

  isHostNamespace(call: SocketCall): boolean {
    const { hostNetnsCookie } = this.options;
    return call.netnsLow === hostNetnsCookie.low && call.netnsHigh === hostNetnsCookie.high;
  }

  /** connect(): a TCP connection, or a UDP socket's peer. The hook of UDP-Lite exists, but kernels do not run it. */
  connect(call: SocketCall): number {
    if (this.options.healthCheck && call.mark === HEALTH_MARK) return unchanged(call, 'health-check');
    if (!isStream(call.protocol)) return unchanged(call, 'protocol');
    return this.#translate(call);
  }

  /** sendto() and sendmsg() with an address. */
  sendmsg(call: SocketCall): number {
    return this.#translate(call);
  }

  /** The source address of a datagram that was received: it is shown as the service that the socket last used it for. */
  recvmsg(call: SocketCall): number {
    return this.#translateBack(call);
  }

  /** The peer of a connected socket, as getpeername() shows it. */
  getpeername(call: SocketCall): number {
    return this.options.peer ? this.#translateBack(call) : unchanged(call, 'no-hook');
  }

  /** Before bind(): the health checker's sockets in the host namespace bind to any address and port instead. */
  bind(call: SocketCall): number {
    if (!this.options.healthCheck || call.mark !== HEALTH_MARK || !this.isHostNamespace(call)) {
      return unchanged(call, 'no-hook');
    }
    const mapped = call.isMapped();
    const side = call.family === 4 || mapped ? this.#v4 : this.#v6;
    const at = mapped ? 3 : 0;
    const address = { family: side.family, words: Array.from(call.address.subarray(at, at + side.reverse.words)) };
    const { port, protocol } = call;
    side.health.set({ low: call.cookieLow, high: call.cookieHigh }, { address, port, protocol });
    call.address.fill(0, at, at + side.reverse.words);
    call.port = 0;
    call.outcome = 'health-check';
    return Errno.OK;
  }

  /** After bind(), in the host namespace: addresses that services answer on from outside are taken. */
  postBind(call: SocketCall): number {
    if (!this.options.nodePort) return unchanged(call, 'no-hook');
    if (!this.isHostNamespace(call)) return unchanged(call, 'pod-namespace');
    if (!isStream(call.protocol)) return unchanged(call, 'protocol');
    const { ipv4, ipv6 } = this.options;
    let taken = false;
    if (call.family === 4) taken = ipv4 && this.#boundByService(this.#v4, call, 0) === true;
    else {
      const answer = ipv6 ? this.#boundByService(this.#v6, call, 0) : undefined;
      taken = answer ?? (ipv4 && call.isMapped() && this.#boundByService(this.#v4, call, 3) === true);
    }
    call.outcome = taken ? 'address-in-use' : 'not-in-use';
    return taken ? this.#refusal(Errno.EADDRINUSE) : Errno.OK;
  }

  /** Whether a service has the address; undefined without a service. */
  #boundByService(side: Side, call: SocketCall, at: number): boolean | undefined {
    const { services } = side.lb;
    const { address, port, trace } = call;
    const hit = this.#hit;
    const protocol = this.#keyProtocol(call);
    const found =
      lookupService(services, address, at, port, protocol, true, hit, trace) ||
      (port >= this.options.nodePortMin &&
        port <= this.options.nodePortMax &&
        lookupNodeWildcard(services, address, at, port, protocol, true, false, side.ipCache, hit, trace));
    if (!found) return undefined;
    const flags = services.flags(hit.row);
    const proxied = (this.options.l7 && (flags & ServiceFlag.L7_LOAD_BALANCER) !== 0) || isL7Delegate(flags);
    return !proxied && (isNodePort(flags) || isExternalIp(flags) || isLoadBalancer(flags));
  }

  #keyProtocol(call: SocketCall): number {
    return this.options.protocolDifferentiation ? call.protocol : Protocol.ANY;
  }

  #refusal(errno: number): number {
    return this.options.setReturnValue ? -errno : -Errno.EPERM;
  }

  #translate(call: SocketCall): number {
    const { ipv4, ipv6, hostNamespaceOnly } = this.options;
    if (hostNamespaceOnly && !this.isHostNamespace(call)) return unchanged(call, 'pod-namespace');
    call.outcome = 'family-off';
    let result = NO_SERVICE;
    if (call.family === 4) result = ipv4 ? this.#forward(this.#v4, call, 0) : NO_SERVICE;
    else {
      if (ipv6) result = this.#forward(this.#v6, call, 0);
      if (result === NO_SERVICE && ipv4 && call.isMapped()) result = this.#forward(this.#v4, call, 3);
    }
    return result === NO_SERVICE ? Errno.OK : result;
  }

  /** Finds the service of an address, directly or by a wildcard entry, into `#hit`: 0 not at all, 1 directly, 2 wildcard. */
  #find(side: Side, call: SocketCall, words: ArrayLike<number>, at: number, port: number, host: boolean): 0 | 1 | 2 {
    const { services } = side.lb;
    const { options } = this;
    const protocol = this.#keyProtocol(call);
    if (lookupService(services, words, at, port, protocol, true, this.#hit, call.trace)) return 1;
    const wildcard =
      options.nodePort &&
      lookupWildcard(services, words, at, port, protocol, host, side.ipCache, options, this.#hit, call.trace);
    return wildcard ? 2 : 0;
  }

  /** Translates `call.address[at..]` with the maps of one family. */
  #forward(side: Side, call: SocketCall, at: number): number {
    const { lb } = side;
    const { services } = lb;
    const { options } = this;
    const { address, port, trace } = call;
    const host = this.isHostNamespace(call);
    const found = this.#find(side, call, address, at, port, host);
    if (found === 0) {
      call.outcome = 'no-service';
      return NO_SERVICE;
    }
    const { row } = this.#hit;
    const flags = services.flags(row);
    const union = services.union(row);
    const revNatIndex = services.revNatIndex(row);
    const l7 = options.l7 && isL7LoadBalancer(flags, union);
    if (services.count(row) === 0 && !l7) return this.#refuse(call, 'no-backends');
    if (skipsTranslation(services, flags, address, at, side.ipCache, options, trace)) {
      return unchanged(call, 'foreign-address');
    }
    if (
      options.localRedirect &&
      isLocalRedirect(flags) &&
      lb.skipLb.contains(call.netnsLow, call.netnsHigh, address, at, port)
    ) {
      return unchanged(call, 'skip-entry');
    }
    if (l7) {
      if (!host) return unchanged(call, 'l7-in-pod');
      this.#redirect(side, call, at, LOOPBACK[side.family], l7ProxyPort(union), revNatIndex, 'l7-proxy');
      return Errno.OK;
    }
    const sticky = options.sessionAffinity && hasAffinity(flags);
    const backend = this.#backend(side, call, found === 2 ? UNSPECIFIED : address, found === 2 ? 0 : at, sticky);
    if (backend < 0) return this.#refuse(call, call.outcome);
    lb.backends.copyAddress(backend, this.#to);
    this.#redirect(side, call, at, this.#to, lb.backends.port(backend), revNatIndex, 'translated');
    return Errno.OK;
  }

  readonly #to = new Uint32Array(4);

  /**
   * Row of the backend for a new use of the service in `#hit`, whose slots are under `key[keyAt..]`: from affinity, or drawn.
   * -1 with the call's outcome set.
   */
  #backend(side: Side, call: SocketCall, key: ArrayLike<number>, keyAt: number, sticky: boolean): number {
    const { lb } = side;
    const { services, backends } = lb;
    const hit = this.#hit;
    const { trace, now } = call;
    const count = services.count(hit.row);
    const revNatIndex = services.revNatIndex(hit.row);
    if (sticky) {
      const timeout = affinityTimeout(services.union(hit.row));
      const id = affinityOfCookie(this.maps, lb, revNatIndex, timeout, call.netnsLow, call.netnsHigh, now, trace);
      const backend = id === 0 ? -1 : backends.find(id);
      if (backend >= 0) return backend;
    }
    let slot: number;
    if (call.protocol === Protocol.TCP) {
      const word = call.random() >>> 0;
      if (trace !== undefined) trace.event({ kind: 'random', word });
      slot = randomSlot(word, count);
    } else slot = moduloU64(call.cookieLow, call.cookieHigh, count) + 1;
    const id = slotBackend(services, key, keyAt, call.port, slot, hit, trace);
    const backend = id === 0 ? -1 : backends.find(id);
    if (backend < 0) {
      call.outcome = id === 0 ? 'missing-slot' : 'missing-backend';
      return -1;
    }
    if (sticky) {
      lb.affinity.storeCookie(call.netnsLow, call.netnsHigh, revNatIndex, id, now);
      if (trace !== undefined) traceAffinity(call, revNatIndex, id, trace);
    }
    return backend;
  }

  /** Leaves `to` and `port` in the call, and in the reverse map what it had. */
  #redirect(
    side: Side,
    call: SocketCall,
    at: number,
    to: ArrayLike<number>,
    port: number,
    revNatIndex: number,
    outcome: SocketOutcome,
  ): void {
    const { address, cookieLow: low, cookieHigh: high } = call;
    side.reverse.store(low, high, to, 0, port, address, at, call.port, revNatIndex);
    if (call.trace !== undefined) traceRedirect(side.family, call, at, to, port, revNatIndex);
    for (let i = 0; i < side.reverse.words; i++) address[at + i] = to[i]!;
    call.port = port;
    call.outcome = outcome;
  }

  #refuse(call: SocketCall, outcome: SocketOutcome): number {
    call.outcome = outcome;
    return this.#refusal(Errno.EHOSTUNREACH);
  }

  #translateBack(call: SocketCall): number {
    const { ipv4, ipv6 } = this.options;
    call.outcome = 'no-entry';
    if (call.family === 4) {
      if (ipv4) this.#back(this.#v4, call, 0);
    } else if (!(ipv6 && this.#back(this.#v6, call, 0)) && ipv4 && call.isMapped()) {
      this.#back(this.#v4, call, 3);
    }
    return Errno.OK;
  }

  /** Whether there was an entry. */
  #back(side: Side, call: SocketCall, at: number): boolean {
    const { reverse } = side;
    const { services } = side.lb;
    const { address, cookieLow: low, cookieHigh: high } = call;
    const row = reverse.lookup(low, high, address, at, call.port);
    if (row < 0) return false;
    const original = this.#to;
    for (let i = 0; i < reverse.words; i++) original[i] = reverse.addressWord(row, i);
    const port = reverse.port(row);
    const found = this.#find(side, call, original, 0, port, this.isHostNamespace(call));
    const hit = this.#hit.row;
    if (
      found === 0 ||
      services.revNatIndex(hit) !== reverse.revNatIndex(row) ||
      (services.count(hit) === 0 && !(this.options.l7 && isL7LoadBalancer(services.flags(hit), services.union(hit))))
    ) {
      reverse.deleteRow(row);
      if (call.trace !== undefined) traceStale(side.family, call, at);
      call.outcome = 'stale-entry';
      return true;
    }
    for (let i = 0; i < reverse.words; i++) address[at + i] = original[i]!;
    call.port = port;
    call.outcome = 'translated';
    return true;
  }
}

const isStream = (protocol: number): boolean =>
  protocol === Protocol.TCP || protocol === Protocol.UDP || protocol === UDP_LITE;

function unchanged(call: SocketCall, outcome: SocketOutcome): number {
  call.outcome = outcome;
  return Errno.OK;
}

function traceRedirect(
  family: Family,
  call: SocketCall,
  at: number,
  to: ArrayLike<number>,
  port: number,
  revNatIndex: number,
): void {
  const cookie = formatU64({ low: call.cookieLow, high: call.cookieHigh });
  const original = { address: formatWords(family, call.address, at), port: call.port };
  const backend = { address: formatWords(family, to, 0), port };
  const { trace } = call;
  trace?.event({ kind: 'update', map: 'reverse-sk', key: { cookie, ...backend }, value: { ...original, revNatIndex } });
  trace?.event({ kind: 'rewrite', field: 'destination', from: original, to: backend });
}

function traceAffinity(
  { netnsLow: low, netnsHigh: high }: SocketCall,
  revNatIndex: number,
  backendId: number,
  trace: Trace,
): void {
  const key = { client: `netns:${formatU64({ low, high })}`, revNatIndex };
  trace.event({ kind: 'update', map: 'affinity', key, value: { backendId } });
}

function traceStale(family: Family, call: SocketCall, at: number): void {
  const cookie = formatU64({ low: call.cookieLow, high: call.cookieHigh });
  const key = { cookie, address: formatWords(family, call.address, at), port: call.port };
  call.trace?.event({ kind: 'delete', map: 'reverse-sk', key });
}
