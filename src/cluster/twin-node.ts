import type { DatapathConfig } from '../config/datapath-config.ts';
import { LbtwinError } from '../errors.ts';
import type { Hook, ReceiveOptions, Verdict } from '../datapath/index.ts';
import { Node } from '../datapath/node.ts';
import type { PodInterface } from '../datapath/pod-family.ts';
import { type ChangeReport, ControlPlane, type ObjectName } from '../k8s/control-plane.ts';
import { controlPlaneInit, lbMapsOf } from '../k8s/from-config.ts';
import type { RawObject } from '../k8s/raw.ts';
import type { LbMaps } from '../lb/maps.ts';
import { formatAddress, type IpAddress } from '../net/address.ts';
import { type Cidr, cidrContains } from '../net/cidr.ts';
import { u64, type U64 } from '../net/u64.ts';
import { collectGarbage } from '../nat/gc.ts';
import { NodeTables } from '../node/tables.ts';
import { addressesOfNode, type NodeAddressInput } from '../k8s/node-view.ts';
import type { Defects } from '../node/defects.ts';
import { SocketLb } from '../socket/socket-lb.ts';
import { fillNodeTables, type IdentityOf } from './node-tables.ts';
import { datapathOptions, Device, socketOptions } from './options.ts';
import { addressOf } from './kernel.ts';
import type { PacketParts } from './packet-view.ts';
import type { ServiceAddresses } from './service-addresses.ts';
import {
  nodeAddress,
  podAddress,
  routerAddress,
  type Topology,
  type TopologyNode,
  type TopologyPod,
} from './topology.ts';

/** What a cluster's nodes have in common. */
export interface ClusterSettings {
  readonly config: DatapathConfig;
  readonly mtu: number;
  readonly defects: Partial<Defects>;
  readonly identityOf: IdentityOf;
  /** Where the objects' services may have frontends. */
  readonly serviceAddresses: () => ServiceAddresses;
}

/**
 * One node with everything that runs on it: control plane, maps, packet programs, socket programs. The control plane is run with the objects
 * of the beginning, but not before something may depend on it: on most nodes of a journey, packets meet no service.
 */
export class TwinNode {
  #plane: ControlPlane | undefined;
  #report: ChangeReport | undefined;
  /** What the control plane begins with. */
  readonly #objects: readonly RawObject[];
  readonly #maps: LbMaps;
  #topology: TopologyNode;
  #datapath: Node;
  #sockets: SocketLb | undefined;
  #pods: ReadonlyMap<number, TopologyPod>;
  #settings: ClusterSettings;

  constructor(topology: Topology, self: TopologyNode, objects: readonly RawObject[], settings: ClusterSettings) {
    const { config } = settings;
    this.#topology = self;
    this.#settings = settings;
    this.#pods = podsOf(topology, self);
    this.#objects = objects;
    this.#maps = lbMapsOf(config);
    const tables = new NodeTables({ neighbours: config.maps.neigh, fragments: config.maps.fragments });
    fillNodeTables(tables, topology, self, config, settings.identityOf);
    this.#datapath = this.#makeDatapath(tables);
    this.#sockets = this.#makeSockets();
  }

  /** The agent starts anew: on its maps, with the flows that it has. */
  restart(topology: Topology, objects: readonly RawObject[], settings: ClusterSettings): void {
    this.#start();
    this.#settings = settings;
    const plane = this.#newPlane();
    this.#plane = plane;
    plane.restart();
    this.#refresh(topology);
    plane.apply(objects);
    plane.prune();
    this.#datapath = this.#makeDatapath(this.#datapath.tables, this.#datapath);
    this.#sockets = this.#makeSockets();
  }

  get plane(): ControlPlane {
    return this.#plane ?? this.#start();
  }

  /** The same, if it has been run. */
  get reported(): ChangeReport | undefined {
    return this.#report;
  }

  /** What the control plane said to the objects it began with. */
  get report(): ChangeReport {
    this.#start();
    return this.#report!;
  }

  #newPlane(): ControlPlane {
    const { config } = this.#settings;
    return new ControlPlane({ ...controlPlaneInit(config), nodeName: this.name, maps: this.#maps });
  }

  /** Runs the control plane unless it has been. */
  #start(): ControlPlane {
    if (this.#plane !== undefined) return this.#plane;
    const plane = this.#newPlane();
    this.#plane = plane;
    const self = this.#topology;
    plane.setNode({ labels: self.labels, addresses: nodePortAddresses(self, plane) });
    this.#report = plane.apply(this.#objects);
    return plane;
  }

  /** `before`: the datapath whose flows are taken over. */
  #makeDatapath(tables: NodeTables, before?: Node): Node {
    const { config, mtu, defects } = this.#settings;
    const self = this.#topology;
    const options = datapathOptions(config, mtu, defects);
    if (options.tunnel !== undefined && nodeAddress(self, 4) === undefined) throw noTunnelAddress(self.name);
    return new Node({
      options,
      addresses: {
        ipv4: nodeAddress(self, 4),
        ipv6: nodeAddress(self, 6),
        routerIPv4: routerAddress(self, 4) ?? nodeAddress(self, 4),
        routerIPv6: routerAddress(self, 6) ?? nodeAddress(self, 6),
        podCidrs4: cidrsOf(self, 4),
        podCidrs6: cidrsOf(self, 6),
        mac: self.mac,
        ifindex: Device.NETDEV,
      },
      lb: this.#maps,
      tables,
      ...(before === undefined
        ? {}
        : {
            conntrack: { v4: before.v4.conntrack, v6: before.v6.conntrack },
            nat: { v4: before.v4.nat, v6: before.v6.nat },
          }),
    });
  }

  #makeSockets(): SocketLb | undefined {
    const options = socketOptions(this.#settings.config);
    return options === undefined ? undefined : new SocketLb(this.#maps, this.#datapath.tables, options);
  }

  get topology(): TopologyNode {
    return this.#topology;
  }

  get datapath(): Node {
    this.#start();
    return this.#datapath;
  }

  /** What the programs are loaded with, and the tables that are not the control plane's. */
  get programs(): Pick<Node, 'options' | 'addresses' | 'tables' | 'tunnelProtocol'> {
    return this.#datapath;
  }

  /** Runs a frame through a hook. @throws LbtwinError as the datapath's `receive` */
  receive(hook: Hook, frame: Uint8Array, options: ReceiveOptions): Verdict {
    if (this.#plane === undefined && this.#mayMeetService(frame, options)) this.#start();
    return this.#datapath.receive(hook, frame, options);
  }

  /** Tunnel options may be DSR information. */
  #mayMeetService(frame: Uint8Array, { tunnelOptions }: ReceiveOptions): boolean {
    if (tunnelOptions !== undefined && tunnelOptions.length > 0) return true;
    return this.#settings.serviceAddresses().mayConcern(frame, (address) => this.owns(address));
  }

  /**
   * The source of a packet of the node's own: Cilium's routes to the pods of this node and into the overlay name the router's address, other
   * routes leave the node's. `assumed`: the router's would be it, and is not known.
   */
  sourceTo(destination: IpAddress): { readonly address: IpAddress | undefined; readonly assumed: boolean } {
    const { family } = destination;
    const { localNodeRoute, endpointRoutes } = this.#settings.config;
    const { options, tables } = this.#datapath;
    const isLocal = this.podAt(destination) !== undefined;
    const remote = tables.of(family).ipCache.lookup(Uint32Array.from(destination.words), 0);
    const overlay = options.tunnel !== undefined && remote?.tunnelEndpoint !== undefined;
    const own = nodeAddress(this.#topology, family);
    if (!(isLocal ? localNodeRoute && !endpointRoutes : overlay)) return { address: own, assumed: false };
    const router = routerAddress(this.#topology, family);
    return { address: router ?? own, assumed: router === undefined };
  }

  /** Why a packet that the node's kernel is to route is not followed: rules decide on it that are not Cilium's. */
  leftToKubeProxy(parts: PacketParts): string | undefined {
    if (this.#datapath.options.nodePort) return undefined;
    const owns = this.owns(addressOf(parts.family, parts.daddr));
    return this.#settings.serviceAddresses().frontends.leftToKubeProxy(parts, this.name, owns);
  }

  /** Absent where sockets are not translated. */
  get sockets(): SocketLb | undefined {
    this.#start();
    return this.#sockets;
  }

  /** Objects were added or replaced; `topology` is the cluster with them. */
  apply(topology: Topology, objects: readonly RawObject[]): void {
    const plane = this.#start();
    this.#refresh(topology);
    plane.apply(objects);
  }

  /** Objects were removed. */
  remove(topology: Topology, objects: readonly ObjectName[]): void {
    const plane = this.#start();
    this.#refresh(topology);
    plane.remove(objects);
  }

  #refresh(topology: Topology): void {
    const self = topology.nodes.get(this.name);
    // A node without objects keeps what it knew: its agent gets no more events about itself.
    if (self === undefined) return;
    const moved = addressesOf(this.#topology).join() !== addressesOf(self).join();
    this.#topology = self;
    this.#pods = podsOf(topology, self);
    const { plane } = this;
    plane.setNode({ labels: self.labels, addresses: nodePortAddresses(self, plane) });
    const { config, identityOf } = this.#settings;
    fillNodeTables(this.#datapath.tables, topology, self, config, identityOf);
    // The programs are loaded anew with the addresses that the node has now; flows stay.
    if (moved) this.#datapath = this.#makeDatapath(this.#datapath.tables, this.#datapath);
  }

  /** Forgets all flows: conntrack, NAT, affinity, sockets; what the control plane wrote stays. */
  resetDatapath(): void {
    this.#maps.v4.affinity.clear();
    this.#maps.v6.affinity.clear();
    const { tables } = this.#datapath;
    for (const family of [tables.v4, tables.v6]) {
      family.neighbours.clear();
      family.fragments.clear();
    }
    this.#datapath = this.#makeDatapath(tables);
    this.#sockets = this.#makeSockets();
  }

  /** What the agent does from time to time: removes flows whose time is over. */
  collectGarbage(now: number): void {
    for (const { nat } of [this.#datapath.v4, this.#datapath.v6]) collectGarbage(nat, now);
  }

  get name(): string {
    return this.topology.name;
  }

  /** True for the node's own addresses, routers' included. */
  owns(address: IpAddress): boolean {
    return this.programs.tables.of(address.family).endpoints.get(address)?.host === true;
  }

  /** True for the addresses that the node gives to pods. */
  isOwnPodCidr(address: IpAddress): boolean {
    return this.topology.podCidrs.some((cidr) => cidrContains(cidr, address));
  }

  /** The pod of this node that has an address. */
  podAt(address: IpAddress): TopologyPod | undefined {
    const endpoint = this.programs.tables.of(address.family).endpoints.get(address);
    return endpoint === undefined || endpoint.host ? undefined : this.#pods.get(endpoint.ifindex);
  }

  podByIfindex(ifindex: number): TopologyPod | undefined {
    return this.#pods.get(ifindex);
  }

  /** What the pod's programs know of it. */
  interfaceOf(pod: TopologyPod): PodInterface {
    const { endpointId: id, ifindex, mac, nodeMac } = pod;
    const [ipv4, ipv6] = [podAddress(pod, 4), podAddress(pod, 6)];
    return {
      endpoint: { id, ifindex, mac, nodeMac, host: false, identity: this.#settings.identityOf(pod) },
      ...(ipv4 === undefined ? {} : { ipv4 }),
      ...(ipv6 === undefined ? {} : { ipv6 }),
      netnsCookie: netnsCookieOf(pod),
    };
  }
}

const noTunnelAddress = (node: string): LbtwinError =>
  new LbtwinError(
    'missing-address',
    `node ${node} has no IPv4 address, from which the tunnels of this configuration start`,
    {
      allowed: 'a Node with an IPv4 InternalIP, or routingMode=native; IPv6 underlays are not modelled',
    },
  );

/** Cookie of the host's network namespace, and the first that pods get. */
export const HOST_NETNS_COOKIE = 1;
const FIRST_POD_NETNS_COOKIE = 4000;

/** Cookie of a pod's network namespace: numbered like the pods of the node. */
export const netnsCookieOf = (pod: TopologyPod): U64 =>
  u64(pod.hostNetwork ? HOST_NETNS_COOKIE : FIRST_POD_NETNS_COOKIE + pod.endpointId);

const addressesOf = (self: TopologyNode): string[] =>
  [...self.addresses, ...self.routers].map((one) => formatAddress(one));

const nodePortAddresses = ({ addresses }: TopologyNode, { options }: ControlPlane): NodeAddressInput[] =>
  addressesOfNode(addresses, options.nodePortAddresses).map((one) => ({ ...one, device: 'eth0' }));

const podsOf = (topology: Topology, self: TopologyNode): Map<number, TopologyPod> =>
  new Map([...topology.pods.values()].filter(({ node }) => node === self.name).map((pod) => [pod.ifindex, pod]));

const cidrsOf = (node: TopologyNode, family: 4 | 6): Cidr[] =>
  node.podCidrs.filter(({ address }) => address.family === family);
