import type { FlowAnswer, FlowView } from '../k8s/flow-question.ts';
import { explainSelection } from '../lb/select.ts';
import type { Backend, Service } from '../lb/service.ts';
import { formatAddress, parseAddress } from '../net/address.ts';
import { formatEndpoint, type L4Address } from '../net/endpoint.ts';
import { Protocol } from '../net/protocol.ts';
import { moduloU64, u64 } from '../net/u64.ts';

/** What the objects say of an observed flow. */
export type ObservedStatus =
  /** The backend is the one that the twin computes: by Maglev, or at a UDP socket by its cookie. */
  | 'as-computed'
  /** The objects allow it; where the choice is random, no more can be said. */
  | 'allowed'
  | 'mismatch'
  | 'undecided'
  /** A service's address, and no flow in the input shows the backend. */
  | 'not-seen'
  | 'no-service';

export type MismatchCode =
  /** The objects list no such backend of the service. */
  | 'not-a-backend'
  /** The backend is listed, but takes no new connections. */
  | 'not-usable'
  /** The flow should have found no backend at all. */
  | 'no-backend-expected'
  /** Maglev, or the cookie, gives another one. */
  | 'other-backend';

export interface FlowVerdict {
  readonly status: ObservedStatus;
  readonly reason: string;
  /** `ip:port` that the twin computes. */
  readonly computed?: string;
  readonly mismatch?: MismatchCode;
}

/** What is known of a flow to a frontend. */
export interface Observation {
  readonly client: L4Address;
  /** Where it was translated to; absent if no flow shows it. */
  readonly backend: L4Address | undefined;
  /** Its first packet, or its socket's call, was seen. */
  readonly fresh: boolean;
  readonly drop: string | undefined;
  /** Why the frontend gives this client no backend, or why another than Cilium decides. */
  readonly bar: { readonly none?: string; readonly others?: string };
  /** Of the socket that was translated; decimal. */
  readonly cookie: string | undefined;
}

/** Holds an observation against what a frontend gives the client. */
export function judgeFlow(answer: Pick<FlowAnswer, 'views'>, seen: Observation): FlowVerdict {
  const verdicts = answer.views.map((view) => judgeAt(view, seen));
  const [first] = verdicts;
  if (first === undefined) return { status: 'no-service', reason: 'the address is no frontend for this client' };
  if (verdicts.every(({ status, computed }) => status === first.status && computed === first.computed)) return first;
  if (seen.backend === undefined) {
    return { status: 'not-seen', reason: 'no flow shows the backend, and it depends on the node that translated' };
  }
  const told = answer.views.map(({ nodes }, i) => `${verdicts[i]!.status} on ${nodes.join(', ')}`);
  return {
    status: 'undecided',
    reason: `it depends on the node that translated, which no flow shows: ${told.join('; ')}`,
  };
}

const NOTHING: Readonly<Partial<Record<FlowView['outcome'], string>>> = {
  'no-backend': 'the service has no backend to pick',
  'not-exposed': 'the service does not exist on the node',
  'source-range': 'the source ranges of the service refuse the client',
};

const OPEN: Readonly<Partial<Record<FlowView['outcome'], string>>> = {
  proxy: "the node's L7 proxy takes the connection and chooses the backend",
  untranslated: 'the socket of this client is left as it is',
  'not-written': 'the agent refuses to write the frontend: its maps are those of an earlier update',
};

function judgeAt(view: FlowView, seen: Observation): FlowVerdict {
  const open = seen.bar.others ?? OPEN[view.outcome];
  if (open !== undefined) return { status: 'undecided', reason: open };
  const nothing = seen.bar.none ?? NOTHING[view.outcome];
  if (nothing === undefined) return judgePick(view, seen);
  if (seen.backend !== undefined) {
    return { status: 'mismatch', mismatch: 'no-backend-expected', reason: `a backend was reached, but ${nothing}` };
  }
  return seen.drop === undefined
    ? { status: 'not-seen', reason: nothing }
    : { status: 'allowed', reason: `dropped (${seen.drop}), and ${nothing}` };
}

const textOf = ({ address, port }: Backend): string => formatEndpoint({ address: parseAddress(address), port });

/** The backend that is computed, and by what; undefined where chance decides, or something that no flow tells. */
function compute(service: Service, { client, cookie }: Observation): { at: string; by: string } | undefined {
  const { protocol, port: sport } = client;
  if (service.algorithm === 'maglev') {
    const saddr = client.address.family === 4 ? client.address.words[0]! : client.address.words;
    const picked = sport === 0 ? undefined : explainSelection(service, { protocol, saddr, sport }).backend;
    return picked === undefined ? undefined : { at: textOf(picked), by: 'Maglev' };
  }
  if (cookie === undefined || protocol !== Protocol.UDP) return undefined;
  const { low, high } = u64(cookie);
  return { at: textOf(service.backends[moduloU64(low, high, service.count)]!), by: "the socket's cookie" };
}

function judgePick({ service }: FlowView, seen: Observation): FlowVerdict {
  const { algorithm, backends, count, sessionAffinity } = service!;
  const { backend, fresh, drop } = seen;
  const picked = compute(service!, seen);
  const computed = picked === undefined ? {} : { computed: picked.at };
  const may = `${count} may be picked`;
  if (backend === undefined) {
    const reason =
      drop !== undefined
        ? `dropped (${drop}), though ${may}: lbtwin trace follows the packet`
        : picked === undefined
          ? `no flow shows the backend; ${may}`
          : `no flow shows the backend; ${picked.by} gives ${picked.at}`;
    return { status: drop === undefined ? 'not-seen' : 'undecided', reason, ...computed };
  }
  const at = { address: formatAddress(backend.address), port: backend.port };
  const index = backends.findIndex(({ address, port }) => address === at.address && port === at.port);
  if (index < 0) {
    const reason = `the objects list no such backend for this client; ${may}`;
    return { status: 'mismatch', mismatch: 'not-a-backend', reason, ...computed };
  }
  if (index >= count) {
    const state = `the backend is ${backends[index]!.healthy ? backends[index]!.state : 'unhealthy'}`;
    return fresh
      ? { status: 'mismatch', mismatch: 'not-usable', reason: `${state} and takes no new connections`, ...computed }
      : { status: 'allowed', reason: `${state}; connections from before keep it`, ...computed };
  }
  if (picked === undefined) {
    const why = algorithm === 'random' ? 'the choice is random' : 'the client port is not told';
    return { status: 'allowed', reason: `one of those that may be picked (${count}); ${why}` };
  }
  if (picked.at === formatEndpoint(backend)) {
    return { status: 'as-computed', reason: `the backend that ${picked.by} gives`, ...computed };
  }
  const older = sessionAffinity
    ? 'session affinity may have kept an earlier choice'
    : fresh
      ? undefined
      : 'its first packet was not seen, and it may be older than the objects';
  return older === undefined
    ? { status: 'mismatch', mismatch: 'other-backend', reason: `${picked.by} gives ${picked.at}`, ...computed }
    : { status: 'undecided', reason: `allowed, but ${picked.by} gives ${picked.at}: ${older}`, ...computed };
}
