import type { ConfigInput, ResolvedConfig } from '../config/resolve.ts';
import type { U64 } from '../net/u64.ts';
import type { Defects } from '../node/defects.ts';
import type { FabricRules } from './fabric.ts';

export interface ClusterOptions {
  /** Configuration; a `cilium-config` ConfigMap among the objects is used where it names none. */
  readonly config?: ConfigInput;
  /** A configuration that is resolved already; wins over `config`. */
  readonly resolved?: ResolvedConfig;
  /** MTU of the nodes' devices and of the network; the configuration's, or 1500. */
  readonly mtu?: number;
  readonly fabric?: FabricRules;
  /** Address to the nodes that attract it, for VIPs and external IPs. */
  readonly announce?: Readonly<Record<string, readonly string[]>>;
  /** Reproduced defects to switch off, with `false`. */
  readonly defects?: Partial<Defects>;
  /** Seeds everything that a kernel would draw. Without it, what was not given is told as candidates, or is an error. */
  readonly seed?: number;
  /** Seconds on the clock at the start: 0..2^32-1; 1000000 if absent. */
  readonly now?: number;
}

/** A packet to send. */
export interface SendSpec {
  /** `external:198.51.100.7:40000`, `pod:shop/web-1`, `node:worker-1`; see `parseParty`. */
  readonly from: string;
  /** `203.0.113.10:443/TCP`, `203.0.113.10/ICMP`; see `parseTarget`. */
  readonly to: string;
  /** The node that gets a packet from outside; whoever attracts its destination if absent. */
  readonly via?: string;
  /** False: nobody answers. */
  readonly reply?: boolean;
  /** Length of the IP packet in bytes; its headers alone if absent. */
  readonly size?: number;
  readonly ttl?: number;
  /** `TcpFlag` bits; SYN if absent. */
  readonly tcpFlags?: number;
  readonly dontFragment?: boolean;
  /** Words (u32) that the kernel draws, in order. */
  readonly random?: readonly number[];
  /** Cookie of the socket, by which UDP chooses. */
  readonly cookie?: number | U64;
}
