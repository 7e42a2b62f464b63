import { BackendState } from '../../lb/layout.ts';
import { type IpAddress, tryParseAddress } from '../../net/address.ts';
import {
  each,
  EMPTY_LIST,
  flag,
  integer,
  metadataOf,
  type Raw,
  record,
  stringMap,
  text,
  texts,
  type Warning,
  within,
} from './fields.ts';
import { readProtocol } from './service.ts';

export interface SlicePort {
  readonly name: string;
  readonly protocol: number;
  readonly port: number;
}

/** One endpoint that the agent keeps. */
export interface SliceEndpoint {
  readonly addresses: readonly IpAddress[];
  readonly nodeName: string;
  readonly zone: string;
  readonly forZones: readonly string[];
  /** `BackendState.ACTIVE` or `TERMINATING`. */
  readonly state: number;
}

export interface EndpointSliceObject {
  readonly kind: 'EndpointSlice';
  readonly namespace: string;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Name of the Service in the same namespace; `''` when the slice belongs to none. */
  readonly service: string;
  readonly ports: readonly SlicePort[];
  readonly endpoints: readonly SliceEndpoint[];
}

const SERVICE_LABEL = 'kubernetes.io/service-name';
const MANAGED_BY_LABEL = 'endpointslice.kubernetes.io/managed-by';
const MESH_CONTROLLER = 'endpointslice-mesh-controller.cilium.io';

/** What the conditions make of an endpoint: a state, or `undefined` when the agent drops it. */
export function endpointState(conditions: Raw): number | undefined {
  const ready = flag(conditions, 'ready') ?? true;
  const serving = flag(conditions, 'serving') ?? ready;
  if (ready) return BackendState.ACTIVE;
  if (!serving) return undefined;
  return flag(conditions, 'terminating') === true ? BackendState.TERMINATING : BackendState.ACTIVE;
}

function readZones(endpoint: Raw): readonly string[] {
  if (endpoint['hints'] === undefined || endpoint['hints'] === null) return EMPTY_LIST;
  const zones: string[] = [];
  within(endpoint, 'hints', (hints) => each(hints, 'forZones', (zone) => zones.push(text(zone, 'name'))));
  return zones;
}

/** Reads an EndpointSlice. @throws LbtwinError `invalid-object` with the path into it */
export function readEndpointSlice(raw: Raw, warnings: Warning[]): EndpointSliceObject {
  const { name, namespace, metadata } = metadataOf(raw);
  const labels = within(raw, 'metadata', () => stringMap(metadata, 'labels'));
  const ignored = raw['addressType'] === 'FQDN' || labels[MANAGED_BY_LABEL] === MESH_CONTROLLER;
  const service = ignored ? '' : (labels[SERVICE_LABEL] ?? '');
  if (!ignored && service === '') {
    warnings.push({
      code: 'slice-without-service',
      object: { kind: 'EndpointSlice', namespace, name },
      path: ['metadata', 'labels'],
      message: `no label ${SERVICE_LABEL}: the slice belongs to no Service and is passed over`,
    });
  }
  const ports: SlicePort[] = [];
  const endpoints: SliceEndpoint[] = [];
  if (service !== '') {
    each(raw, 'ports', (port) => {
      const number = integer(port, 'port', 1, 65535, 0);
      if (number !== 0) ports.push({ name: text(port, 'name'), protocol: readProtocol(port), port: number });
    });
    each(raw, 'endpoints', (endpoint, i) => {
      const state = within(endpoint, 'conditions', endpointState);
      if (state === undefined) return;
      const addresses: IpAddress[] = [];
      const values = texts(endpoint, 'addresses');
      for (let k = 0; k < values.length; k++) {
        const address = tryParseAddress(values[k]!);
        if (address !== undefined) {
          addresses.push(address);
          continue;
        }
        warnings.push({
          code: 'unparsable-address',
          object: { kind: 'EndpointSlice', namespace, name },
          path: ['endpoints', i, 'addresses', k],
          message: `${JSON.stringify(values[k])} is not an IP address; the agent skips it`,
        });
      }
      endpoints.push({
        addresses,
        nodeName: text(endpoint, 'nodeName') || hostname(endpoint),
        zone: text(endpoint, 'zone'),
        forZones: readZones(endpoint),
        state,
      });
    });
  }
  return { kind: 'EndpointSlice', namespace, name, labels, service, ports, endpoints };
}

/** The node in the form that discovery.k8s.io/v1beta1 had. */
const hostname = (endpoint: Raw): string => text(record(endpoint, 'deprecatedTopology'), 'kubernetes.io/hostname');
