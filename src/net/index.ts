export * from './address.ts';
export * from './cidr.ts';
export * from './endpoint.ts';
export * from './protocol.ts';
