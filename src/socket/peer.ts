import { BackendState } from '../lb/layout.ts';
import type { IpAddress } from '../net/address.ts';
import { sameAddress } from '../net/address.ts';
import type { Endpoint } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import type { Socket } from './socket.ts';
import type { SocketLb } from './socket-lb.ts';

/** How the backend stands to which a socket is connected. */
export type PeerState =
  /** Not by a service: the application chose the address itself. */
  | 'direct'
  | 'active'
  /** Still there, and still getting what this socket sends; new sockets go elsewhere if they can. */
  | 'terminating'
  | 'quarantined'
  | 'maintenance'
  /** No longer a backend of anything: what is sent goes to an address that may be nobody's, or somebody else's. */
  | 'gone';

export interface PeerStatus {
  readonly state: PeerState;
  /** What the application had asked for. */
  readonly frontend?: Endpoint;
  /**
   * True for a connected UDP socket whose backend is gone: nothing in the kernel moves it, and its application sees no error
   * until the agent closes it (`socketsToDestroy`).
   */
  readonly stuck: boolean;
}

const STATES: Readonly<Record<number, PeerState>> = {
  [BackendState.ACTIVE]: 'active',
  [BackendState.TERMINATING]: 'terminating',
  [BackendState.QUARANTINED]: 'quarantined',
  [BackendState.MAINTENANCE]: 'maintenance',
};

/** Tells how a socket stands to the service that it was connected by; undefined for one without a peer. */
export function peerStatus(lb: SocketLb, socket: Socket): PeerStatus | undefined {
  const { peer } = socket;
  if (peer === undefined) return undefined;
  const to = unmapped(peer);
  const { family } = to.address;
  const entry = lb.reverse(family).get({ cookie: socket.cookie, address: to.address, port: to.port });
  if (entry === undefined) return { state: 'direct', stuck: false };
  const state = backendState(lb, to, socket.protocol);
  const stuck = state === 'gone' && socket.protocol !== Protocol.TCP;
  return { state, frontend: { address: entry.address, port: entry.port }, stuck };
}

/** The best state among the backends with this address; a proxy on loopback counts as active. */
function backendState(lb: SocketLb, { address, port }: Endpoint, protocol: number): PeerState {
  if (isLoopback(address)) return 'active';
  let best: number | undefined;
  for (const [, backend] of lb.maps.of(address.family).backends.entries()) {
    if (backend.port !== port || !sameAddress(backend.address, address)) continue;
    if (backend.protocol !== protocol && backend.protocol !== Protocol.ANY) continue;
    best = Math.min(best ?? backend.state, backend.state);
  }
  return best === undefined ? 'gone' : (STATES[best] ?? 'gone');
}

const isLoopback = ({ words }: IpAddress): boolean =>
  words.length === 1 ? words[0]! >>> 24 === 127 : words[0] === 0 && words[1] === 0 && words[2] === 0 && words[3] === 1;

function unmapped({ address, port }: Endpoint): Endpoint {
  const [a, b, c, d] = address.words;
  return address.family === 6 && a === 0 && b === 0 && c === 0xffff
    ? { address: { family: 4, words: [d!] }, port }
    : { address, port };
}

/**
 * The sockets that the agent closes when a backend is deleted or no longer alive: UDP sockets connected to it by a service, of
 * the host and, unless only the host's are translated, of pods. Closing them is `Socket.destroy`.
 */
export function socketsToDestroy(lb: SocketLb, sockets: Iterable<Socket>, backend: Endpoint): Socket[] {
  const { hostNamespaceOnly, hostNetnsCookie } = lb.options;
  const list: Socket[] = [];
  for (const socket of sockets) {
    if (socket.protocol !== Protocol.UDP || socket.peer === undefined) continue;
    const host = socket.netnsCookie.low === hostNetnsCookie.low && socket.netnsCookie.high === hostNetnsCookie.high;
    if (hostNamespaceOnly && !host) continue;
    const to = unmapped(socket.peer);
    if (to.port !== backend.port || !sameAddress(to.address, backend.address)) continue;
    const key = { cookie: socket.cookie, address: to.address, port: to.port };
    if (lb.reverse(to.address.family).has(key)) list.push(socket);
  }
  return list;
}
