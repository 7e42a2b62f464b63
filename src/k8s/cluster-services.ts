import { BackendState, Scope } from '../lb/layout.ts';
import { tryParseAddress } from '../net/address.ts';
import { parseServiceProtocol } from '../net/protocol.ts';
import { addressesOf, type Instance, ScopedAddress } from './model.ts';
import { EMPTY_LIST } from './objects/fields.ts';
import type { ClusterServiceObject } from './objects/envoy-config.ts';
import { DEFAULT_WEIGHT } from './slices.ts';
import type { InstanceSpec, Tables } from './tables.ts';

/** Backends that other clusters announce through the cluster mesh. */
export class ClusterServices {
  readonly #tables: Tables;
  /** Backends by service, then by cluster. */
  readonly #known = new Map<string, Map<string, readonly Instance[]>>();

  readonly #ownCluster: string;

  constructor(tables: Tables, ownCluster: string) {
    this.#tables = tables;
    this.#ownCluster = ownCluster;
  }

  upsert(object: ClusterServiceObject): void {
    if (object.cluster === this.#ownCluster) return;
    const service = `${object.namespace}/${object.name}`;
    const specs = object.shared ? instancesOf(object) : [];
    const clusters = this.#known.get(service) ?? new Map<string, readonly Instance[]>();
    this.#known.set(service, clusters);
    const old = clusters.get(object.cluster) ?? EMPTY_LIST;
    clusters.set(object.cluster, this.#tables.upsertInstances(service, 'clustermesh', specs));
    this.#release(service, clusters, old);
  }

  remove(cluster: string, service: string): void {
    const clusters = this.#known.get(service);
    const old = clusters?.get(cluster);
    if (clusters === undefined || old === undefined) return;
    clusters.delete(cluster);
    if (clusters.size === 0) this.#known.delete(service);
    this.#release(service, clusters, old);
  }

  #release(service: string, clusters: ReadonlyMap<string, readonly Instance[]>, old: readonly Instance[]): void {
    const still = new Set(addressesOf([...clusters.values()].flat()).map(({ key }) => key));
    const gone = addressesOf(old).filter(({ key }) => !still.has(key));
    this.#tables.releaseInstances(service, 'clustermesh', gone);
  }
}

function instancesOf({ backends, clusterId }: ClusterServiceObject): InstanceSpec[] {
  const specs = new Map<string, InstanceSpec>();
  for (const { ip, ports } of backends) {
    const address = tryParseAddress(ip);
    if (address === undefined) continue;
    for (const { name, protocol, port } of ports) {
      const at = new ScopedAddress(address, port, parseServiceProtocol(protocol), Scope.EXTERNAL);
      const names = specs.get(at.key)?.portNames ?? EMPTY_LIST;
      specs.set(at.key, {
        at,
        portNames: name === '' ? names : [...names, name],
        weight: DEFAULT_WEIGHT,
        nodeName: '',
        zone: '',
        forZones: EMPTY_LIST,
        clusterId,
        state: BackendState.ACTIVE,
      });
    }
  }
  return [...specs.values()];
}
