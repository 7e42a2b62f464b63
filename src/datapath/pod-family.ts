import { Conntrack } from '../conntrack/conntrack.ts';
import { CtState } from '../conntrack/entry.ts';
import type { IpAddress } from '../net/address.ts';
import type { U64 } from '../net/u64.ts';
import type { LocalEndpoint } from '../node/tables.ts';
import type { NodeFamily } from './node-family.ts';
import type { DatapathOptions } from './options.ts';
import { ServicePath } from './service.ts';

/** The interface of a pod, at which its programs are. */
export interface PodInterface {
  readonly endpoint: LocalEndpoint;
  /** The pod's addresses; others are not accepted as its source. */
  readonly ipv4?: IpAddress;
  readonly ipv6?: IpAddress;
  /** Cookie of its network namespace, for the skip entries of local redirects. */
  readonly netnsCookie?: U64;
}

/** A node as the pod programs of one family see it. */
export class PodFamily {
  readonly f: NodeFamily;
  /** The node's conntrack tables, with the loopback bit that only the pod programs keep. */
  readonly conntrack: Conntrack;
  readonly service: ServicePath;
  /** Whether services are translated packet by packet: not where all sockets are translated already. */
  readonly balances: boolean;
  /** What a new conntrack entry gets. */
  readonly created: CtState = new CtState();
  /** Word of the service loopback address; undefined for IPv6, where pods that reach themselves are not helped. */
  readonly loopback: number | undefined;

  constructor(f: NodeFamily) {
    const { options, lb } = f.node;
    this.f = f;
    const { tcp, any } = f.conntrack;
    this.conntrack = new Conntrack(f.family, { ...f.conntrack.options, loopback: true }, { tcp, any });
    this.balances = balancesPackets(options);
    this.loopback = f.family === 4 ? options.serviceLoopback.words[0] : undefined;
    this.service = new ServicePath(f.family, lb, this.conntrack, f.tables.endpoints, {
      // Whatever the cluster has configured: the pod program is built with random selection.
      algorithm: 'random',
      algorithmAnnotation: options.algorithmAnnotation,
      hashSeed: f.hashSeed,
      protocolDifferentiation: options.protocolDifferentiation,
      scopeSwitch: options.nodePort,
      sessionAffinity: options.sessionAffinity,
      loopback: this.loopback,
      localRedirect: options.localRedirect,
    });
  }

  /** The address that a pod has in this family. */
  addressOf(pod: PodInterface): readonly number[] | undefined {
    return (this.f.family === 4 ? pod.ipv4 : pod.ipv6)?.words;
  }
}

const balancesPackets = ({ socketLb, l7, sctp }: DatapathOptions): boolean => socketLb !== 'full' || l7 || sctp;
