export * from './jhash.ts';
export * from './murmur3.ts';
export * from './seed.ts';
export * from './lpm.ts';
export * from './table.ts';
export * from './tuple.ts';
export * from './siphash.ts';
export * from './xxh64.ts';
