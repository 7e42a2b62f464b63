export * from './entry.ts';
export * from './gc.ts';
export * from './masquerade.ts';
export * from './nat.ts';
export * from './packet.ts';
export * from './ports.ts';
export * from './rewrite.ts';
