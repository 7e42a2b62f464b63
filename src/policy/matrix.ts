import {
  type PolicyCheck,
  type PolicyCluster,
  type PolicyParty,
  type PolicyTraffic,
  trafficPacket,
} from './cluster.ts';
import { compareText } from './labels.ts';
import { Direction, PolicyVerdictCode } from './layout.ts';
import type { PolicyRule } from './rule.ts';
import { Protocol } from '../net/index.ts';
import type { EndpointPolicy } from './endpoint-policy.ts';
import { type PolicyPacket, policyResult } from './verdict.ts';

/** What one cell of a matrix says. Egress is asked first. */
export const Reach = {
  /** The same party, or none of the two has a policy here. */
  NONE: 0,
  ALLOWED: 1,
  /** Allowed through a proxy on at least one side. */
  REDIRECTED: 2,
  EGRESS_DEFAULT_DENY: 3,
  EGRESS_DENY: 4,
  EGRESS_AUTH: 5,
  INGRESS_DEFAULT_DENY: 6,
  INGRESS_DENY: 7,
  INGRESS_AUTH: 8,
  /** Other drops, such as packets to the tunnel port. */
  DROPPED: 9,
  /** The agent's result depends on the order in which it takes its rules. */
  UNDECIDED: 10,
} as const;
export type Reach = (typeof Reach)[keyof typeof Reach];

/** One character per `Reach`. */
export const REACH_SYMBOLS = '-XPeEuiIUd?';

export const isPolicyReached = (reach: number): boolean => reach === Reach.ALLOWED || reach === Reach.REDIRECTED;

/** Who reaches whom: one square per traffic, row = from, column = to. */
export interface PolicyMatrix {
  readonly parties: readonly PolicyParty[];
  readonly traffic: readonly PolicyTraffic[];
  /** Per traffic `parties.length` squared cells of `Reach`. */
  readonly cells: readonly Uint8Array[];
}

/**
 * Asks every pair of parties about every traffic. Parties that look the same to policy are asked once.
 * @throws LbtwinError `policy-conflict`
 */
export function policyMatrix(
  cluster: PolicyCluster,
  parties: readonly PolicyParty[],
  traffic: readonly PolicyTraffic[],
): PolicyMatrix {
  const sides = parties.map((party) => sideOf(cluster, party));
  const remotes = new Map<string, number[]>();
  for (const { node } of sides) {
    if (!remotes.has(node))
      remotes.set(
        node,
        parties.map((party) => cluster.identityOf(party, node)),
      );
  }
  const cells = traffic.map((one) => {
    const square = new Uint8Array(parties.length ** 2);
    const asker = new Asker(cluster, one);
    for (let from = 0; from < parties.length; from++) {
      const source = sides[from]!;
      const seenFrom = remotes.get(source.node)!;
      for (let to = 0; to < parties.length; to++) {
        const target = sides[to]!;
        if (from === to || (source.policy === undefined && target.policy === undefined)) continue;
        const egress =
          source.policy === undefined ? Reach.ALLOWED : asker.ask(source.policy, seenFrom[to]!, Direction.EGRESS);
        const at = from * parties.length + to;
        if (!isPolicyReached(egress)) {
          square[at] = egress;
          continue;
        }
        const seen = remotes.get(target.node)![from]!;
        const ingress = target.policy === undefined ? Reach.ALLOWED : asker.ask(target.policy, seen, Direction.INGRESS);
        square[at] = ingress === Reach.ALLOWED ? egress : ingress;
      }
    }
    return square;
  });
  return { parties, traffic, cells };
}

interface Side {
  readonly policy: EndpointPolicy | undefined;
  readonly node: string;
}

function sideOf(cluster: PolicyCluster, party: PolicyParty): Side {
  const node = cluster.nodeOf(party);
  const endpoint = cluster.endpointOf(party);
  return { node, policy: endpoint === undefined ? undefined : cluster.engineOf(node).policyOf(endpoint) };
}

/** Asks policies about one traffic and remembers the answers. */
class Asker {
  readonly #cluster: PolicyCluster;
  readonly #packet: PolicyPacket;
  readonly #result = policyResult();
  readonly #known = new Map<EndpointPolicy, [ingress: Map<number, Reach>, egress: Map<number, Reach>]>();

  constructor(cluster: PolicyCluster, traffic: PolicyTraffic) {
    this.#cluster = cluster;
    this.#packet = trafficPacket(traffic);
  }

  ask(policy: EndpointPolicy, remote: number, direction: Direction): Reach {
    let known = this.#known.get(policy);
    if (known === undefined) this.#known.set(policy, (known = [new Map(), new Map()]));
    const before = known[direction]!.get(remote);
    if (before !== undefined) return before;
    const packet = this.#packet;
    packet.direction = direction;
    packet.local = policy.subject.identity;
    packet.remote = remote;
    const code = policy.check(packet, this.#cluster.datapath, this.#result);
    const reach = code === undefined ? Reach.UNDECIDED : reachOf(code, direction, this.#result.proxyPort > 0);
    known[direction]!.set(remote, reach);
    return reach;
  }
}

function reachOf(code: number, direction: Direction, redirected: boolean): Reach {
  const shift = direction === Direction.INGRESS ? 3 : 0;
  switch (code) {
    case PolicyVerdictCode.OK:
      return redirected ? Reach.REDIRECTED : Reach.ALLOWED;
    case PolicyVerdictCode.POLICY_DENIED:
      return (Reach.EGRESS_DEFAULT_DENY + shift) as Reach;
    case PolicyVerdictCode.POLICY_DENY_EXPLICIT:
      return (Reach.EGRESS_DENY + shift) as Reach;
    case PolicyVerdictCode.AUTH_REQUIRED:
      return (Reach.EGRESS_AUTH + shift) as Reach;
    default:
      return Reach.DROPPED;
  }
}

/** What a full check amounts to. */
export function reachOfCheck(check: PolicyCheck): Reach {
  if (check.undecided) return Reach.UNDECIDED;
  if (check.egress === undefined && check.ingress === undefined) return Reach.NONE;
  for (const [verdict, direction] of [
    [check.egress, Direction.EGRESS],
    [check.ingress, Direction.INGRESS],
  ] as const) {
    if (verdict !== undefined && !verdict.allowed) return reachOf(verdict.code, direction, false);
  }
  return check.egress?.redirect !== undefined || check.ingress?.redirect !== undefined
    ? Reach.REDIRECTED
    : Reach.ALLOWED;
}

/**
 * Traffic that tells the rules apart: for every protocol and port (or ICMP type) that a rule names, the first and the last
 * port of it and the one after; named ports are looked up. At least TCP 80.
 */
export function trafficOfRules(rules: readonly PolicyRule[], cluster: PolicyCluster): PolicyTraffic[] {
  const ports = new Map<number, Set<number>>();
  const types = new Map<number, Set<number>>();
  const note = (into: Map<number, Set<number>>, proto: number, value: number): void => {
    if (value < 0 || value > 65535) return;
    const known = into.get(proto);
    if (known === undefined) into.set(proto, new Set([value]));
    else known.add(value);
  };
  const named = [...cluster.pods.values()].flatMap(({ namedPorts }) => namedPorts);
  for (const section of rules.flatMap((rule) => [...rule.ingress, ...rule.egress])) {
    for (const { type, proto } of section.icmps ?? []) note(types, proto, type);
    for (const { port, name, endPort, proto } of (section.toPorts ?? []).flatMap((item) => item.ports)) {
      const protocols = proto === Protocol.ANY ? [Protocol.TCP, Protocol.UDP] : [proto];
      const starts = name === '' ? [port] : named.filter((one) => one.name === name).map((one) => one.port);
      for (const one of protocols) {
        for (const start of starts) {
          if (start > 0) note(ports, one, start);
          if (endPort > start) note(ports, one, endPort);
          if (start > 0) note(ports, one, Math.max(endPort, start) + 1);
        }
        if (port === 0) note(ports, one, 80);
      }
    }
  }
  note(ports, Protocol.TCP, 80);
  const sorted = (from: Map<number, Set<number>>): [number, number][] =>
    [...from].flatMap(([proto, values]) => [...values].map((value): [number, number] => [proto, value]));
  return [
    ...sorted(ports)
      .sort(([a, p], [b, q]) => a - b || p - q)
      .map(([proto, port]) => ({ proto, port })),
    ...sorted(types).map(([proto, icmpType]) => ({ proto, icmpType })),
  ];
}

/** One connection that a change gives or takes. */
export interface ReachChange {
  readonly from: string;
  readonly to: string;
  readonly traffic: PolicyTraffic;
  readonly before: Reach;
  readonly after: Reach;
}

/** What differs between two clusters for parties that both have. `name` gives the names to match parties by. */
export function diffReach(
  before: PolicyMatrix,
  after: PolicyMatrix,
  name: (party: PolicyParty) => string,
): ReachChange[] {
  const positions = new Map(before.parties.map((party, index) => [name(party), index]));
  const shared = after.parties
    .map((party, index) => ({ name: name(party), now: index, old: positions.get(name(party)) ?? -1 }))
    .filter(({ old }) => old >= 0)
    .sort((a, b) => compareText(a.name, b.name));
  const changes: ReachChange[] = [];
  after.traffic.forEach((traffic, t) => {
    for (const from of shared) {
      for (const to of shared) {
        const was = before.cells[t]![from.old * before.parties.length + to.old]! as Reach;
        const now = after.cells[t]![from.now * after.parties.length + to.now]! as Reach;
        if (was !== now) changes.push({ from: from.name, to: to.name, traffic, before: was, after: now });
      }
    }
  });
  return changes;
}
