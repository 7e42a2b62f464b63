import { LbtwinError } from '../../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../../hash/seed.ts';
import { HASH_WORDS, offsetOf, skipOf } from '../backend.ts';
import { prepareBackends } from '../table.ts';
import { checkPrime, type MaglevVariant, requireBackends, SlotLists } from './variant.ts';

export const PAPER_TABLE_SIZE = 65537;
/** The largest size for which the 64-bit remainders of `offsetOf` and `skipOf` stay exact. */
const MAX_TABLE = 2_097_143;

/**
 * The paper's plain algorithm (docs/maglev.md, "The paper"): whole rounds, one slot for each backend and round, any prime
 * size. The paper leaves the hash functions open: murmur3's two halves of the backend's text, in the order of the texts, are
 * taken, as Cilium does. It leaves weights open, too: unequal ones are refused.
 */
export const paper: MaglevVariant = {
  name: 'paper',
  title: "the Maglev paper's plain algorithm",
  fidelity: 'from description',
  defaultTableSize: PAPER_TABLE_SIZE,
  tableSizes: `a prime up to ${MAX_TABLE}`,
  checkTableSize: (size) => checkPrime(size, 'Maglev', MAX_TABLE),
  build(backends, { tableSize = PAPER_TABLE_SIZE, hashSeed = DEFAULT_HASH_SEED } = {}) {
    requireBackends(backends);
    const size = checkPrime(tableSize, 'Maglev', MAX_TABLE);
    const { ids, hashes, weights } = prepareBackends(backends, parseHashSeed(hashSeed).murmur);
    if (weights.some((weight) => weight !== weights[0])) {
      throw new LbtwinError('weights-unsupported', 'the plain algorithm knows no weights', {
        path: ['backends'],
        allowed: 'equal weights',
      });
    }
    const lists = new SlotLists(
      Array.from(ids, (_, i) => offsetOf(hashes, i * HASH_WORDS, size)),
      Array.from(ids, (_, i) => skipOf(hashes, i * HASH_WORDS, size)),
      size,
    );
    const table = new Uint32Array(size);
    for (let n = 0; n < size; n++) table[lists.take(n % ids.length)] = ids[n % ids.length]!;
    return table;
  },
};
