import { LbtwinError } from '../errors.ts';
import type { Cluster } from './cluster.ts';
import type { SendSpec } from './cluster-options.ts';
import type { Journey, JourneyDrop, Outcome } from './journey.ts';
import { parseParty, parseTarget } from './party.ts';

/** A way that the packet may take from a node on, in words that fit every node it holds for. */
export interface EntryWay {
  readonly kind: Outcome['kind'];
  readonly translatedAt: Outcome['translatedAt'];
  /** Whom the backend sees: the client as it is, the node that got the packet, or another address. */
  readonly source: 'client' | 'receiving node' | 'other' | undefined;
  /** Port of the receiving node, or `ip:port` of another source; `*` for a port that is drawn. */
  readonly sourceDetail: string | undefined;
  /** The nodes that the answer passes, in order: `receiving node`, `backend's node`, or a name. Empty where none is followed. */
  readonly replyBy: readonly string[];
  readonly drop: Pick<JourneyDrop, 'code' | 'name' | 'ofReply'> | undefined;
  /** The node that dropped it, as in `replyBy`. */
  readonly dropAt: string | undefined;
  readonly icmp: string | undefined;
}

/** What becomes of a packet, and the nodes of which that is true if they get it. */
export interface EntryOutcome {
  /** In order of name. */
  readonly nodes: readonly string[];
  /** `ip:port` of whom it may reach; several where the choice is random. */
  readonly backends: readonly string[];
  /** Several where it depends on the backend that is drawn. */
  readonly ways: readonly EntryWay[];
  /** Equal for outcomes that differ in the backend alone. */
  readonly pattern: string;
  /** The whole way from the first of `nodes` on. */
  readonly journey: Journey;
}

export interface EntryAnswer {
  readonly from: string;
  readonly to: string;
  readonly config: string;
  /** All nodes that may get the packet. */
  readonly nodes: readonly string[];
  /** Those of most nodes first. */
  readonly outcomes: readonly EntryOutcome[];
  readonly assumptions: readonly string[];
}

/**
 * The nodes that may get a packet from outside, in order of name; fewer than two where there is no choice: the sender is inside, `via` names
 * the node, the address is a node's or a pod's, or at most one node attracts it.
 * @throws LbtwinError as `parseParty` and `parseTarget`
 */
export function entryNodes({ topology, fabric }: Cluster, spec: SendSpec): string[] {
  if (spec.via !== undefined || parseParty(spec.from, topology).kind !== 'external') return [];
  return [...new Set(fabric.entriesOf(parseTarget(spec.to).address).map(({ name }) => name))].sort();
}

/**
 * Sends a packet from outside to each of `nodes`, each time on state as fresh as before.
 * @throws LbtwinError `no-entry-nodes`, and as `Cluster.send`
 */
export function sendToEntries(
  cluster: Cluster,
  spec: SendSpec,
  nodes: readonly string[] = entryNodes(cluster, spec),
): EntryAnswer {
  if (nodes.length === 0) {
    throw new LbtwinError('no-entry-nodes', `no choice of nodes to bring ${spec.to} to from ${spec.from}`, {
      path: ['to'],
      allowed: 'a sender outside, and an address that several nodes attract; Cluster.send() for others',
    });
  }
  const { port } = parseParty(spec.from, cluster.topology);
  const groups = new Map<string, { outcome: Omit<EntryOutcome, 'nodes'>; nodes: string[] }>();
  for (const via of nodes) {
    cluster.renew();
    const journey = cluster.send({ ...spec, via });
    const outcome = outcomeAt(cluster, journey, via, port);
    const key = `${outcome.backends.join()} ${outcome.pattern}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { outcome, nodes: [via] });
    else group.nodes.push(via);
  }
  const outcomes = [...groups.values()]
    .map((group): EntryOutcome => ({ ...group.outcome, nodes: group.nodes }))
    .sort((a, b) => b.nodes.length - a.nodes.length);
  const { assumptions, resolved } = cluster;
  return { from: spec.from, to: spec.to, config: resolved.origin, nodes, outcomes, assumptions };
}

function outcomeAt(
  cluster: Cluster,
  journey: Journey,
  via: string,
  clientPort: number | undefined,
): Omit<EntryOutcome, 'nodes'> {
  const all = journey.ways ?? [journey];
  const ways = new Map<string, EntryWay>();
  for (const one of all) {
    const way = wayOf(cluster, one, via, clientPort, all.length > 1);
    ways.set(`${JSON.stringify(way)} ${reasonAt(one.outcome, via)}`, way);
  }
  const backends = [...new Set(all.map(({ outcome }) => outcome.backend).filter((one) => one !== undefined))];
  const keys = [...ways.keys()].sort();
  return { backends: backends.sort(), ways: keys.map((key) => ways.get(key)!), pattern: keys.join('\n'), journey };
}

/** The reason with the node's name left open. */
const reasonAt = ({ reason = '' }: Outcome, via: string): string =>
  reason
    .split(/([\w.-]+)/)
    .map((word) => (word === via ? '<node>' : word))
    .join('');

function wayOf(
  cluster: Cluster,
  { outcome, hops }: Journey,
  via: string,
  clientPort: number | undefined,
  drawn: boolean,
): EntryWay {
  const role = (node: string): string =>
    node === via ? 'receiving node' : node === outcome.node ? "backend's node" : node;
  const replyBy: string[] = [];
  for (const { direction, node } of hops) {
    if (direction === 'reply' && cluster.topology.nodes.has(node) && replyBy.at(-1) !== role(node)) {
      replyBy.push(role(node));
    }
  }
  const { dropReason: drop } = outcome;
  const ofReply = drop?.ofReply === true ? { ofReply: true as const } : {};
  return {
    kind: outcome.kind,
    translatedAt: outcome.translatedAt,
    ...sourceOf(cluster, outcome.sourceSeen, hops[0]?.before?.source, via, clientPort, drawn),
    replyBy,
    drop: drop === undefined ? undefined : { code: drop.code, name: drop.name, ...ofReply },
    dropAt: drop === undefined ? undefined : role(drop.node),
    icmp: outcome.icmp,
  };
}

function sourceOf(
  cluster: Cluster,
  seen: string | undefined,
  sent: string | undefined,
  via: string,
  clientPort: number | undefined,
  drawn: boolean,
): Pick<EntryWay, 'source' | 'sourceDetail'> {
  if (seen === undefined) return { source: undefined, sourceDetail: undefined };
  if (seen === sent) return { source: 'client', sourceDetail: undefined };
  const parts = /^\[(.+)\]:(\d+)$/.exec(seen) ?? /^([^:]+):(\d+)$/.exec(seen);
  const [host, port] = [parts?.[1] ?? seen, parts?.[2]];
  const shown = port === undefined || !drawn || Number(port) === clientPort ? port : '*';
  if (cluster.topology.nodeByAddress.get(host)?.name === via) return { source: 'receiving node', sourceDetail: shown };
  return { source: 'other', sourceDetail: port === undefined ? seen : seen.replace(/\d+$/, shown!) };
}
