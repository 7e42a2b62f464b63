/** BigInt one-liners: slow and plain, to compare the arithmetic on halves with. */

const U64 = (1n << 64n) - 1n;
const rotl = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (64n - bits))) & U64;

function fmix(x: bigint): bigint {
  x ^= x >> 33n;
  x = (x * 0xff51afd7ed558ccdn) & U64;
  x ^= x >> 33n;
  x = (x * 0xc4ceb9fe1a85ec53n) & U64;
  return x ^ (x >> 33n);
}

/** MurmurHash3 x64_128 as [h1, h2]. */
export function murmur3Oracle(bytes: Uint8Array, seed: number): [bigint, bigint] {
  const [c1, c2] = [0x87c37b91114253d5n, 0x4cf5ad432745937fn];
  const word = (at: number): bigint => {
    let value = 0n;
    for (let i = 7; i >= 0; i--) value = (value << 8n) | BigInt(bytes[at + i] ?? 0);
    return value;
  };
  const k1 = (k: bigint): bigint => (rotl((k * c1) & U64, 31n) * c2) & U64;
  const k2 = (k: bigint): bigint => (rotl((k * c2) & U64, 33n) * c1) & U64;
  let [h1, h2] = [BigInt(seed >>> 0), BigInt(seed >>> 0)];
  let at = 0;
  for (; at + 16 <= bytes.length; at += 16) {
    h1 = ((rotl(h1 ^ k1(word(at)), 27n) + h2) * 5n + 0x52dce729n) & U64;
    h2 = ((rotl(h2 ^ k2(word(at + 8)), 31n) + h1) * 5n + 0x38495ab5n) & U64;
  }
  h2 ^= k2(word(at + 8));
  h1 ^= k1(word(at));
  h1 ^= BigInt(bytes.length);
  h2 ^= BigInt(bytes.length);
  h1 = (h1 + h2) & U64;
  h2 = (h2 + h1) & U64;
  h1 = fmix(h1);
  h2 = fmix(h2);
  h1 = (h1 + h2) & U64;
  h2 = (h2 + h1) & U64;
  return [h1, h2];
}

const U32 = (1n << 32n) - 1n;
const rol = (x: bigint, bits: bigint): bigint => ((x << bits) | (x >> (32n - bits))) & U32;

/** lookup3's final mixing. */
export function jhashFinalOracle(a: bigint, b: bigint, c: bigint): bigint {
  const step = (x: bigint, y: bigint, bits: bigint): bigint => ((x ^ y) - rol(y, bits)) & U32;
  c = step(c, b, 14n);
  a = step(a, c, 11n);
  b = step(b, a, 25n);
  c = step(c, b, 16n);
  a = step(a, c, 4n);
  b = step(b, a, 14n);
  return step(c, b, 24n);
}

export function jhash3Oracle(a: number, b: number, c: number, initval: number): number {
  const iv = BigInt(initval >>> 0) + 0xdeadbeefn + 12n;
  const add = (x: number): bigint => (BigInt(x >>> 0) + iv) & U32;
  return Number(jhashFinalOracle(add(a), add(b), add(c)));
}
