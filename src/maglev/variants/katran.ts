import { LbtwinError, withPath } from '../../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../../hash/seed.ts';
import { murmur3x64 } from '../../hash/murmur3.ts';
import { mod64 } from '../../hash/u64.ts';
import { type MaglevBackend } from '../backend.ts';
import { type MaglevOptions, prepareBackends } from '../table.ts';
import { checkPrime, type MaglevVariant, NO_BACKEND, requireBackends } from './variant.ts';

/** An endpoint as Katran's ring builder takes it (docs/maglev.md, "Katran"). */
export interface KatranEndpoint {
  /** What the ring holds: 0..2^31-1. */
  readonly num: number;
  /** 0..2^32-1 */
  readonly weight: number;
  /** High and low half of the endpoint's 64-bit hash; Katran takes it from a library, so here it is an input. */
  readonly hash: readonly [high: number, low: number];
}

export const KATRAN_RING_SIZE = 65537;

/** The largest ring here; Katran itself has no limit but its prime and its map. */
const MAX_RING = 5_000_011;

const block = new Uint8Array(16);
const hashed = new Uint32Array(4);

function writeWord(word: number, at: number): void {
  for (let i = 0; i < 4; i++) block[at + i] = word >>> (8 * i);
}

/** Katran's mix of two 64-bit words (high, low halves) under a 32-bit seed: h1 of murmur3 x64_128 over the two words. */
export function katranHash(
  [aHigh, aLow]: readonly [number, number],
  [bHigh, bLow]: readonly [number, number],
  seed: number,
): [high: number, low: number] {
  [aLow, aHigh, bLow, bHigh].forEach((word, i) => writeWord(word, 4 * i));
  murmur3x64(block, 16, seed, hashed);
  return [hashed[0]!, hashed[1]!];
}

/** Where an endpoint's list starts, and its step. */
export function katranPermutation(hash: readonly [number, number], ringSize: number): { offset: number; skip: number } {
  const offset = katranHash(hash, [0, 42], 0);
  const skip = katranHash(hash, [0, 2718281828], 2307);
  return { offset: mod64(...offset, ringSize), skip: mod64(...skip, ringSize - 1) + 1 };
}

/**
 * Katran's consistent-hash ring: slot to `num`, -1 where empty. Endpoints are taken in the order given (Katran's VIP layer
 * sorts them by hash and leaves out weight 0 before).
 * @param version 1: weights count in the first round only; 2: shares follow the weights
 * @param ringSize 2..5000011, 65537 unless given; Katran asks for a prime and does not check
 * @throws LbtwinError `unsupported-table-size`, `invalid-weight`, `invalid-backend-id`; `ring-never-fills` where Katran would not return
 */
export function katranRing(
  endpoints: readonly KatranEndpoint[],
  version: 1 | 2,
  ringSize: number = KATRAN_RING_SIZE,
): Int32Array {
  if (!Number.isInteger(ringSize) || ringSize < 2 || ringSize > MAX_RING) {
    throw new LbtwinError('unsupported-table-size', `Katran ring size ${JSON.stringify(ringSize)} is not supported`, {
      path: ['ringSize'],
      allowed: `2..${MAX_RING}`,
    });
  }
  endpoints.forEach((endpoint, i) => withPath(['endpoints', i], () => checkEndpoint(endpoint)));
  const ring = new Int32Array(ringSize).fill(-1);
  if (endpoints.length === 0) return ring;
  if (endpoints.length === 1) return ring.fill(endpoints[0]!.num);
  const lists = new KatranLists(endpoints, ring);
  if (version === 1) fillRounds(lists, endpoints);
  else fillByWeight(lists, endpoints);
  return ring;
}

function checkEndpoint({ num, weight }: KatranEndpoint): void {
  if (!Number.isInteger(num) || num < 0 || num > 0x7fffffff) {
    throw new LbtwinError('invalid-backend-id', `${JSON.stringify(num)} is not an endpoint number`, {
      path: ['num'],
      allowed: '0..2147483647',
    });
  }
  if (!Number.isInteger(weight) || weight < 0 || weight > 0xffffffff) {
    throw new LbtwinError('invalid-weight', `${JSON.stringify(weight)} is not a weight`, {
      path: ['weight'],
      allowed: '0..4294967295',
    });
  }
}

/** Katran's positions: offset + k * skip wraps at 2^32 before the modulus, so on large rings a list is no permutation. */
class KatranLists {
  left: number;
  private readonly ring: Int32Array;
  private readonly endpoints: readonly KatranEndpoint[];
  private readonly offset: Uint32Array;
  private readonly skip: Uint32Array;
  private readonly next: Uint32Array;

  constructor(endpoints: readonly KatranEndpoint[], ring: Int32Array) {
    this.ring = ring;
    this.endpoints = endpoints;
    this.left = ring.length;
    this.offset = new Uint32Array(endpoints.length);
    this.skip = new Uint32Array(endpoints.length);
    this.next = new Uint32Array(endpoints.length);
    endpoints.forEach(({ hash }, i) => {
      const { offset, skip } = katranPermutation(hash, ring.length);
      this.offset[i] = offset;
      this.skip[i] = skip;
    });
  }

  place(i: number): void {
    const { ring } = this;
    const size = ring.length;
    const offset = this.offset[i]!;
    const skip = this.skip[i]!;
    const start = this.next[i]!;
    let k = start;
    let slot = 0;
    do {
      slot = ((offset + Math.imul(k, skip)) >>> 0) % size;
      k = (k + 1) >>> 0;
      if (k === start) {
        throw new LbtwinError(
          'ring-never-fills',
          `endpoint ${i}'s list never reaches a free slot: Katran would not return`,
        );
      }
    } while (ring[slot]! >= 0);
    ring[slot] = this.endpoints[i]!.num;
    this.next[i] = k;
    this.left--;
  }
}

function fillRounds(lists: KatranLists, endpoints: readonly KatranEndpoint[]): void {
  for (let first = true; ; first = false) {
    for (let i = 0; i < endpoints.length; i++) {
      const turns = first ? endpoints[i]!.weight : 1;
      for (let t = 0; t < turns; t++) {
        lists.place(i);
        if (lists.left === 0) return;
      }
    }
  }
}

function fillByWeight(lists: KatranLists, endpoints: readonly KatranEndpoint[]): void {
  const largest = endpoints.reduce((max, { weight }) => Math.max(max, weight), 0);
  const accumulated = new Float64Array(endpoints.length);
  for (;;) {
    for (let i = 0; i < endpoints.length; i++) {
      accumulated[i]! += endpoints[i]!.weight;
      if (accumulated[i]! < largest) continue;
      accumulated[i]! -= largest;
      lists.place(i);
      if (lists.left === 0) return;
    }
  }
}

/**
 * Katran behind the interface of all variants. Katran's own address hash is not reproduced: murmur3's h1 of the backend's
 * text under Cilium's seed stands in, so slots are those of a Katran with this hash. Sorted by hash, weight 0 left out, as
 * Katran's VIP layer does.
 */
const katran = (version: 1 | 2): MaglevVariant => ({
  name: `katran-v${version}`,
  title: `Katran's Maglev V${version}`,
  fidelity: 'exact',
  defaultTableSize: KATRAN_RING_SIZE,
  tableSizes: `a prime up to ${MAX_RING}`,
  checkTableSize: (size) => checkPrime(size, 'Katran', MAX_RING),
  build(backends: readonly MaglevBackend[], { tableSize = KATRAN_RING_SIZE, hashSeed }: MaglevOptions = {}) {
    requireBackends(backends);
    withPath(['tableSize'], () => checkPrime(tableSize, 'Katran', MAX_RING));
    const { murmur } = parseHashSeed(hashSeed ?? DEFAULT_HASH_SEED);
    const { ids, hashes, weights } = prepareBackends(backends, murmur);
    const endpoints = Array.from(ids, (_, i): KatranEndpoint => ({
      num: i,
      weight: weights[i]!,
      hash: [hashes[4 * i]!, hashes[4 * i + 1]!],
    }))
      .filter(({ weight }) => weight > 0)
      .sort((a, b) => a.hash[0] - b.hash[0] || a.hash[1] - b.hash[1]);
    return Uint32Array.from(katranRing(endpoints, version, tableSize), (i) => (i < 0 ? NO_BACKEND : ids[i]!));
  },
});

export const katranV1: MaglevVariant = katran(1);
export const katranV2: MaglevVariant = katran(2);
