export * from './call.ts';
export * from './options.ts';
export * from './reverse-map.ts';
export * from './socket-lb.ts';
export type { IdentitySource } from './wildcard.ts';
export * from './socket.ts';
