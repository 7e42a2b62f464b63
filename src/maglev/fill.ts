import { HASH_WORDS, offsetOf, skipOf } from './backend.ts';
import { Gaps } from './gaps.ts';

/**
 * Cilium's fill (docs/maglev.md): backends take turns, each taking the first still empty slot of its own list (offset, offset + skip, …).
 * The list is never materialised: a position per backend is all that is kept, so memory is the table plus a few words per backend.
 *
 * The wrap without a branch (`c += skip - M; c += M & (c >> 31)`) nearly halves the time; a byte per slot marks occupancy, since every u32
 * but 0xffffffff is a valid id.
 */

/** True if the weights change the table: their integer mean is above one and they are not all equal. */
export function weightsMatter(weights: ArrayLike<number>): boolean {
  let sum = 0;
  let equal = true;
  for (let i = 0; i < weights.length; i++) {
    sum += weights[i]!;
    if (weights[i] !== weights[0]) equal = false;
  }
  return !equal && Math.floor(sum / weights.length) > 1;
}

/**
 * Fills `table` (its length is the table size, a prime) with `ids`.
 * @param hashes four words per backend, in the order of the sorted hash strings
 * @param weights 0..65535 per backend, or undefined for equal ones
 */
export function fillTable(table: Uint32Array, ids: Uint32Array, hashes: Uint32Array, weights?: Uint16Array): void {
  const size = table.length;
  const count = ids.length;
  const position = new Int32Array(count);
  const step = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    position[i] = offsetOf(hashes, i * HASH_WORDS, size);
    step[i] = skipOf(hashes, i * HASH_WORDS, size) - size;
  }
  const taken = new Uint8Array(size);
  // Slots that backends walk to; the others are calculated (`Gaps`), which pays from about here on.
  const walked = size - Math.floor(Math.sqrt(size / 2));
  if (weights === undefined || !weightsMatter(weights)) fillEqual(table, ids, position, step, taken, walked);
  else fillWeighted(table, ids, position, step, taken, walked, weights);
}

function fillEqual(
  table: Uint32Array,
  ids: Uint32Array,
  position: Int32Array,
  step: Int32Array,
  taken: Uint8Array,
  walked: number,
): void {
  const size = table.length | 0;
  const count = ids.length;
  for (let n = 0; n < walked;) {
    const turns = Math.min(count, walked - n);
    for (let i = 0; i < turns; i++) {
      const s = step[i]! | 0;
      let c = position[i]! | 0;
      while (taken[c] !== 0) {
        c = (c + s) | 0;
        c = (c + (size & (c >> 31))) | 0;
      }
      taken[c] = 1;
      table[c] = ids[i]!;
      c = (c + s) | 0;
      position[i] = (c + (size & (c >> 31))) | 0;
    }
    n += turns;
  }
  const gaps = new Gaps(taken, walked, position, step);
  for (let n = walked, i = walked % count; n < size; n++) {
    table[gaps.take(i)] = ids[i]!;
    i = i + 1 === count ? 0 : i + 1;
  }
}

const NEVER = 0x7fffffff;

/**
 * With weights, turn n starts at backend n mod N and passes over backends whose counter is above (n + 1) * weight; only the winner's counter
 * grows, by the weight sum. Counters start at floor(weight / N) and stay integers, so a backend is due from turn
 * ceil(counter / weight) on: that number is kept instead, and a look costs one comparison of integers. Weight 0 is due once.
 */
function fillWeighted(
  table: Uint32Array,
  ids: Uint32Array,
  position: Int32Array,
  step: Int32Array,
  taken: Uint8Array,
  walked: number,
  weights: Uint16Array,
): void {
  const size = table.length | 0;
  const count = ids.length;
  const counter = new Float64Array(count);
  const due = new Int32Array(count);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    sum += weights[i]!;
    counter[i] = Math.floor(weights[i]! / count);
  }
  let start = 0;
  let gaps: Gaps | undefined;
  for (let turn = 1; turn <= size; turn++) {
    let i = start;
    while (due[i]! > turn) i = i + 1 === count ? 0 : i + 1;
    const weight = weights[i]!;
    counter[i] = counter[i]! + sum;
    due[i] = weight === 0 ? NEVER : Math.min(NEVER, Math.ceil(counter[i]! / weight));
    start = start + 1 === count ? 0 : start + 1;
    if (turn > walked) {
      gaps ??= new Gaps(taken, walked, position, step);
      table[gaps.take(i)] = ids[i]!;
      continue;
    }
    const s = step[i]! | 0;
    let c = position[i]! | 0;
    while (taken[c] !== 0) {
      c = (c + s) | 0;
      c = (c + (size & (c >> 31))) | 0;
    }
    taken[c] = 1;
    table[c] = ids[i]!;
    c = (c + s) | 0;
    position[i] = (c + (size & (c >> 31))) | 0;
  }
}
