import { LbtwinError, withPath } from '../../errors.ts';
import { hsiphash32 } from '../../hash/siphash.ts';
import { type IpAddress } from '../../net/address.ts';
import { DEFAULT_WEIGHT, parsedAddress } from '../backend.ts';
import { checkTableSize, TABLE_SIZES } from '../sizes.ts';
import { type MaglevVariant, NO_BACKEND, requireBackends, SlotLists } from './variant.ts';

/** A real server of Linux IPVS's `mh` scheduler (docs/maglev.md, "IPVS"; from description, 64-bit kernels). */
export interface IpvsDestination {
  readonly id: number;
  readonly address: IpAddress;
  readonly port: number;
  /** The last weight above 0 that the server had, 0 if it never had one: a server set to 0 later keeps its slots. */
  readonly lastWeight: number;
}

/** The kernel's default table size (`CONFIG_IP_VS_MH_TAB_INDEX=12`). */
export const IPVS_TABLE_SIZE = 4093;
const FIRST_INDEX = 8;

const OFFSET_KEY = 2654435761;
const SKIP_KEY = 2654446892;

/** The hashed value: address word plus port; an IPv6 address counts as the xor of its words. */
const valueOf = ({ address, port }: { readonly address: IpAddress; readonly port: number }): number =>
  (address.words.reduce((sum, word) => sum ^ word, 0) + port) >>> 0;

/**
 * IPVS's table: slot to destination id, `NO_BACKEND` everywhere if no destination has ever had a weight.
 * @param destinations in the kernel's order: newest first
 * @throws LbtwinError `unsupported-table-size`, `too-many-backends`, `invalid-weight`
 */
export function ipvsTable(destinations: readonly IpvsDestination[], tableSize: number = IPVS_TABLE_SIZE): Uint32Array {
  const size = withPath(['tableSize'], () => checkTableSize(tableSize));
  if (destinations.length > size) {
    throw new LbtwinError('too-many-backends', `${destinations.length} destinations do not fit ${size} slots`, {
      path: ['destinations'],
      allowed: `at most ${size}`,
    });
  }
  destinations.forEach(({ lastWeight }, i) => {
    if (Number.isInteger(lastWeight) && lastWeight >= 0 && lastWeight <= 65535) return;
    throw new LbtwinError('invalid-weight', `${JSON.stringify(lastWeight)} is not a weight that IPVS takes`, {
      path: ['destinations', i, 'lastWeight'],
      allowed: '0..65535',
    });
  });
  const table = new Uint32Array(size).fill(NO_BACKEND);
  const turns = turnsPerRound(destinations, size);
  if (turns === undefined) return table;
  const values = destinations.map(valueOf);
  const lists = new SlotLists(
    values.map((value) => hsiphash32(value, OFFSET_KEY) % size),
    values.map((value) => (hsiphash32(value, SKIP_KEY) % (size - 1)) + 1),
    size,
  );
  for (let left = size; ;) {
    for (let i = 0; i < destinations.length; i++) {
      for (let t = 0; t < turns[i]!; t++) {
        table[lists.take(i)] = destinations[i]!.id;
        if (--left === 0) return table;
      }
    }
  }
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** How many slots each destination takes in a row: its weight, scaled so that the largest fits the table's bits. */
function turnsPerRound(destinations: readonly IpvsDestination[], size: number): number[] | undefined {
  const divisor = destinations.reduce((sum, { lastWeight }) => gcd(sum, lastWeight), 0);
  if (divisor === 0) return undefined;
  const bits = Math.floor((TABLE_SIZES.findIndex((candidate) => candidate === size) + FIRST_INDEX) / 2);
  const largest = destinations.reduce((max, { lastWeight }) => Math.max(max, lastWeight), 0) / divisor;
  const shift = Math.max(0, 32 - Math.clz32(largest) - bits);
  return destinations.map(({ lastWeight }) => (lastWeight === 0 ? 0 : Math.max(1, (lastWeight / divisor) >>> shift)));
}

/** IPVS behind the interface of all variants: backends were added in the order given, and the newest comes first. */
export const ipvs: MaglevVariant = {
  name: 'ipvs',
  title: "Linux IPVS's mh scheduler",
  fidelity: 'from description',
  defaultTableSize: IPVS_TABLE_SIZE,
  tableSizes: TABLE_SIZES.join(', '),
  checkTableSize,
  build(backends, { tableSize = IPVS_TABLE_SIZE } = {}) {
    requireBackends(backends);
    const destinations = backends.map((backend, i) =>
      withPath(['backends', i], (): IpvsDestination => ({
        id: backend.id,
        address: parsedAddress(backend.address),
        port: backend.port,
        lastWeight: backend.weight ?? DEFAULT_WEIGHT,
      })),
    );
    return ipvsTable(destinations.reverse(), tableSize);
  },
};

export interface IpvsLookup {
  /** The `mh-port` flag: the client's port counts. */
  readonly mhPort?: boolean;
  /** The `mh-fallback` flag: where the first choice cannot serve, other slots are tried. */
  readonly mhFallback?: boolean;
  /** Whether a server can serve now: its weight is above 0 and it is not overloaded. All can unless given. */
  readonly available?: (id: number) => boolean;
}

/** The server that IPVS picks for a client, or `undefined`. `table` is from `ipvsTable`; `port` is 0..65535. */
export function ipvsSelect(
  table: Uint32Array,
  client: IpAddress,
  port: number,
  { mhPort = false, mhFallback = false, available = () => true }: IpvsLookup = {},
): number | undefined {
  const size = table.length;
  const value = valueOf({ address: client, port: mhPort ? port : 0 });
  const slotAt = (roundOffset: number): number => hsiphash32((roundOffset + value) >>> 0, OFFSET_KEY) % size;
  const serves = (slot: number): boolean => table[slot] !== NO_BACKEND && available(table[slot]!);
  const first = slotAt(0);
  if (serves(first)) return table[first];
  if (!mhFallback) return undefined;
  for (let k = 0; k < size; k++) {
    const slot = slotAt((k + first) % size);
    if (serves(slot)) return table[slot];
  }
  return undefined;
}
