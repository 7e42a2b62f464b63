import { LbtwinError, withPath } from '../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { DEFAULT_WEIGHT, type MaglevBackend } from '../maglev/backend.ts';
import { checkTableSize, DEFAULT_TABLE_SIZE } from '../maglev/sizes.ts';
import { type MaglevOptions, prepareBackends, tableOf } from '../maglev/table.ts';
import { compareAddresses, formatAddress, type Family, type IpAddress, parseAddress } from '../net/address.ts';
import { checkPort, type L4Address, parseL4Address } from '../net/endpoint.ts';
import { Protocol, protocolName } from '../net/protocol.ts';

/** How a backend stands, in the order in which slots list them. */
export const BACKEND_STATES = ['active', 'terminating', 'quarantined', 'maintenance'] as const;
export type BackendStateName = (typeof BACKEND_STATES)[number];

export const SERVICE_TYPES = [
  'ClusterIP',
  'NodePort',
  'LoadBalancer',
  'ExternalIPs',
  'HostPort',
  'LocalRedirect',
] as const;
export type ServiceType = (typeof SERVICE_TYPES)[number];

export type SelectionAlgorithm = 'maglev' | 'random';

export interface BackendSpec {
  /** 1..4294967294. Either every backend has one or none has: then they are 1, 2, … in the order given. */
  readonly id?: number;
  readonly address: string | IpAddress;
  /** 1..65535 */
  readonly port: number;
  /** The frontend's protocol if absent. */
  readonly protocol?: string;
  /** 0..65535; 100 if absent. */
  readonly weight?: number;
  /** `active` if absent. */
  readonly state?: BackendStateName;
  /** False for a backend that failed its health check; true if absent. */
  readonly healthy?: boolean;
  /** Anything that helps to recognise it, such as the pod's name. */
  readonly name?: string;
}

export interface ServiceSpec {
  /** `203.0.113.10:443/TCP`, `[2001:db8::1]:443/TCP`; the address may be unspecified (`0.0.0.0`) for any of a node's. */
  readonly frontend: string | L4Address;
  /** ClusterIP if absent. */
  readonly type?: ServiceType;
  /** `random`, the agent's default, if absent. */
  readonly algorithm?: SelectionAlgorithm;
  readonly backends: readonly BackendSpec[];
  /** With client IP affinity the client's port does not enter the Maglev hash. */
  readonly sessionAffinity?: boolean;
}

export interface Backend {
  readonly id: number;
  /** Canonical text. */
  readonly address: string;
  readonly port: number;
  readonly protocol: string;
  readonly weight: number;
  readonly state: BackendStateName;
  readonly healthy: boolean;
  readonly name: string | undefined;
}

/** A frontend with its backends, compiled for look-ups by `selectBackend`. Immutable. */
export interface Service {
  readonly frontend: L4Address;
  readonly type: ServiceType;
  readonly algorithm: SelectionAlgorithm;
  readonly sessionAffinity: boolean;
  readonly family: Family;
  /** The family's jhash seed. */
  readonly seed: number;
  /** In slot order: slot k is `backends[k - 1]`. */
  readonly backends: readonly Backend[];
  /** How many of them, from the front, may be selected. */
  readonly count: number;
  /** Which ones these are: the active ones; without any, the terminating ones; or nobody. */
  readonly selectable: 'active' | 'terminating' | 'none';
  /** Ids of the selectable backends, by slot - 1. */
  readonly slots: Uint32Array;
  /** Maglev with a selectable backend: table index to index into `slots` and `backends`. Half the size of a table of ids. */
  readonly owners: Uint16Array | undefined;
  /** 1 / table size, for the modulo on the hot path. */
  readonly inverse: number;
}

export interface ServiceOptions {
  readonly maglev?: MaglevOptions;
}

interface Candidate {
  readonly backend: Backend;
  readonly address: IpAddress;
}

/**
 * Compiles a frontend and its backends (docs/selection.md).
 * @throws LbtwinError with a path into `spec`: `invalid-backend-id`, `duplicate-backend`, `family-mismatch`, `invalid-weight`,
 *   `unknown-state`, `too-many-backends`, `unknown-algorithm`, `unknown-service-type` and those of addresses, ports, protocols and `buildLookupTable`
 */
export function defineService(spec: ServiceSpec, options: ServiceOptions = {}): Service {
  if (typeof spec !== 'object' || spec === null) {
    throw new LbtwinError('invalid-service', 'no service', {
      allowed: 'frontend, backends and what else ServiceSpec has',
    });
  }
  const frontend = withPath(['frontend'], () => readFrontend(spec.frontend));
  if (!Array.isArray(spec.backends)) {
    throw new LbtwinError('invalid-service', 'no list', { path: ['backends'], allowed: 'a list of backends' });
  }
  const { type = 'ClusterIP', algorithm = 'random', sessionAffinity = false } = spec;
  oneOf(type, SERVICE_TYPES, 'unknown-service-type', 'type');
  oneOf(algorithm, ['maglev', 'random'] as const, 'unknown-algorithm', 'algorithm');
  const { hashSeed = DEFAULT_HASH_SEED, tableSize = DEFAULT_TABLE_SIZE } = options.maglev ?? {};
  const seeds = withPath(['maglev', 'hashSeed'], () => parseHashSeed(hashSeed));
  withPath(['maglev', 'tableSize'], () => checkTableSize(tableSize));
  const backends = readBackends(spec.backends, frontend)
    .sort(bySlot)
    .map(({ backend }) => backend);
  const usable = (wanted: BackendStateName): number =>
    backends.filter(({ state, healthy }) => healthy && state === wanted).length;
  const active = usable('active');
  const count = active > 0 ? active : usable('terminating');
  const selected = backends.slice(0, count);
  const owners =
    algorithm === 'maglev' && count > 0
      ? new Uint16Array(tableOf(prepareBackends(selected.map(byIndex), seeds.murmur), tableSize))
      : undefined;
  return {
    frontend,
    type,
    algorithm,
    sessionAffinity,
    family: frontend.address.family,
    seed: frontend.address.family === 4 ? seeds.jhash4 : seeds.jhash6,
    backends,
    count,
    selectable: active > 0 ? 'active' : count > 0 ? 'terminating' : 'none',
    slots: Uint32Array.from(selected, ({ id }) => id),
    owners,
    inverse: 1 / tableSize,
  };
}

/** A backend under its index in place of its id. */
const byIndex = (backend: Backend, index: number): MaglevBackend => ({
  id: index,
  address: backend.address,
  port: backend.port,
  protocol: backend.protocol,
  weight: backend.weight,
});

function readFrontend(frontend: string | L4Address): L4Address {
  const l4 = typeof frontend === 'string' ? parseL4Address(frontend) : frontend;
  checkPort(l4.port, 1);
  return l4;
}

function oneOf<T>(value: T, allowed: readonly T[], code: string, key: string): T {
  if (!allowed.includes(value)) {
    throw new LbtwinError(code, `${JSON.stringify(value)} is not known`, { path: [key], allowed: allowed.join(', ') });
  }
  return value;
}

/** A service entry counts its backends in 16 bits. */
const MAX_BACKENDS = 65535;

function readBackends(specs: readonly BackendSpec[], frontend: L4Address): Candidate[] {
  if (specs.length > MAX_BACKENDS) {
    throw new LbtwinError('too-many-backends', `${specs.length} backends`, {
      path: ['backends'],
      allowed: `at most ${MAX_BACKENDS}`,
    });
  }
  const unnamed = specs.every(({ id }) => id === undefined);
  const ids = new Set<number>();
  const places = new Set<string>();
  return specs.map((spec, i) =>
    withPath(['backends', i], () => {
      const candidate = readBackend(spec, unnamed ? i + 1 : spec.id, frontend);
      const { id, address, port, protocol } = candidate.backend;
      const place = `${address}|${port}|${protocol}`;
      if (ids.has(id) || places.has(place)) {
        throw new LbtwinError(
          'duplicate-backend',
          `id ${id} or address ${address}:${port}/${protocol} is given twice`,
          {
            allowed: 'each id and each address once',
          },
        );
      }
      ids.add(id);
      places.add(place);
      return candidate;
    }),
  );
}

function readBackend(spec: BackendSpec, id: number | undefined, frontend: L4Address): Candidate {
  if (id === undefined || !Number.isInteger(id) || id < 1 || id > 0xfffffffe) {
    throw new LbtwinError('invalid-backend-id', `${JSON.stringify(id)} is not a usable backend id`, {
      path: ['id'],
      allowed: '1..4294967294 (0 means none to the datapath), on every backend or on none',
    });
  }
  const address = withPath(['address'], () =>
    typeof spec.address === 'string' ? parseAddress(spec.address) : spec.address,
  );
  if (address.family !== frontend.address.family) {
    throw new LbtwinError('family-mismatch', `${formatAddress(address)} is not of the frontend's family`, {
      path: ['address'],
      allowed: `an IPv${frontend.address.family} address`,
    });
  }
  const protocol = spec.protocol ?? protocolName(frontend.protocol);
  oneOf(protocol, ['TCP', 'UDP', 'SCTP', 'ANY'], 'unknown-protocol', 'protocol');
  const { state = 'active', healthy = true, weight = DEFAULT_WEIGHT } = spec;
  oneOf(state, BACKEND_STATES, 'unknown-state', 'state');
  if (!Number.isInteger(weight) || weight < 0 || weight > 65535) {
    throw new LbtwinError('invalid-weight', `${JSON.stringify(weight)} is not a weight`, {
      path: ['weight'],
      allowed: '0..65535',
    });
  }
  const port = withPath(['port'], () => checkPort(spec.port, 1));
  const text = formatAddress(address);
  return { address, backend: { id, address: text, port, protocol, weight, state, healthy, name: spec.name } };
}

/** Slots list healthy backends first, then by state, address and port. */
function bySlot(a: Candidate, b: Candidate): number {
  if (a.backend.healthy !== b.backend.healthy) return a.backend.healthy ? -1 : 1;
  const states = BACKEND_STATES.indexOf(a.backend.state) - BACKEND_STATES.indexOf(b.backend.state);
  return states || compareAddresses(a.address, b.address) || a.backend.port - b.backend.port;
}

/** True if a flow of this protocol is the frontend's: an ANY frontend takes every protocol. */
export const takesProtocol = (service: Service, protocol: number): boolean =>
  service.frontend.protocol === protocol || service.frontend.protocol === Protocol.ANY;
