/** SipHash-1-3 of one 32-bit word, as Linux's 64-bit `hsiphash_1u32` (docs/hashing.md), in two 32-bit halves. */

/** v0..v3 as high, low pairs. Module-level: one hash at a time. */
const v = new Int32Array(8);

/** v[a] += v[b] */
function add(a: number, b: number): void {
  const low = (v[a + 1]! >>> 0) + (v[b + 1]! >>> 0);
  v[a] = v[a]! + v[b]! + (low > 0xffffffff ? 1 : 0);
  v[a + 1] = low;
}

/** v[a] = rotl(v[a], bits) ^ v[b], bits 1..31 */
function rotateXor(a: number, bits: number, b: number): void {
  const high = (v[a]! << bits) | (v[a + 1]! >>> (32 - bits));
  const low = (v[a + 1]! << bits) | (v[a]! >>> (32 - bits));
  v[a] = high ^ v[b]!;
  v[a + 1] = low ^ v[b + 1]!;
}

/** v[a] = rotl(v[a], 32) */
function swap(a: number): void {
  const high = v[a]!;
  v[a] = v[a + 1]!;
  v[a + 1] = high;
}

function sipRound(): void {
  add(0, 2);
  rotateXor(2, 13, 0);
  swap(0);
  add(4, 6);
  rotateXor(6, 16, 4);
  add(0, 6);
  rotateXor(6, 21, 0);
  add(4, 2);
  rotateXor(2, 17, 4);
  swap(4);
}

/**
 * The low 32 bits of SipHash-1-3 of the four little-endian bytes of `word`, both 64-bit key words being `key`.
 * @param key and word: 0..2^32-1
 */
export function hsiphash32(word: number, key: number): number {
  v.set([0x736f6d65, 0x70736575, 0x646f7261, 0x6e646f6d, 0x6c796765, 0x6e657261, 0x74656462, 0x79746573]);
  for (let i = 1; i < 8; i += 2) v[i] = v[i]! ^ key;
  // The only block: four bytes of input under their count in the top byte.
  v[6] = v[6]! ^ 0x04000000;
  v[7] = v[7]! ^ word;
  sipRound();
  v[0] = v[0]! ^ 0x04000000;
  v[1] = v[1]! ^ word;
  v[5] = v[5]! ^ 0xff;
  sipRound();
  sipRound();
  sipRound();
  return (v[1]! ^ v[3]! ^ v[5]! ^ v[7]!) >>> 0;
}
