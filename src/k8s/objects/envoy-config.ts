import { type Selector, readLabelSelector } from '../labels.ts';
import { each, integer, invalid, list, metadataOf, type Raw, text, type Warning, within } from './fields.ts';

export interface RedirectedService {
  /** `namespace/name` */
  readonly service: string;
  /** Of this configuration, by its own name; `''` for the first. */
  readonly listener: string;
  /** Service ports; empty for all. */
  readonly ports: readonly number[];
}

/** The parts of a CiliumEnvoyConfig or CiliumClusterwideEnvoyConfig that change the load balancer's maps. */
export interface EnvoyConfigObject {
  readonly kind: 'CiliumEnvoyConfig' | 'CiliumClusterwideEnvoyConfig';
  readonly namespace: string;
  readonly name: string;
  readonly nodeSelector: Selector;
  readonly services: readonly RedirectedService[];
  /** `namespace/name` of the services whose endpoints are told to the proxy; they are not redirected. */
  readonly backendServices: readonly string[];
  /** Names of the listeners that need a proxy port. */
  readonly listeners: readonly string[];
}

const LISTENER = 'type.googleapis.com/envoy.config.listener.v3.Listener';

/** Reads a Cilium(Clusterwide)EnvoyConfig. @throws LbtwinError `invalid-object` with the path into it */
export function readEnvoyConfig(raw: Raw, _warnings: Warning[]): EnvoyConfigObject {
  const clusterWide = raw['kind'] === 'CiliumClusterwideEnvoyConfig';
  const { name, namespace } = metadataOf(raw, clusterWide);
  return within(raw, 'spec', (spec) => {
    const services: RedirectedService[] = [];
    each(spec, 'services', (entry) => {
      const ports = list(entry, 'ports').map((port, i) => {
        if (typeof port !== 'number' || !Number.isInteger(port)) throw invalid(port, 'a port number', 'ports', i);
        return port;
      });
      services.push({
        service: `${text(entry, 'namespace') || namespace}/${text(entry, 'name')}`,
        listener: text(entry, 'listener'),
        ports,
      });
    });
    const backendServices: string[] = [];
    each(spec, 'backendServices', (entry) => {
      backendServices.push(`${text(entry, 'namespace') || namespace}/${text(entry, 'name')}`);
    });
    const listeners: string[] = [];
    each(spec, 'resources', (resource) => {
      if (resource['@type'] === LISTENER && resource['address'] === undefined) listeners.push(text(resource, 'name'));
    });
    return {
      kind: clusterWide ? 'CiliumClusterwideEnvoyConfig' : 'CiliumEnvoyConfig',
      namespace,
      name,
      nodeSelector: readLabelSelector(spec['nodeSelector']),
      services,
      backendServices,
      listeners,
    };
  });
}

/** A service as another cluster announces it through the cluster mesh. */
export interface ClusterServiceObject {
  readonly cluster: string;
  readonly clusterId: number;
  readonly namespace: string;
  readonly name: string;
  readonly shared: boolean;
  /** Backend address text to ports by name. */
  readonly backends: readonly { readonly ip: string; readonly ports: readonly ClusterPort[] }[];
}

export interface ClusterPort {
  readonly name: string;
  readonly protocol: string;
  readonly port: number;
}

/** Reads the announcement of a service by another cluster. @throws LbtwinError `invalid-object` with the path into it */
export function readClusterService(raw: Raw): ClusterServiceObject {
  const backends: { ip: string; ports: ClusterPort[] }[] = [];
  within(raw, 'backends', (byIp) => {
    for (const ip of Object.keys(byIp)) {
      within(byIp, ip, (byName) => {
        const ports: ClusterPort[] = [];
        for (const name of Object.keys(byName)) {
          within(byName, name, (port) => {
            ports.push({ name, protocol: text(port, 'Protocol'), port: integer(port, 'Port', 1, 65535, 0) });
          });
        }
        backends.push({ ip, ports });
      });
    }
  });
  return {
    cluster: text(raw, 'cluster'),
    clusterId: integer(raw, 'clusterID', 0, 511, 0),
    namespace: text(raw, 'namespace'),
    name: text(raw, 'name'),
    shared: raw['shared'] === true,
    backends,
  };
}
