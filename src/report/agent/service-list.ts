import { formatAddress } from '../../net/address.ts';
import { parseL4Address } from '../../net/endpoint.ts';
import { protocolName } from '../../net/protocol.ts';
import { alignColumns } from './tabwriter.ts';

/** A backend in `service list`. */
export interface ListedBackend {
  /** `10.244.1.1:8080/TCP` */
  readonly address: string;
  /** `active`, `terminating`, `quarantined` or `maintenance`. */
  readonly state: string;
  readonly nodeName: string;
  readonly zone: string;
  readonly weight: number;
  /** Of another cluster. */
  readonly remote: boolean;
}

/** A frontend in `service list`. */
export interface ListedService {
  readonly id: number;
  /** `10.96.0.1:443/TCP`, with `/i` for the internal scope. */
  readonly frontend: string;
  /** `ClusterIP`, `NodePort`, … */
  readonly type: string;
  /** `namespace/name` */
  readonly name: string;
  readonly externalTrafficPolicy: string;
  readonly internalTrafficPolicy: string;
  /** In table order; the number that is shown before `=>` is a position in this list, not the slot. */
  readonly backends: readonly ListedBackend[];
}

const sorted = (services: readonly ListedService[]): ListedService[] => [...services].sort((a, b) => a.id - b.id);

/** `service list`, sorted by id. */
export function formatServiceList(services: readonly ListedService[]): string {
  const lines = ['ID\tFrontend\tService Type\tBackend\t'];
  for (const { id, frontend, type: plain, backends } of sorted(services)) {
    const type = backends.some(({ remote }) => remote) ? `${plain} (Remote)` : plain;
    const texts = backends.map(({ address, state }, i) => `${i + 1} => ${address} (${state})`);
    lines.push(`${id}\t${frontend}\t${type}\t${texts[0] ?? ''}\t`);
    for (const text of texts.slice(1)) lines.push(`\t\t\t${text}\t`);
  }
  return alignColumns(lines);
}

function addressJson(text: string): { ip: string; port: number; protocol: string; scope: string } {
  const internal = text.endsWith('/i');
  const { address, port, protocol } = parseL4Address(internal ? text.slice(0, -2) : text);
  const ip = formatAddress(address);
  return { ip, port, protocol: protocolName(protocol), scope: internal ? 'internal' : 'external' };
}

/** `service list -o json`: the shape of the agent's API. */
export function serviceListJson(services: readonly ListedService[]): unknown {
  return sorted(services).map((service) => {
    const [namespace, name] = service.name.split('/');
    const spec = {
      'backend-addresses': service.backends.map(({ address, state, nodeName, zone, weight }) => {
        const { scope: _, ...at } = addressJson(address);
        return { ...at, ...(nodeName === '' ? {} : { nodeName }), state, weight, ...(zone === '' ? {} : { zone }) };
      }),
      flags: {
        extTrafficPolicy: service.externalTrafficPolicy,
        intTrafficPolicy: service.internalTrafficPolicy,
        name,
        namespace,
        trafficPolicy: service.externalTrafficPolicy,
        type: service.type,
      },
      'frontend-address': addressJson(service.frontend),
      id: service.id,
    };
    return { spec, status: { realized: spec } };
  });
}

/** Service ids by frontend, from a pasted `service list` or `bpf lb list`; what is neither is skipped. */
export function readServiceIds(text: string): Map<string, number> {
  const ids = new Map<string, number>();
  for (const line of text.split('\n')) {
    const listed = /^(\d+)\s+(\S+:\d+\/[A-Z]+(?:\/i)?)\s/.exec(line);
    if (listed !== null) ids.set(listed[2]!, Number(listed[1]));
    const master = /^(\S+:\d+\/[A-Z]+(?:\/i)?) \(0\)\s+\S+ \((\d+)\) \(0\)/.exec(line);
    if (master !== null) ids.set(master[1]!, Number(master[2]));
  }
  return ids;
}
