import { TcpFlag } from '../net/headers.ts';
import type { Endpoint } from '../net/endpoint.ts';
import type { Journey, Outcome } from './journey.ts';

/** What became of an open flow since its first packet. */
export type FlowStatus =
  /** Its packets reach the same backend, and answers come home. */
  | 'kept'
  /** They reach another backend, which knows nothing of the connection: TCP is reset. */
  | 'moved'
  /** Nobody has the backend's address any more, or an error came back: the connection ends. */
  | 'reset'
  /** They are dropped, lost or answered from the wrong address: the connection hangs. */
  | 'broken';

/** A check of an open flow. */
export interface FlowCheck {
  readonly status: FlowStatus;
  /** In plain words. */
  readonly why: string;
  /** The next packet's journey. */
  readonly journey: Journey;
}

/** Sends a flow's next packet. */
export type SendNext = (flags: number, connected: Endpoint | undefined) => { journey: Journey };

/** A connection between a client and the backend that its first packet reached. */
export class Flow {
  /** The journey of the first packet. */
  readonly opened: Journey;
  readonly #send: SendNext;
  readonly #peer: Endpoint | undefined;

  constructor(opened: Journey, peer: Endpoint | undefined, send: SendNext) {
    this.opened = opened;
    this.#peer = peer;
    this.#send = send;
  }

  /** `ip:port` of the backend that the connection is with; undefined if it never came about. */
  get backend(): string | undefined {
    return this.isOpen ? this.opened.outcome.backend : undefined;
  }

  get isOpen(): boolean {
    const { kind } = this.opened.outcome;
    return kind === 'replied' || kind === 'delivered';
  }

  /** Sends the next packet of the connection and says how it stands. UDP has no connection: another backend is `moved` there, too. */
  check(): FlowCheck {
    const { journey } = this.#send(TcpFlag.ACK | TcpFlag.PSH, this.#peer);
    return { ...judge(this.opened.outcome, journey.outcome), journey };
  }

  /** Sends a FIN: the datapath sees the client close. */
  close(): Journey {
    return this.#send(TcpFlag.FIN | TcpFlag.ACK, this.#peer).journey;
  }
}

function judge(before: Outcome, now: Outcome): { status: FlowStatus; why: string } {
  if (now.backend !== undefined && now.backend !== before.backend) {
    return {
      status: 'moved',
      why: `the flow was with ${before.backend ?? 'nobody'} and its packets now reach ${now.backend}`,
    };
  }
  switch (now.kind) {
    case 'replied':
    case 'delivered':
      if (now.sourceSeen !== before.sourceSeen) {
        const [was, is] = [before.sourceSeen ?? '?', now.sourceSeen ?? '?'];
        return { status: 'moved', why: `${now.backend ?? 'the backend'} knew the client as ${was} and now sees ${is}` };
      }
      return { status: 'kept', why: `still with ${now.backend ?? 'the backend'}` };
    case 'rejected':
      return { status: 'reset', why: now.icmp ?? 'an error came back' };
    case 'dropped':
      return now.dropReason?.name === 'NO_POD'
        ? { status: 'reset', why: now.reason ?? 'nobody has the address' }
        : { status: 'broken', why: `dropped: ${now.dropReason?.name ?? 'unknown'} at ${now.dropReason?.node ?? '?'}` };
    default:
      return { status: 'broken', why: now.reason ?? now.kind };
  }
}
