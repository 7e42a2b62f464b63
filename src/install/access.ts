import { stringify } from 'yaml';
import { LbtwinError } from '../errors.ts';
import type { DatapathConfig } from '../config/index.ts';
import { decodeObjects, type KnownObject } from '../k8s/index.ts';
import { formatEndpoint, type IpAddress, parseAddress, protocolName } from '../net/index.ts';

type ServiceObject = Extract<KnownObject, { kind: 'Service' }>;

/** A packet to send and what is expected, in the form of scenario files. */
export interface AccessStep {
  readonly name: string;
  readonly send: { readonly from: string; readonly to: string };
  readonly expect: { readonly outcome: string };
}

export interface AccessOptions {
  /** Only this service: `namespace/name`. */
  readonly service?: string;
  /** From this node; the first one by name if absent. */
  readonly node?: string;
}

const LOOPBACK: Readonly<Record<4 | 6, IpAddress>> = { 4: parseAddress('127.0.0.1'), 6: parseAddress('::1') };

/** Services that have an endpoint that serves, by `namespace/name`. */
function served(objects: readonly KnownObject[]): Set<string> {
  const names = new Set<string>();
  for (const object of objects) {
    if (object.kind === 'EndpointSlice' && object.endpoints.length > 0)
      names.add(`${object.namespace}/${object.service}`);
  }
  return names;
}

function targets(
  service: ServiceObject,
  addresses: readonly IpAddress[],
  config: DatapathConfig,
): [what: string, to: string][] {
  const families = new Set(
    service.clusterIps.map(({ family }) => family).filter((family) => (family === 4 ? config.ipv4 : config.ipv6)),
  );
  return service.ports.flatMap((port): [string, string][] => {
    const to = (address: IpAddress, number: number): string =>
      `${formatEndpoint({ address, port: number })}/${protocolName(port.protocol)}`;
    const list: [string, string][] = service.clusterIps
      .filter(({ family }) => families.has(family))
      .map((address) => ['ClusterIP', to(address, port.port)]);
    if (port.nodePort === 0 || !config.nodePort) return list;
    for (const family of families) {
      const own = addresses.find((address) => address.family === family);
      if (own !== undefined) list.push(['NodePort at the node address', to(own, port.nodePort)]);
      list.push(['NodePort on loopback', to(LOOPBACK[family], port.nodePort)]);
    }
    return list;
  });
}

/**
 * What a working replacement of kube-proxy must answer on a node, for every service with endpoints: its ClusterIP, its NodePort at the
 * node's address and on loopback. @throws LbtwinError `no-node`, `no-service`
 */
export function accessSteps(
  objects: Iterable<unknown>,
  config: DatapathConfig,
  options: AccessOptions = {},
): AccessStep[] {
  const decoded = decodeObjects(objects).objects;
  const nodes = decoded
    .flatMap((object) => (object.kind === 'Node' ? [object] : []))
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const node = options.node === undefined ? nodes[0] : nodes.find(({ name }) => name === options.node);
  if (node === undefined) {
    throw new LbtwinError(
      'no-node',
      options.node === undefined ? 'there is no Node' : `there is no node ${options.node}`,
      {
        allowed: nodes.map(({ name }) => name).join(', ') || 'Node objects beside the services',
      },
    );
  }
  const alive = served(decoded);
  const steps: AccessStep[] = [];
  for (const service of decoded) {
    if (service.kind !== 'Service' || service.clusterIpNone) continue;
    const name = `${service.namespace}/${service.name}`;
    if ((options.service !== undefined && options.service !== name) || !alive.has(name)) continue;
    for (const [what, to] of targets(service, node.addresses, config)) {
      steps.push({
        name: `${name} by its ${what} from node ${node.name}: ${to}`,
        send: { from: `node:${node.name}`, to },
        expect: { outcome: 'replied' },
      });
    }
  }
  if (steps.length === 0) {
    throw new LbtwinError('no-service', 'no service has a frontend and endpoints', {
      allowed: 'Services with their EndpointSlices',
    });
  }
  return steps;
}

/** A scenario file (docs/scenario.md) of those steps. `files`: the objects, as the scenario names them. */
export function accessScenario(
  steps: readonly AccessStep[],
  files: readonly string[],
  settings: { readonly values?: unknown; readonly configMap?: string } = {},
): string {
  return stringify(
    {
      name: 'Access after kube-proxy is replaced',
      objects: files,
      ...(settings.values === undefined ? {} : { values: [settings.values] }),
      ...(settings.configMap === undefined ? {} : { configMap: settings.configMap }),
      cluster: { seed: 1 },
      steps,
    },
    { lineWidth: 0 },
  );
}
