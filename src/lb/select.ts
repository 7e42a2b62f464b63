import { LbtwinError } from '../errors.ts';
import { hashSwapped4, hashTuple, hashTuples6, SWAPPED } from '../hash/tuple.ts';
import { isUnspecified } from '../net/address.ts';
import { checkColumns, notAddressed } from './columns.ts';
import { type Backend, type SelectionAlgorithm, type Service, takesProtocol } from './service.ts';
import { moduloBy, randomSlot } from './slot.ts';
import { protocolNumber, readAddress, readPort, type Tuple, type TupleColumns } from './tuple.ts';

/** A source of random 32-bit words, as the kernel's generator is to the datapath. */
export type RandomU32 = () => number;

const words = new Uint32Array(4);

function needRandom(random: RandomU32 | undefined): RandomU32 {
  if (random !== undefined) return random;
  throw new LbtwinError('random-required', 'algorithm random needs a source of random words', {
    path: ['random'],
    allowed: 'a function that returns a u32',
  });
}

/** Checks a tuple against the frontend and leaves the client's address in `words`; returns the protocol. */
function readTuple(service: Service, tuple: Tuple): number {
  const { frontend, family } = service;
  const protocol = protocolNumber(tuple.protocol);
  if (!takesProtocol(service, protocol)) throw notAddressed(service, ['protocol']);
  if (tuple.dport !== undefined && tuple.dport !== frontend.port) throw notAddressed(service, ['dport']);
  if (tuple.daddr !== undefined) {
    readAddress(tuple.daddr, family, words, undefined, 'daddr');
    const wanted = frontend.address.words;
    for (let i = 0; i < wanted.length; i++) {
      if (words[i] !== wanted[i] && !isUnspecified(frontend.address)) throw notAddressed(service, ['daddr']);
    }
  }
  readAddress(tuple.saddr, family, words, undefined, 'saddr');
  readPort(tuple.sport, undefined, 'sport');
  return protocol;
}

/** The hash of a flow whose client address is in `words`. */
const hashOf = (service: Service, sport: number, protocol: number): number =>
  hashTuple(
    service.family,
    words,
    0,
    service.sessionAffinity ? 0 : sport,
    service.frontend.port,
    protocol,
    service.seed,
  );

/**
 * The backend that Cilium's datapath picks for the first packet of a flow, or `undefined` when none may be picked
 * (docs/selection.md).
 * @param tuple addresses as text or packed words (big-endian; one for IPv4, four for IPv6)
 * @param random needed by algorithm `random`, which draws one word from it per call
 * @throws LbtwinError `tuple-mismatch`, `family-mismatch`, `invalid-address`, `invalid-port`, `unknown-protocol`, `random-required`
 */
export function selectBackend(service: Service, tuple: Tuple, random?: RandomU32): Backend | undefined {
  const protocol = readTuple(service, tuple);
  if (service.count === 0) return undefined;
  const { owners } = service;
  const index =
    owners === undefined
      ? randomSlot(needRandom(random)(), service.count) - 1
      : owners[moduloBy(hashOf(service, tuple.sport, protocol), owners.length, service.inverse)]!;
  return service.backends[index];
}

/**
 * `selectBackend` for many flows: writes the backend id of row i to `out[i]`, 0 for none. Nothing is written if a row is wrong.
 * @param columns of the frontend's family; see `TupleColumns`
 * @param out at least as long as `columns.sport`
 * @throws LbtwinError as `selectBackend`, with the row in the path, and `invalid-columns`
 */
export function selectBackends(service: Service, columns: TupleColumns, out: Uint32Array, random?: RandomU32): void {
  checkColumns(service, columns, out);
  const rows = columns.sport.length;
  if (service.count === 0) out.fill(0, 0, rows);
  else if (service.owners === undefined) drawSlots(service, rows, out, needRandom(random));
  else if (service.family === 4) lookUp4(service, service.owners, columns, out);
  else lookUp6(service, service.owners, columns, out);
}

function drawSlots(service: Service, rows: number, out: Uint32Array, random: RandomU32): void {
  const { slots, count } = service;
  for (let i = 0; i < rows; i++) out[i] = slots[randomSlot(random(), count) - 1]!;
}

/* The two loops differ in the hash only. They are apart so that everything in them stays in registers; IPv6's is a loop of its own. */

function lookUp4(service: Service, owners: Uint16Array, columns: TupleColumns, out: Uint32Array): void {
  const { saddr, sport, protocol } = columns;
  const { seed, inverse, slots } = service;
  const { port, protocol: fixed } = service.frontend;
  const keep = service.sessionAffinity ? 0 : 0xffff;
  const size = owners.length;
  const clients = new DataView(saddr.buffer, saddr.byteOffset, saddr.byteLength);
  for (let i = 0; i < sport.length; i++) {
    const proto = fixed === 0 ? protocol![i]! : fixed;
    const hash = hashSwapped4(clients.getInt32(4 * i, SWAPPED), sport[i]! & keep, port, proto, seed);
    out[i] = slots[owners[moduloBy(hash, size, inverse)]!]!;
  }
}

/** Rows hashed at a time. */
const CHUNK = 256;
const hashes = new Int32Array(CHUNK);

function lookUp6(service: Service, owners: Uint16Array, columns: TupleColumns, out: Uint32Array): void {
  const { saddr, sport, protocol } = columns;
  const { seed, inverse, slots } = service;
  const { port, protocol: fixed } = service.frontend;
  const keep = service.sessionAffinity ? 0 : 0xffff;
  const size = owners.length;
  const protocols = fixed === 0 ? protocol : undefined;
  const clients = new DataView(saddr.buffer, saddr.byteOffset, saddr.byteLength);
  for (let from = 0; from < sport.length; from += CHUNK) {
    const rows = Math.min(CHUNK, sport.length - from);
    hashTuples6(clients, sport, from, rows, keep, port, protocols, fixed, seed | 0, hashes);
    for (let i = 0; i < rows; i++) out[from + i] = slots[owners[moduloBy(hashes[i]! >>> 0, size, inverse)]!]!;
  }
}

/** Why `selectBackend` answers what it does. */
export interface SelectionExplanation {
  readonly algorithm: SelectionAlgorithm;
  readonly backend: Backend | undefined;
  /** The backends that may be picked, in slot order. */
  readonly candidates: readonly Backend[];
  /** Which backends these are. */
  readonly selectable: Service['selectable'];
  /** Maglev only, as the next four: the flow's hash, … */
  readonly hash: number | undefined;
  /** … the client port that entered it (0 under session affinity), … */
  readonly hashedPort: number | undefined;
  readonly tableSize: number | undefined;
  /** … hash modulo table size, … */
  readonly tableIndex: number | undefined;
  /** … and the backend that owns this slot of the table. */
  readonly slotOwner: Backend | undefined;
  /** Random only: the word that was drawn and the 1-based slot it picked. */
  readonly randomWord: number | undefined;
  readonly slot: number | undefined;
}

/**
 * `selectBackend`, told: every number on the way. With algorithm `random` and no random source the answer is the candidates.
 * @throws LbtwinError as `selectBackend`, except `random-required`
 */
export function explainSelection(service: Service, tuple: Tuple, random?: RandomU32): SelectionExplanation {
  const protocol = readTuple(service, tuple);
  const { owners, count } = service;
  const hash = owners === undefined ? undefined : hashOf(service, tuple.sport, protocol);
  const tableIndex = hash === undefined ? undefined : hash % owners!.length;
  const owner = tableIndex === undefined ? undefined : service.backends[owners![tableIndex]!];
  const draws = service.algorithm === 'random' && count > 0 && random !== undefined;
  const randomWord = draws ? random() >>> 0 : undefined;
  const slot = randomWord === undefined ? undefined : randomSlot(randomWord, count);
  return {
    algorithm: service.algorithm,
    backend: owner ?? (slot === undefined ? undefined : service.backends[slot - 1]),
    candidates: service.backends.slice(0, count),
    selectable: service.selectable,
    hash,
    hashedPort: hash === undefined ? undefined : service.sessionAffinity ? 0 : tuple.sport,
    tableSize: owners?.length,
    tableIndex,
    slotOwner: owner,
    randomWord,
    slot,
  };
}
