declare module 'murmurhash3js-revisited' {
  const murmurHash3: {
    x64: { hash128(bytes: Uint8Array, seed?: number): string };
  };
  export default murmurHash3;
}
