export * from './conntrack.ts';
export * from './kinds.ts';
export * from './tables.ts';
export * from './entry.ts';
export * from './options.ts';
export * from './packet.ts';
export * from './tuple.ts';
export * from './use-log.ts';
