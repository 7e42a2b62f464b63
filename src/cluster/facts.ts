import { addressKey, type Frontend } from '../k8s/model.ts';
import { unspecified } from '../k8s/services.ts';
import { Scope } from '../lb/layout.ts';
import { formatAddress, type IpAddress, parseAddress } from '../net/address.ts';
import { parseProtocol } from '../net/protocol.ts';
import type { Hop } from './journey.ts';
import type { TwinNode } from './twin-node.ts';

/** The frontend that a packet met, and what the objects say of it. */
export interface ServiceFacts {
  /** `namespace/name` of the Service. */
  readonly service: string;
  /** `203.0.113.10:443/TCP`; a NodePort by the node's address. */
  readonly frontend: string;
  readonly type: Frontend['type'];
  readonly scope: 'external' | 'internal';
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  readonly sessionAffinitySeconds: number | undefined;
  /** The node whose maps answered. */
  readonly node: string;
  /** Backends of the frontend on this node's maps, and how many of them may be picked. */
  readonly backends: number;
  readonly usable: number;
  /** Backends of the service in the whole cluster. */
  readonly inCluster: number;
  /** Why the agent refuses to write the frontend as it is now: what the maps have is from an earlier update. */
  readonly error?: string;
}

interface ServiceKey {
  readonly address: string;
  readonly port: number;
  readonly slot: number;
  readonly protocol: number | string;
  readonly scope: number;
}

/** Finds, in what the programs told, the first service that was found, and looks up who wrote it. */
export function serviceFacts(
  hops: readonly Hop[],
  nodeOf: (name: string) => TwinNode | undefined,
): ServiceFacts | undefined {
  for (const hop of hops) {
    let last: { key: ServiceKey; value: { count: number } } | undefined;
    for (const event of hop.events) {
      if (event.kind !== 'lookup' || event.map !== 'services' || event.value === undefined) continue;
      const key = event.key as ServiceKey;
      if (key.slot === 0) last = { key, value: event.value as { count: number } };
    }
    const node = nodeOf(hop.node);
    if (last === undefined || node === undefined) continue;
    return factsOf(last.key, last.value.count, node);
  }
  return undefined;
}

function factsOf(key: ServiceKey, usable: number, node: TwinNode): ServiceFacts | undefined {
  const protocol = typeof key.protocol === 'number' ? key.protocol : parseProtocol(key.protocol);
  const address = parseAddress(key.address);
  const wanted = formatAddress(address);
  const frontendAt = (at: IpAddress): Frontend | undefined =>
    node.plane.frontend(addressKey(at, key.port, protocol, key.scope));
  // Entries of a node's own addresses come from the frontend that is any address.
  const frontend = frontendAt(address) ?? frontendAt(unspecified(address.family));
  if (frontend === undefined) return undefined;
  const { service } = frontend.entry;
  return {
    service: frontend.entry.name,
    frontend: frontend.key.replace(/^(0\.0\.0\.0|\[::\])/, address.family === 4 ? wanted : `[${wanted}]`),
    type: frontend.type,
    scope: key.scope === Scope.INTERNAL ? 'internal' : 'external',
    externalTrafficPolicy: service?.extPolicy ?? 'Cluster',
    internalTrafficPolicy: service?.intPolicy ?? 'Cluster',
    sessionAffinitySeconds: service?.affinity,
    node: node.name,
    backends: frontend.backends.length,
    usable,
    inCluster: new Set(frontend.entry.instances.map(({ backend }) => backend.key)).size,
    ...(frontend.status === 'Error' ? { error: frontend.error } : {}),
  };
}
