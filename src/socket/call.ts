import type { Trace } from '../lb/trace.ts';
import type { Family } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';

/** Errno numbers that the socket programs, or the kernel around them, answer. */
export const Errno = {
  OK: 0,
  EPERM: 1,
  ENOMEM: 12,
  EINVAL: 22,
  EPIPE: 32,
  EDESTADDRREQ: 89,
  EADDRINUSE: 98,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  EISCONN: 106,
  ENOTCONN: 107,
  ECONNREFUSED: 111,
  EHOSTUNREACH: 113,
} as const;

export type ErrnoName = keyof typeof Errno;

const NAMES = new Map<number, string>(Object.entries(Errno).map(([name, number]) => [number, name]));

/** `-113` or `113` as `EHOSTUNREACH`; 0 as `OK`; a number without a name here as itself. */
export const errnoName = (errno: number): string => NAMES.get(Math.abs(errno)) ?? String(errno);

/** Why a call was answered as it was. */
export type SocketOutcome =
  | 'translated'
  /** The address is no service: unchanged. */
  | 'no-service'
  /** Only sockets of the host namespace are translated, and this is none. */
  | 'pod-namespace'
  /** Neither TCP nor UDP (nor UDP-Lite). */
  | 'protocol'
  /** The health checker's own socket. */
  | 'health-check'
  /** The family of the address is off. */
  | 'family-off'
  /** External IP or hostPort that is not this host's, or NAT46/64. */
  | 'foreign-address'
  /** Local redirect service with a skip entry for this namespace and frontend. */
  | 'skip-entry'
  /** L7 service: left to the packet layer. */
  | 'l7-in-pod'
  /** L7 service, in the host namespace: to the proxy on loopback. */
  | 'l7-proxy'
  | 'no-backends'
  | 'missing-slot'
  | 'missing-backend'
  /** Reverse: nothing is known about this address. */
  | 'no-entry'
  /** Reverse: the entry's service is gone or another one; the entry was deleted. */
  | 'stale-entry'
  /** The hook does not exist in this build. */
  | 'no-hook'
  /** Bind: the address is a service's. */
  | 'address-in-use'
  | 'not-in-use';

/**
 * One call of a socket program: what the kernel hands over, and what the program leaves. Make one and reuse it. `address` and
 * `port` are the destination (connect, sendmsg), the source (recvmsg), the peer (getpeername) or the local address (bind).
 */
export class SocketCall {
  /** Family of the hook: 6 also for IPv4-mapped addresses on a dual-stack socket. */
  family: Family = 4;
  /** Words of the address: the first for IPv4, all four for IPv6. */
  readonly address: Uint32Array = new Uint32Array(4);
  port = 0;
  /** IANA number of the socket's protocol. */
  protocol: number = Protocol.TCP;
  /** Cookie of the socket, as its low and high half. */
  cookieLow = 0;
  cookieHigh = 0;
  /** Cookie of the socket's network namespace. */
  netnsLow = 0;
  netnsHigh = 0;
  /** SO_MARK. */
  mark = 0;
  /** Monotonic clock in seconds, u32. */
  now = 0;
  /** Source of random words (u32); asked once per new choice for TCP. */
  random: () => number = () => 0;
  /** Listens to the steps, if set. */
  trace: Trace | undefined = undefined;
  /** What happened in the last call. */
  outcome: SocketOutcome = 'no-service';

  setAddress(family: Family, words: ArrayLike<number>, port: number): void {
    this.family = family;
    for (let i = 0; i < words.length; i++) this.address[i] = words[i]!;
    this.port = port;
  }

  /** True for `::ffff:a.b.c.d`. */
  isMapped(): boolean {
    const { address } = this;
    return this.family === 6 && address[0] === 0 && address[1] === 0 && address[2] === 0xffff;
  }
}
