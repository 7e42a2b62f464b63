/** What a packet on its way out of the node needs. */
export const Masquerade = {
  /** Left as it is. */
  NO: 0,
  /** It comes from the node's own address: the port may change, conntrack is kept (`SnatTarget.needsCt`). */
  HOST: 1,
  /** It comes from a pod of this node: it takes the node's address (`SnatTarget.fromLocalEndpoint`). */
  POD: 2,
} as const;
export type Masquerade = (typeof Masquerade)[keyof typeof Masquerade];

/** What the node's tables say about a packet. Make one and reuse it. */
export interface MasqueradeFacts {
  /** The source is the address that this node masquerades with (or, without masquerading, its direct-routing address). */
  fromNode: boolean;
  /** The source is an endpoint of this node. */
  fromEndpoint: boolean;
  /** That endpoint is the host itself. */
  endpointIsHost: boolean;
  /** Conntrack knows the packet as the answer to a connection from outside (`Conntrack.isReply`). */
  isReply: boolean;
  /** The destination lies in the CIDR that is routed natively: `ipv4-native-routing-cidr`, else the node's pod CIDR. */
  toNativeCidr: boolean;
  /** The destination is listed by the ip-masq-agent. */
  toMasqExempt: boolean;
  /** The destination is a remote node by its identity. */
  toRemoteNode: boolean;
  /** Overlay routing; then packets to remote nodes are masqueraded, unless the ipcache says to skip the tunnel for them. */
  overlay: boolean;
  skipTunnel: boolean;
}

/** Whether BPF masquerading translates a packet: the datapath's checks, in its order. */
export function masquerade(facts: MasqueradeFacts): Masquerade {
  if (facts.fromNode) return Masquerade.HOST;
  if (!facts.fromEndpoint || facts.isReply) return Masquerade.NO;
  if (facts.toNativeCidr || facts.endpointIsHost || facts.toMasqExempt) return Masquerade.NO;
  if (facts.toRemoteNode && (!facts.overlay || facts.skipTunnel)) return Masquerade.NO;
  return Masquerade.POD;
}
