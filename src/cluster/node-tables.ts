import type { DatapathConfig } from '../config/datapath-config.ts';
import type { Family, IpAddress } from '../net/address.ts';
import type { Cidr } from '../net/cidr.ts';
import { ReservedIdentity as Identity } from '../node/identity.ts';
import type { Mac } from '../node/mac.ts';
import { FibResult, type IpCacheEntry, type NodeTables, type Route } from '../node/tables.ts';
import { Device } from './options.ts';
import { nodeAddress, type Topology, type TopologyNode, type TopologyPod } from './topology.ts';

/** Security identity (u24) of a pod. */
export type IdentityOf = (pod: TopologyPod) => number;

/** The router that leads out of every node's network. */
export const GATEWAY_MAC: Mac = { high: 0x020d0000, low: 1 };

const hostCidr = (address: IpAddress): Cidr => ({ address, bits: address.family === 4 ? 32 : 128 });

const everything = (family: Family): Cidr => ({
  address: { family, words: family === 4 ? [0] : [0, 0, 0, 0] },
  bits: 0,
});

const FAMILIES: readonly Family[] = [4, 6];

/**
 * What a node knows of the cluster besides services: its pods and own addresses, who is behind every address and by which tunnel,
 * and where the kernel sends what. Written anew; neighbours and fragments are left alone.
 */
export function fillNodeTables(
  tables: NodeTables,
  topology: Topology,
  node: TopologyNode,
  config: DatapathConfig,
  identityOf: IdentityOf,
): void {
  for (const of of [tables.v4, tables.v6]) {
    of.ipCache.clear();
    of.endpoints.clear();
    of.routes.clear();
  }
  addNodes(tables, topology, node);
  addPods(tables, topology, node, identityOf);
  for (const family of FAMILIES) {
    const both = config.ipv4 && config.ipv6;
    const world = !both ? Identity.WORLD : family === 4 ? Identity.WORLD_IPV4 : Identity.WORLD_IPV6;
    tables.of(family).ipCache.set(everything(family), { identity: world });
    tables.of(family).routes.set(everything(family), routeTo(node, GATEWAY_MAC));
  }
  addRoutes(tables, topology, node, config);
}

const routeTo = (node: TopologyNode, dmac: Mac): Route => ({
  result: FibResult.SUCCESS,
  ifindex: Device.NETDEV,
  dmac,
  smac: node.mac,
});

function addNodes(tables: NodeTables, topology: Topology, self: TopologyNode): void {
  for (const other of topology.nodes.values()) {
    const own = other === self;
    const identity = own ? Identity.HOST : Identity.REMOTE_NODE;
    const tunnelEndpoint = nodeAddress(other, 4);
    const remote = own || tunnelEndpoint === undefined ? {} : { tunnelEndpoint };
    for (const address of other.addresses) {
      const of = tables.of(address.family);
      of.ipCache.set(hostCidr(address), { identity });
      if (own) of.endpoints.set(address, HOST_ENDPOINT);
      else of.routes.set(hostCidr(address), routeTo(self, other.mac));
    }
    for (const router of other.routers) {
      tables.of(router.family).ipCache.set(hostCidr(router), { identity, ...remote });
      if (own) tables.of(router.family).endpoints.set(router, HOST_ENDPOINT);
    }
  }
}

const NO_MAC: Mac = { high: 0, low: 0 };
const HOST_ENDPOINT = { id: 0, ifindex: 1, mac: NO_MAC, nodeMac: NO_MAC, host: true, identity: Identity.HOST } as const;

function addPods(tables: NodeTables, topology: Topology, self: TopologyNode, identityOf: IdentityOf): void {
  const entryOf = sharedEntries(topology, self);
  for (const pod of topology.podByAddress.values()) {
    const identity = identityOf(pod);
    const entry = entryOf(pod.node, identity);
    for (const address of pod.addresses) {
      const of = tables.of(address.family);
      // No other pod has the address, and no node: its pods would be in the host network.
      of.ipCache.add(hostCidr(address), entry);
      if (pod.node !== self.name) continue;
      const { endpointId: id, ifindex, mac, nodeMac } = pod;
      of.endpoints.set(address, { id, ifindex, mac, nodeMac, host: false, identity });
    }
  }
}

/** What ipcache says of pods of a node that have an identity: one object for all of them. */
function sharedEntries(topology: Topology, self: TopologyNode): (node: string, identity: number) => IpCacheEntry {
  const byNode = new Map<string, Map<number, IpCacheEntry>>();
  return (node, identity) => {
    let entries = byNode.get(node);
    if (entries === undefined) byNode.set(node, (entries = new Map<number, IpCacheEntry>()));
    let entry = entries.get(identity);
    if (entry === undefined) {
      const tunnelEndpoint = node === self.name ? undefined : nodeAddress(topology.nodes.get(node)!, 4);
      entry = { identity, ...(tunnelEndpoint === undefined ? {} : { tunnelEndpoint }) };
      entries.set(identity, entry);
    }
    return entry;
  };
}

/** Native routing: pods of other nodes by their nodes where these are neighbours, else by the router. */
function addRoutes(tables: NodeTables, topology: Topology, self: TopologyNode, config: DatapathConfig): void {
  if (config.tunnel !== undefined || !config.autoDirectNodeRoutes) return;
  for (const other of topology.nodes.values()) {
    if (other === self) continue;
    for (const cidr of other.podCidrs) tables.of(cidr.address.family).routes.set(cidr, routeTo(self, other.mac));
  }
}
