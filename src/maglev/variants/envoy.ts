import { LbtwinError, withPath } from '../../errors.ts';
import { mod64 } from '../../hash/u64.ts';
import { xxh64 } from '../../hash/xxh64.ts';
import { formatEndpoint } from '../../net/endpoint.ts';
import { utf8Bytes } from '../../net/text.ts';
import { parsedAddress } from '../backend.ts';
import { checkPrime, type MaglevVariant, NO_BACKEND, requireBackends, SlotLists } from './variant.ts';

/** A host as Envoy's Maglev policy sees it (docs/maglev.md, "Envoy"; from description). */
export interface EnvoyHost {
  readonly id: number;
  /** The hashed text: `hash_key` metadata, the host name, or `ip:port`. */
  readonly key: string;
  /** 1..2^32-1; 1 unless given. */
  readonly weight?: number;
  /** With locality weights: which locality the host is in. */
  readonly locality?: string;
}

export interface EnvoyOptions {
  /** A prime up to 5000011; 65537 unless given. */
  readonly tableSize?: number;
  /** Turns locality weighting on: a weight per locality; localities of weight 0 are left out. */
  readonly localityWeights?: Readonly<Record<string, number>>;
}

export const ENVOY_TABLE_SIZE = 65537;
const MAX_TABLE = 5_000_011;

/**
 * Envoy's Maglev table: slot to host id.
 * @throws LbtwinError `unsupported-table-size`, `no-backends`, `invalid-weight`, `unknown-locality`; `undecided-order` for equal
 *   keys, which Envoy orders by memory address
 */
export function envoyTable(hosts: readonly EnvoyHost[], options: EnvoyOptions = {}): Uint32Array {
  const size = withPath(['tableSize'], () => checkPrime(options.tableSize ?? ENVOY_TABLE_SIZE, 'Envoy', MAX_TABLE));
  requireBackends(hosts);
  hosts.forEach((host, i) => withPath(['hosts', i], () => checkHost(host, options)));
  const weighted = effectiveWeights(hosts, options.localityWeights);
  weighted.sort((a, b) => compareBytes(a.key, b.key));
  weighted.forEach(({ host, key }, i) => {
    if (i === 0 || compareBytes(weighted[i - 1]!.key, key) !== 0) return;
    throw new LbtwinError(
      'undecided-order',
      `two hosts share the key ${host.key}: Envoy orders them by memory address`,
      {
        path: ['hosts', hosts.indexOf(host)],
        allowed: 'one host for each key',
      },
    );
  });
  const out = new Uint32Array(2);
  const hash = (key: Uint8Array, seed: number, modulus: number): number => {
    xxh64(key, seed, out);
    return mod64(out[0]!, out[1]!, modulus);
  };
  const lists = new SlotLists(
    weighted.map(({ key }) => hash(key, 0, size)),
    weighted.map(({ key }) => hash(key, 1, size - 1) + 1),
    size,
  );
  return fill(lists, weighted, size);
}

function checkHost({ weight = 1, locality }: EnvoyHost, { localityWeights }: EnvoyOptions): void {
  if (!Number.isInteger(weight) || weight < 1 || weight > 0xffffffff) {
    throw new LbtwinError('invalid-weight', `${JSON.stringify(weight)} is not a weight that Envoy takes`, {
      path: ['weight'],
      allowed: '1..4294967295',
    });
  }
  if (localityWeights !== undefined && (locality === undefined || !Object.hasOwn(localityWeights, locality))) {
    throw new LbtwinError('unknown-locality', `locality ${JSON.stringify(locality)} has no weight`, {
      path: ['locality'],
      allowed: Object.keys(localityWeights).join(', '),
    });
  }
}

interface Weighted {
  readonly host: EnvoyHost;
  readonly key: Uint8Array;
  readonly weight: number;
}

/** weight * share of the locality / weights in the locality, in this order, in doubles. */
function effectiveWeights(hosts: readonly EnvoyHost[], localityWeights?: Readonly<Record<string, number>>): Weighted[] {
  const localityOf = (host: EnvoyHost): string => (localityWeights === undefined ? '' : host.locality!);
  const sums = new Map<string, number>();
  for (const host of hosts) sums.set(localityOf(host), (sums.get(localityOf(host)) ?? 0) + (host.weight ?? 1));
  let total = 0;
  for (const locality of sums.keys()) total += localityWeights?.[locality] ?? 1;
  return hosts
    .map((host) => {
      const locality = localityOf(host);
      const share = localityWeights === undefined ? 1 : localityWeights[locality]! / total;
      return { host, key: utf8Bytes(host.key), weight: ((host.weight ?? 1) * share) / sums.get(locality)! };
    })
    .filter(({ weight }) => weight > 0);
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/** Whole rounds over the hosts; a host is passed over while iteration * weight is below its target. */
function fill(lists: SlotLists, hosts: readonly Weighted[], size: number): Uint32Array {
  const table = new Uint32Array(size).fill(NO_BACKEND);
  const largest = hosts.reduce((max, { weight }) => Math.max(max, weight), 0);
  const target = new Float64Array(hosts.length);
  if (hosts.length === 0) return table;
  let left = size;
  for (let iteration = 1; left > 0; iteration++) {
    for (let i = 0; i < hosts.length && left > 0; i++) {
      if (iteration * hosts[i]!.weight < target[i]!) continue;
      target[i]! += largest;
      table[lists.take(i)] = hosts[i]!.host.id;
      left--;
    }
  }
  return table;
}

/**
 * The host that Envoy picks for a 64-bit request hash (high and low half): retry `attempt` (0 is the first try) looks elsewhere.
 */
export function envoySelect(table: Uint32Array, [high, low]: readonly [number, number], attempt = 0): number {
  const [flipHigh, flipLow] = attempt === 0 ? [0, 0] : [0xffffffff, -attempt >>> 0];
  return table[mod64((high ^ flipHigh) >>> 0, (low ^ flipLow) >>> 0, table.length)]!;
}

/** Envoy behind the interface of all variants: keys are `ip:port`, no localities. */
export const envoy: MaglevVariant = {
  name: 'envoy',
  title: "Envoy's Maglev",
  fidelity: 'from description',
  defaultTableSize: ENVOY_TABLE_SIZE,
  tableSizes: `a prime up to ${MAX_TABLE}`,
  checkTableSize: (size) => checkPrime(size, 'Envoy', MAX_TABLE),
  build: (backends, { tableSize = ENVOY_TABLE_SIZE } = {}) =>
    envoyTable(
      backends.map((backend, i) =>
        withPath(['backends', i], () => ({
          id: backend.id,
          key: formatEndpoint({ address: parsedAddress(backend.address), port: backend.port }),
          ...(backend.weight === undefined ? {} : { weight: backend.weight }),
        })),
      ),
      { tableSize },
    ),
};
