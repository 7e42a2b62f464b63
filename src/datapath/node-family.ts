import type { Conntrack } from '../conntrack/conntrack.ts';
import type { LbFamilyMaps } from '../lb/maps.ts';
import { type Family, formatAddress, type IpAddress, wordsOf } from '../net/address.ts';
import { type Nat, SnatTarget } from '../nat/nat.ts';
import { PacketNat } from '../nat/packet.ts';
import { destinationOffset, sourceOffset } from '../net/packet-buffer.ts';
import type { Mac } from '../node/mac.ts';
import { worldIdentity } from '../node/identity.ts';
import type { NodeFamilyTables } from '../node/tables.ts';
import { FlowMemory } from './flow-memory.ts';
import { type FragmentPorts, NO_FRAGMENTS } from './extract.ts';
import { FragmentTracking } from './fragments.ts';
import type { Node } from './node.ts';
import type { DatapathOptions } from './options.ts';
import { PodFamily } from './pod-family.ts';
import { ServicePath } from './service.ts';

/** A node as the programs of one family see it: one code path for both, parameterised by this. */
export class NodeFamily {
  readonly node: Node;
  readonly family: Family;
  /** Words per address. */
  readonly words: 1 | 4;
  readonly sourceOffset: number;
  readonly destinationOffset: number;
  readonly lb: LbFamilyMaps;
  readonly tables: NodeFamilyTables;
  readonly conntrack: Conntrack;
  readonly nat: Nat;
  /** Whether the XDP program looks into requests that come encapsulated: where all DSR goes by Geneve. */
  readonly looksInside: boolean;
  readonly fragments: FragmentPorts;
  /** Pods' packets to the outside get the node's address here. */
  readonly bpfMasquerade: boolean;
  /** Whether fragments are tracked. */
  readonly tracksFragments: boolean;
  /** The direct-routing address, which SNAT uses; zero if the node has none. */
  readonly nodeAddress: Uint32Array;
  /** The router address (of the cilium_host device), for overlay SNAT and ICMPv6 answers; zero if the node has none. */
  readonly routerAddress: Uint32Array;
  readonly mac: Mac;
  /** Identity of clients outside the cluster. */
  readonly worldId: number;
  readonly hashSeed: number;
  /** What SNAT makes of a forwarded request's source. */
  readonly target: SnatTarget;
  /** The same for packets of the node itself and its pods. */
  readonly ownTarget: SnatTarget;
  /** The service step. */
  readonly service: ServicePath;
  /** The programs at pods. */
  readonly pods: PodFamily;
  /** Source NAT of whole packets. */
  readonly packetNat: PacketNat;
  /** Flows that need no decisions any more. */
  readonly memory: FlowMemory;

  constructor(node: Node, family: Family, conntrack: Conntrack, nat: Nat) {
    const { options, addresses } = node;
    this.node = node;
    this.family = family;
    this.words = wordsOf(family);
    this.sourceOffset = sourceOffset(family);
    this.destinationOffset = destinationOffset(family);
    this.lb = node.lb.of(family);
    this.tables = node.tables.of(family);
    this.conntrack = conntrack;
    this.nat = nat;
    this.packetNat = new PacketNat(nat, options.defects, options.sctp);
    this.looksInside = family === 4 && options.mode === 'dsr' && options.dsrDispatch === 'geneve';
    this.bpfMasquerade = options.bpfMasquerade && (family === 4 ? options.ipv4Masquerade : options.ipv6Masquerade);
    this.tracksFragments = family === 4 ? options.ipv4Fragments : options.ipv6Fragments;
    this.fragments = this.tracksFragments ? new FragmentTracking(this.tables.fragments) : NO_FRAGMENTS;
    this.nodeAddress = wordsOrZero(family, family === 4 ? addresses.ipv4 : addresses.ipv6);
    this.routerAddress = wordsOrZero(family, family === 4 ? addresses.routerIPv4 : addresses.routerIPv6);
    this.mac = addresses.mac;
    this.worldId = worldIdentity(family, options.ipv4 && options.ipv6);
    this.hashSeed = family === 4 ? options.hashSeed4 : options.hashSeed6;
    this.service = new ServicePath(family, node.lb, conntrack, this.tables.endpoints, {
      algorithm: options.algorithm,
      algorithmAnnotation: options.algorithmAnnotation,
      hashSeed: this.hashSeed,
      protocolDifferentiation: options.protocolDifferentiation,
      scopeSwitch: false,
      sessionAffinity: options.sessionAffinity,
      loopback: undefined,
      localRedirect: false,
    });
    this.pods = new PodFamily(this);
    this.target = targetOf(family, options);
    this.ownTarget = targetOf(family, options);
    this.memory = new FlowMemory(this);
  }
}

function targetOf(family: Family, { snatPortRange }: DatapathOptions): SnatTarget {
  const target = new SnatTarget(family);
  target.setRange(snatPortRange.min, snatPortRange.max);
  target.minEgress = snatPortRange.min;
  return target;
}

function wordsOrZero(family: Family, address: IpAddress | undefined): Uint32Array {
  const words = new Uint32Array(4);
  if (address === undefined) return words;
  if (address.family !== family) throw new TypeError(`${formatAddress(address)} is not of family ${family}`);
  words.set(address.words);
  return words;
}
