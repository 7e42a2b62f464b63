import type { Frontend } from '../k8s/model.ts';
import { type Family, formatAddress, type IpAddress, isUnspecified } from '../net/address.ts';
import { type Cidr, cidrContains, maskCidr } from '../net/cidr.ts';
import { nodeAddress, type Topology, type TopologyNode } from './topology.ts';

/** An address by which clients at one node call a frontend. */
export interface Target {
  readonly address: IpAddress;
  /** Which one of a frontend that stands for any address of a node; `service`: the frontend has an address of its own. */
  readonly kind: 'own node' | 'other node' | 'loopback' | 'service';
  /** The node that has the address. */
  readonly owner: TopologyNode | undefined;
}

const LOOPBACK: Readonly<Record<Family, IpAddress>> = {
  4: { family: 4, words: [0x7f000001] },
  6: { family: 6, words: [0, 0, 0, 1] },
};

/** A frontend of a service. */
export interface Offer {
  readonly key: string;
  readonly family: Family;
  /** The node whose pod has the hostPort: only its maps have the frontend. Absent for what is on every node. */
  readonly home?: TopologyNode;
}

/** Where clients are asked: on every node; for a hostPort on its own and, in place of all others, on one that has pods if any does. */
export function clientNodes({ home, family }: Offer, { nodes, pods }: Topology): TopologyNode[] {
  const all = [...nodes.values()];
  if (home === undefined) return all;
  const others = all.filter((one) => one !== home && nodeAddress(one, family) !== undefined);
  const busy = new Set([...pods.values()].filter(({ hostNetwork }) => !hostNetwork).map(({ node }) => node));
  const neighbour = others.find(({ name }) => busy.has(name)) ?? others[0];
  return neighbour === undefined ? [home] : [home, neighbour];
}

/** What clients at `node` call. `served`: the addresses at which a node serves NodePorts. */
export function targetsAt(
  node: TopologyNode,
  address: IpAddress,
  { home, family }: Offer,
  topology: Topology,
  served: (node: TopologyNode) => readonly IpAddress[],
): Target[] {
  if (!isUnspecified(address)) {
    return [{ address, kind: 'service', owner: topology.nodeByAddress.get(formatAddress(address)) }];
  }
  const called = (owner: TopologyNode | undefined, kind: Target['kind']): Target[] => {
    const found =
      owner === undefined
        ? undefined
        : (served(owner).find((one) => one.family === family) ?? nodeAddress(owner, family));
    return found === undefined ? [] : [{ address: found, kind, owner }];
  };
  if (home !== undefined && node !== home) return called(home, 'other node');
  const other = [...topology.nodes.values()].find((one) => one !== node && nodeAddress(one, family) !== undefined);
  return [
    ...called(node, 'own node'),
    ...called(home === undefined ? other : undefined, 'other node'),
    { address: LOOPBACK[family], kind: 'loopback', owner: undefined },
  ];
}

const DOCUMENTATION: Readonly<Record<Family, IpAddress>> = {
  4: { family: 4, words: [0xc6336407] },
  6: { family: 6, words: [0x20010db8, 0x000c0000, 0, 7] },
};

/** A client outside that the service's source ranges let in, where any does. */
export function externalClient(frontend: Frontend): IpAddress {
  const { family } = frontend.address;
  const { sourceRanges, marks } = frontend.entry.service!;
  const ranges: Cidr[] = sourceRanges.filter((range) => range.address.family === family);
  const usual = DOCUMENTATION[family];
  if (marks.denyRanges || ranges.length === 0 || ranges.some((range) => cidrContains(range, usual))) return usual;
  const { words } = maskCidr(ranges[0]!).address;
  const inside = [...words];
  if (ranges[0]!.bits < (family === 4 ? 32 : 128)) inside[inside.length - 1] = (inside.at(-1)! | 7) >>> 0;
  return { family, words: inside };
}
