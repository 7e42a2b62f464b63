import { LbtwinError, withPath } from '../errors.ts';
import { DEFAULT_HASH_SEED, parseHashSeed } from '../hash/seed.ts';
import { backendHashString, DEFAULT_WEIGHT, HASH_WORDS, hashBackendText, type MaglevBackend } from './backend.ts';
import { fillTable } from './fill.ts';
import { checkTableSize, DEFAULT_TABLE_SIZE } from './sizes.ts';

export interface MaglevOptions {
  /** One of `TABLE_SIZES`; 16381 if absent. */
  readonly tableSize?: number;
  /** Twelve bytes in base64, `JLfvgnHc2kaSUFaI` if absent; only the first four matter to the table. */
  readonly hashSeed?: string;
}

/** Up to this many backends the agent's sort keeps the input order of equal texts; above, their order is not defined. */
const STABLE_SORT_LIMIT = 12;

/** What a table is filled from, in the order of the sorted hash strings; independent of the table size. */
export interface PreparedBackends {
  readonly ids: Uint32Array;
  /** h1 high, h1 low, h2 high, h2 low per backend. */
  readonly hashes: Uint32Array;
  readonly weights: Uint16Array;
  readonly texts: readonly string[];
}

/** A backend whose text (`backendHashString`) is at hand. */
export interface NamedBackend {
  readonly id: number;
  readonly weight: number;
  readonly text: string;
}

/** Checks, sorts and hashes backends. @throws LbtwinError with the path `backends[i]…`; see `buildLookupTable` */
export function prepareBackends(backends: readonly MaglevBackend[], murmurSeed: number): PreparedBackends {
  if (backends.length === 0) {
    throw new LbtwinError('no-backends', 'a Maglev table needs a backend', {
      path: ['backends'],
      allowed: 'one or more',
    });
  }
  const named = backends.map((backend, i): NamedBackend => {
    const { id, weight = DEFAULT_WEIGHT } = backend;
    return { id, weight, text: withPath(['backends', i], () => textOf(backend)) };
  });
  return prepareNamed(named, murmurSeed);
}

/**
 * Sorts and hashes backends; they are taken as checked.
 * @param before what was prepared with the same seed: texts that it has are not hashed again
 * @throws LbtwinError `undecided-order`
 */
export function prepareNamed(
  backends: readonly NamedBackend[],
  murmurSeed: number,
  before?: PreparedBackends,
): PreparedBackends {
  const order = backends.map((_, i) => i).sort((a, b) => compareText(backends[a]!.text, backends[b]!.text));
  const count = order.length;
  const ids = new Uint32Array(count);
  const weights = new Uint16Array(count);
  const hashes = new Uint32Array(count * HASH_WORDS);
  const known = before?.texts ?? [];
  // Both lists are sorted: one pass over the known ones is enough.
  let next = 0;
  order.forEach((from, to) => {
    const { id, weight, text } = backends[from]!;
    ids[to] = id;
    weights[to] = weight;
    const twin = to > 0 && backends[order[to - 1]!]!.text === text;
    if (twin && count > STABLE_SORT_LIMIT && (ids[to - 1] !== id || weights[to - 1] !== weight)) {
      throw new LbtwinError(
        'undecided-order',
        `two backends share the text ${text}: which comes first is not defined`,
        {
          path: ['backends', from],
          allowed: `equal backends among at most ${STABLE_SORT_LIMIT}`,
        },
      );
    }
    while (next < known.length && known[next]! < text) next++;
    const at = to * HASH_WORDS;
    if (known[next] !== text) hashBackendText(text, murmurSeed, hashes, at);
    else for (let word = 0; word < HASH_WORDS; word++) hashes[at + word] = before!.hashes[next * HASH_WORDS + word]!;
  });
  return { ids, hashes, weights, texts: order.map((i) => backends[i]!.text) };
}

const compareText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

function textOf(backend: MaglevBackend): string {
  const { id, weight = DEFAULT_WEIGHT } = backend;
  if (!Number.isInteger(id) || id < 0 || id > 0xfffffffe) {
    throw new LbtwinError('invalid-backend-id', `${JSON.stringify(id)} is not a backend id`, {
      path: ['id'],
      allowed: '0..4294967294',
    });
  }
  if (!Number.isInteger(weight) || weight < 0 || weight > 65535) {
    throw new LbtwinError('invalid-weight', `${JSON.stringify(weight)} is not a weight`, {
      path: ['weight'],
      allowed: '0..65535',
    });
  }
  return backendHashString(backend);
}

/**
 * The Maglev lookup table that Cilium builds for these backends: slot to backend id, `tableSize` entries (docs/maglev.md).
 * The order of `backends` does not matter as long as their addresses differ.
 * @throws LbtwinError `no-backends`, `unsupported-table-size`, `invalid-hash-seed`, `invalid-backend-id`, `invalid-weight`,
 *   `invalid-address`, `invalid-port`, `unknown-protocol`, `invalid-scope`, `invalid-cluster-id`, `undecided-order`
 */
export function buildLookupTable(backends: readonly MaglevBackend[], options: MaglevOptions = {}): Uint32Array {
  const size = withPath(['tableSize'], () => checkTableSize(options.tableSize ?? DEFAULT_TABLE_SIZE));
  const seeds = withPath(['hashSeed'], () => parseHashSeed(options.hashSeed ?? DEFAULT_HASH_SEED));
  return tableOf(prepareBackends(backends, seeds.murmur), size);
}

/** The table of prepared backends. `tableSize` is taken as checked. */
export function tableOf(prepared: PreparedBackends, tableSize: number): Uint32Array {
  const table = new Uint32Array(tableSize);
  fillTable(table, prepared.ids, prepared.hashes, prepared.weights);
  return table;
}
