import type { SelectionExplanation } from '../lb/select.ts';
import type { SelectionAlgorithm, Service } from '../lb/service.ts';
import type { IpAddress } from '../net/address.ts';
import type { Endpoint, L4Address } from '../net/endpoint.ts';
import type { ChangeReport, ControlPlane } from './control-plane.ts';
import type { Inventory } from './inventory.ts';
import type { Frontend, Service as ServiceRow } from './model.ts';

/** Which backend does a flow reach? */
export interface FlowQuestion {
  readonly client: IpAddress;
  /** Without it the answer is how the client's ports spread over the backends. */
  readonly clientPort?: number | undefined;
  readonly to: Endpoint;
  /** IANA number; without it TCP, or what the address has if it has one protocol only. */
  readonly protocol?: number | undefined;
  /** The node whose agent decides; without it the one that the addresses tell, or every node. */
  readonly node?: string | undefined;
  /** Instead of what the configuration and the frontend's type come to. */
  readonly algorithm?: SelectionAlgorithm | undefined;
  /** The word that algorithm `random` draws, u32. */
  readonly random?: number | undefined;
  /** Sockets leave external IPs alone that are not their host's; false with `disable-external-ip-mitigation`. */
  readonly externalIpMitigation?: boolean | undefined;
}

/** Where the client is, as far as the objects tell. */
export interface FlowClient {
  readonly kind: 'external' | 'pod' | 'node';
  readonly name: string | undefined;
  readonly node: string | undefined;
}

/** Client ports that a spread is taken over: all that are not reserved. */
export const SPREAD_PORTS = { min: 1024, max: 65535 } as const;

/** What happens to the flow on some nodes; all of them answer alike. */
export interface FlowView {
  /** Empty: on whatever node. */
  readonly nodes: readonly string[];
  readonly outcome:
    | 'backend'
    | 'spread'
    | 'candidates'
    | 'no-backend'
    | 'source-range'
    | 'proxy'
    | 'not-exposed'
    /** The agent refuses the frontend's entry; what an earlier one wrote stays. */
    | 'not-written'
    /** A client inside whose socket is left alone. */
    | 'untranslated';
  /** The frontend with its backends as these nodes have it. */
  readonly service: Service | undefined;
  readonly explanation: SelectionExplanation | undefined;
  /** For `spread`: ports per backend, by position in `service.backends`. */
  readonly spread: readonly number[] | undefined;
  readonly proxyPort: number;
  /** Why the entry is refused, for `not-written`. */
  readonly error?: string;
}

export interface FlowAnswer {
  readonly client: FlowClient;
  readonly to: L4Address;
  /** `undefined` if there is no such frontend. */
  readonly frontend: Frontend | undefined;
  readonly serviceRow: ServiceRow | undefined;
  /** What chose the algorithm. */
  readonly algorithmFrom: 'asked' | 'inside' | 'frontend-type' | 'annotation' | 'configuration';
  readonly localOnly: boolean;
  readonly views: readonly FlowView[];
  readonly inventory: Inventory;
  /** For looking up what else there is. */
  readonly controlPlane: ControlPlane;
  /** What the control plane said to the objects. */
  readonly report: ChangeReport;
  /** There are EndpointSlices among the objects, whosoever's they are. */
  readonly knowsEndpoints: boolean;
}
