import { LbtwinError, withPath } from '../errors.ts';
import { type Family, parseIpv4Word, parseIpv6Words, wordsOf } from '../net/address.ts';
import { parseProtocol } from '../net/protocol.ts';

/** An address as text, as one unsigned word (IPv4) or as four, most significant first (IPv6). */
export type PackedAddress = string | number | ArrayLike<number>;

/** A flow as the datapath sees its first packet: source is the client, destination the frontend. */
export interface Tuple {
  /** Name or IANA number. */
  readonly protocol: string | number;
  readonly saddr: PackedAddress;
  /** 0..65535, host order, as `dport`. */
  readonly sport: number;
  /** The frontend's address; may be left out where the service is given. */
  readonly daddr?: PackedAddress;
  readonly dport?: number;
}

/**
 * Flows as columns, for batches. Row i is `sport[i]` and the words of `saddr` from `i * wordsOf(family)`. `daddr`, `dport` and `protocol`
 * may be absent (the frontend's are meant); where present they are checked against the frontend.
 */
export interface TupleColumns {
  readonly family: Family;
  readonly saddr: Uint32Array;
  readonly sport: Uint16Array;
  readonly daddr?: Uint32Array;
  readonly dport?: Uint16Array;
  readonly protocol?: Uint8Array;
}

/** Empty columns for `length` flows. */
export function tupleColumns(family: Family, length: number): Required<TupleColumns> {
  const words = wordsOf(family);
  return {
    family,
    saddr: new Uint32Array(length * words),
    sport: new Uint16Array(length),
    daddr: new Uint32Array(length * words),
    dport: new Uint16Array(length),
    protocol: new Uint8Array(length),
  };
}

/**
 * Columns from flows, all of one family; every flow names its destination.
 * @throws LbtwinError with the path `[i].saddr` and the like
 */
export function packTuples(family: Family, tuples: readonly Required<Tuple>[]): Required<TupleColumns> {
  const columns = tupleColumns(family, tuples.length);
  const words = wordsOf(family);
  const scratch = new Uint32Array(4);
  tuples.forEach((tuple, i) => {
    readAddress(tuple.saddr, family, scratch, i, 'saddr');
    columns.saddr.set(scratch.subarray(0, words), i * words);
    readAddress(tuple.daddr, family, scratch, i, 'daddr');
    columns.daddr.set(scratch.subarray(0, words), i * words);
    columns.sport[i] = readPort(tuple.sport, i, 'sport');
    columns.dport[i] = readPort(tuple.dport, i, 'dport');
    columns.protocol[i] = protocolNumber(tuple.protocol);
  });
  return columns;
}

const pathOf = (row: number | undefined, key: string): (string | number)[] => (row === undefined ? [key] : [row, key]);

/** @throws LbtwinError `invalid-port` */
export function readPort(port: number, row: number | undefined, key: string): number {
  if (!(port >= 0 && port <= 65535 && Number.isInteger(port))) {
    throw new LbtwinError('invalid-port', `${JSON.stringify(port)} is not a port number`, {
      path: pathOf(row, key),
      allowed: '0..65535',
    });
  }
  return port;
}

/** A protocol's number; the commonest names without a look-up. @throws LbtwinError `unknown-protocol` */
export function protocolNumber(protocol: string | number): number {
  if (typeof protocol === 'number') {
    if (protocol >= 0 && protocol <= 255 && Number.isInteger(protocol)) return protocol;
  } else if (protocol === 'TCP') {
    return 6;
  } else if (protocol === 'UDP') {
    return 17;
  }
  return withPath(['protocol'], () => parseProtocol(protocol as string));
}

/**
 * Writes an address of the expected family to `out`: one word or four.
 * @throws LbtwinError `invalid-address`, `family-mismatch`
 */
export function readAddress(
  address: PackedAddress,
  family: Family,
  out: Uint32Array,
  row: number | undefined,
  key: string,
): void {
  if (typeof address === 'number') {
    if (family === 4 && address >= 0 && address <= 0xffffffff && Number.isInteger(address)) {
      out[0] = address;
      return;
    }
  } else if (typeof address === 'string') {
    if (family === 4) {
      const word = parseIpv4Word(address);
      if (word >= 0) {
        out[0] = word;
        return;
      }
    } else if (parseIpv6Words(address, address.length, out, 0)) {
      return;
    }
  } else if (address !== null && typeof address === 'object' && address.length === wordsOf(family)) {
    for (let i = 0; i < address.length; i++) out[i] = address[i]!;
    return;
  }
  throw wrongAddress(address, family, pathOf(row, key));
}

function wrongAddress(address: PackedAddress, family: Family, path: (string | number)[]): LbtwinError {
  const shown = typeof address === 'object' ? `[${Array.from(address ?? []).join(', ')}]` : JSON.stringify(address);
  const allowed = family === 4 ? 'an IPv4 address as text or one u32' : 'an IPv6 address as text or four u32 words';
  const other =
    typeof address === 'string' &&
    (family === 6 ? parseIpv4Word(address) >= 0 : parseIpv6Words(address, address.length, [0, 0, 0, 0], 0));
  return other
    ? new LbtwinError('family-mismatch', `${shown} is not of the frontend's family`, { path, allowed })
    : new LbtwinError('invalid-address', `${shown} is not an IPv${family} address`, { path, allowed });
}
