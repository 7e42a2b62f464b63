import { LbtwinError, withPath } from '../errors.ts';
import { type IpAddress, parseAddress } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { formatU64, u64 } from '../net/u64.ts';

/** What a line of Hubble's flow JSON says that matters for services. */
export interface HubbleFlow {
  /** 1-based. */
  readonly line: number;
  /** The node that observed it, without the cluster's name. */
  readonly node: string | undefined;
  readonly source: IpAddress | undefined;
  readonly destination: IpAddress | undefined;
  /** 0 where the line does not tell. */
  readonly sport: number;
  readonly dport: number;
  /** TCP, UDP or SCTP. */
  readonly protocol: number | undefined;
  /** TCP: SYN without ACK; FIN or RST. */
  readonly opens: boolean;
  readonly closes: boolean;
  /** TCP: SYN with ACK. */
  readonly accepts: boolean;
  /** Whether it goes back to the client; undefined where Hubble does not know. */
  readonly reply: boolean | undefined;
  /** Why it was dropped. */
  readonly drop: string | undefined;
  /** Where it was seen: `TO_ENDPOINT` and the like. */
  readonly point: string | undefined;
  /** A socket that is translated: its cookie in decimal, and whether its peer is told before or after that. */
  readonly socket:
    { readonly cookie: string; readonly stage: 'before' | 'after'; readonly reverse: boolean } | undefined;
}

export interface HubbleFile {
  readonly flows: readonly HubbleFlow[];
  /** Lines with something else than a flow. */
  readonly others: number;
  /** Events that Hubble says it has lost. */
  readonly lost: number;
}

interface RawFlow {
  readonly IP?: { readonly source?: string; readonly destination?: string };
  readonly l4?: Readonly<Record<string, RawL4 | undefined>>;
  readonly node_name?: string;
  readonly is_reply?: boolean | null;
  readonly verdict?: string;
  readonly drop_reason_desc?: string;
  readonly trace_observation_point?: string;
  readonly sock_xlate_point?: string;
  readonly socket_cookie?: string | number;
}

interface RawL4 {
  readonly source_port?: number;
  readonly destination_port?: number;
  readonly flags?: Readonly<Record<string, boolean>>;
}

const L4 = { TCP: Protocol.TCP, UDP: Protocol.UDP, SCTP: Protocol.SCTP } as const;

/**
 * Hubble's flow JSON (`hubble observe -o jsonpb` or `-o json`): one object per line, a flow itself or one under `flow`.
 * @throws LbtwinError `invalid-flow`, `invalid-address`, with the line
 */
export function readHubble(text: string): HubbleFile {
  const flows: HubbleFlow[] = [];
  let [others, lost] = [0, 0];
  text.split('\n').forEach((line, i) => {
    if (line.trim() === '') return;
    const value = parseLine(line, i + 1);
    const flow = value?.flow ?? value;
    if (flow === undefined || (flow.IP === undefined && flow.l4 === undefined && flow.verdict === undefined)) {
      others++;
      lost += Number(value?.lost_events?.num_events_lost ?? 0);
    } else flows.push(withPath([i + 1], () => flowOf(flow, value?.node_name, i + 1)));
  });
  return { flows, others, lost };
}

type Line = RawFlow & {
  readonly flow?: RawFlow;
  readonly lost_events?: { readonly num_events_lost?: string | number };
};

function parseLine(line: string, number: number): Line | undefined {
  try {
    const value = JSON.parse(line) as Line;
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch (cause) {
    throw new LbtwinError('invalid-flow', `line ${number} is not JSON`, {
      allowed: 'one flow per line, as `hubble observe -o jsonpb` prints them',
      cause,
    });
  }
}

function flowOf(flow: RawFlow, observer: string | undefined, line: number): HubbleFlow {
  const name = Object.keys(L4).find((one) => flow.l4?.[one] !== undefined) as keyof typeof L4 | undefined;
  const l4: RawL4 = (name === undefined ? undefined : flow.l4?.[name]) ?? {};
  const { flags = {} } = l4;
  const [syn, ack] = [flags['SYN'] === true, flags['ACK'] === true];
  const node = flow.node_name ?? observer;
  const [source, destination] = [addressOf(flow.IP?.source), addressOf(flow.IP?.destination)];
  if (source !== undefined && destination !== undefined && source.family !== destination.family) {
    throw new LbtwinError('invalid-flow', 'source and destination are of different families');
  }
  return {
    line,
    node: typeof node === 'string' && node !== '' ? node.slice(node.lastIndexOf('/') + 1) : undefined,
    source,
    destination,
    sport: portOf(l4.source_port),
    dport: portOf(l4.destination_port),
    protocol: name === undefined ? undefined : L4[name],
    opens: syn && !ack,
    closes: flags['FIN'] === true || flags['RST'] === true,
    accepts: syn && ack,
    reply: typeof flow.is_reply === 'boolean' ? flow.is_reply : undefined,
    drop: flow.verdict === 'DROPPED' ? (flow.drop_reason_desc ?? 'no reason told') : undefined,
    point: flow.trace_observation_point,
    socket: socketOf(flow),
  };
}

const addressOf = (text: unknown): IpAddress | undefined =>
  text === undefined || text === '' ? undefined : parseAddress(text as string);

function portOf(port: unknown = 0): number {
  if (Number.isInteger(port) && (port as number) >= 0 && (port as number) <= 65535) return port as number;
  throw new LbtwinError('invalid-flow', `${JSON.stringify(port)} is no port`, { allowed: '0..65535' });
}

function socketOf({ sock_xlate_point: point, socket_cookie: cookie }: RawFlow): HubbleFlow['socket'] {
  const told = /_(PRE|POST)_DIRECTION_(FWD|REV)$/.exec(point ?? '');
  if (told === null || cookie === undefined) return undefined;
  return { cookie: formatU64(u64(cookie)), stage: told[1] === 'PRE' ? 'before' : 'after', reverse: told[2] === 'REV' };
}
