import { LbtwinError } from '../errors.ts';
import type { Trace } from '../lb/trace.ts';
import { type Family, formatAddress, type IpAddress, isUnspecified } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import { u64, type U64 } from '../net/u64.ts';
import { type ErrnoName, errnoName, SocketCall, type SocketOutcome } from './call.ts';
import type { SocketLb } from './socket-lb.ts';

const UDP_LITE = 136;
const LOOPBACK: IpAddress = { family: 4, words: [0x7f000001] };

/** What sockets need of the node they are on. */
export interface SocketHost {
  readonly lb: SocketLb;
  /** Monotonic clock in whole seconds, u32. */
  now(): number;
  /** A random word, u32. */
  random(): number;
  /** Whether somebody accepts TCP connections at an address; without it, everybody does. */
  accepts?(endpoint: Endpoint): boolean;
}

export interface SocketOptions {
  /** Cookie of the socket, unique on the node. UDP's choice of a backend depends on it. */
  readonly cookie: U64 | number | string;
  /** Cookie of the network namespace; the host's if absent. */
  readonly netnsCookie?: U64 | number | string;
  /** IANA number; TCP if absent. */
  readonly protocol?: number;
  /** 6 is a dual-stack socket, which takes IPv4 addresses as `::ffff:a.b.c.d`. */
  readonly family?: Family;
  /** SO_MARK. */
  readonly mark?: number;
}

/** The program that ran, and what it left. */
export interface HookRun {
  /** `connect4`, `sendmsg6`, ... */
  readonly hook: string;
  readonly left: Endpoint;
  /** 0 or a negative errno. */
  readonly result: number;
  readonly outcome: SocketOutcome;
}

/** What a system call answers. */
export interface SocketResult {
  readonly errno: ErrnoName | string;
  /** Where the connection or the datagram went, seen from the network: mapped addresses as IPv4. Unless it failed. */
  readonly to?: Endpoint;
  /** What the application is shown: a peer, a source, its own address. */
  readonly shown?: Endpoint;
  /** Absent if no program ran. */
  readonly hook?: HookRun;
}

/**
 * A socket as an application has it, on a node with the socket programs. The kernel's part is what a caller can see of it:
 * which program runs when, port 0, the unspecified address, refused connections.
 */
export class Socket {
  readonly family: Family;
  readonly protocol: number;
  readonly cookie: U64;
  readonly netnsCookie: U64;
  readonly mark: number;
  /** Listens to the steps of the programs, if set. */
  trace: Trace | undefined = undefined;
  readonly #host: SocketHost;
  readonly #call = new SocketCall();
  /** The peer that the kernel knows: the backend, where a service was translated. */
  #peer: Endpoint | undefined;
  #closed = false;
  /** What the next call is told, once. */
  #pending: ErrnoName | undefined;

  /** @throws LbtwinError `invalid-u64` */
  constructor(host: SocketHost, options: SocketOptions) {
    this.#host = host;
    this.family = options.family ?? 4;
    this.protocol = options.protocol ?? Protocol.TCP;
    this.cookie = cookieOf(options.cookie);
    this.netnsCookie = cookieOf(options.netnsCookie ?? host.lb.options.hostNetnsCookie);
    this.mark = options.mark ?? 0;
  }

  /** The kernel's peer: where packets go, whatever getpeername shows. */
  get peer(): Endpoint | undefined {
    return this.#peer;
  }

  /** connect(). With UDP it may be called again. @throws LbtwinError `family-mismatch`, `socket-closed` */
  connect(to: Endpoint): SocketResult {
    this.#check(to);
    if (this.protocol === Protocol.TCP && this.#peer !== undefined) return { errno: 'EISCONN' };
    this.#pending = undefined;
    const hook = this.protocol === UDP_LITE ? undefined : this.#run('connect', this.family, to);
    if (hook !== undefined && hook.result !== 0) return { errno: errnoName(hook.result), hook };
    const peer = reachable(hook?.left ?? to);
    const answer = hook === undefined ? {} : { hook };
    if (this.protocol === Protocol.TCP && !(peer.port !== 0 && (this.#host.accepts?.(unmap(peer)) ?? true))) {
      return { errno: 'ECONNREFUSED', ...answer };
    }
    this.#peer = peer;
    return { errno: 'OK', to: unmap(peer), ...answer };
  }

  /** sendto() with an address. @throws LbtwinError `family-mismatch`, `socket-closed` */
  sendTo(to: Endpoint): SocketResult {
    this.#check(to);
    if (to.port === 0) return { errno: 'EINVAL' };
    if (this.#pending !== undefined) return this.#told();
    const hook = this.#sendmsg(to);
    if (hook.result !== 0) return { errno: errnoName(hook.result), hook };
    if (hook.left.port === 0) return { errno: 'EINVAL', hook };
    return { errno: 'OK', to: unmap(reachable(hook.left)), hook };
  }

  /** send() on a connected socket. @throws LbtwinError `socket-closed` */
  send(): SocketResult {
    this.#check();
    if (this.#pending !== undefined) return this.#told();
    const peer = this.#peer;
    if (peer === undefined) return { errno: this.protocol === Protocol.TCP ? 'EPIPE' : 'EDESTADDRREQ' };
    // A dual-stack socket hands its mapped peer to IPv4 as a destination of its own, so that the program runs again.
    if (this.protocol !== Protocol.TCP && this.family === 6 && isMapped(peer.address)) {
      const hook = this.#sendmsg(peer);
      if (hook.result !== 0) return { errno: errnoName(hook.result), hook };
      return { errno: 'OK', to: unmap(hook.left), hook };
    }
    return { errno: 'OK', to: unmap(peer) };
  }

  /** recvfrom() of a datagram that came from `source`. @throws LbtwinError `family-mismatch`, `socket-closed` */
  receiveFrom(source: Endpoint): SocketResult {
    const from = this.family === 6 ? map(source) : source;
    this.#check(from);
    const hook = this.#run('recvmsg', this.family, from);
    return { errno: 'OK', shown: hook.left, hook };
  }

  /** getpeername(). @throws LbtwinError `socket-closed` */
  getPeerName(): SocketResult {
    this.#check();
    if (this.#peer === undefined) return { errno: 'ENOTCONN' };
    const hook = this.#run('getpeername', this.family, this.#peer);
    return { errno: 'OK', shown: hook.left, hook };
  }

  /**
   * bind(). A port of 0 asks the kernel for one; `shown` then has port 0, too, since the kernel chooses.
   * @throws LbtwinError `family-mismatch`, `socket-closed`
   */
  bind(local: Endpoint): SocketResult {
    this.#check(local);
    const hook = this.#run('bind', this.family, local);
    this.#fill(this.family, hook.left);
    const after = this.#host.lb.postBind(this.#call);
    if (after !== 0) return { errno: errnoName(after), hook: { ...hook, outcome: this.#call.outcome } };
    return { errno: 'OK', shown: hook.left, hook };
  }

  /** close(). No program runs: what the maps have of the socket stays until it is evicted. */
  close(): void {
    this.#closed = true;
    this.#peer = undefined;
  }

  /**
   * What the agent does to UDP sockets of deleted backends (`socketsToDestroy`): the next call is told ECONNABORTED, and the socket has no
   * peer any more.
   */
  destroy(): void {
    this.#peer = undefined;
    this.#pending = 'ECONNABORTED';
  }

  #told(): SocketResult {
    const errno = this.#pending!;
    this.#pending = undefined;
    return { errno };
  }

  #sendmsg(to: Endpoint): HookRun {
    const mapped = this.family === 6 && isMapped(to.address);
    return this.#run('sendmsg', mapped ? 4 : this.family, mapped ? unmap(to) : to);
  }

  #run(name: 'connect' | 'sendmsg' | 'recvmsg' | 'getpeername' | 'bind', family: Family, endpoint: Endpoint): HookRun {
    this.#fill(family, endpoint);
    const call = this.#call;
    const result = this.#host.lb[name](call);
    const words = Array.from(call.address.subarray(0, family === 4 ? 1 : 4));
    const left = { address: { family, words }, port: call.port };
    return { hook: `${name}${family}`, left, result, outcome: call.outcome };
  }

  #fill(family: Family, { address, port }: Endpoint): void {
    const call = this.#call;
    const host = this.#host;
    call.setAddress(family, address.words, port);
    call.protocol = this.protocol;
    call.cookieLow = this.cookie.low;
    call.cookieHigh = this.cookie.high;
    call.netnsLow = this.netnsCookie.low;
    call.netnsHigh = this.netnsCookie.high;
    call.mark = this.mark;
    call.now = host.now();
    call.random = () => host.random();
    call.trace = this.trace;
  }

  #check(endpoint?: Endpoint): void {
    if (this.#closed) throw new LbtwinError('socket-closed', 'the socket is closed');
    if (endpoint !== undefined && endpoint.address.family !== this.family) {
      throw new LbtwinError('family-mismatch', `${formatAddress(endpoint.address)} is not of the socket's family`, {
        allowed: this.family === 4 ? 'an IPv4 address' : 'an IPv6 address, or an IPv4 address as ::ffff:a.b.c.d',
      });
    }
  }
}

const cookieOf = (cookie: U64 | number | string): U64 => (typeof cookie === 'object' ? cookie : u64(cookie));

const isMapped = ({ words }: IpAddress): boolean =>
  words.length === 4 && words[0] === 0 && words[1] === 0 && words[2] === 0xffff;

/** The unspecified address as a destination is this host. */
function reachable({ address, port }: Endpoint): Endpoint {
  if (isMapped(address) && address.words[3] === 0) return map({ address: LOOPBACK, port });
  if (!isUnspecified(address)) return { address, port };
  return { address: address.family === 4 ? LOOPBACK : { family: 6, words: [0, 0, 0, 1] }, port };
}

const unmap = ({ address, port }: Endpoint): Endpoint =>
  isMapped(address) ? { address: { family: 4, words: [address.words[3]!] }, port } : { address, port };

const map = ({ address, port }: Endpoint): Endpoint =>
  address.family === 6 ? { address, port } : { address: { family: 6, words: [0, 0, 0xffff, address.words[0]!] }, port };
