/**
 * The last empty slots of a table. Near the end a backend walks past nearly all slots until it meets an empty one; by then it costs less to ask of
 * each empty slot how many steps away it is: (slot - position) / skip, modulo the table size.
 */
export class Gaps {
  readonly #slots: Int32Array;
  #left: number;
  readonly #size: number;
  readonly #position: Int32Array;
  readonly #step: Int32Array;
  /** 1 / skip modulo the table size, by backend; 0 where nobody asked yet. */
  readonly #inverse: Int32Array;

  /**
   * @param taken 0 for empty slots, of which all but `walked` are left; its length is the table size, a prime below 2^18
   * @param position where each backend looks next; not needed any more where it has taken a slot here
   * @param step skip minus table size, by backend
   */
  constructor(taken: Uint8Array, walked: number, position: Int32Array, step: Int32Array) {
    this.#size = taken.length;
    this.#left = 0;
    this.#slots = new Int32Array(taken.length - walked);
    for (let slot = taken.indexOf(0); slot >= 0; slot = taken.indexOf(0, slot + 1)) this.#slots[this.#left++] = slot;
    this.#position = position;
    this.#step = step;
    this.#inverse = new Int32Array(position.length);
  }

  /** The first empty slot on backend `i`'s list, which is empty no longer. */
  take(i: number): number {
    const inverse = (this.#inverse[i] ||= inverseOf(this.#step[i]! + this.#size, this.#size));
    const at = nearest(this.#slots, this.#left, this.#position[i]!, inverse, this.#size);
    const slot = this.#slots[at]!;
    this.#slots[at] = this.#slots[--this.#left]!;
    // Nothing between the old position and this slot is empty: where the backend looks next need not be told.
    return slot;
  }
}

/**
 * Index of the slot that is the fewest steps from `from`. Table sizes are below 2^18, so doubles hold the products; and being
 * a multiple of the size only if it is 0 (the size is prime), a product has a quotient that rounding cannot move across a whole number.
 */
function nearest(slots: Int32Array, count: number, from: number, inverse: number, size: number): number {
  const reciprocal = 1 / size;
  let best = size;
  let at = 0;
  for (let k = 0; k < count; k++) {
    const x = (slots[k]! - from) | 0;
    const product = ((x + (size & (x >> 31))) | 0) * inverse;
    const steps = product - ((product * reciprocal) | 0) * size;
    if (steps < best) {
      best = steps;
      at = k;
    }
  }
  return at;
}

/** 1 / `a` modulo the prime `m`, 0 < a < m, by Euclid's algorithm. */
function inverseOf(a: number, m: number): number {
  let [r, s] = [m, a];
  let [x, y] = [0, 1];
  while (s !== 1) {
    const q = (r / s) | 0;
    [r, s] = [s, r - q * s];
    [x, y] = [y, x - q * y];
  }
  return y < 0 ? y + m : y;
}
