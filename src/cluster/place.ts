import type { IpAddress } from '../net/address.ts';
import type { DropArrival } from './diary.ts';
import type { Fabric } from './fabric.ts';
import type { Masquerade } from './masquerade.ts';
import type { PacketParts } from './packet-view.ts';
import type { PolicyGate } from './policy-gate.ts';
import type { TopologyNode, TopologyPod } from './topology.ts';
import type { TwinNode } from './twin-node.ts';

/** Where a frame is. */
export type Place =
  /** On the network, sent by a node or from outside. */
  | { readonly at: 'network'; readonly from: TopologyNode | undefined; readonly via?: TopologyNode }
  | { readonly at: 'netdev'; readonly node: TwinNode }
  | { readonly at: 'overlay'; readonly node: TwinNode; readonly options: Uint8Array }
  | { readonly at: 'podOut'; readonly node: TwinNode; readonly pod: TopologyPod }
  /** Handed to a pod by another program, or by the kernel. */
  | { readonly at: 'podPolicy'; readonly node: TwinNode; readonly pod: TopologyPod }
  | { readonly at: 'podIn'; readonly node: TwinNode; readonly pod: TopologyPod; readonly mark: number }
  /** In the node's kernel, on its way through. */
  | { readonly at: 'stack'; readonly node: TwinNode; readonly mark: number }
  /** Made by a process of the node. */
  | { readonly at: 'output'; readonly node: TwinNode }
  | { readonly at: 'netdevOut'; readonly node: TwinNode; readonly mark: number };

/** Where a frame ended. */
export type Arrival =
  | {
      readonly kind: 'pod';
      readonly node: TwinNode;
      readonly pod: TopologyPod;
      readonly frame: Uint8Array;
      readonly parts: PacketParts;
      /** It came in an IPIP tunnel, which the backend itself opens. */
      readonly unwrapped?: true;
    }
  | { readonly kind: 'host'; readonly node: TwinNode; readonly frame: Uint8Array; readonly parts: PacketParts }
  | { readonly kind: 'outside'; readonly address: IpAddress; readonly frame: Uint8Array; readonly parts: PacketParts }
  | DropArrival
  | { readonly kind: 'looped' }
  | { readonly kind: 'undecided'; readonly reason: string };

/** What a walk needs of its cluster. */
export interface WalkContext {
  readonly fabric: Fabric;
  readonly mtu: number;
  readonly now: number;
  readonly random: () => number;
  readonly masquerade: Masquerade;
  node(topology: TopologyNode): TwinNode;
  assume(sentence: string): void;
  /** The address of a node's `cilium_host` is not known, and the node's own stands in. */
  assumeRouter(node: string): void;
  /** Whether the diary is kept: events, views and frames of every hop. Without it a packet costs a tenth. */
  readonly record: boolean;
  /** What network policy says; undefined where nothing is enforced. */
  readonly policy: PolicyGate | undefined;
}

/** A frame on its way. */
export interface Step {
  readonly frame: Uint8Array;
  readonly place: Place;
}

export const isArrival = (next: Step | Arrival): next is Arrival => 'kind' in next;
