import type { Conntrack } from '../conntrack/conntrack.ts';
import type { LbFamilyMaps } from '../lb/maps.ts';
import { type Family, formatAddress, formatWords, type IpAddress, wordsOf } from '../net/address.ts';
import { type Nat, SnatTarget } from '../nat/nat.ts';
import { PacketNat } from '../nat/packet.ts';
import { destinationOffset, sourceOffset } from '../net/packet-buffer.ts';
import type { Mac } from '../node/mac.ts';
import { formatMac } from '../node/mac.ts';
import { worldIdentity } from '../node/identity.ts';
import type { NodeFamilyTables, Route } from '../node/tables.ts';
import type { HookContext } from './context.ts';
import { type FragmentPorts, NO_FRAGMENTS } from './extract.ts';
import { FragmentTracking } from './fragments.ts';
import type { Node } from './node.ts';
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
  readonly fragments: FragmentPorts;
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
  /** The range of SNAT ports, for packets without an own target. */
  readonly target: SnatTarget;
  /** The service step. */
  readonly service: ServicePath;
  /** Source NAT of whole packets. */
  readonly packetNat: PacketNat;

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
    this.packetNat = new PacketNat(nat);
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
      sessionAffinity: true,
      loopback: undefined,
      localRedirect: false,
    });
    this.target = new SnatTarget(family);
    this.target.setRange(options.snatPortRange.min, options.snatPortRange.max);
  }

  // What a trace is told; called only when somebody listens.

  traceRoute(ctx: HookContext, route: Route | undefined): void {
    ctx.trace?.event({
      kind: 'lookup',
      map: 'routes',
      key: {
        source: formatWords(this.family, ctx.fibSource),
        destination: formatWords(this.family, ctx.fibDestination),
      },
      value: route && { ...route, dmac: formatMac(route.dmac), smac: formatMac(route.smac) },
    });
  }

  traceTtl(ctx: HookContext, ttl: number): void {
    ctx.trace?.event({ kind: 'rewrite', field: this.family === 4 ? 'ttl' : 'hopLimit', from: ttl + 1, to: ttl });
  }

  traceEncapsulation(ctx: HookContext, endpoint: IpAddress, optionBytes: number): void {
    const result = { protocol: this.node.tunnelProtocol, remote: formatAddress(endpoint), optionBytes };
    ctx.trace?.event({ kind: 'decision', what: 'encapsulation', result });
  }

  traceAnswer(ctx: HookContext, what: string): void {
    ctx.trace?.event({ kind: 'decision', what: 'answer', result: what });
  }

  /** The source that NAT gave the packet. */
  traceSnat(ctx: HookContext): void {
    const to = { address: formatWords(this.family, this.nat.toAddr), port: this.nat.toPort };
    ctx.trace?.event({ kind: 'rewrite', field: 'source', from: this.endpointOf(ctx.other, this.words), to });
  }

  /** The destination that NAT gave back. */
  traceUnSnat(ctx: HookContext): void {
    const to = { address: formatWords(this.family, this.nat.toAddr), port: this.nat.toPort };
    ctx.trace?.event({ kind: 'rewrite', field: 'destination', from: this.endpointOf(ctx.other, 0), to });
  }

  traceSource(ctx: HookContext, address: Uint32Array, oldPort: number, port: number): void {
    const from = { address: formatWords(this.family, ctx.tuple, this.words), port: oldPort };
    const to = { address: formatWords(this.family, address), port };
    ctx.trace?.event({ kind: 'rewrite', field: 'source', from, to });
  }

  /** Source (`at` = words) or destination (0) of a tuple in NAT layout. */
  private endpointOf(tuple: Uint32Array, at: number): { address: string; port: number } {
    const ports = tuple[2 * this.words]!;
    return { address: formatWords(this.family, tuple, at), port: at === 0 ? ports >>> 16 : ports & 0xffff };
  }

  /** An address of this family as text, for traces. */
  format(words: ArrayLike<number>, at = 0): string {
    return formatWords(this.family, words, at);
  }
}

function wordsOrZero(family: Family, address: IpAddress | undefined): Uint32Array {
  const words = new Uint32Array(4);
  if (address === undefined) return words;
  if (address.family !== family) throw new TypeError(`${formatAddress(address)} is not of family ${family}`);
  words.set(address.words);
  return words;
}
