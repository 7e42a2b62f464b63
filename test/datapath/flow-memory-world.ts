import {
  affinityUnion,
  Algorithm,
  BackendState,
  collectGarbage,
  type Family,
  FibResult,
  type Node,
  parseAddress,
  parseCidr,
  parseMac,
  type PodInterface,
  Protocol,
  purgeOrphans,
  Scope,
  ServiceFlag,
  u64,
} from '../../src/index.ts';
import { BACKEND_PORT, backendId, GATEWAY, LOCAL_ID, NODE_MAC, POD_MAC, WORLD } from './world.ts';

/*
 * What the world of the wider law of the flow memory has beside the usual one, and everybody who writes its maps.
 */

export const POD_B = { 4: '10.1.0.6', 6: 'fd01::6' } as const;
const POD_B_ID = 4;
export const L7_PORT = 40_000;

const podOf = (id: number, ifindex: number, last: 'local' | 'b', identity: number): PodInterface => ({
  endpoint: { id, ifindex, mac: POD_MAC, nodeMac: NODE_MAC, host: false, identity },
  ipv4: parseAddress(last === 'b' ? POD_B[4] : WORLD[4].local),
  ipv6: parseAddress(last === 'b' ? POD_B[6] : WORLD[6].local),
  netnsCookie: u64(id),
});
export const PODS: readonly PodInterface[] = [
  podOf(5, 12, 'local', 70_000),
  podOf(6, 13, 'b', 70_001),
  podOf(5, 12, 'local', 70_002),
];

export interface Furniture {
  /** Whether the kernel knows the neighbours. */
  readonly neighbours: boolean;
  /** Whether remote backends are reached through a tunnel, if there is one. */
  readonly tunnelled: boolean;
  /** What is special about the first service: a place in `SERVICE_FLAGS`. */
  readonly service: number;
}

/** More of everything: a second pod, services that are where their backends are, and one that a proxy has. */
export function furnish(node: Node, family: Family, { neighbours, tunnelled, service }: Furniture): void {
  const names = WORLD[family];
  const gateway = { result: FibResult.NO_NEIGHBOUR, ifindex: 2, dmac: GATEWAY, smac: NODE_MAC };
  if (!neighbours) node.tables.of(family).routes.set(parseCidr(names.all), gateway);
  const direct = { identity: 4711, tunnelEndpoint: parseAddress(names.tunnel), skipTunnel: true };
  if (!tunnelled) for (const remote of names.remote) node.tables.of(family).ipCache.set(host(family, remote), direct);
  const maps = node.lb.of(family);
  const b = parseAddress(POD_B[family]);
  node.tables.of(family).endpoints.set(b, PODS[1]!.endpoint);
  const backend = { address: b, port: BACKEND_PORT, protocol: 0, state: 0, clusterId: 0, zone: 0 };
  maps.backends.set(backendId(family, POD_B_ID), backend);
  const frontend = { address: parseAddress(names.frontend), port: 80, protocol: 0, scope: Scope.EXTERNAL, slot: 0 };
  const master = maps.services.get(frontend)!;
  maps.services.set(frontend, { ...master, flags: SERVICE_FLAGS[service]! });
  maps.sourceRanges.add({ revNatIndex: master.revNatIndex, cidr: host(family, names.client) });
  addService(node, family, names.local, 81, 10, LOCAL_ID, ServiceFlag.LOCAL_REDIRECT, 0);
  addService(node, family, POD_B[family], 81, 11, POD_B_ID, 0, 0);
  addService(node, family, names.other, 81, 12, POD_B_ID, 0, 0);
  addService(node, family, names.local, L7_PORT, 13, LOCAL_ID, ServiceFlag.L7_LOAD_BALANCER, 0x1234);
}

function addService(
  node: Node,
  family: Family,
  address: string,
  port: number,
  id: number,
  backend: number,
  flags: number,
  union: number,
): void {
  const maps = node.lb.of(family);
  const revNatIndex = family === 4 ? id : id + 100;
  const key = { address: parseAddress(address), port, protocol: Protocol.ANY, scope: Scope.EXTERNAL };
  const value = { revNatIndex, qcount: 0 };
  maps.services.set({ ...key, slot: 1 }, { ...value, flags: 0, union: backendId(family, backend), count: 0 });
  maps.services.set({ ...key, slot: 0 }, { ...value, flags: flags | ServiceFlag.ROUTABLE, union, count: 1 });
  maps.reverseNat.set(revNatIndex, { address: key.address, port });
  maps.maglev.set(revNatIndex, Uint32Array.of(backendId(family, backend)));
}

export const SERVICE_FLAGS: readonly number[] = [
  ServiceFlag.ROUTABLE,
  0,
  ServiceFlag.AFFINITY | ServiceFlag.ROUTABLE,
  ServiceFlag.SOURCE_RANGE | ServiceFlag.ROUTABLE,
  ServiceFlag.SOURCE_RANGE | ServiceFlag.SOURCE_RANGE_DENY | ServiceFlag.ROUTABLE,
  ServiceFlag.FWD_MODE_DSR | ServiceFlag.ROUTABLE,
  ServiceFlag.HOST_PORT | ServiceFlag.ROUTABLE,
  ServiceFlag.L7_DELEGATE | ServiceFlag.ROUTABLE,
  ServiceFlag.L7_LOAD_BALANCER | ServiceFlag.ROUTABLE,
  ServiceFlag.LOCAL_REDIRECT | ServiceFlag.ROUTABLE,
  ServiceFlag.TWO_SCOPES | ServiceFlag.ROUTABLE,
  ServiceFlag.NAT_46X64 | ServiceFlag.ROUTABLE,
];
const UNIONS = [0, affinityUnion(50), affinityUnion(0, Algorithm.RANDOM), affinityUnion(50, Algorithm.MAGLEV)];

type Write = (node: Node, family: Family, which: number, now: number) => void;

const host = (family: Family, text: string): ReturnType<typeof parseCidr> =>
  parseCidr(`${text}/${family === 4 ? 32 : 128}`);
const any = <T>(list: readonly T[], which: number): T => list[which % list.length]!;

/** Whoever writes maps: control plane, agent and kernel. */
export const WRITES: readonly Write[] = [
  (node, family, which) => {
    const { services } = node.lb.of(family);
    const address = parseAddress(any([WORLD[family].frontend, WORLD[family].other], which));
    const key = { address, port: 80, protocol: 0, scope: Scope.EXTERNAL, slot: 0 };
    const value = services.get(key);
    if (value === undefined) return;
    services.set(key, { ...value, flags: any(SERVICE_FLAGS, which >> 1), union: any(UNIONS, which >> 3) });
  },
  (node, family, which) => {
    const maps = node.lb.of(family);
    const backend = { port: BACKEND_PORT, protocol: 0, clusterId: 0, zone: 0 };
    const id = backendId(family, 1 + (which % 4));
    const address = parseAddress(any([...WORLD[family].remote, WORLD[family].local, POD_B[family]], which >> 2));
    if (which >= 56) maps.backends.delete(id);
    else maps.backends.set(id, { ...backend, address, state: which % 5 === 0 ? BackendState.TERMINATING : 0 });
  },
  (node, family, which) => {
    const maps = node.lb.of(family);
    const id = any([1, 2, 10], which >> 2) + (family === 4 ? 0 : 100);
    if (which % 4 === 0) maps.reverseNat.delete(id);
    else maps.reverseNat.set(id, { address: parseAddress(WORLD[family].other), port: 80 + (which % 4) });
  },
  (node, family, which) => {
    const maps = node.lb.of(family);
    const revNatIndex = any([1, 2], which >> 2) + (family === 4 ? 0 : 100);
    const cidr = which % 4 < 2 ? parseCidr(WORLD[family].all) : host(family, WORLD[family].client);
    if (which % 2 === 0) maps.sourceRanges.delete({ revNatIndex, cidr });
    else maps.sourceRanges.add({ revNatIndex, cidr });
  },
  (node, family, which) => {
    const { routes } = node.tables.of(family);
    const { client, remote, all } = WORLD[family];
    const cidr = any([parseCidr(all), host(family, client), host(family, remote[0])], which);
    const result = any([FibResult.SUCCESS, FibResult.NO_NEIGHBOUR, FibResult.UNREACHABLE], which >> 2);
    if (which >= 56) routes.delete(cidr);
    else routes.set(cidr, { result, ifindex: 2 + (which % 2), dmac: parseMac('02:00:00:00:00:09'), smac: NODE_MAC });
  },
  (node, family, which) => {
    const { endpoints } = node.tables.of(family);
    const address = parseAddress(any([WORLD[family].local, POD_B[family], WORLD[family].remote[0]], which));
    if (which % 4 === 0) endpoints.delete(address);
    else endpoints.set(address, { ...PODS[which % 3]!.endpoint, host: which % 8 === 1 });
  },
  (node, family, which) => {
    const { ipCache } = node.tables.of(family);
    const cidr = any([WORLD[family].remote[0], WORLD[family].remote[1], WORLD[family].client], which);
    const tunnelEndpoint = parseAddress(any(['10.0.0.2', '10.0.0.3'], which >> 2));
    if (which >= 48) ipCache.delete(host(family, cidr));
    else ipCache.set(host(family, cidr), { identity: 6 + which, tunnelEndpoint, skipTunnel: which % 2 === 1 });
  },
  (node, family, which) => {
    const { skipLb } = node.lb.of(family);
    const key = { netnsCookie: u64(5 + ((which >> 2) % 2)), address: parseAddress(WORLD[family].local), port: 81 };
    if (which % 3 === 0) skipLb.delete(key);
    else skipLb.set(key, true);
  },
  (node, family, which, now) => {
    const { conntrack, nat, tables, lb } = node.of(family);
    switch (which % 8) {
      case 0:
        conntrack.gc(now);
        return;
      case 1:
        collectGarbage(nat, now);
        return;
      case 2:
        purgeOrphans(nat);
        return;
      case 3:
        nat.table.clear();
        return;
      case 4:
        conntrack.tcp.clear();
        return;
      case 5:
        tables.neighbours.clear();
        return;
      case 6:
        lb.affinity.clear();
        return;
      default:
        tables.neighbours.set(parseAddress(WORLD[family].client), parseMac('02:00:00:00:00:0a'));
    }
  },
  // One entry of a pair goes, or one of conntrack: as if evicted.
  (node, family, which) => {
    const { conntrack, nat } = node.of(family);
    const table = any([nat.table, conntrack.tcp, conntrack.any], which);
    let row = table.nextRow(-1);
    for (let i = which >> 2; i > 0 && row >= 0; i--) row = table.nextRow(row);
    if (row >= 0) table.deleteRow(row);
  },
  (node, family, which) => {
    const maps = node.lb.of(family);
    const table = new Uint32Array(251).fill(backendId(family, 1 + (which % 4)));
    maps.maglev.set(1 + (family === 4 ? 0 : 100), table);
    if (which % 5 === 0)
      node.lb.affinityMatch.delete({ revNatIndex: 1 + (family === 4 ? 0 : 100), backendId: backendId(family, 1) });
  },
  // A dump is loaded over a NAT table that is in use.
  (node, family, which, now) => {
    const { nat } = node.of(family);
    const { table } = nat;
    let row = table.nextRow(-1);
    for (let i = which >> 2; i > 0 && row >= 0; i--) row = table.nextRow(row);
    if (row < 0) return;
    const base = row * table.rowWords;
    nat.put(table.rows.slice(base, base + table.keyWords), new Uint32Array(4).fill(which), 0, 9, which % 2 === 1, now);
  },
  // An entry is written over where it is.
  (node, family, which, now) => {
    const { conntrack } = node.of(family);
    const table = any([conntrack.tcp, conntrack.any], which);
    let row = table.nextRow(-1);
    for (let i = which >> 3; i > 0 && row >= 0; i--) row = table.nextRow(row);
    if (row < 0) return;
    const base = row * table.rowWords;
    const tuple = table.rows.slice(base, base + table.keyWords);
    const dir = any([0, 1, 2] as const, which >> 1);
    const bits = any([0x20, 0x40, 0x80, 0x100], which >> 1);
    conntrack.create(
      tuple,
      dir,
      { revNatIndex: 1, backendId: backendId(family, 1), srcSecId: 9, bits } as never,
      false,
      60,
      now,
    );
  },
];
