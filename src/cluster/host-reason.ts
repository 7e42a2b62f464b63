import { addressKey } from '../k8s/model.ts';
import { unspecified } from '../k8s/services.ts';
import { Scope } from '../lb/layout.ts';
import { formatAddress, sameAddress } from '../net/address.ts';
import { Protocol } from '../net/protocol.ts';
import { addressOf } from './kernel.ts';
import type { PacketParts } from './packet-view.ts';
import type { TwinNode } from './twin-node.ts';

/** What the health check node port of a service answers on a node. */
export interface HealthCheck {
  /** `namespace/name` */
  readonly service: string;
  readonly port: number;
  readonly node: string;
  readonly status: 200 | 503;
  /** Active backends there, as the answer tells them. */
  readonly localEndpoints: number;
}

/** The answers of all health check node ports of a node. */
export function healthChecksOf({ name, plane }: Pick<TwinNode, 'name' | 'plane'>): HealthCheck[] {
  return plane.healthCheckPorts.map(({ port, service }) => {
    const { status, headers } = plane.healthCheck(port)!;
    return {
      service,
      port,
      node: name,
      status,
      localEndpoints: Number(headers['X-Load-Balancing-Endpoint-Weight']),
    };
  });
}

/** `32001 is the health check node port of shop/web: …` */
export const healthCheckText = ({ service, port, node, status, localEndpoints }: HealthCheck): string =>
  `${port} is the health check node port of ${service}: the agent of ${node} answers ${status}, ${localEndpoints} local endpoint${localEndpoints === 1 ? '' : 's'}`;

/** What becomes of a packet that came to the node itself and that no pod gets. */
export function hostReason(node: TwinNode, parts: PacketParts, backend: string, translated: boolean): string {
  const { name, plane } = node;
  const { family, daddr, dport, protocol } = parts;
  const check = protocol === Protocol.TCP ? healthChecksOf(node).find(({ port }) => port === dport) : undefined;
  if (check !== undefined) return healthCheckText(check);
  if (translated) return `${backend} is a process on ${name}`;
  const address = addressOf(family, daddr);
  const served = plane.nodePortAddresses.filter((one) => one.family === family);
  const isNodePort = plane.frontend(addressKey(unspecified(family), dport, protocol, Scope.EXTERNAL)) !== undefined;
  if (isNodePort && node.owns(address) && !served.some((one) => sameAddress(one, address))) {
    const where = served.length === 0 ? 'at none of its addresses' : `at ${served.map(formatAddress).join(', ')} only`;
    return `${formatAddress(address)} is an address of ${name}, which serves NodePorts ${where} (nodePort.addresses)`;
  }
  return `no service of ${name} takes this packet: it is for a process on the node, if one listens there`;
}
