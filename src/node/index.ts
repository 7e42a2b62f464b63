export * from './address-table.ts';
export * from './defects.ts';
export * from './fragment-map.ts';
export * from './identity.ts';
export * from './mac.ts';
export * from './neighbour-map.ts';
export * from './tables.ts';
export * from './token-bucket.ts';
