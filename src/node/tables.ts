import type { Family, IpAddress } from '../net/address.ts';
import { AddressTable, PrefixTable } from './address-table.ts';
import { FragmentMap } from './fragment-map.ts';
import type { Mac } from './mac.ts';
import { NeighbourMap } from './neighbour-map.ts';
import { TokenBuckets } from './token-bucket.ts';

/** What the ipcache knows of an address. */
export interface IpCacheEntry {
  /** Security identity, u24. */
  readonly identity: number;
  /** The node to which traffic is tunnelled. */
  readonly tunnelEndpoint?: IpAddress;
  /** Never tunnelled, in spite of the endpoint. */
  readonly skipTunnel?: boolean;
  /** Encryption key, u8. */
  readonly encryptKey?: number;
}

/** A local endpoint: a pod, or the host itself under one of its addresses. */
export interface LocalEndpoint {
  /** u16. */
  readonly id: number;
  readonly ifindex: number;
  /** The pod's MAC address. */
  readonly mac: Mac;
  /** The MAC address of the host's end of the link. */
  readonly nodeMac: Mac;
  /** An address of the host: packets to it are left to the kernel. */
  readonly host: boolean;
  readonly identity?: number;
}

/** Answers of a route lookup, by the numbers of the kernel's helper. */
export const FibResult = {
  SUCCESS: 0,
  BLACKHOLE: 1,
  UNREACHABLE: 2,
  PROHIBIT: 3,
  NOT_FORWARDED: 4,
  FORWARDING_DISABLED: 5,
  UNSUPPORTED_ENCAPSULATION: 6,
  NO_NEIGHBOUR: 7,
  FRAGMENTATION_NEEDED: 8,
  NO_SOURCE: 9,
} as const;

export type FibResult = (typeof FibResult)[keyof typeof FibResult];

/** What the kernel answers for a destination. */
export interface Route {
  readonly result: FibResult;
  /** The device to leave by. */
  readonly ifindex: number;
  /** The next hop's MAC address; not used unless `result` is SUCCESS. */
  readonly dmac: Mac;
  /** The device's own. */
  readonly smac: Mac;
}

/** Sizes of the node's maps, in entries per family. */
export interface NodeMapSizes {
  /** `bpf-neigh-global-max`. */
  readonly neighbours: number;
  /** `bpf-fragments-map-max`. */
  readonly fragments: number;
  /** Fixed in the agent. */
  readonly endpoints: number;
  readonly ipCache: number;
  /** Routes are the kernel's; this bounds the twin's copy. */
  readonly routes: number;
}

export const DEFAULT_NODE_MAP_SIZES: NodeMapSizes = {
  neighbours: 524288,
  fragments: 8192,
  endpoints: 65535,
  ipCache: 512000,
  routes: 1_000_000,
};

/** A node's tables for one family, apart from load balancing, conntrack and NAT. */
export interface NodeFamilyTables {
  readonly family: Family;
  readonly ipCache: PrefixTable<IpCacheEntry>;
  readonly endpoints: AddressTable<LocalEndpoint>;
  readonly routes: PrefixTable<Route>;
  readonly neighbours: NeighbourMap;
  readonly fragments: FragmentMap;
}

/** A node's tables apart from load balancing, conntrack and NAT. */
export class NodeTables {
  readonly v4: NodeFamilyTables;
  readonly v6: NodeFamilyTables;
  readonly icmpBuckets: TokenBuckets = new TokenBuckets();

  /** @throws LbtwinError `invalid-table-size` */
  constructor(sizes: Partial<NodeMapSizes> = {}) {
    const all = { ...DEFAULT_NODE_MAP_SIZES, ...sizes };
    this.v4 = familyTables(4, all);
    this.v6 = familyTables(6, all);
  }

  of(family: Family): NodeFamilyTables {
    return family === 4 ? this.v4 : this.v6;
  }
}

function familyTables(family: Family, sizes: NodeMapSizes): NodeFamilyTables {
  return {
    family,
    ipCache: new PrefixTable(family, sizes.ipCache),
    endpoints: new AddressTable(family, sizes.endpoints),
    routes: new PrefixTable(family, sizes.routes),
    neighbours: new NeighbourMap(family, sizes.neighbours),
    fragments: new FragmentMap(family, sizes.fragments),
  };
}
